//! One attempt at one target, from the name to the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::target::{Scheme, Target};
use super::{At, Fault, Reason};
use crate::dns::codec::Kind;
use crate::dns::resolve::{self, Config, unspecified};
use crate::tls;

/// What goes out over TCP, UDP and TLS; a line comes back.
pub(super) const GREETING: &[u8] = b"who is there\n";

const LONGEST_LINE: u64 = 4096;

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) end: Result<(), Fault>,
    /// What was learned on the way.
    facts: Map<String, Value>,
    took: Duration,
}

impl Outcome {
    /// One line of JSON.
    pub(super) fn line(&self, target: &Target) -> String {
        Value::Object(self.facts(target)).to_string()
    }

    /// The same, and whether it stays so.
    pub(super) fn lasting_line(&self, target: &Target, lasts: bool) -> String {
        let mut line = self.facts(target);
        line.insert("lasts".into(), lasts.into());
        Value::Object(line).to_string()
    }

    fn facts(&self, target: &Target) -> Map<String, Value> {
        let mut line = Map::new();
        line.insert("target".into(), target.text.as_str().into());
        line.insert("reached".into(), self.end.is_ok().into());
        if let Err(fault) = self.end {
            line.insert("at".into(), fault.at.word().into());
            line.insert("reason".into(), fault.reason.word().into());
        }
        line.extend(self.facts.clone());
        line.insert("ms".into(), json!(self.took.as_micros() as f64 / 1000.0));
        line
    }
}

/// Tries it once. `patience` is for each stage by itself.
pub(super) fn attempt(target: &Target, patience: Duration) -> Outcome {
    let start = Instant::now();
    let mut facts = Map::new();
    let end = match target.scheme {
        Scheme::Dns => ask_dns(target, patience, &mut facts),
        _ => address(target, patience, &mut facts)
            .and_then(|address| talk(target, address, patience, &mut facts)),
    };
    Outcome {
        end,
        facts,
        took: start.elapsed(),
    }
}

fn ask_dns(
    target: &Target,
    patience: Duration,
    facts: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let config = Config {
        over_tcp: target.tcp,
        kind: kind(target),
        ..Config::own()
    };
    let config = match target.server {
        Some(server) => Config {
            servers: vec![server],
            search: Vec::new(),
            ..config
        },
        None => config,
    };
    note_servers(&config, facts);
    let found = resolve::lookup(&target.host, &config, patience)?;
    let mut addresses: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
    addresses.sort();
    facts.insert("name".into(), found.name.into());
    facts.insert("addresses".into(), json!(addresses));
    note_server(found.server, facts);
    Ok(())
}

/// What is asked for of a name.
fn kind(target: &Target) -> Kind {
    if target.ipv6 { Kind::Aaaa } else { Kind::A }
}

fn note_servers(config: &Config, facts: &mut Map<String, Value>) {
    if let Some(server) = config.servers.first() {
        facts.insert("dns".into(), server.to_string().into());
    }
}

fn note_server(server: Option<(SocketAddr, bool)>, facts: &mut Map<String, Value>) {
    if let Some((server, over_tcp)) = server {
        facts.insert("dns".into(), server.to_string().into());
        facts.insert(
            "dns over".into(),
            if over_tcp { "tcp" } else { "udp" }.into(),
        );
    }
}

/// The first address of the target's host.
pub(super) fn address(
    target: &Target,
    patience: Duration,
    facts: &mut Map<String, Value>,
) -> Result<SocketAddr, Fault> {
    let config = Config {
        kind: kind(target),
        ..Config::own()
    };
    let found = resolve::addresses(&target.host, &config, patience)
        .inspect_err(|_| note_servers(&config, facts))?;
    note_server(found.server, facts);
    let first = found
        .addresses
        .first()
        .ok_or(Fault::new(At::Dns, Reason::NoAddress))?;
    let address = SocketAddr::new(*first, target.port);
    facts.insert("address".into(), address.to_string().into());
    Ok(address)
}

