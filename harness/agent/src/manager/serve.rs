//! The event port: connections, each in a background thread, and datagrams.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{WazuhManager, lock_content};
use crate::{Error, frame};

/// How long an agent may leave an answer unread.
const ANSWER_READ_WITHIN: Duration = Duration::from_secs(10);

impl WazuhManager {
    pub(super) fn serve_tcp(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.is_told() {
                return;
            }
            let manager = Arc::clone(self);
            if let Ok(stream) = stream {
                thread::spawn(move || {
                    let on = manager.connections.fetch_add(1, Ordering::Relaxed);
                    if let Err(fault) = manager.serve_frames(stream, on) {
                        manager
                            .remoted
                            .debug(format!("a connection ended: {fault}"));
                    }
                    // In this order: a client that sees the connection end may come on another one.
                    manager.forget_connection(on);
                    lock_content(&manager.open).remove(&on);
                });
            }
        }
    }

    /// Takes frame after frame. The first that is not a message of an agent ends this connection,
    /// and no other.
    fn serve_frames(&self, mut stream: TcpStream, on: u64) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(ANSWER_READ_WITHIN))?;
        lock_content(&self.open).insert(on, stream.try_clone()?);
        let from = stream.peer_addr()?.ip();
        loop {
            let message = match frame::read_frame(&mut stream) {
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
            let reply = if message == frame::PING_FRAME {
                Some(frame::PONG_FRAME.to_vec())
            } else {
                self.take_message(&message, from, Some(on))
                    .map_err(io::Error::other)?
            };
            if let Some(reply) = reply {
                frame::write_frame(&mut stream, &reply).map_err(io::Error::other)?;
            }
        }
    }

    pub(super) fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = vec![0; frame::LONGEST_FRAME];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if self.stop.is_told() {
                return;
            }
            let message = &buffer[..length];
            let reply = if message == frame::PING_FRAME {
                Some(frame::PONG_FRAME.to_vec())
            } else {
                self.take_message(message, from.ip(), None)
                    .unwrap_or_default()
            };
            if let Some(reply) = reply {
                let _ = socket.send_to(&reply, from);
            }
        }
    }

    /// A connection is no longer there: the agent on it may come on another one.
    fn forget_connection(&self, on: u64) {
        for seen in lock_content(&self.seen)
            .values_mut()
            .filter(|seen| seen.on == Some(on))
        {
            seen.on = None;
        }
    }
}
