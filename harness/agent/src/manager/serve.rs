//! The event port: connections, each in a thread of its own, and datagrams.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{Manager, held};
use crate::{Error, frame};

/// How long an agent may leave an answer unread.
const PATIENCE: Duration = Duration::from_secs(10);

impl Manager {
    pub(super) fn serve_tcp(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.is_told() {
                return;
            }
            let manager = Arc::clone(self);
            if let Ok(stream) = stream {
                thread::spawn(move || {
                    let on = manager.connections.fetch_add(1, Ordering::Relaxed);
                    if let Err(fault) = manager.converse(stream, on) {
                        manager
                            .remoted
                            .debug(format!("a connection ended: {fault}"));
                    }
                    // In this order: who sees the connection end may come on another one.
                    manager.forget(on);
                    held(&manager.open).remove(&on);
                });
            }
        }
    }

    /// Takes frame after frame. The first that is no message of an agent ends the connection, and this one only.
    fn converse(&self, mut stream: TcpStream, on: u64) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        held(&self.open).insert(on, stream.try_clone()?);
        let from = stream.peer_addr()?.ip();
        loop {
            let message = match frame::read(&mut stream) {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(fault) => {
                    if matches!(fault, Error::FrameLength { .. }) {
                        self.remoted
                            .warning("Corrupt payload (exceeding size) received.");
                    }
                    return Err(io::Error::other(fault));
                }
            };
            let reply = if message == frame::PING {
                Some(frame::PONG.to_vec())
            } else {
                self.take(&message, from, Some(on))
                    .map_err(io::Error::other)?
            };
            if let Some(reply) = reply {
                frame::write(&mut stream, &reply).map_err(io::Error::other)?;
            }
        }
    }

    pub(super) fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = vec![0; frame::LONGEST];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if self.stop.is_told() {
                return;
            }
            let message = &buffer[..length];
            let reply = if message == frame::PING {
                Some(frame::PONG.to_vec())
            } else {
                self.take(message, from.ip(), None).unwrap_or_default()
            };
            if let Some(reply) = reply {
                let _ = socket.send_to(&reply, from);
            }
        }
    }

    /// A connection is no longer there: the agent on it may come on another one.
    fn forget(&self, on: u64) {
        for seen in held(&self.seen)
            .values_mut()
            .filter(|seen| seen.on == Some(on))
        {
            seen.on = None;
        }
    }
}
