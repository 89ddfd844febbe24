//! A datagram for a datagram, from the very address to which it was sent: a host has several, and
//! the kernel would otherwise choose.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;

use nix::cmsg_space;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};

use super::lines::answer_text;

/// Answers every datagram, in a background thread.
pub(super) fn serve_datagrams(port: u16, name: Arc<str>) -> Result<u16, String> {
    answer_all(port, move |peer, _| {
        Some(answer_text(&name, Some(peer.ip())).into_bytes())
    })
}

/// Answers each datagram with what `answer` makes of it.
pub(super) fn answer_all(
    port: u16,
    answer: impl Fn(SocketAddr, &[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> Result<u16, String> {
    let wrong =
        |why: &dyn std::fmt::Display| format!("failed to listen on port {port} (udp): {why}");
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| UdpSocket::bind(("0.0.0.0", port)));
    let socket = socket.map_err(|why| wrong(&why))?;
    let local = socket.local_addr().map_err(|why| wrong(&why))?;
    let told_where = match local {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true),
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true),
    };
    told_where.map_err(|why| wrong(&why))?;
    thread::spawn(move || {
        loop {
            serve_one(&socket, &answer);
        }
    });
    Ok(local.port())
}

/// To which of our addresses a datagram came.
enum ArrivedAt {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

fn serve_one(
    socket: &UdpSocket,
    answer: &impl Fn(SocketAddr, &[u8]) -> Option<Vec<u8>>,
) -> Option<()> {
    let mut bytes = [0; 4096];
    let mut space = cmsg_space!(in6_pktinfo);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let fd = socket.as_raw_fd();
    let received =
        recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut space), MsgFlags::empty()).ok()?;
    let from = received.address?;
    let came = received.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(ArrivedAt::V4(info)),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(ArrivedAt::V6(info)),
        _ => None,
    });
    let length = received.bytes;
    let reply = answer(peer_address(&from)?, &bytes[..length])?;
    let control = match came.as_ref() {
        Some(ArrivedAt::V4(info)) => vec![ControlMessage::Ipv4PacketInfo(info)],
        Some(ArrivedAt::V6(info)) => vec![ControlMessage::Ipv6PacketInfo(info)],
        None => Vec::new(),
    };
    sendmsg(
        fd,
        &[IoSlice::new(&reply)],
        &control,
        MsgFlags::empty(),
        Some(&from),
    )
    .ok()?;
    Some(())
}

fn peer_address(from: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = from
        .as_sockaddr_in()
        .map(|from| SocketAddr::new(IpAddr::V4(from.ip()), from.port()));
    v4.or_else(|| {
        from.as_sockaddr_in6()
            .map(|from| SocketAddr::new(IpAddr::V6(from.ip()), from.port()))
    })
}
