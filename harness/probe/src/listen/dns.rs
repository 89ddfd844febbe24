//! A name server with the names of its arguments, over UDP and TCP. It prints each name that it is
//! asked for: what is carried out of a network in names arrives here.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;

use super::spec::NameZone;
use super::{serve_streams, udp};
use crate::dns::codec::{self, LONGEST_MESSAGE, LONGEST_OVER_UDP, RecordKind};
use crate::web::SILENT_AT_MOST;

/// Serves `zone` at `port`; over TCP at the same, which is why a port of 0 is looked for over UDP
/// first.
pub(super) fn serve_zone(port: u16, zone: NameZone) -> Result<u16, String> {
    let zone = Arc::new(zone);
    let names = Arc::clone(&zone);
    let port = udp::answer_all(port, move |peer, query| {
        answer_query(&names, peer, query, LONGEST_OVER_UDP)
    })?;
    serve_streams(port, move |stream| _ = over_tcp(stream, &zone))
}

fn over_tcp(mut stream: TcpStream, zone: &NameZone) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENT_AT_MOST))?;
    let peer = stream.peer_addr()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query)?;
    let Some(reply) = answer_query(zone, peer, &query, LONGEST_MESSAGE) else {
        return Ok(());
    };
    let length = u16::try_from(reply.len()).map_err(|_| std::io::ErrorKind::InvalidData)?;
    stream.write_all(&[&length.to_be_bytes(), reply.as_slice()].concat())
}

fn answer_query(
    zone: &NameZone,
    peer: SocketAddr,
    query: &[u8],
    longest: usize,
) -> Option<Vec<u8>> {
    let asked = codec::read_message(query).filter(|message| !message.is_answer)?;
    let (name, kind) = asked.question.as_ref()?;
    println!("asked for {name} by {}", peer.ip().to_canonical());
    let of = |wanted: &str| -> Vec<Ipv4Addr> {
        zone.names
            .iter()
            .filter(|(name, _)| name == wanted)
            .map(|(_, address)| *address)
            .collect()
    };
    let mut addresses = of(name);
    if addresses.is_empty() {
        addresses = of("*");
    }
    if let (true, Some(server)) = (addresses.is_empty(), zone.forward) {
        return forward_query(server, query).ok();
    }
    let code = if addresses.is_empty() { 3 } else { 0 };
    let shown = if *kind == RecordKind::A {
        addresses.as_slice()
    } else {
        &[]
    };
    codec::encode_answer(&asked, code, shown, longest)
}

/// What another server answers, over UDP, whatever it is.
fn forward_query(server: Ipv4Addr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(SILENT_AT_MOST))?;
    socket.connect((server, 53))?;
    socket.send(query)?;
    let mut bytes = [0; LONGEST_OVER_UDP];
    let length = socket.recv(&mut bytes)?;
    Ok(bytes[..length].to_vec())
}