fn talk(
    target: &Target,
    to: SocketAddr,
    patience: Duration,
    facts: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let said = match target.scheme {
        Scheme::Udp => Some(datagram(to, patience)?),
        Scheme::Http => {
            let (status, body) = web(target, connect(to, patience)?)?;
            facts.insert("status".into(), status.into());
            Some(body)
        }
        Scheme::Tls => {
            let session = tls::connect(connect(to, patience)?, &target.host, &target.tls)?;
            if target.open {
                None
            } else {
                Some(greet(session)?)
            }
        }
        Scheme::Tcp | Scheme::Dns => {
            let stream = connect(to, patience)?;
            if target.open {
                None
            } else {
                Some(greet(stream)?)
            }
        }
    };
    said.map_or(Ok(()), |said| judge(target, &said, facts))
}

/// Keeps who answered, and says whether it was whom the target wants.
fn judge(target: &Target, said: &str, facts: &mut Map<String, Value>) -> Result<(), Fault> {
    let mut words = said.split_whitespace();
    if let (Some("probe"), Some(name), Some(seen_as), None) =
        (words.next(), words.next(), words.next(), words.next())
    {
        facts.insert("by".into(), name.into());
        facts.insert("seen as".into(), seen_as.into());
    }
    match &target.by {
        Some(wanted) if facts.get("by").is_none_or(|by| by != wanted) => {
            Err(Fault::new(At::Reply, Reason::OtherServer))
        }
        _ => Ok(()),
    }
}

pub(super) fn connect(to: SocketAddr, patience: Duration) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect_timeout(&to, patience).map_err(Fault::at(At::Connect))?;
    let ready = stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.set_write_timeout(Some(patience)));
    ready
        .and_then(|()| stream.set_nodelay(true))
        .map_err(Fault::at(At::Connect))?;
    Ok(stream)
}

/// Sends a line and gives the one that comes back.
pub(super) fn greet(mut stream: impl Read + Write) -> Result<String, Fault> {
    stream
        .write_all(GREETING)
        .and_then(|()| stream.flush())
        .map_err(Fault::at(At::Request))?;
    line(&mut BufReader::new(stream))
}

fn line(reader: &mut impl BufRead) -> Result<String, Fault> {
    let mut said = String::new();
    match reader.take(LONGEST_LINE).read_line(&mut said) {
        Ok(0) => Err(Fault::new(At::Reply, Reason::Closed)),
        Ok(_) => Ok(said),
        Err(fault) => Err(Fault::at(At::Reply)(fault)),
    }
}

/// Sends a datagram, three times at most, and gives what comes back.
fn datagram(to: SocketAddr, patience: Duration) -> Result<String, Fault> {
    let socket = UdpSocket::bind(unspecified(to)).map_err(Fault::at(At::Request))?;
    socket.connect(to).map_err(Fault::at(At::Request))?;
    let mut bytes = [0; 2048];
    for _ in 0..3 {
        socket
            .send(GREETING)
            .map_err(|fault| match Reason::of(&fault) {
                // What came back for an earlier datagram.
                Reason::Refused => Fault::new(At::Reply, Reason::Refused),
                reason => Fault::new(At::Request, reason),
            })?;
        let part = (patience / 3).max(Duration::from_millis(1));
        socket
            .set_read_timeout(Some(part))
            .map_err(Fault::at(At::Reply))?;
        match socket.recv(&mut bytes) {
            Ok(length) => return Ok(String::from_utf8_lossy(&bytes[..length]).into_owned()),
            Err(fault) if Reason::of(&fault) == Reason::TimedOut => {}
            Err(fault) => return Err(Fault::at(At::Reply)(fault)),
        }
    }
    Err(Fault::new(At::Reply, Reason::TimedOut))
}

/// The status and the body of an HTTP request; any status is an answer.
fn web(target: &Target, mut stream: TcpStream) -> Result<(u16, String), Fault> {
    let (host, port, path) = (&target.host, target.port, &target.path);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    )
    .map_err(Fault::at(At::Request))?;
    let mut reader = BufReader::new(stream);
    let first = line(&mut reader)?;
    let malformed = Fault::new(At::Reply, Reason::Malformed);
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
    let status: u16 = status.ok_or(malformed)?;
    while line(&mut reader)?.trim_end() != "" {}
    let mut body = Vec::new();
    reader
        .take(LONGEST_LINE)
        .read_to_end(&mut body)
        .map_err(Fault::at(At::Reply))?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
