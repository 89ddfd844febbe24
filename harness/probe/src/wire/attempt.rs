//! One attempt at one target, from the name to the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use probe_protocol::{
    AttemptFacts, AttemptStage, BlockedAttempt, DnsTransport, FaultReason, ProbeReport,
};

use super::target::{TargetScheme, WireTarget};
use super::{blocked_at, reason_of};
use crate::dns::codec::RecordKind;
use crate::dns::resolve::{self, ResolverConfig, unspecified_for};
use crate::tls;

/// What goes out over TCP, UDP and TLS; a line comes back.
pub(super) const PROBE_GREETING: &[u8] = b"who is there\n";

const LONGEST_LINE: u64 = 4096;

/// Tries it once. `patience` is for each stage by itself.
pub(super) fn attempt_once(target: &WireTarget, patience: Duration) -> ProbeReport {
    let start = Instant::now();
    let mut facts = AttemptFacts::default();
    let end = match target.scheme {
        TargetScheme::Dns => ask_dns(target, patience, &mut facts),
        TargetScheme::Tcp | TargetScheme::Udp | TargetScheme::Http | TargetScheme::Tls => {
            first_address(target, patience, &mut facts)
                .and_then(|address| talk_to(target, address, patience, &mut facts))
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

fn ask_dns(
    target: &WireTarget,
    patience: Duration,
    facts: &mut AttemptFacts,
) -> Result<(), BlockedAttempt> {
    let config = ResolverConfig {
        over_tcp: target.tcp,
        kind: record_kind(target),
        ..ResolverConfig::own_config()
    };
    let config = match target.server {
        Some(server) => ResolverConfig {
            servers: vec![server],
            search: Vec::new(),
            ..config
        },
        None => config,
    };
    note_servers(&config, facts);
    let found = resolve::look_up_name(&target.host, &config, patience)?;
    let mut addresses = found.addresses;
    addresses.sort();
    facts.name = Some(found.name);
    facts.addresses = addresses;
    note_server(found.server, facts);
    Ok(())
}

/// What is asked for of a name.
fn record_kind(target: &WireTarget) -> RecordKind {
    if target.ipv6 {
        RecordKind::Aaaa
    } else {
        RecordKind::A
    }
}

fn note_servers(config: &ResolverConfig, facts: &mut AttemptFacts) {
    facts.dns = config.servers.first().copied().or(facts.dns);
}

fn note_server(server: Option<(SocketAddr, bool)>, facts: &mut AttemptFacts) {
    if let Some((server, over_tcp)) = server {
        facts.dns = Some(server);
        facts.dns_over = Some(match over_tcp {
            true => DnsTransport::Tcp,
            false => DnsTransport::Udp,
        });
    }
}

/// The first address of the target's host.
pub(super) fn first_address(
    target: &WireTarget,
    patience: Duration,
    facts: &mut AttemptFacts,
) -> Result<SocketAddr, BlockedAttempt> {
    let config = ResolverConfig {
        kind: record_kind(target),
        ..ResolverConfig::own_config()
    };
    let found = resolve::host_addresses(&target.host, &config, patience)
        .inspect_err(|_| note_servers(&config, facts))?;
    note_server(found.server, facts);
    let first = found.addresses.first().ok_or(BlockedAttempt::new(
        AttemptStage::Dns,
        FaultReason::NoAddress,
    ))?;
    let address = SocketAddr::new(*first, target.port);
    facts.address = Some(address);
    Ok(address)
}

fn talk_to(
    target: &WireTarget,
    to: SocketAddr,
    patience: Duration,
    facts: &mut AttemptFacts,
) -> Result<(), BlockedAttempt> {
    let said = match target.scheme {
        TargetScheme::Udp => Some(datagram_exchange(to, patience)?),
        TargetScheme::Http => {
            let (status, body) = http_exchange(target, connect_stream(to, patience)?)?;
            facts.status = Some(status);
            Some(body)
        }
        TargetScheme::Tls => {
            let session =
                tls::connect_client(connect_stream(to, patience)?, &target.host, &target.tls)?;
            if target.open {
                None
            } else {
                Some(greet_server(session)?)
            }
        }
        TargetScheme::Tcp | TargetScheme::Dns => {
            let stream = connect_stream(to, patience)?;
            if target.open {
                None
            } else {
                Some(greet_server(stream)?)
            }
        }
    };
    said.map_or(Ok(()), |said| judge_peer(target, &said, facts))
}

/// Records which server answered, and whether it is the one that the target wants.
fn judge_peer(
    target: &WireTarget,
    said: &str,
    facts: &mut AttemptFacts,
) -> Result<(), BlockedAttempt> {
    let mut words = said.split_whitespace();
    if let (Some("probe"), Some(name), Some(seen_as), None) =
        (words.next(), words.next(), words.next(), words.next())
        && let Ok(seen_as) = seen_as.parse()
    {
        facts.by = Some(name.into());
        facts.seen_as = Some(seen_as);
    }
    match &target.by {
        Some(wanted) if facts.by.as_ref() != Some(wanted) => Err(BlockedAttempt::new(
            AttemptStage::Reply,
            FaultReason::OtherServer,
        )),
        _ => Ok(()),
    }
}

pub(super) fn connect_stream(
    to: SocketAddr,
    patience: Duration,
) -> Result<TcpStream, BlockedAttempt> {
    let stream =
        TcpStream::connect_timeout(&to, patience).map_err(blocked_at(AttemptStage::Connect))?;
    let ready = stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.set_write_timeout(Some(patience)));
    ready
        .and_then(|()| stream.set_nodelay(true))
        .map_err(blocked_at(AttemptStage::Connect))?;
    Ok(stream)
}

/// Sends a line and gives the one that comes back.
pub(super) fn greet_server(mut stream: impl Read + Write) -> Result<String, BlockedAttempt> {
    stream
        .write_all(PROBE_GREETING)
        .and_then(|()| stream.flush())
        .map_err(blocked_at(AttemptStage::Request))?;
    line_exchange(&mut BufReader::new(stream))
}

fn line_exchange(reader: &mut impl BufRead) -> Result<String, BlockedAttempt> {
    let mut said = String::new();
    match reader.take(LONGEST_LINE).read_line(&mut said) {
        Ok(0) => Err(BlockedAttempt::new(
            AttemptStage::Reply,
            FaultReason::Closed,
        )),
        Ok(_) => Ok(said),
        Err(fault) => Err(blocked_at(AttemptStage::Reply)(fault)),
    }
}

/// Sends a datagram, three times at most, and gives what comes back.
fn datagram_exchange(to: SocketAddr, patience: Duration) -> Result<String, BlockedAttempt> {
    let socket = UdpSocket::bind(unspecified_for(to)).map_err(blocked_at(AttemptStage::Request))?;
    socket
        .connect(to)
        .map_err(blocked_at(AttemptStage::Request))?;
    let mut bytes = [0; 2048];
    for _ in 0..3 {
        socket
            .send(PROBE_GREETING)
            .map_err(|fault| match reason_of(&fault) {
                // What came back for an earlier datagram.
                FaultReason::Refused => {
                    BlockedAttempt::new(AttemptStage::Reply, FaultReason::Refused)
                }
                reason => BlockedAttempt::new(AttemptStage::Request, reason),
            })?;
        let part = (patience / 3).max(Duration::from_millis(1));
        socket
            .set_read_timeout(Some(part))
            .map_err(blocked_at(AttemptStage::Reply))?;
        match socket.recv(&mut bytes) {
            Ok(length) => return Ok(String::from_utf8_lossy(&bytes[..length]).into_owned()),
            Err(fault) if reason_of(&fault) == FaultReason::TimedOut => {}
            Err(fault) => return Err(blocked_at(AttemptStage::Reply)(fault)),
        }
    }
    Err(BlockedAttempt::new(
        AttemptStage::Reply,
        FaultReason::TimedOut,
    ))
}

/// The status and the body of an HTTP request; any status is an answer.
fn http_exchange(
    target: &WireTarget,
    mut stream: TcpStream,
) -> Result<(u16, String), BlockedAttempt> {
    let (host, port, path) = (&target.host, target.port, &target.path);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    )
    .map_err(blocked_at(AttemptStage::Request))?;
    let mut reader = BufReader::new(stream);
    let first = line_exchange(&mut reader)?;
    let malformed = BlockedAttempt::new(AttemptStage::Reply, FaultReason::Malformed);
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
    let status: u16 = status.ok_or(malformed)?;
    while line_exchange(&mut reader)?.trim_end() != "" {}
    let mut body = Vec::new();
    reader
        .take(LONGEST_LINE)
        .read_to_end(&mut body)
        .map_err(blocked_at(AttemptStage::Reply))?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
