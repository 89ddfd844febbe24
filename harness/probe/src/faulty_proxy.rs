//! A front for a registry that spoils its answers: what is asked for under `/v2/FAULT/REPO` is
//! fetched from the registry's `/v2/REPO`, and comes back as FAULT says. So a broken registry is
//! one word in a reference, and the registry itself stays whole.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use probe_protocol::RegistryFault;

use crate::web::SILENT_AT_MOST;

/// The longest head of a request or an answer that is read.
const LONGEST_HEAD: u64 = 64 << 10;

/// The status that is answered instead of asking the registry, with its error code of the
/// distribution specification.
fn status(fault: RegistryFault) -> Option<(&'static str, &'static str)> {
    match fault {
        RegistryFault::None | RegistryFault::Truncate => None,
        RegistryFault::Answer401 => Some(("401 Unauthorized", "UNAUTHORIZED")),
        RegistryFault::Answer404 => Some(("404 Not Found", "MANIFEST_UNKNOWN")),
        RegistryFault::Answer429 => Some(("429 Too Many Requests", "TOOMANYREQUESTS")),
        RegistryFault::Answer500 => Some(("500 Internal Server Error", "UNKNOWN")),
    }
}

/// Passes requests on to `upstream`, one a connection, until the process ends.
pub(crate) fn serve_front(listener: &TcpListener, upstream: &str) {
    for client in listener.incoming().flatten() {
        let upstream = upstream.to_owned();
        let served = thread::Builder::new().spawn(move || reply_to(client, &upstream));
        if let Err(why) = served {
            eprintln!("probe: failed to serve a request: {why}");
        }
    }
}

fn reply_to(mut client: TcpStream, upstream: &str) -> io::Result<()> {
    client.set_read_timeout(Some(SILENT_AT_MOST))?;
    client.set_write_timeout(Some(SILENT_AT_MOST))?;
    let mut reader = BufReader::new(client.try_clone()?);
    if !reader
        .fill_buf()?
        .first()
        .is_some_and(u8::is_ascii_uppercase)
    {
        // Registry clients try TLS first: told at once that there is none, they need not wait.
        return say_status(&mut client, "GET", "400 Bad Request", "UNSUPPORTED");
    }
    let asked = MessageHead::read(&mut reader)?;
    let mut body = reader.take(asked.length().unwrap_or(0));
    let mut words = asked.first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return say_status(&mut client, "GET", "400 Bad Request", "UNSUPPORTED");
    };
    let Some((fault, path)) = read_route(target) else {
        return say_status(&mut client, method, "400 Bad Request", "UNSUPPORTED");
    };
    if let Some((status, code)) = status(fault) {
        io::copy(&mut body, &mut io::sink())?;
        return say_status(&mut client, method, status, code);
    }
    match ask_registry(&asked, method, &path, &mut body, upstream) {
        Ok((head, answer)) => pass_body(&mut client, fault, &path, &head, answer),
        Err(_) => say_status(&mut client, method, "502 Bad Gateway", "UNAVAILABLE"),
    }
}

/// What a path asks for: the fault in it and the path at the registry.
fn read_route(target: &str) -> Option<(RegistryFault, String)> {
    let rest = target.strip_prefix("/v2")?;
    if rest.is_empty() || rest == "/" {
        return Some((RegistryFault::None, target.to_owned()));
    }
    let (word, path) = rest.strip_prefix('/')?.split_once('/')?;
    let fault = RegistryFault::of_word(word)?;
    Some((fault, format!("/v2/{path}")))
}

/// Asks the registry in HTTP/1.0: the answer then comes in one piece and ends with the connection.
fn ask_registry(
    asked: &MessageHead,
    method: &str,
    path: &str,
    body: &mut impl Read,
    upstream: &str,
) -> io::Result<(MessageHead, BufReader<TcpStream>)> {
    let mut registry = TcpStream::connect(upstream)?;
    registry.set_read_timeout(Some(SILENT_AT_MOST))?;
    registry.set_write_timeout(Some(SILENT_AT_MOST))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {upstream}\r\n");
    asked.write_fields(&mut head, &["host", "connection"]);
    registry.write_all(head.as_bytes())?;
    io::copy(body, &mut registry)?;
    let mut reader = BufReader::new(registry);
    Ok((MessageHead::read(&mut reader)?, reader))
}

fn pass_body(
    client: &mut TcpStream,
    fault: RegistryFault,
    path: &str,
    head: &MessageHead,
    mut body: impl Read,
) -> io::Result<()> {
    let status = head
        .first
        .split_once(' ')
        .map_or("502 Bad Gateway", |(_, status)| status);
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    head.write_fields(&mut text, &["connection"]);
    client.write_all(text.as_bytes())?;
    let content = path.contains("/blobs/") || path.contains("/manifests/");
    let sent = match (fault, head.length()) {
        (RegistryFault::Truncate, length) if content => {
            io::copy(&mut body.take(length.unwrap_or(0) / 2), client)
        }
        _ => io::copy(&mut body, client),
    };
    sent.map(drop)
}

