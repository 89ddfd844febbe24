//! A Sigstore bundle, taken apart.

use super::VerifyRejection;
use super::key::PublicKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::RejectionReason;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Bytes, in Base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Base64Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64Bytes {
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
pub(super) struct SigstoreBundle {
    media_type: String,
    verification_material: VerificationMaterial,
    dsse_envelope: DsseEnvelope,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerificationMaterial {
    certificate: Option<RawCertificate>,
    #[serde(default)]
    tlog_entries: Vec<LogEntry>,
    #[serde(default)]
    timestamp_verification_data: TimestampData,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawCertificate {
    pub(super) raw_bytes: Base64Bytes,
}

/// An entry of a transparency log, with the proof that it is in there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogEntry {
    pub(super) log_id: LogId,
    pub(super) canonicalized_body: Base64Bytes,
    pub(super) inclusion_proof: Option<InclusionProof>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogId {
    pub(super) key_id: Base64Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InclusionProof {
    #[serde(default, deserialize_with = "parse_number")]
    pub(super) log_index: u64,
    #[serde(default, deserialize_with = "parse_number")]
    pub(super) tree_size: u64,
    #[serde(default)]
    pub(super) hashes: Vec<Base64Bytes>,
    pub(super) checkpoint: LogCheckpoint,
}

#[derive(Debug, Deserialize)]
pub(super) struct LogCheckpoint {
    pub(super) envelope: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimestampData {
    #[serde(default)]
    rfc3161_timestamps: Vec<Rfc3161Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rfc3161Timestamp {
    signed_timestamp: Base64Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DsseEnvelope {
    payload: Base64Bytes,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Deserialize)]
struct EnvelopeSignature {
    sig: Base64Bytes,
}

/// What is stated, and of what.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InTotoStatement {
    subject: Vec<StatementSubject>,
    pub(super) predicate_type: String,
}

#[derive(Debug, Deserialize)]
struct StatementSubject {
    digest: Value,
}

impl InTotoStatement {
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

impl SigstoreBundle {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, VerifyRejection> {
        let unreadable = |said: String| VerifyRejection::new(RejectionReason::Unreadable, said);
        let text = std::str::from_utf8(bytes)
            .map_err(|fault| unreadable(format!("no bundle: {fault}")))?;
        let bundle: Self = serde_json::from_str(text)
            .map_err(|fault| unreadable(format!("no bundle: {}", parser_message(&fault))))?;
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

    /// What it states, without a look at the signature.
    pub(super) fn statement(&self) -> Result<InTotoStatement, VerifyRejection> {
        serde_json::from_slice(&self.dsse_envelope.payload.0).map_err(|fault| {
            VerifyRejection::new(
                RejectionReason::Unreadable,
                format!("no statement: {}", parser_message(&fault)),
            )
        })
    }

    /// The signer's certificate.
    pub(super) fn certificate(&self) -> Result<&[u8], VerifyRejection> {
        let certificate = self.verification_material.certificate.as_ref();
        let none = || {
            VerifyRejection::new(
                RejectionReason::WrongIdentity,
                "it is signed by a key without a certificate",
            )
        };
        certificate
            .map(|raw| raw.raw_bytes.0.as_slice())
            .ok_or_else(none)
    }

    pub(super) fn entries(&self) -> &[LogEntry] {
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

    pub(super) fn signed_by(&self, key: &PublicKey) -> Result<(), VerifyRejection> {
        if key.has_signed(self.signature(), &self.signed_bytes()) {
            Ok(())
        } else {
            Err(VerifyRejection::new(
                RejectionReason::WrongKey,
                "the signature is not by this key over this statement",
            ))
        }
    }

    /// The bytes that are signed: the payload with its type, each after its length.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let DsseEnvelope {
            payload: Base64Bytes(payload),
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
fn parse_number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => text.parse().map_err(serde::de::Error::custom),
        other => other
            .as_u64()
            .ok_or_else(|| serde::de::Error::custom("no number")),
    }
}

/// What a parser says, without the place: signatures are not all of one length.
fn parser_message(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    text.split_once(" at line ")
        .map_or_else(|| text.clone(), |(words, _)| words.to_owned())
}
