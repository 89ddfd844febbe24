//! What a conversation goes over: a socket into the container, or the streams of a command.

use crate::Error;
use std::io;

use futures::{SinkExt, StreamExt};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines, ReadHalf, WriteHalf,
};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// A probe does not say more than this in one line.
const LONGEST_ANSWER: usize = 64 << 20;

/// Lines, either way.
pub(super) enum LineWire<S> {
    Socket(
        Lines<BufReader<ReadHalf<UnixStream>>>,
        WriteHalf<UnixStream>,
    ),
    Command {
        socket: Box<WebSocketStream<S>>,
        /// What has come of the next lines.
        heard: Vec<u8>,
        /// What the command complained of, or the server of the command.
        complaint: String,
    },
}

impl<S: AsyncRead + AsyncWrite + Unpin> LineWire<S> {
    /// Over a socket of the host.
    ///
    /// # Errors
    /// When the kernel does not let it be waited for.
    pub(super) fn over_socket(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (reader, writer) = tokio::io::split(UnixStream::from_std(stream)?);
        Ok(Self::Socket(BufReader::new(reader).lines(), writer))
    }

    /// Over the streams of `probe converse`.
    pub(super) fn over_exec(socket: WebSocketStream<S>) -> Self {
        Self::Command {
            socket: Box::new(socket),
            heard: Vec::new(),
            complaint: String::new(),
        }
    }

    pub(super) async fn send_line(&mut self, line: &str) -> Result<(), Error> {
        match self {
            Self::Socket(_, writer) => writer
                .write_all(line.as_bytes())
                .await
                .map_err(|why| Error::io("cannot ask the probe", why)),
            Self::Command { socket, .. } => {
                let message: Vec<u8> = std::iter::once(0).chain(line.bytes()).collect();
                socket
                    .send(Message::Binary(Bytes::from(message)))
                    .await
                    .map_err(Error::lost_connection)
            }
        }
    }

    /// The next line. Nothing is lost when this is dropped before there is one.
    ///
    /// # Errors
    /// When there is none any more, and why.
    pub(super) async fn next_line(&mut self) -> Result<String, Error> {
        match self {
            Self::Socket(lines, _) => match lines.next_line().await {
                Ok(Some(line)) => Ok(line),
                Ok(None) => Err(Error::no_reply("the probe is gone")),
                Err(why) => Err(Error::io("cannot hear the probe", why)),
            },
            Self::Command {
                socket,
                heard,
                complaint,
            } => loop {
                if let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
                    let rest = heard.split_off(end + 1);
                    return Ok(
                        String::from_utf8_lossy(&std::mem::replace(heard, rest)).into_owned()
                    );
                }
                if heard.len() > LONGEST_ANSWER {
                    return Err(Error::unexpected("the probe says too much"));
                }
                match socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => take_frame(&bytes, heard, complaint),
                    None | Some(Ok(Message::Close(_))) => {
                        return Err(Error::no_reply(format!(
                            "the command ended: {}",
                            complaint.trim()
                        )));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(why)) => return Err(Error::lost_connection(why)),
                }
            },
        }
    }
}

/// Channels of `v5.channel.k8s.io`: 1 is output, 2 errors, 3 the end's status.
fn take_frame(message: &[u8], heard: &mut Vec<u8>, complaint: &mut String) {
    match message.split_first() {
        Some((1, bytes)) => heard.extend_from_slice(bytes),
        Some((2 | 3, bytes)) if complaint.len() < 2000 => {
            complaint.push_str(&String::from_utf8_lossy(bytes))
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[tokio::test]
    async fn lines_of_a_command_are_put_together() {
        let (ours, theirs) = tokio::io::duplex(4096);
        let mut server = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        let mut wire =
            LineWire::over_exec(WebSocketStream::from_raw_socket(ours, Role::Client, None).await);
        wire.send_line("asked\n").await.unwrap();
        assert_eq!(
            server.next().await.unwrap().unwrap(),
            Message::Binary(Bytes::from_static(b"\0asked\n"))
        );
        for message in [&b"\x01one\ntw"[..], b"\x02oh", b"", b"\x01o\n"] {
            server
                .send(Message::Binary(Bytes::copy_from_slice(message)))
                .await
                .unwrap();
        }
        assert_eq!(wire.next_line().await.unwrap(), "one\n");
        assert_eq!(wire.next_line().await.unwrap(), "two\n");
        server.close(None).await.unwrap();
        assert_eq!(
            wire.next_line().await.unwrap_err().to_string(),
            "the command ended: oh"
        );
    }
}
