//! 200 for every request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::lines::answer_text;
use crate::web::SILENT_AT_MOST;

/// Answers one request.
pub(super) fn answer_request(stream: TcpStream, name: &str) {
    let body = answer_text(name, stream.peer_addr().ok().map(|peer| peer.ip()));
    _ = write_reply(stream, &body);
}

fn write_reply(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENT_AT_MOST))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.by_ref().take(8192).read_line(&mut line)? > 2 {
        line.clear();
    }
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
