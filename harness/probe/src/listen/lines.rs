//! A line for a line, for as long as the client stays.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream};

/// How much a client may send in one line.
const LONGEST_LINE: u64 = 4096;

/// Answers every line of a connection.
pub(super) fn answer_lines(stream: TcpStream, name: &str) {
    let line = read_line(&stream, name);
    _ = stream.set_nodelay(true);
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    while let Ok(true) = heard_line(&mut reader) {
        if writer.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Answers one line of a session over this connection.
pub(super) fn answer_over(stream: TcpStream, mut session: impl Read + Write, name: &str) {
    let line = read_line(&stream, name);
    if let Ok(true) = heard_line(&mut BufReader::new(&mut session)) {
        _ = session
            .write_all(line.as_bytes())
            .and_then(|()| session.flush());
    }
}

/// Whether a line came.
fn heard_line(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut line = Vec::new();
    reader.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    Ok(line.ends_with(b"\n"))
}

fn read_line(stream: &TcpStream, name: &str) -> String {
    stream.peer_addr().map_or_else(
        |_| answer_text(name, None),
        |peer| answer_text(name, Some(peer.ip())),
    )
}

/// What every server answers.
pub(super) fn answer_text(name: &str, peer: Option<IpAddr>) -> String {
    let peer = peer.map_or_else(
        || "unknown".to_owned(),
        |peer| peer.to_canonical().to_string(),
    );
    format!("probe {name} {peer}\n")
}
