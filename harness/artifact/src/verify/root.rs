//! A trusted root: whose certificates, log entries and timestamps are taken.

use model::RejectionReason;
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::bundle::{LogId, RawCertificate};
use super::encoding::Base64Bytes;
use super::hash::HashAlgorithm;
use super::key::PublicKey;
use super::{VerifyRejection, certificate};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

/// The trusted parties of a `trusted-root.json`; none by default.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedRoot {
    #[serde(default)]
    media_type: String,
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
    #[serde(default)]
    base_url: String,
    #[serde(default)]
    hash_algorithm: String,
    public_key: LogKey,
    pub(super) log_id: LogId,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogKey {
    raw_bytes: Base64Bytes,
    valid_for: Option<ValidityPeriod>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RootAuthority {
    cert_chain: CertificateChain,
    #[serde(default)]
    valid_for: ValidityPeriod,
}

/// When one of the trusted parties is trusted; an end that is left out is open.
#[derive(Debug, Default, Deserialize)]
struct ValidityPeriod {
    #[serde(default, deserialize_with = "parse_time")]
    start: Option<OffsetDateTime>,
    #[serde(default, deserialize_with = "parse_time")]
    end: Option<OffsetDateTime>,
}

impl ValidityPeriod {
    /// Whether it covers `time`, in seconds since 1970; both its ends belong to it.
    fn covers(&self, time: u64) -> bool {
        let time = i64::try_from(time).unwrap_or(i64::MAX);
        self.start
            .is_none_or(|start| start.unix_timestamp() <= time)
            && self.end.is_none_or(|end| time <= end.unix_timestamp())
    }
}

fn parse_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| OffsetDateTime::parse(&text, &Rfc3339))
        .transpose()
        .map_err(serde::de::Error::custom)
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
        let unreadable = |fault: String| {
            VerifyRejection::new(
                RejectionReason::NoTrustedRoot,
                format!("the trusted root cannot be read: {fault}"),
            )
        };
        let root: Self =
            serde_json::from_str(text).map_err(|fault| unreadable(fault.to_string()))?;
        // Each of these makes sigstore-go 1.3.0 (`pkg/root/trusted_root.go`) refuse the whole root.
        let mut authorities = root
            .certificate_authorities
            .iter()
            .chain(&root.timestamp_authorities);
        if root.media_type != MEDIA_TYPE {
            Err(unreadable(format!(
                "it is of the type {:?}",
                root.media_type
            )))
        } else if !root.tlogs.iter().all(TransparencyLog::has_beginning) {
            Err(unreadable(
                "a log's key does not say from when it is valid".into(),
            ))
        } else if !root.tlogs.iter().all(TransparencyLog::is_readable) {
            Err(unreadable("a log's key or hash is not supported".into()))
        } else if authorities.any(RootAuthority::is_unreadable) {
            Err(unreadable(
                "an authority has no certificate, or one that cannot be read".into(),
            ))
        } else {
            Ok(root)
        }
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

    fn has_beginning(&self) -> bool {
        let period = self.public_key.valid_for.as_ref();
        period.is_some_and(|period| period.start.is_some())
    }

    fn is_readable(&self) -> bool {
        self.hash_algorithm == HashAlgorithm::Sha256.proto_name() && self.key().is_some()
    }

    /// Whether it was trusted at `time`, in seconds since 1970.
    pub(super) fn was_trusted(&self, time: u64) -> bool {
        let period = self.public_key.valid_for.as_ref();
        period.is_some_and(|period| period.covers(time))
    }
}

impl RootAuthority {
    fn is_unreadable(&self) -> bool {
        let mut chain = self.chain();
        chain.len() == 0 || chain.any(|one| !certificate::is_readable(one))
    }

    /// Whether it was trusted at `time`, in seconds since 1970.
    pub(super) fn was_trusted(&self, time: u64) -> bool {
        self.valid_for.covers(time)
    }

    /// Its certificates, the root last.
    pub(super) fn chain(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.cert_chain
            .certificates
            .iter()
            .map(|raw| raw.raw_bytes.0.as_slice())
    }
}
