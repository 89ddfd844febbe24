//! The smallest web server and client that a probe needs: one request a connection, numbers for
//! addresses or a name from the container's hosts file.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use nix::sys::socket::Backlog;

/// How long a peer may stay silent.
pub(crate) const SILENT_AT_MOST: Duration = Duration::from_secs(5);

/// How many connections may wait to be taken.
const ACCEPT_QUEUE: i32 = 4096;

pub(crate) fn listen_on(port: u16) -> Result<TcpListener, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("failed to listen on port {port}: {why}");
    let bound = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)));
    let listener = bound.map_err(|why| wrong(&why))?;
    // The library asks for room for 128; hundreds that knock at once would run into their
    // time-outs.
    let room = Backlog::new(ACCEPT_QUEUE).map_err(|why| wrong(&why))?;
    nix::sys::socket::listen(&listener, room).map_err(|why| wrong(&why))?;
    Ok(listener)
}

pub(crate) fn parse_port(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
}

/// Answers each connection with 200 and the name of this host, until the process ends.
pub(crate) fn serve_name(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || write_reply(stream));
    }
}

fn write_reply(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENT_AT_MOST))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.by_ref().take(8192).read_line(&mut line)? > 2 {
        line.clear();
    }
    let body = format!(
        "{}\n",
        std::fs::read_to_string("/etc/hostname")
            .unwrap_or_default()
            .trim()
    );
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Fetches `HOST:PORT/PATH` over plain HTTP and returns the body; any status but 200 is a fault.
pub(crate) fn fetch_url(target: &str) -> Result<Vec<u8>, String> {
    let (host, path) = target.split_once('/').unwrap_or((target, ""));
    let addresses: Vec<_> = host
        .to_socket_addrs()
        .map_err(|why| format!("no address for `{host}`: {why}"))?
        .collect();
    let mut last = format!("no address for `{host}`");
    for address in addresses {
        match TcpStream::connect_timeout(&address, SILENT_AT_MOST) {
            Ok(stream) => {
                return ask_server(stream, host, path)
                    .map_err(|why| format!("`{target}` gave no answer: {why}"));
            }
            Err(why) => last = format!("failed to connect to `{host}`: {why}"),
        }
    }
    Err(last)
}

fn ask_server(mut stream: TcpStream, host: &str, path: &str) -> Result<Vec<u8>, String> {
    stream
        .set_read_timeout(Some(SILENT_AT_MOST))
        .map_err(|why| why.to_string())?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .map_err(|why| why.to_string())?;
    let mut answer = Vec::new();
    stream
        .take(1 << 20)
        .read_to_end(&mut answer)
        .map_err(|why| why.to_string())?;
    read_body(&answer)
}

fn read_body(answer: &[u8]) -> Result<Vec<u8>, String> {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or("not an HTTP answer")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        Ok(answer[end + 4..].to_vec())
    } else {
        Err(status.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_can_be_fetched() {
        let listener = listen_on(0).unwrap();
        let port = parse_port(&listener);
        thread::spawn(move || serve_name(&listener));
        assert!(
            fetch_url(&format!("127.0.0.1:{port}/any"))
                .unwrap()
                .ends_with(b"\n")
        );
    }

    #[test]
    fn only_200_is_an_answer() {
        assert_eq!(read_body(b"HTTP/1.1 200 OK\r\n\r\nhi"), Ok(b"hi".to_vec()));
        assert_eq!(
            read_body(b"HTTP/1.1 503 Busy\r\n\r\nhi"),
            Err("HTTP/1.1 503 Busy".to_owned())
        );
        assert!(read_body(b"SSH-2.0").is_err());
    }

    #[test]
    fn nobody_listening_is_a_fault() {
        let free = parse_port(&listen_on(0).unwrap());
        assert!(fetch_url(&format!("127.0.0.1:{free}/")).is_err());
    }
}
