//! 200 for every request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::lines::told;
use crate::web::PATIENCE;

/// Answers one request.
pub(super) fn answer(stream: TcpStream, name: &str) {
    let body = told(name, stream.peer_addr().ok().map(|peer| peer.ip()));
    _ = reply(stream, &body);
}

fn reply(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
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
