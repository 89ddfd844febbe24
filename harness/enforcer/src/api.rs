//! The few questions that a start asks the API server, and the services beside it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, BodyReader};

use crate::Error;

/// How long the first byte of an answer may take whose last has no time.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(10);

/// How long such an answer may be silent.
const SILENT_AT_MOST: Duration = Duration::from_secs(40);

/// A certificate and its key (PKCS #8), in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PkiIdentity {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// A client of one server of a box.
#[derive(Clone)]
pub struct BoxApi {
    server: String,
    agent: Agent,
}

impl BoxApi {
    /// With an identity it is that one's client, without one it is anonymous.
    pub fn new(server: &str, ca: &str, identity: Option<&PkiIdentity>) -> Result<Self, Error> {
        let malformed = |why: ureq::Error| Error::Malformed {
            what: "the box's keys".into(),
            why: why.to_string(),
        };
        let root = Certificate::from_pem(ca.as_bytes()).map_err(malformed)?;
        let client = identity.map(|identity| {
            let certificate = Certificate::from_pem(identity.certificate.as_bytes())?;
            let key = PrivateKey::from_pem(identity.key.as_bytes())?;
            Ok(ClientCert::new_with_certs(&[certificate], key))
        });
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(vec![root])))
            .client_cert(client.transpose().map_err(malformed)?)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(Duration::from_millis(200)))
            .timeout_global(Some(Duration::from_secs(2)))
            .build()
            .into();
        Ok(Self {
            server: server.to_owned(),
            agent,
        })
    }

    /// Another client of the same server, without credentials.
    pub fn without_identity(&self, ca: &str) -> Result<Self, Error> {
        Self::new(&self.server, ca, None)
    }

    /// The status and body of one request, or why there was no answer.
    pub fn get(&self, path: &str) -> Result<(u16, String), Error> {
        let mut response = self.agent.get(format!("{}{path}", self.server)).call()?;
        let body = response.body_mut().read_to_string()?;
        Ok((response.status().as_u16(), body))
    }

    /// The status of one request and its body, which may come for as long as the server likes.
    pub fn stream(&self, path: &str) -> Result<(u16, BodyReader<'static>), Error> {
        let request = self.agent.get(format!("{}{path}", self.server)).config();
        let request = request
            .timeout_global(None)
            .timeout_recv_response(Some(FIRST_BYTE_WITHIN));
        let request = request.timeout_per_read(Some(SILENT_AT_MOST)).build();
        let (head, body) = request.call()?.into_parts();
        Ok((head.status.as_u16(), body.into_reader()))
    }

    /// Sends an object; returns the status and body of the answer, or why there was none.
    pub fn post(&self, path: &str, object: &Value) -> Result<(u16, String), Error> {
        let request = self
            .agent
            .post(format!("{}{path}", self.server))
            .header("content-type", "application/json");
        let mut response = request.send(object.to_string())?;
        let body = response.body_mut().read_to_string()?;
        Ok((response.status().as_u16(), body))
    }

    /// An object that exists, or what there was instead.
    pub fn existing_object(&self, path: &str) -> Result<Value, Error> {
        match self.get(path)? {
            (200, body) => Ok(serde_json::from_str(&body)?),
            (status, body) => Err(Error::UnexpectedAnswer {
                status,
                said: first_line(&body).to_owned(),
            }),
        }
    }
}

/// The part of an answer that a person wants to see.
pub fn first_line(body: &str) -> &str {
    let failed = body.lines().find(|line| line.starts_with("[-]"));
    failed
        .or_else(|| body.lines().next())
        .unwrap_or("an empty answer")
}
