//! The enrolment port.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{WazuhManager, lock_content};
use crate::enrol::LONGEST_LINE;
use crate::{EnrolReply, EnrolRequest, WantedPassword};

/// How long an agent may take over an enrolment.
const ENROLMENT_WITHIN: Duration = Duration::from_secs(10);

impl WazuhManager {
    pub(super) fn serve_enrolment(
        self: &Arc<Self>,
        listener: &TcpListener,
        tls: &Arc<ServerConfig>,
    ) {
        for stream in listener.incoming() {
            if self.stop.is_told() {
                return;
            }
            let (manager, tls) = (Arc::clone(self), Arc::clone(tls));
            if let Ok(stream) = stream {
                thread::spawn(move || {
                    if let Err(fault) = manager.enrol_agent(&stream, tls) {
                        manager
                            .authd
                            .debug(format!("an enrolment ended early: {fault}"));
                        // What has not been read would take away the reason that was sent.
                        let _ = stream.shutdown(Shutdown::Write);
                        let _ = io::copy(&mut (&stream).take(LONGEST_LINE), &mut io::sink());
                    }
                });
            }
        }
    }

    fn enrol_agent(&self, stream: &TcpStream, tls: Arc<ServerConfig>) -> io::Result<()> {
        stream.set_read_timeout(Some(ENROLMENT_WITHIN))?;
        stream.set_write_timeout(Some(ENROLMENT_WITHIN))?;
        let from = stream.peer_addr()?.ip().to_string();
        let tls = ServerConnection::new(tls).map_err(io::Error::other)?;
        let mut reader = BufReader::new(StreamOwned::new(tls, stream));
        let mut line = Vec::new();
        reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        let reply = self.answer_request(&String::from_utf8_lossy(&line), &from);
        let mut stream = reader.into_inner();
        stream.write_all(reply.to_string().as_bytes())?;
        stream.conn.send_close_notify();
        stream.flush()
    }

    fn answer_request(&self, line: &str, from: &str) -> EnrolReply {
        self.authd.info(format!("New connection from {from}"));
        let password = match (&self.config.password, self.config.takes_any_password) {
            (Some(wanted), _) => WantedPassword::This(wanted),
            (None, true) => WantedPassword::Any,
            (None, false) => WantedPassword::None,
        };
        let request = match EnrolRequest::read(line, password, self.config.version) {
            Ok(request) => request,
            Err(refusal) => {
                self.authd.error(format!("{refusal} (from {from})"));
                return EnrolReply::Refused(refusal.to_string());
            }
        };
        self.authd.info(format!(
            "Received request for a new agent ({}) from: {from}",
            request.name
        ));
        let away = |id: &str| {
            lock_content(&self.seen)
                .get(id)
                .map(|seen| self.is_away(seen))
        };
        match lock_content(&self.registry).enrol_agent(&request, from, &self.config.force, away) {
            Ok(key) => {
                self.authd.info(format!(
                    "Agent key generated for '{}' (requested by {from})",
                    key.name
                ));
                EnrolReply::Key(key)
            }
            Err((refusal, why)) => {
                self.authd
                    .warning(why.unwrap_or_else(|| refusal.to_string()));
                EnrolReply::Refused(refusal.to_string())
            }
        }
    }
}
