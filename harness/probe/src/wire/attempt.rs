//! One attempt at one target, from the name to the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use probe_protocol::{Blocked, Facts, ProbeReport, Reason, Stage, Transport};

use super::target::{Scheme, Target};
use super::{blocked_at, reason_of};
use crate::dns::codec::Kind;
use crate::dns::resolve::{self, Config, unspecified};
use crate::tls;

/// What goes out over TCP, UDP and TLS; a line comes back.
pub(super) const GREETING: &[u8] = b"who is there\n";

const LONGEST_LINE: u64 = 4096;

/// Tries it once. `patience` is for each stage by itself.
pub(super) fn attempt(target: &Target, patience: Duration) -> ProbeReport {
    let start = Instant::now();
    let mut facts = Facts::default();
    let end = match target.scheme {
        Scheme::Dns => ask_dns(target, patience, &mut facts),
        Scheme::Tcp | Scheme::Udp | Scheme::Http | Scheme::Tls => {
            address(target, patience, &mut facts)
                .and_then(|address| talk(target, address, patience, &mut facts))
        }
    };
    ProbeReport {
        target: target.text.clone(),
        end,
        facts,
        exchanges: None,
        lasts: None,
        ms: millis(start.elapsed()),
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

fn ask_dns(target: &Target, patience: Duration, facts: &mut Facts) -> Result<(), Blocked> {
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
    let mut addresses = found.addresses;
    addresses.sort();
    facts.name = Some(found.name);
    facts.addresses = addresses;
    note_server(found.server, facts);
    Ok(())
}

/// What is asked for of a name.
fn kind(target: &Target) -> Kind {
    if target.ipv6 { Kind::Aaaa } else { Kind::A }
}

fn note_servers(config: &Config, facts: &mut Facts) {
    facts.dns = config.servers.first().copied().or(facts.dns);
}

fn note_server(server: Option<(SocketAddr, bool)>, facts: &mut Facts) {
    if let Some((server, over_tcp)) = server {
        facts.dns = Some(server);
        facts.dns_over = Some(match over_tcp {
            true => Transport::Tcp,
            false => Transport::Udp,
        });
    }
}

/// The first address of the target's host.
pub(super) fn address(
    target: &Target,
    patience: Duration,
    facts: &mut Facts,
) -> Result<SocketAddr, Blocked> {
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
        .ok_or(Blocked::new(Stage::Dns, Reason::NoAddress))?;
    let address = SocketAddr::new(*first, target.port);
    facts.address = Some(address);
    Ok(address)
}

fn talk(
    target: &Target,
    to: SocketAddr,
    patience: Duration,
    facts: &mut Facts,
) -> Result<(), Blocked> {
    let said = match target.scheme {
        Scheme::Udp => Some(datagram(to, patience)?),
        Scheme::Http => {
            let (status, body) = web(target, connect(to, patience)?)?;
            facts.status = Some(status);
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
fn judge(target: &Target, said: &str, facts: &mut Facts) -> Result<(), Blocked> {
    let mut words = said.split_whitespace();
    if let (Some("probe"), Some(name), Some(seen_as), None) =
        (words.next(), words.next(), words.next(), words.next())
        && let Ok(seen_as) = seen_as.parse()
    {
        facts.by = Some(name.into());
        facts.seen_as = Some(seen_as);
    }
    match &target.by {
        Some(wanted) if facts.by.as_ref() != Some(wanted) => {
            Err(Blocked::new(Stage::Reply, Reason::OtherServer))
        }
        _ => Ok(()),
    }
}

pub(super) fn connect(to: SocketAddr, patience: Duration) -> Result<TcpStream, Blocked> {
    let stream = TcpStream::connect_timeout(&to, patience).map_err(blocked_at(Stage::Connect))?;
    let ready = stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.set_write_timeout(Some(patience)));
    ready
        .and_then(|()| stream.set_nodelay(true))
        .map_err(blocked_at(Stage::Connect))?;
    Ok(stream)
}

/// Sends a line and gives the one that comes back.
pub(super) fn greet(mut stream: impl Read + Write) -> Result<String, Blocked> {
    stream
        .write_all(GREETING)
        .and_then(|()| stream.flush())
        .map_err(blocked_at(Stage::Request))?;
    line(&mut BufReader::new(stream))
}

fn line(reader: &mut impl BufRead) -> Result<String, Blocked> {
    let mut said = String::new();
    match reader.take(LONGEST_LINE).read_line(&mut said) {
        Ok(0) => Err(Blocked::new(Stage::Reply, Reason::Closed)),
        Ok(_) => Ok(said),
        Err(fault) => Err(blocked_at(Stage::Reply)(fault)),
    }
}

/// Sends a datagram, three times at most, and gives what comes back.
fn datagram(to: SocketAddr, patience: Duration) -> Result<String, Blocked> {
    let socket = UdpSocket::bind(unspecified(to)).map_err(blocked_at(Stage::Request))?;
    socket.connect(to).map_err(blocked_at(Stage::Request))?;
    let mut bytes = [0; 2048];
    for _ in 0..3 {
        socket
            .send(GREETING)
            .map_err(|fault| match reason_of(&fault) {
                // What came back for an earlier datagram.
                Reason::Refused => Blocked::new(Stage::Reply, Reason::Refused),
                reason => Blocked::new(Stage::Request, reason),
            })?;
        let part = (patience / 3).max(Duration::from_millis(1));
        socket
            .set_read_timeout(Some(part))
            .map_err(blocked_at(Stage::Reply))?;
        match socket.recv(&mut bytes) {
            Ok(length) => return Ok(String::from_utf8_lossy(&bytes[..length]).into_owned()),
            Err(fault) if reason_of(&fault) == Reason::TimedOut => {}
            Err(fault) => return Err(blocked_at(Stage::Reply)(fault)),
        }
    }
    Err(Blocked::new(Stage::Reply, Reason::TimedOut))
}

/// The status and the body of an HTTP request; any status is an answer.
fn web(target: &Target, mut stream: TcpStream) -> Result<(u16, String), Blocked> {
    let (host, port, path) = (&target.host, target.port, &target.path);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    )
    .map_err(blocked_at(Stage::Request))?;
    let mut reader = BufReader::new(stream);
    let first = line(&mut reader)?;
    let malformed = Blocked::new(Stage::Reply, Reason::Malformed);
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
    let status: u16 = status.ok_or(malformed)?;
    while line(&mut reader)?.trim_end() != "" {}
    let mut body = Vec::new();
    reader
        .take(LONGEST_LINE)
        .read_to_end(&mut body)
        .map_err(blocked_at(Stage::Reply))?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