fn say_status(client: &mut TcpStream, method: &str, status: &str, code: &str) -> io::Result<()> {
    let text =
        format!(r#"{{"errors":[{{"code":"{code}","message":"the front answers {status}"}}]}}"#);
    let length = text.len();
    let body = if method == "HEAD" { "" } else { &text };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// The first line and the fields of a request or an answer.
struct MessageHead {
    first: String,
    fields: Vec<(String, String)>,
}

impl MessageHead {
    fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut lines = reader.take(LONGEST_HEAD).lines();
        let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let mut fields = Vec::new();
        for line in lines {
            let line = line?;
            if line.is_empty() {
                return Ok(Self { first, fields });
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn length(&self) -> Option<u64> {
        self.fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?
            .1
            .parse()
            .ok()
    }

    /// All fields but those, and the empty line that ends a head.
    fn write_fields(&self, text: &mut String, without: &[&str]) {
        for (name, value) in &self.fields {
            if !without.iter().any(|other| name.eq_ignore_ascii_case(other)) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "0123456789";

    /// A registry that answers one request with what it was asked for and ten bytes.
    fn registry() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let asked = MessageHead::read(&mut BufReader::new(stream.try_clone().unwrap()))
                .unwrap()
                .first;
            let body = if asked.starts_with("HEAD") { "" } else { BODY };
            let length = BODY.len();
            write!(
                stream,
                "HTTP/1.0 200 OK\r\nAsked: {asked}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        });
        address
    }

    /// The front's whole answer to these bytes.
    fn answer(upstream: &str, request: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(request).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        _ = reply_to(listener.accept().unwrap().0, upstream);
        let mut answer = String::new();
        _ = client.read_to_string(&mut answer);
        answer
    }

    fn get(path: &str) -> String {
        answer(
            &registry(),
            format!("GET {path} HTTP/1.1\r\nHost: front\r\n\r\n").as_bytes(),
        )
    }

    #[test]
    fn without_a_fault_an_answer_passes_whole() {
        for (path, at_registry) in [
            ("/v2/", "/v2/"),
            ("/v2/none/a/b/manifests/v1", "/v2/a/b/manifests/v1"),
        ] {
            let answer = get(path);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(
                answer.contains(&format!("Asked: GET {at_registry} HTTP/1.0\r\n")),
                "{answer}"
            );
            assert!(answer.ends_with(&format!("\r\n\r\n{BODY}")), "{answer}");
        }
    }

    #[test]
    fn a_truncated_blob_keeps_its_length_and_loses_its_end() {
        for path in [
            "/v2/truncate/a/blobs/sha256:0",
            "/v2/truncate/a/manifests/v1",
        ] {
            let answer = get(path);
            assert!(answer.contains("Content-Length: 10\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n01234"), "{answer}");
        }
        assert!(get("/v2/truncate/a/tags/list").ends_with(BODY));
    }

    #[test]
    fn a_status_comes_without_asking_the_registry() {
        for (word, status) in [
            ("answer-401", "401 "),
            ("answer-404", "404 "),
            ("answer-429", "429 "),
            ("answer-500", "500 "),
        ] {
            let request = format!("GET /v2/{word}/a/manifests/v1 HTTP/1.1\r\n\r\n");
            let answer = answer("127.0.0.1:1", request.as_bytes());
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            assert!(answer.ends_with("}]}"), "{answer}");
        }
    }

    #[test]
    fn head_has_no_body() {
        for path in ["/v2/none/a/manifests/v1", "/v2/answer-404/a/manifests/v1"] {
            let answer = answer(
                &registry(),
                format!("HEAD {path} HTTP/1.1\r\n\r\n").as_bytes(),
            );
            assert!(answer.contains("Content-Length: "), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        }
    }

    #[test]
    fn an_unknown_fault_is_refused() {
        for path in [
            "/v2/nonsense/a/manifests/v1",
            "/v2/a",
            "/v1/none/a/manifests/v1",
        ] {
            assert!(get(path).starts_with("HTTP/1.1 400 "), "{path}");
        }
    }

    #[test]
    fn a_registry_that_is_gone_is_a_bad_gateway() {
        let answer = answer("127.0.0.1:1", b"GET /v2/ HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }

    #[test]
    fn what_is_no_request_gets_no_answer_from_the_registry() {
        for bytes in [
            &b""[..],
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nfield\r\n\r\n",
            b"\x16\x03\x01\x02",
        ] {
            let answer = answer("127.0.0.1:1", bytes);
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
                "{answer}"
            );
        }
    }
}
