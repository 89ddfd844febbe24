//! A trusted root: whose certificates, log entries and timestamps are taken.

use model::RejectionReason;
use serde::Deserialize;

use super::VerifyRejection;
use super::bundle::{LogId, RawCertificate};
use super::key::PublicKey;

/// The trusted parties of a `trusted-root.json`; none by default.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedRoot {
    #[serde(default)]
    pub(super) tlogs: Vec<TransparencyLog>,
    #[serde(default)]
    pub(super) certificate_authorities: Vec<RootAuthority>,
    #[serde(default)]
    pub(super) timestamp_authorities: Vec<RootAuthority>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransparencyLog {
    base_url: String,
    pub(super) public_key: RawCertificate,
    pub(super) log_id: LogId,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RootAuthority {
    cert_chain: CertificateChain,
}

#[derive(Debug, Deserialize)]
struct CertificateChain {
    certificates: Vec<RawCertificate>,
}

impl TrustedRoot {
    /// Reads a trusted root.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn read(text: &str) -> Result<Self, VerifyRejection> {
        serde_json::from_str(text).map_err(|fault| {
            VerifyRejection::new(
                RejectionReason::NoTrustedRoot,
                format!("the trusted root cannot be read: {fault}"),
            )
        })
    }
}

impl TransparencyLog {
    /// The name with which it signs its checkpoints: its host.
    pub(super) fn origin(&self) -> &str {
        let rest = self
            .base_url
            .split_once("://")
            .map_or(self.base_url.as_str(), |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or_default()
    }

    pub(super) fn key(&self) -> Option<PublicKey> {
        PublicKey::from_der(&self.public_key.raw_bytes.0).ok()
    }
}

impl RootAuthority {
    /// Its certificates, the root last.
    pub(super) fn chain(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.cert_chain
            .certificates
            .iter()
            .map(|raw| raw.raw_bytes.0.as_slice())
    }
}
