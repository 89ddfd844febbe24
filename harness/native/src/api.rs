//! The few questions that a start asks the API server.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::Error;
use crate::pki::Identity;

/// A client of one API server, as its administrator.
pub(crate) struct Api {
    server: String,
    agent: Agent,
}

impl Api {
    pub(crate) fn new(server: &str, ca: &str, identity: &Identity) -> Result<Self, Error> {
        let malformed = |why: ureq::Error| Error::Malformed { what: "the box's keys".into(), why: why.to_string() };
        let root = Certificate::from_pem(ca.as_bytes()).map_err(malformed)?;
        let certificate = Certificate::from_pem(identity.certificate.as_bytes()).map_err(malformed)?;
        let key = PrivateKey::from_pem(identity.key.as_bytes()).map_err(malformed)?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(vec![root])))
            .client_cert(Some(ClientCert::new_with_certs(&[certificate], key)))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(Duration::from_millis(200)))
            .timeout_global(Some(Duration::from_secs(2)))
            .build()
            .into();
        Ok(Self { server: server.to_owned(), agent })
    }

    /// The status and body of one request, or why there was no answer.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), String> {
        let mut response = self.agent.get(format!("{}{path}", self.server)).call().map_err(|why| why.to_string())?;
        let body = response.body_mut().read_to_string().map_err(|why| why.to_string())?;
        Ok((response.status().as_u16(), body))
    }

    /// An object that exists, or what there was instead.
    pub(crate) fn object(&self, path: &str) -> Result<Value, String> {
        match self.get(path)? {
            (200, body) => serde_json::from_str(&body).map_err(|why| why.to_string()),
            (status, body) => Err(format!("status {status}: {}", first_line(&body))),
        }
    }
}

/// The part of an answer that a person wants to see.
pub(crate) fn first_line(body: &str) -> &str {
    let failed = body.lines().find(|line| line.starts_with("[-]"));
    failed.or_else(|| body.lines().next()).unwrap_or("an empty answer")
}
