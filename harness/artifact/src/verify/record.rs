//! What the body of a log entry says: which signature by whom over what was entered.

use rustls_pki_types::pem::{PemObject, SectionKind};
use serde_json::Value;

use super::bundle::LogEntry;
use super::content::SignedContent;
use super::encoding::{decode_base64, decode_hex};
use super::hash::HashAlgorithm;
use super::key::PublicKey;

/// What was entered. The types are those that sigstore-go 1.3.0 takes.
#[derive(Debug, PartialEq, Eq)]
enum RecordedContent {
    /// Rekor 1's `hashedrekord` 0.0.1: a signed artifact.
    Artifact {
        hash: HashAlgorithm,
        digest: Vec<u8>,
    },
    /// Rekor 1's `dsse` 0.0.1 and `intoto` 0.0.2: the SHA-256 of an envelope's payload.
    Payload(Vec<u8>),
    /// Rekor 2's `hashedrekord` 0.0.2: what was signed, be it an artifact or an envelope.
    Signed {
        hash: HashAlgorithm,
        digest: Vec<u8>,
    },
}

/// The body of an entry.
#[derive(Debug)]
pub(super) struct LogRecord {
    content: RecordedContent,
    signature: Vec<u8>,
    /// The certificate, or the public key, in DER.
    verifier: Vec<u8>,
}

impl LogRecord {
    /// Reads the body of an entry.
    ///
    /// # Errors
    /// In words, what cannot be read.
    pub(super) fn read(entry: &LogEntry) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(&entry.canonicalized_body.0)
            .map_err(|_| "the body of a log entry is not JSON".to_owned())?;
        let (kind, version) = (text(&body, "/kind"), text(&body, "/apiVersion"));
        let declared = &entry.kind_version;
        if kind != Some(&declared.kind) || version != Some(&declared.version) {
            return Err("a log entry is of another kind than it says".into());
        }
        let record = match (declared.kind.as_str(), declared.version.as_str()) {
            ("hashedrekord", "0.0.1") => read_first_hashedrekord(&body),
            ("hashedrekord", "0.0.2") => read_second_hashedrekord(&body),
            ("dsse", "0.0.1") => read_dsse(&body),
            ("intoto", "0.0.2") => read_intoto(&body),
            (kind, version) => return Err(format!("a log entry is of the kind {kind} {version}")),
        };
        record.ok_or_else(|| "the body of a log entry cannot be read".to_owned())
    }

    /// Whether it is of a log of Rekor's second version.
    pub(super) fn is_second_version(&self) -> bool {
        matches!(self.content, RecordedContent::Signed { .. })
    }

    /// Whether it is the record of this signature over this content by this signer: the certificate
    /// in DER, or the key.
    pub(super) fn concerns(
        &self,
        content: &SignedContent,
        certificate: Option<&[u8]>,
        key: &PublicKey,
    ) -> bool {
        self.signature == content.signature()
            && self.verifier == certificate.unwrap_or(key.info())
            && self.is_about(content, key)
    }

    fn is_about(&self, content: &SignedContent, key: &PublicKey) -> bool {
        match (&self.content, content) {
            (
                RecordedContent::Artifact { hash, digest },
                SignedContent::Artifact {
                    hash: signed,
                    digest: wanted,
                    signature: _,
                },
            ) => hash == signed && digest == wanted,
            (RecordedContent::Payload(hash), SignedContent::Statement(envelope)) => {
                *hash == HashAlgorithm::Sha256.digest(&envelope.payload.0)
            }
            (RecordedContent::Signed { hash, digest }, SignedContent::Statement(envelope)) => {
                *hash == key.record_hash() && *digest == hash.digest(&envelope.signed_bytes())
            }
            (
                RecordedContent::Signed { hash, digest },
                SignedContent::Artifact { digest: wanted, .. },
            ) => *hash == key.record_hash() && digest == wanted,
            (RecordedContent::Artifact { .. }, SignedContent::Statement(_))
            | (RecordedContent::Payload(_), SignedContent::Artifact { .. }) => false,
        }
    }
}

fn read_first_hashedrekord(body: &Value) -> Option<LogRecord> {
    let name = text(body, "/spec/data/hash/algorithm")?;
    let hash = HashAlgorithm::ALL
        .into_iter()
        .find(|hash| hash.plain_name() == name)?;
    let digest = decode_hex(text(body, "/spec/data/hash/value")?)?;
    Some(LogRecord {
        content: RecordedContent::Artifact { hash, digest },
        signature: bytes(body, "/spec/signature/content")?,
        verifier: pem_content(&bytes(body, "/spec/signature/publicKey/content")?)?,
    })
}

fn read_second_hashedrekord(body: &Value) -> Option<LogRecord> {
    let record = body.pointer("/spec/hashedRekordV002")?;
    let name = text(record, "/data/algorithm")?;
    let hash = HashAlgorithm::ALL
        .into_iter()
        .find(|hash| hash.proto_name() == name)?;
    let digest = bytes(record, "/data/digest")?;
    let certificate = bytes(record, "/signature/verifier/x509Certificate/rawBytes");
    Some(LogRecord {
        content: RecordedContent::Signed { hash, digest },
        signature: bytes(record, "/signature/content")?,
        verifier: certificate
            .or_else(|| bytes(record, "/signature/verifier/publicKey/rawBytes"))?,
    })
}

fn read_dsse(body: &Value) -> Option<LogRecord> {
    Some(LogRecord {
        content: payload_hash(body, "/spec/payloadHash")?,
        signature: bytes(body, "/spec/signatures/0/signature")?,
        verifier: pem_content(&bytes(body, "/spec/signatures/0/verifier")?)?,
    })
}

/// The signature is in Base64 twice.
fn read_intoto(body: &Value) -> Option<LogRecord> {
    let envelope = "/spec/content/envelope/signatures/0";
    let encoded = bytes(body, &format!("{envelope}/sig"))?;
    Some(LogRecord {
        content: payload_hash(body, "/spec/content/payloadHash")?,
        signature: decode_base64(std::str::from_utf8(&encoded).ok()?).ok()?,
        verifier: pem_content(&bytes(body, &format!("{envelope}/publicKey"))?)?,
    })
}

fn payload_hash(body: &Value, place: &str) -> Option<RecordedContent> {
    let hash = body.pointer(place)?;
    let is_sha256 = text(hash, "/algorithm")? == HashAlgorithm::Sha256.plain_name();
    let value = decode_hex(text(hash, "/value")?)?;
    is_sha256.then_some(RecordedContent::Payload(value))
}

fn text<'a>(body: &'a Value, place: &str) -> Option<&'a str> {
    body.pointer(place)?.as_str()
}

fn bytes(body: &Value, place: &str) -> Option<Vec<u8>> {
    decode_base64(text(body, place)?).ok()
}

/// What the first section of a file in PEM holds.
fn pem_content(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, content) = <(SectionKind, Vec<u8>)>::from_pem_slice(bytes).ok()?;
    Some(content)
}
