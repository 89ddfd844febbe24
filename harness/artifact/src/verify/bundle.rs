//! A Sigstore bundle, taken apart: of the versions 0.1, 0.2 and 0.3, with what each of them
//! demands. As in Go's `protojson`, an unknown key is a fault.

use model::RejectionReason;
use serde::Deserialize;

use super::VerifyRejection;
use super::content::{DsseEnvelope, MessageSignature, SignedContent};
use super::encoding::{Base64Bytes, parse_number, parser_message};
use super::record::LogRecord;

/// More log entries, or timestamps, than these are refused, as sigstore-go 1.3.0 does.
const MOST_PROOFS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BundleVersion {
    V01,
    V02,
    V03,
}

impl BundleVersion {
    fn from_media_type(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("application/vnd.dev.sigstore.bundle")?;
        match rest {
            "+json;version=0.1" | ".v0.1+json" => Some(Self::V01),
            "+json;version=0.2" | ".v0.2+json" => Some(Self::V02),
            "+json;version=0.3" | ".v0.3+json" => Some(Self::V03),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawBundle {
    #[serde(default)]
    media_type: String,
    verification_material: VerificationMaterial,
    dsse_envelope: Option<DsseEnvelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerificationMaterial {
    certificate: Option<RawCertificate>,
    x509_certificate_chain: Option<RawCertificateChain>,
    public_key: Option<PublicKeyIdentifier>,
    #[serde(default)]
    tlog_entries: Vec<LogEntry>,
    timestamp_verification_data: Option<TimestampData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawCertificate {
    #[serde(default)]
    pub(super) raw_bytes: Base64Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificateChain {
    #[serde(default)]
    certificates: Vec<RawCertificate>,
}

/// A managed key. The hint tells several keys apart; it is not signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKeyIdentifier {
    #[serde(default, rename = "hint")]
    _hint: String,
}

/// An entry of a transparency log, with the proof or the promise that it is in there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogEntry {
    #[serde(default, deserialize_with = "parse_number")]
    pub(super) log_index: u64,
    pub(super) log_id: LogId,
    pub(super) kind_version: KindVersion,
    /// When the log took it, in seconds since 1970; 0 where the log does not say.
    #[serde(default, deserialize_with = "parse_number")]
    pub(super) integrated_time: u64,
    pub(super) inclusion_promise: Option<InclusionPromise>,
    pub(super) inclusion_proof: Option<InclusionProof>,
    pub(super) canonicalized_body: Base64Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogId {
    pub(super) key_id: Base64Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindVersion {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) version: String,
}

/// The log's signature over an entry that it is going to include, with the time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InclusionPromise {
    #[serde(default)]
    pub(super) signed_entry_timestamp: Base64Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InclusionProof {
    #[serde(default, deserialize_with = "parse_number")]
    pub(super) log_index: u64,
    #[serde(default)]
    pub(super) root_hash: Base64Bytes,
    #[serde(default, deserialize_with = "parse_number")]
    pub(super) tree_size: u64,
    #[serde(default)]
    pub(super) hashes: Vec<Base64Bytes>,
    pub(super) checkpoint: LogCheckpoint,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogCheckpoint {
    pub(super) envelope: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TimestampData {
    #[serde(default)]
    rfc3161_timestamps: Vec<Rfc3161Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rfc3161Timestamp {
    #[serde(default)]
    signed_timestamp: Base64Bytes,
}

impl LogEntry {
    /// The promise, if the log made one.
    pub(super) fn promise(&self) -> Option<&[u8]> {
        let promise = self.inclusion_promise.as_ref()?;
        let signature = promise.signed_entry_timestamp.0.as_slice();
        (!signature.is_empty()).then_some(signature)
    }
}

/// How the signer is named.
#[derive(Debug)]
pub(super) enum BundleSigner {
    /// By a certificate, in DER.
    Certificate(Vec<u8>),
    /// Not at all: it is signed with a key that has to be known.
    ManagedKey,
}

/// A bundle that has the form which its version demands.
#[derive(Debug)]
pub(super) struct SigstoreBundle {
    pub(super) content: SignedContent,
    pub(super) signer: BundleSigner,
    /// Each entry with what its body says.
    pub(super) entries: Vec<(LogEntry, LogRecord)>,
    pub(super) timestamps: Vec<Vec<u8>>,
}

impl SigstoreBundle {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, VerifyRejection> {
        let text = std::str::from_utf8(bytes)
            .map_err(|fault| unreadable(format!("no bundle: {fault}")))?;
        let raw: RawBundle = serde_json::from_str(text)
            .map_err(|fault| unreadable(format!("no bundle: {}", parser_message(&fault))))?;
        let version = BundleVersion::from_media_type(&raw.media_type)
            .ok_or_else(|| unreadable(format!("a bundle of another kind: {}", raw.media_type)))?;
        let content = SignedContent::new(raw.dsse_envelope, raw.message_signature)?;
        let material = raw.verification_material;
        let signer = read_signer(
            version,
            material.certificate,
            material.x509_certificate_chain,
            material.public_key,
        )?;
        check_proofs(version, &material.tlog_entries)?;
        let entries = material.tlog_entries.into_iter().map(|entry| {
            let record = LogRecord::read(&entry).map_err(unreadable)?;
            Ok((entry, record))
        });
        let stamps = material.timestamp_verification_data.unwrap_or_default();
        let timestamps = stamps.rfc3161_timestamps.into_iter();
        let bundle = Self {
            content,
            signer,
            entries: entries.collect::<Result<_, VerifyRejection>>()?,
            timestamps: timestamps.map(|one| one.signed_timestamp.0).collect(),
        };
        if bundle.entries.len().max(bundle.timestamps.len()) > MOST_PROOFS {
            return Err(unreadable(format!(
                "it has more than {MOST_PROOFS} log entries or timestamps"
            )));
        }
        Ok(bundle)
    }

    /// The signer's certificate.
    pub(super) fn certificate(&self) -> Result<&[u8], VerifyRejection> {
        match &self.signer {
            BundleSigner::Certificate(bytes) => Ok(bytes),
            BundleSigner::ManagedKey => Err(VerifyRejection::new(
                RejectionReason::WrongIdentity,
                "it is signed by a key without a certificate",
            )),
        }
    }
}

fn read_signer(
    version: BundleVersion,
    certificate: Option<RawCertificate>,
    chain: Option<RawCertificateChain>,
    key: Option<PublicKeyIdentifier>,
) -> Result<BundleSigner, VerifyRejection> {
    match (certificate, chain, key) {
        (Some(certificate), None, None) => Ok(BundleSigner::Certificate(certificate.raw_bytes.0)),
        (None, Some(_), None) if version == BundleVersion::V03 => Err(unreadable(
            "a bundle of version 0.3 holds a certificate, and no chain",
        )),
        // Only its first certificate counts: what is between it and the root comes from the root.
        (None, Some(chain), None) => match chain.certificates.into_iter().next() {
            Some(first) => Ok(BundleSigner::Certificate(first.raw_bytes.0)),
            None => Err(unreadable("its chain of certificates is empty")),
        },
        (None, None, Some(_)) => Ok(BundleSigner::ManagedKey),
        (None, None, None) => Err(unreadable("it has neither a certificate nor a key")),
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            Err(unreadable("it names its signer twice"))
        }
    }
}

/// Version 0.1 demands a promise where there are entries, later ones a proof.
fn check_proofs(version: BundleVersion, entries: &[LogEntry]) -> Result<(), VerifyRejection> {
    let (has_it, what) = match version {
        BundleVersion::V01 => (
            entries.iter().any(|entry| entry.promise().is_some()),
            "a bundle of version 0.1 with a log entry needs the log's promise",
        ),
        BundleVersion::V02 | BundleVersion::V03 => (
            entries.iter().any(|entry| entry.inclusion_proof.is_some()),
            "a bundle with a log entry needs a proof of inclusion",
        ),
    };
    if has_it || entries.is_empty() {
        Ok(())
    } else {
        Err(unreadable(what))
    }
}

pub(super) fn unreadable(said: impl ToString) -> VerifyRejection {
    VerifyRejection::new(RejectionReason::Unreadable, said)
}
