//! What a bundle signs: a statement in a DSSE envelope, or the artifact itself.

use std::collections::BTreeMap;

use model::RejectionReason;
use serde::Deserialize;
use serde_json::Value;

use super::bundle::unreadable;
use super::encoding::{Base64Bytes, parser_message};
use super::hash::HashAlgorithm;
use super::key::PublicKey;
use super::{SignedArtifact, VerifyRejection};

const IN_TOTO: &str = "application/vnd.in-toto+json";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DsseEnvelope {
    pub(super) payload: Base64Bytes,
    #[serde(default)]
    payload_type: String,
    #[serde(default)]
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    #[serde(default)]
    sig: Base64Bytes,
    #[serde(default, rename = "keyid")]
    _keyid: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MessageSignature {
    message_digest: MessageDigest,
    #[serde(default)]
    signature: Base64Bytes,
}

/// Which artifact was signed. It is not signed itself, so it only ever refuses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageDigest {
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    digest: Base64Bytes,
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
    #[serde(default)]
    annotations: Value,
}

impl StatementSubject {
    fn has_digest(&self, digest: &str) -> bool {
        let hex = digest.strip_prefix("sha256:");
        hex.is_some() && self.digest["sha256"].as_str() == hex
    }
}

impl InTotoStatement {
    /// Whether one of its subjects has this digest.
    fn speaks_of(&self, digest: &str) -> bool {
        self.subject
            .iter()
            .any(|subject| subject.has_digest(digest))
    }

    /// The first of these annotations that the first subject with this digest does not have: it is
    /// the one whose annotations cosign looks at (`pkg/cosign/verifiers.go`).
    fn missing_annotation<'a>(
        &self,
        digest: &str,
        wanted: &'a BTreeMap<String, String>,
    ) -> Option<&'a String> {
        let mut subjects = self.subject.iter();
        let subject = subjects.find(|subject| subject.has_digest(digest));
        let has = |key: &str, value: &str| {
            subject.is_some_and(|subject| subject.annotations[key].as_str() == Some(value))
        };
        let mut lacking = wanted.iter().filter(|(key, value)| !has(key, value));
        lacking.next().map(|(key, _)| key)
    }
}

/// What is signed.
#[derive(Debug)]
pub(super) enum SignedContent {
    Statement(DsseEnvelope),
    Artifact {
        hash: HashAlgorithm,
        digest: Vec<u8>,
        signature: Vec<u8>,
    },
}

impl SignedContent {
    pub(super) fn new(
        envelope: Option<DsseEnvelope>,
        message: Option<MessageSignature>,
    ) -> Result<Self, VerifyRejection> {
        match (envelope, message) {
            (Some(envelope), None) if envelope.payload_type != IN_TOTO => Err(unreadable(format!(
                "its envelope holds {}, and no statement",
                envelope.payload_type
            ))),
            (Some(envelope), None) if envelope.signatures.len() != 1 => {
                Err(unreadable("the envelope does not have one signature"))
            }
            (Some(envelope), None) => Ok(Self::Statement(envelope)),
            (None, Some(message)) => {
                let MessageDigest { algorithm, digest } = message.message_digest;
                let hash = HashAlgorithm::ALL
                    .into_iter()
                    .find(|hash| hash.proto_name() == algorithm)
                    .ok_or_else(|| unreadable(format!("its digest is {algorithm:?}")))?;
                Ok(Self::Artifact {
                    hash,
                    digest: digest.0,
                    signature: message.signature.0,
                })
            }
            (None, None) => Err(unreadable("it has no signature")),
            (Some(_), Some(_)) => Err(unreadable(
                "it has both an envelope and a signature of the artifact",
            )),
        }
    }

    /// What it states, without a look at the signature; nothing where the artifact is signed.
    pub(super) fn statement(&self) -> Result<Option<InTotoStatement>, VerifyRejection> {
        match self {
            Self::Statement(envelope) => serde_json::from_slice(&envelope.payload.0)
                .map(Some)
                .map_err(|fault| unreadable(format!("no statement: {}", parser_message(&fault)))),
            Self::Artifact { .. } => Ok(None),
        }
    }

    pub(super) fn signature(&self) -> &[u8] {
        match self {
            Self::Statement(envelope) => envelope
                .signatures
                .first()
                .map(|one| one.sig.0.as_slice())
                .unwrap_or_default(),
            Self::Artifact { signature, .. } => signature,
        }
    }

    /// Whether the holder of `key` signed this, and this concerns `artifact`.
    pub(super) fn check_signature(
        &self,
        key: &PublicKey,
        artifact: &SignedArtifact<'_>,
    ) -> Result<(), VerifyRejection> {
        match self {
            Self::Statement(envelope) => {
                if !key.has_signed(self.signature(), &envelope.signed_bytes()) {
                    return Err(VerifyRejection::new(
                        RejectionReason::WrongKey,
                        "the signature is not by this key over this statement",
                    ));
                }
                match self.statement()? {
                    Some(statement) if statement.speaks_of(artifact.digest) => Ok(()),
                    Some(_) | None => Err(other_digest()),
                }
            }
            Self::Artifact {
                hash,
                digest,
                signature,
            } => {
                let bytes = artifact.bytes.ok_or_else(|| {
                    unreadable("it signs the artifact itself, which is not at hand")
                })?;
                if hash.digest(bytes) != *digest {
                    Err(other_digest())
                } else if key.has_signed(signature, bytes) {
                    Ok(())
                } else {
                    Err(VerifyRejection::new(
                        RejectionReason::WrongKey,
                        "the signature is not by this key over this artifact",
                    ))
                }
            }
        }
    }
}

impl SignedContent {
    /// Whether what is signed of `artifact` has these annotations.
    pub(super) fn check_annotations(
        &self,
        artifact: &SignedArtifact<'_>,
        wanted: &BTreeMap<String, String>,
    ) -> Result<(), VerifyRejection> {
        if wanted.is_empty() {
            return Ok(());
        }
        let missing = match self.statement()? {
            Some(statement) => statement
                .missing_annotation(artifact.digest, wanted)
                .cloned(),
            // A signature of the artifact itself says nothing beside it.
            None => wanted.keys().next().cloned(),
        };
        missing.map_or(Ok(()), |key| {
            Err(VerifyRejection::new(
                RejectionReason::WrongAnnotation,
                format!("its annotation `{key}` is missing or another"),
            ))
        })
    }
}

fn other_digest() -> VerifyRejection {
    VerifyRejection::new(RejectionReason::OtherDigest, "it speaks of another digest")
}

impl DsseEnvelope {
    /// The bytes that are signed: the payload with its type, each after its length.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let Self {
            payload: Base64Bytes(payload),
            payload_type,
            ..
        } = self;
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
