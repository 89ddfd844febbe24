//! A connection to a manager on the event port: TCP with frames, or UDP.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use crate::{Error, frame};

/// How events are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportProtocol {
    /// On a connection.
    #[default]
    Tcp,
    /// In datagrams.
    Udp,
}

impl FromStr for TransportProtocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(Error::unknown_word(text, "a protocol", "tcp or udp")),
        }
    }
}

impl std::fmt::Display for TransportProtocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Tcp { "tcp" } else { "udp" })
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum AgentWire {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl AgentWire {
    /// Connects; without a timeout, for as long as the kernel tries.
    /// What is sent and not taken for `patience` ends it.
    pub(crate) fn connect(
        protocol: TransportProtocol,
        to: SocketAddr,
        timeout: Option<Duration>,
        patience: Duration,
    ) -> io::Result<Self> {
        match protocol {
            TransportProtocol::Tcp => {
                let stream = connect_tcp(to, timeout)?;
                stream.set_write_timeout(Some(patience))?;
                Ok(Self::Tcp(stream))
            }
            TransportProtocol::Udp => {
                let from: SocketAddr = if to.is_ipv4() {
                    ([0, 0, 0, 0], 0).into()
                } else {
                    ([0_u16; 8], 0).into()
                };
                let socket = UdpSocket::bind(from)?;
                socket.connect(to)?;
                Ok(Self::Udp(socket))
            }
        }
    }

    pub(crate) fn local(&self) -> String {
        let address = match self {
            Self::Tcp(stream) => stream.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        };
        address.map_or_else(|_| "unknown".into(), |address| address.ip().to_string())
    }

    pub(crate) fn clone_handle(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Udp(socket) => socket.try_clone().map(Self::Udp),
        }
    }

    /// How long the other end may stay silent.
    pub(crate) fn set_patience(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(time),
            Self::Udp(socket) => socket.set_read_timeout(time),
        }
    }

    pub(crate) fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        match self {
            Self::Tcp(stream) => frame::write_frame(stream, message),
            Self::Udp(socket) => socket
                .send(message)
                .map(drop)
                .map_err(Error::network("send a message")),
        }
    }

    /// The next message; `None` where the other end closed.
    pub(crate) fn receive(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Tcp(stream) => frame::read_frame(stream),
            Self::Udp(socket) => {
                let mut message = vec![0; frame::LONGEST_FRAME];
                let length = socket
                    .recv(&mut message)
                    .map_err(Error::network("read a message"))?;
                message.truncate(length);
                Ok(Some(message))
            }
        }
    }

    /// Ends the connection for all who hold it.
    pub(crate) fn close(&self) {
        match self {
            Self::Tcp(stream) => drop(stream.shutdown(Shutdown::Both)),
            // The reader gives up when its time-out expires.
            Self::Udp(socket) => drop(socket.set_read_timeout(Some(Duration::from_millis(1)))),
        }
    }
}

/// A TCP connection.
pub(crate) fn connect_tcp(to: SocketAddr, timeout: Option<Duration>) -> io::Result<TcpStream> {
    let stream = match timeout {
        Some(timeout) => TcpStream::connect_timeout(&to, timeout)?,
        None => TcpStream::connect(to)?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The system's answer in words that stay the same.
pub(crate) fn error_words(fault: &io::Error) -> String {
    match fault.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "Connection timed out".into(),
        io::ErrorKind::ConnectionRefused => "Connection refused".into(),
        io::ErrorKind::ConnectionReset => "Connection reset by peer".into(),
        io::ErrorKind::HostUnreachable => "No route to host".into(),
        io::ErrorKind::NetworkUnreachable => "Network is unreachable".into(),
        io::ErrorKind::BrokenPipe => "Broken pipe".into(),
        io::ErrorKind::UnexpectedEof => "Connection closed".into(),
        _ => fault.to_string(),
    }
}
