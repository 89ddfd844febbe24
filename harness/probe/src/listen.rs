//! The servers' side: many ports in one process. Over TCP, UDP and TLS each line is answered with
//! `probe NAME ADDRESS`, the server's name and the address that the client is seen as; HTTP answers
//! 200 with the same line.

mod dns;
mod lines;
mod spec;
mod udp;
mod web;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use spec::{ListenKind, ListenSpec};

use crate::tls;

/// Begins to serve at every port, in background threads, and gives the ports.
///
/// # Errors
/// A text that names nothing to serve, or a port that is not free.
pub(crate) fn start_listening(texts: &[&str]) -> Result<Vec<u16>, String> {
    let specs: Vec<ListenSpec> = texts
        .iter()
        .map(|text| ListenSpec::read(text))
        .collect::<Result<_, _>>()?;
    let name: Arc<str> = our_name().into();
    specs
        .into_iter()
        .map(|spec| serve_port(spec, Arc::clone(&name)))
        .collect()
}

/// What this server is called: its pod's name, or its node's where it is in the host's network.
fn our_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "nameless".into()
    } else {
        name.to_owned()
    }
}

fn serve_port(spec: ListenSpec, name: Arc<str>) -> Result<u16, String> {
    match spec.what {
        ListenKind::Udp => udp::serve_datagrams(spec.port, name),
        ListenKind::Dns(zone) => dns::serve_zone(spec.port, zone),
        ListenKind::Tcp => {
            serve_streams(spec.port, move |stream| lines::answer_lines(stream, &name))
        }
        ListenKind::Http => {
            serve_streams(spec.port, move |stream| web::answer_request(stream, &name))
        }
        ListenKind::Tls(identity) => {
            let config = tls::server_config(&identity)?;
            serve_streams(spec.port, move |stream| {
                let Ok(session) = tls::accept_client(&stream, &config) else {
                    return;
                };
                lines::answer_over(stream, session, &name);
            })
        }
    }
}

/// Serves each connection to this port in a background thread.
fn serve_streams(
    port: u16,
    serve: impl Fn(std::net::TcpStream) + Send + Sync + 'static,
) -> Result<u16, String> {
    let listener: TcpListener = crate::web::listen_on(port)?;
    let port = crate::web::parse_port(&listener);
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            _ = thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(move || serve(stream));
        }
    });
    Ok(port)
}
