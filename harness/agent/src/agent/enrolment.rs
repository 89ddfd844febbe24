//! Getting a key.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::state::{AttemptFailure, AttemptStage};
use super::{WazuhAgent, lock_content};
use crate::enrol::LONGEST_LINE;
use crate::{AgentKey, EnrolReply, EnrolRequest, Error, tls, wire};

/// How long a manager may take over an enrolment.
const ENROLMENT_WITHIN: Duration = Duration::from_secs(30);

impl WazuhAgent {
    /// Enrols at `manager` and waits as a real agent does: after a success until the manager knows
    /// the key, after a failure a little longer each time.
    pub(super) fn enrol_and_wait(
        &self,
        manager: &str,
        pause: &mut Duration,
    ) -> Result<Option<AgentKey>, Error> {
        let times = &self.config.times;
        let key = self.enrol_agent(manager, None)?;
        if key.is_some() {
            *pause = times.enrol_step;
            let wait = times.after_enrolment;
            self.log.info(format!(
                "Waiting {} seconds before server connection",
                wait.as_secs()
            ));
            self.stop.stopped_within(wait);
        } else {
            self.stop.stopped_within(*pause);
            *pause = (*pause + times.enrol_step).min(times.enrol_most);
        }
        Ok(key)
    }

    /// Enrols once more with the key that does not work at hand.
    pub(super) fn enrol_again(
        &self,
        manager: &str,
        key: &AgentKey,
    ) -> Result<Option<AgentKey>, Error> {
        self.enrol_agent(manager, Some(key))
    }

    fn enrol_agent(
        &self,
        manager: &str,
        have: Option<&AgentKey>,
    ) -> Result<Option<AgentKey>, Error> {
        let manager = self.config.enrol_manager.as_deref().unwrap_or(manager);
        self.log
            .info(format!("Requesting a key from server: {manager}"));
        let password = match &self.config.password {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
                self.log.info(format!(
                    "Using password specified on file: {}",
                    path.display()
                ));
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
            None => {
                self.log.info("No authentication password provided");
                None
            }
        };
        let request = EnrolRequest {
            password,
            name: self.config.name.clone(),
            version: Some(self.config.version.to_string()),
            ip: self.config.enrol_ip.clone(),
            key_hash: have.map(AgentKey::hash),
            ..EnrolRequest::default()
        };
        match self.request_key(manager, &request)? {
            Ok(key) => {
                self.log.info("Valid key received");
                AgentKey::save(&self.load_keys(), [&key])?;
                Ok(Some(key))
            }
            Err(failure) => {
                self.note_failure(failure);
                Ok(None)
            }
        }
    }

    /// The whole exchange on the enrolment port.
    fn request_key(
        &self,
        manager: &str,
        request: &EnrolRequest,
    ) -> Result<Result<AgentKey, AttemptFailure>, Error> {
        let config = tls::client_config(
            self.config.ca.as_deref(),
            self.config.own.as_ref(),
            self.config.clock_ahead,
        )?;
        let address = match self.first_address(manager) {
            Ok(address) => address,
            Err(_) => {
                self.log
                    .error(format!("Could not resolve hostname: {manager}"));
                return Ok(Err(stage_failure(
                    AttemptStage::Dns,
                    format!("enrolment: could not resolve {manager}"),
                )));
            }
        };
        let port = self.config.enrol_port;
        let stream =
            match wire::connect_tcp(SocketAddr::new(address, port), self.config.times.connect) {
                Ok(stream) => stream,
                Err(fault) => {
                    self.log.error(format!(
                        "(1208): Unable to connect to enrollment service at '[{address}]:{port}'"
                    ));
                    let reason = format!("enrolment, port {port}: {}", wire::error_words(&fault));
                    return Ok(Err(stage_failure(AttemptStage::Connect, reason)));
                }
            };
        Ok(self.exchange_messages(stream, config, manager, request))
    }

