//! A Sigstore bundle, taken apart.

use super::Rejection;
use super::key::PublicKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Why;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Bytes, in Base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD
            .decode(text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<Raw>,
    #[serde(default)]
    tlog_entries: Vec<Entry>,
    #[serde(default)]
    timestamp_verification_data: Timestamps,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    pub(super) raw_bytes: Bytes,
}

/// An entry of a transparency log, with the proof that it is in there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) log_id: LogId,
    pub(super) canonicalized_body: Bytes,
    pub(super) inclusion_proof: Option<Proof>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogId {
    pub(super) key_id: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proof {
    #[serde(default, deserialize_with = "number")]
    pub(super) log_index: u64,
    #[serde(default, deserialize_with = "number")]
    pub(super) tree_size: u64,
    #[serde(default)]
    pub(super) hashes: Vec<Bytes>,
    pub(super) checkpoint: Checkpoint,
}

#[derive(Debug, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) envelope: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timestamp {
    signed_timestamp: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: Bytes,
    payload_type: String,
    signatures: Vec<Signed>,
}

#[derive(Debug, Deserialize)]
struct Signed {
    sig: Bytes,
}

/// What is stated, and of what.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statement {
    subject: Vec<Subject>,
    pub(super) predicate_type: String,
}

#[derive(Debug, Deserialize)]
struct Subject {
    digest: Value,
}

impl Statement {
    /// Whether one of its subjects has this digest.
    pub(super) fn speaks_of(&self, digest: &str) -> bool {
        let hex = digest.strip_prefix("sha256:");
        hex.is_some()
            && self
                .subject
                .iter()
                .any(|subject| subject.digest["sha256"].as_str() == hex)
    }
}

impl Bundle {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Rejection> {
        let unreadable = |said: String| Rejection::new(Why::Unreadable, said);
        let text = std::str::from_utf8(bytes)
            .map_err(|fault| unreadable(format!("no bundle: {fault}")))?;
        let bundle: Self = serde_json::from_str(text)
            .map_err(|fault| unreadable(format!("no bundle: {}", words(&fault))))?;
        if bundle.media_type != MEDIA_TYPE || bundle.dsse_envelope.payload_type != IN_TOTO {
            let kind = format!(
                "{} with {}",
                bundle.media_type, bundle.dsse_envelope.payload_type
            );
            return Err(unreadable(format!("a bundle of another kind: {kind}")));
        }
        if bundle.dsse_envelope.signatures.len() != 1 {
            return Err(unreadable(
                "the envelope does not have one signature".into(),
            ));
        }
        Ok(bundle)
    }

    /// What it states, whoever signed it.
    pub(super) fn statement(&self) -> Result<Statement, Rejection> {
        serde_json::from_slice(&self.dsse_envelope.payload.0).map_err(|fault| {
            Rejection::new(Why::Unreadable, format!("no statement: {}", words(&fault)))
        })
    }

    /// The signer's certificate.
    pub(super) fn certificate(&self) -> Result<&[u8], Rejection> {
        let certificate = self.verification_material.certificate.as_ref();
        let none = || {
            Rejection::new(
                Why::WrongIdentity,
                "it is signed by a key without a certificate",
            )
        };
        certificate
            .map(|raw| raw.raw_bytes.0.as_slice())
            .ok_or_else(none)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.verification_material.tlog_entries
    }

    pub(super) fn timestamps(&self) -> impl Iterator<Item = &[u8]> {
        let timestamps = &self
            .verification_material
            .timestamp_verification_data
            .rfc3161_timestamps;
        timestamps
            .iter()
            .map(|one| one.signed_timestamp.0.as_slice())
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.dsse_envelope
            .signatures
            .first()
            .map(|one| one.sig.0.as_slice())
            .unwrap_or_default()
    }

    pub(super) fn signed_by(&self, key: &PublicKey) -> Result<(), Rejection> {
        if key.has_signed(self.signature(), &self.encoded()) {
            Ok(())
        } else {
            Err(Rejection::new(
                Why::WrongKey,
                "the signature is not by this key over this statement",
            ))
        }
    }

    /// The bytes that are signed: the payload with its type, each after its length.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let Envelope {
            payload: Bytes(payload),
            payload_type,
            ..
        } = &self.dsse_envelope;
        let mut bytes = format!(
            "DSSEv1 {} {payload_type} {} ",
            payload_type.len(),
            payload.len()
        )
        .into_bytes();
        bytes.extend_from_slice(payload);
        bytes
    }
}

/// A number, which the format writes as a string.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => text.parse().map_err(serde::de::Error::custom),
        other => other
            .as_u64()
            .ok_or_else(|| serde::de::Error::custom("no number")),
    }
}

/// What a parser says, without the place: signatures are not all of one length.
fn words(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    text.split_once(" at line ")
        .map_or_else(|| text.clone(), |(words, _)| words.to_owned())
}
