//! From a name to addresses, as a C library does it: by `/etc/hosts`, then by the servers, search
//! domains and `ndots` of `/etc/resolv.conf`. No EDNS, so that an answer over 512 bytes has to be
//! fetched over TCP.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use probe_protocol::{AttemptStage, BlockedAttempt, FaultReason};

use super::codec::{self, DnsMessage, LONGEST_MESSAGE, RecordKind};
use crate::wire::reason_of;

/// The name servers, and how to ask them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolverConfig {
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) search: Vec<String>,
    pub(crate) ndots: usize,
    /// Ask over TCP from the beginning.
    pub(crate) over_tcp: bool,
    /// The addresses that are asked for: those of IPv4 or those of IPv6.
    pub(crate) kind: RecordKind,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolvedName {
    pub(crate) addresses: Vec<IpAddr>,
    /// The whole name, with the search domain that had it.
    pub(crate) name: String,
    /// The server that said so, and whether over TCP; empty where no server was asked.
    pub(crate) server: Option<(SocketAddr, bool)>,
}

impl ResolverConfig {
    /// Reads `resolv.conf`; what is not understood is passed over.
    pub(crate) fn read(text: &str) -> Self {
        let mut config = Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            over_tcp: false,
            kind: RecordKind::A,
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    config
                        .servers
                        .extend(words.next().and_then(|word| word.parse().ok()).map(port_53));
                }
                Some("search") => {
                    config.search = words
                        .map(|word| word.trim_end_matches('.').to_owned())
                        .collect()
                }
                Some("options") => {
                    let ndots = words
                        .filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok())
                        .next_back();
                    config.ndots = ndots.unwrap_or(config.ndots).min(15);
                }
                _ => {}
            }
        }
        config
    }

    /// This container's own.
    pub(crate) fn own_config() -> Self {
        Self::read(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    /// The whole names to ask for, in order.
    fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(whole) = name.strip_suffix('.') {
            return vec![whole.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let as_is = || std::iter::once(name.to_owned());
        if name.matches('.').count() >= self.ndots {
            as_is().chain(searched).collect()
        } else {
            searched.chain(as_is()).collect()
        }
    }
}

fn port_53(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, 53)
}

/// The addresses of `host`, which may be one itself.
pub(crate) fn host_addresses(
    host: &str,
    config: &ResolverConfig,
    patience: Duration,
) -> Result<ResolvedName, BlockedAttempt> {
    let found = |addresses| ResolvedName {
        addresses,
        name: host.to_owned(),
        server: None,
    };
    if let Ok(address) = host.parse() {
        return Ok(found(vec![address]));
    }
    let mut hosts = in_hosts(
        &std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
        host,
    );
    hosts.retain(|address| address.is_ipv6() == (config.kind == RecordKind::Aaaa));
    if hosts.is_empty() {
        look_up_name(host, config, patience)
    } else {
        Ok(found(hosts))
    }
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let named = lines.filter(|line| {
        line.split_whitespace()
            .skip(1)
            .any(|name| name.eq_ignore_ascii_case(host))
    });
    named
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

/// Asks the servers for `name`, in each search domain: the first that has it counts. A server that
/// does not answer ends it: it would not answer for the next domain either.
pub(crate) fn look_up_name(
    name: &str,
    config: &ResolverConfig,
    patience: Duration,
) -> Result<ResolvedName, BlockedAttempt> {
    let mut last = FaultReason::NotAsked;
    for name in config.candidates(name) {
        match ask_all(&name, config, patience) {
            Ok((message, server, over_tcp)) => match message.code {
                0 if !message.addresses.is_empty() => {
                    return Ok(ResolvedName {
                        addresses: message.addresses,
                        name,
                        server: Some((server, over_tcp)),
                    });
                }
                0 => last = FaultReason::NoAddress,
                3 if last != FaultReason::NoAddress => last = FaultReason::NoSuchName,
                3 => {}
                5 => return Err(BlockedAttempt::new(AttemptStage::Dns, FaultReason::Refused)),
                _ => {
                    return Err(BlockedAttempt::new(
                        AttemptStage::Dns,
                        FaultReason::ServerFailure,
                    ));
                }
            },
            Err(reason) => return Err(BlockedAttempt::new(AttemptStage::Dns, reason)),
        }
    }
    Err(BlockedAttempt::new(AttemptStage::Dns, last))
}

fn ask_all(
    name: &str,
    config: &ResolverConfig,
    patience: Duration,
) -> Result<(DnsMessage, SocketAddr, bool), FaultReason> {
    let mut last = FaultReason::NotAsked;
    for server in &config.servers {
        match ask_server(name, *server, config, patience) {
            Ok((message, over_tcp)) => return Ok((message, *server, over_tcp)),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

/// Asks one server; over TCP too, where its answer does not fit into UDP.
fn ask_server(
    name: &str,
    server: SocketAddr,
    config: &ResolverConfig,
    patience: Duration,
) -> Result<(DnsMessage, bool), FaultReason> {
    let id = u16::try_from(RandomState::new().build_hasher().finish() & 0xffff).unwrap_or_default();
    let query = codec::encode_query(id, name, config.kind).ok_or(FaultReason::NotAsked)?;
    let dns_reason = |fault: io::Error| match reason_of(&fault) {
        FaultReason::TimedOut => FaultReason::NoAnswer,
        reason => reason,
    };
    if !config.over_tcp {
        let message = by_udp(&query, name, server, patience).map_err(dns_reason)?;
        if !message.is_truncated {
            return Ok((message, false));
        }
    }
    by_tcp(&query, name, server, patience)
        .map(|message| (message, true))
        .map_err(dns_reason)
}

fn by_udp(
    query: &[u8],
    name: &str,
    server: SocketAddr,
    patience: Duration,
) -> io::Result<DnsMessage> {
    let socket = UdpSocket::bind(unspecified_for(server))?;
    socket.connect(server)?;
    let mut bytes = [0; LONGEST_MESSAGE];
    let start = Instant::now();
    for part in 1..=2 {
        socket.send(query)?;
        while let Some(left) = (patience * part / 2)
            .checked_sub(start.elapsed())
            .filter(|left| !left.is_zero())
        {
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut bytes) {
                Ok(length) => {
                    if let Some(message) = fitting_answer(&bytes[..length], query, name) {
                        return Ok(message);
                    }
                }
                Err(fault) if reason_of(&fault) == FaultReason::TimedOut => {}
                Err(fault) => return Err(fault),
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn by_tcp(
    query: &[u8],
    name: &str,
    server: SocketAddr,
    patience: Duration,
) -> io::Result<DnsMessage> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes)?;
    fitting_answer(&bytes, query, name).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The answer in `bytes`, if it is one to this query.
fn fitting_answer(bytes: &[u8], query: &[u8], name: &str) -> Option<DnsMessage> {
    let message = codec::read_message(bytes)?;
    let asked = message
        .question
        .as_ref()
        .is_some_and(|(asked, _)| asked.eq_ignore_ascii_case(name));
    (message.is_answer && asked && bytes.get(..2) == query.get(..2)).then_some(message)
}

/// Where a socket is bound that talks to `peer`.
pub(crate) fn unspecified_for(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POD: &str = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";

    #[test]
    fn the_kubelets_file_is_understood() {
        let config = ResolverConfig::read(POD);
        assert_eq!(config.servers, ["10.96.0.10:53".parse().unwrap()]);
        assert_eq!(config.ndots, 5);
        assert_eq!(
            config.candidates("db")[..2],
            ["db.shop.svc.cluster.local", "db.svc.cluster.local"]
        );
        assert_eq!(config.candidates("db").last().unwrap(), "db");
        assert_eq!(config.candidates("a.b.c.d.e.f")[0], "a.b.c.d.e.f");
        assert_eq!(config.candidates("example.test."), ["example.test"]);
    }

    #[test]
    fn hosts_come_first() {
        let text = "127.0.0.1 localhost # db\n10.0.0.9\tdb.local db\n";
        assert_eq!(in_hosts(text, "DB"), [IpAddr::from([10, 0, 0, 9])]);
        assert_eq!(in_hosts(text, "d"), Vec::<IpAddr>::new());
    }

    #[test]
    fn without_a_server_nobody_is_asked() {
        let config = ResolverConfig::read("");
        let fault = look_up_name("db", &config, Duration::from_millis(10)).unwrap_err();
        assert_eq!(
            (fault.at, fault.reason),
            (AttemptStage::Dns, FaultReason::NotAsked)
        );
    }

    #[test]
    fn a_silent_server_is_no_answer_and_a_closed_port_is_refused() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut config = ResolverConfig {
            servers: vec![silent.local_addr().unwrap()],
            ..ResolverConfig::read(POD)
        };
        let patience = Duration::from_millis(40);
        assert_eq!(
            look_up_name("db", &config, patience).unwrap_err().reason,
            FaultReason::NoAnswer
        );
        drop(silent);
        assert_eq!(
            look_up_name("db", &config, patience).unwrap_err().reason,
            FaultReason::Refused
        );
        config.over_tcp = true;
        assert_eq!(
            look_up_name("db", &config, patience).unwrap_err().reason,
            FaultReason::Refused
        );
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "\\PC*", name in "\\PC{0,300}") {
            let config = ResolverConfig { servers: Vec::new(), ..ResolverConfig::read(&text) };
            let _ = config.candidates(&name);
            let _ = in_hosts(&text, &name);
            let _ = look_up_name(&name, &config, Duration::ZERO);
        }
    }
}
