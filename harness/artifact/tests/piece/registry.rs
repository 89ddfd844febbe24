//! A registry in memory: what the distribution specification asks of one, as far as a client of
//! ours asks for it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use artifact::{OciRegistry, digest};

type Things = Arc<Mutex<HashMap<String, (String, Vec<u8>)>>>;

/// Starts one, which ends with the test.
pub(crate) fn start() -> OciRegistry {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let things = Things::default();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(&stream.unwrap(), &things);
        }
    });
    OciRegistry::plain_http(&address)
}

/// Answers one request.
fn serve(mut stream: &TcpStream, things: &Things) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split(' ');
    let (method, path) = (
        words.next().unwrap().to_owned(),
        words.next().unwrap().to_owned(),
    );
    let (mut length, mut kind) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "content-type" => value.clone_into(&mut kind),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, more, body) = answer(&method, &path, kind, body, things);
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    if method != "HEAD" {
        stream.write_all(&body).unwrap();
    }
}

fn answer(
    method: &str,
    path: &str,
    kind: String,
    body: Vec<u8>,
    things: &Things,
) -> (&'static str, String, Vec<u8>) {
    let mut things = things.lock().unwrap();
    let (place, query) = path.split_once('?').unwrap_or((path, ""));
    let folder = place.rsplit_once('/').unwrap().0.to_owned();
    match method {
        "POST" if query.starts_with("mount=") => {
            let (name, from) = query["mount=".len()..].split_once("&from=").unwrap();
            let found = things.get(&format!("/v2/{from}/blobs/{name}")).cloned();
            let there = found.map(|thing| things.insert(place.replace("uploads/", name), thing));
            (
                if there.is_some() {
                    "201 Created"
                } else {
                    "202 Accepted"
                },
                String::new(),
                Vec::new(),
            )
        }
        "POST" => (
            "202 Accepted",
            format!("location: {place}one\r\n"),
            Vec::new(),
        ),
        "PUT" if folder.ends_with("/blobs/uploads") => {
            let name = query.strip_prefix("digest=").unwrap();
            assert_eq!(name, digest(&body));
            things.insert(folder.replace("uploads", name), (kind, body));
            ("201 Created", String::new(), Vec::new())
        }
        "PUT" => {
            things.insert(
                format!("{folder}/{}", digest(&body)),
                (kind.clone(), body.clone()),
            );
            things.insert(place.to_owned(), (kind, body));
            ("201 Created", String::new(), Vec::new())
        }
        _ => match things.get(place) {
            Some((kind, body)) => ("200 OK", format!("content-type: {kind}\r\n"), body.clone()),
            None => ("404 Not Found", String::new(), Vec::new()),
        },
    }
}
