//! The components' gate to the API server: it takes their connections from the beginning, and lets
//! them through once the API server can be used. A component that is turned away waits up to a
//! second or more before it tries again; one that waits at the gate goes on at once. What "can be
//! used" means is not the same for all: there are two gates.
//!
//! Each node has the gate in its own network and goes on from there, so that the API server sees the
//! node's address, and its audit log says which node a request came from.

use crate::node::BoxNode;
use crate::places::API_PORT;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Shut until it is opened.
#[derive(Clone, Default)]
pub(super) struct ApiGate {
    state: Arc<(Mutex<bool>, Condvar)>,
}

impl ApiGate {
    /// Begins to take connections at an address of this thread's network, and carries them on from
    /// there.
    pub(super) fn listen_at(&self, at: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind(at)?;
        let gate = self.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = gate.clone();
                thread::spawn(move || {
                    gate.wait_open();
                    let _ = carry_both(client, (BoxNode::FIRST.address(), API_PORT).into());
                });
            }
        });
        Ok(())
    }

    /// Opens or shuts it; connections that have passed it stay.
    pub(super) fn set_open(&self, is_open: bool) {
        let (open, opened) = &*self.state;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = is_open;
        opened.notify_all();
    }

    fn wait_open(&self) {
        let (open, opened) = &*self.state;
        let shut = open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            opened
                .wait_while(shut, |open| !*open)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Carries bytes both ways until both sides have ended.
fn carry_both(client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || carry_bytes(&from_client, &to_server));
    carry_bytes(&server, &client);
    let _ = up.join();
    Ok(())
}

fn carry_bytes(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Read);
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn bytes_pass_both_ways_and_ends_are_passed_on() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let behind = server.local_addr().unwrap();
        let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = front.local_addr().unwrap();
        let carrier = thread::spawn(move || carry_both(front.accept().unwrap().0, behind).unwrap());
        let answering = thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut asked = String::new();
            stream.read_to_string(&mut asked).unwrap();
            stream.write_all(asked.to_uppercase().as_bytes()).unwrap();
        });
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "HELLO");
        answering.join().unwrap();
        carrier.join().unwrap();
    }
}