    fn exchange_messages(
        &self,
        stream: TcpStream,
        config: Arc<rustls::ClientConfig>,
        manager: &str,
        request: &EnrolRequest,
    ) -> Result<AgentKey, AttemptFailure> {
        let verified = self.config.ca.is_some();
        match verified {
            true => self.log.info("Verifying manager's certificate"),
            false => self.log.debug("Registering agent to unverified manager"),
        }
        let patient = stream
            .set_read_timeout(Some(ENROLMENT_WITHIN))
            .and_then(|()| stream.set_write_timeout(Some(ENROLMENT_WITHIN)));
        patient.map_err(|fault| stage_failure(AttemptStage::Tls, wire::error_words(&fault)))?;
        let name = ServerName::try_from(manager.to_owned())
            .map_err(|_| self.no_tls("hostname mismatch", verified))?;
        let tls = ClientConnection::new(config, name)
            .map_err(|_| self.no_tls("certificate verify failed", verified))?;
        let mut tls = StreamOwned::new(tls, stream);
        while tls.conn.is_handshaking() {
            tls.conn
                .complete_io(&mut tls.sock)
                .map_err(|fault| self.not_accepted(&fault, verified))?;
        }
        if verified {
            self.log.info("Manager has been verified successfully");
        }
        self.log
            .info(format!("Using agent name as: {}", request.name));
        tls.write_all(request.to_string().as_bytes())
            .and_then(|()| tls.flush())
            .map_err(|fault| {
                self.log.error("SSL write error (unable to send message.)");
                stage_failure(
                    AttemptStage::Enrol,
                    format!("the request was not sent: {}", wire::error_words(&fault)),
                )
            })?;
        self.log.info("Waiting for server reply");
        let mut said = Vec::new();
        // A missing close_notify is not an error.
        if let Err(fault) = tls.take(LONGEST_LINE).read_to_end(&mut said)
            && let Some(refusal) = tls_error(&fault).and_then(tls::refusal_reason)
        {
            return Err(self.not_let_in(refusal));
        }
        self.read_reply(&String::from_utf8_lossy(&said))
    }

    fn read_reply(&self, said: &str) -> Result<AgentKey, AttemptFailure> {
        match EnrolReply::read(said) {
            Ok(EnrolReply::Key(key)) => Ok(key),
            Ok(EnrolReply::Refused(why)) => {
                self.log
                    .error(format!("{why}. Unable to add agent (from manager)"));
                Err(stage_failure(AttemptStage::Enrol, why))
            }
            Err(_) if said.is_empty() => {
                self.log.error("SSL read (unable to receive message)");
                Err(stage_failure(
                    AttemptStage::Enrol,
                    "no reply to the request",
                ))
            }
            Err(_) => {
                self.log.error("Invalid keys format received.");
                Err(stage_failure(
                    AttemptStage::Enrol,
                    "the reply is not well formed",
                ))
            }
        }
    }

    /// A handshake that failed: for the certificate, or because the other end speaks no TLS.
    fn not_accepted(&self, fault: &std::io::Error, verified: bool) -> AttemptFailure {
        if let Some(complaint) = tls_error(fault).and_then(tls::certificate_complaint) {
            return self.no_tls(complaint, verified);
        }
        if let Some(refusal) = tls_error(fault).and_then(tls::refusal_reason) {
            return self.not_let_in(refusal);
        }
        self.log.error("SSL error (1). Connection refused by the manager. Maybe the port specified is incorrect.");
        stage_failure(AttemptStage::Tls, "the port does not speak TLS")
    }

    /// In TLS 1.3 an agent hears only after the handshake that its certificate was looked for, and
    /// not found good.
    fn not_let_in(&self, refusal: &str) -> AttemptFailure {
        let has_one = if self.config.own.is_some() {
            "may be incorrect!"
        } else {
            "are required!"
        };
        self.log.error("SSL read (unable to receive message)");
        self.log.error(format!(
            "If Agent verification is enabled, agent key and certificates {has_one}"
        ));
        stage_failure(AttemptStage::Tls, refusal)
    }

    fn no_tls(&self, complaint: &str, verified: bool) -> AttemptFailure {
        if verified {
            self.log.error(format!("err:{complaint}"));
            self.log.error("Unable to verify server certificate");
        }
        stage_failure(
            AttemptStage::Tls,
            format!("the manager's certificate: {complaint}"),
        )
    }

    /// The first address of a name, or the name itself where it is one.
    pub(super) fn first_address(&self, name: &str) -> Result<IpAddr, Error> {
        if let Ok(address) = name.parse() {
            return Ok(address);
        }
        (self.config.resolve)(name)?
            .into_iter()
            .next()
            .ok_or_else(|| Error::Unresolved {
                name: name.to_owned(),
                why: None,
            })
    }

    /// The state of the connection, changed.
    pub(super) fn note_state(&self, change: impl FnOnce(&mut super::AgentActivity)) {
        change(&mut lock_content(&self.state));
    }
}

fn tls_error(fault: &std::io::Error) -> Option<&rustls::Error> {
    fault.get_ref().and_then(|inner| inner.downcast_ref())
}

pub(super) fn stage_failure(stage: AttemptStage, reason: impl Into<String>) -> AttemptFailure {
    AttemptFailure {
        stage,
        reason: reason.into(),
    }
}
