//! RFC 3161 timestamps: when a signature existed, in the words of an authority.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{AnyRef, GeneralizedTime, Int, ObjectIdentifier, OctetString, OctetStringRef};
use der::{Encode, Reader, SliceReader};
use model::RejectionReason;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::bundle::SigstoreBundle;
use super::hash::HashAlgorithm;
use super::root::RootAuthority;
use super::{TrustedRoot, VerifyRejection, certificate};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TIMESTAMP_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");

/// RFC 5758, 3.2: ECDSA with each hash.
const ECDSA_HASHES: [(ObjectIdentifier, HashAlgorithm); 3] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        HashAlgorithm::Sha256,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        HashAlgorithm::Sha384,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
        HashAlgorithm::Sha512,
    ),
];

/// The times of the bundle's signature, in seconds since 1970, by authorities that the root knows;
/// at least one. Timestamps of others count for nothing.
pub(super) fn verify_timestamps(
    bundle: &SigstoreBundle,
    root: &TrustedRoot,
) -> Result<Vec<u64>, VerifyRejection> {
    let (mut times, mut ignored) = (Vec::new(), Vec::new());
    for token in &bundle.timestamps {
        match check_stamped(token, bundle.content.signature(), root) {
            Ok(time) => times.push(time),
            Err(said) => ignored.push(said),
        }
    }
    if !times.is_empty() {
        return Ok(times);
    }
    // Whatever order they have, the same one is named.
    Err(ignored.into_iter().max().map_or_else(
        || VerifyRejection::new(RejectionReason::NoTimestamp, "it has no timestamp"),
        |said| VerifyRejection::new(RejectionReason::UntrustedTimestamp, said),
    ))
}

fn check_stamped(answer: &[u8], signature: &[u8], root: &TrustedRoot) -> Result<u64, String> {
    let unreadable = |fault: der::Error| format!("the timestamp cannot be read: {fault}");
    let data = signed_data(answer).map_err(unreadable)?;
    if data.encap_content_info.econtent_type != TIMESTAMP_TYPE {
        return Err("it is signed, and no timestamp".into());
    }
    let content = data
        .encap_content_info
        .econtent
        .as_ref()
        .ok_or("the timestamp says nothing")?;
    let content: OctetString = content.decode_as().map_err(unreadable)?;
    let (hash, imprint, time) = timestamp_info(content.as_bytes()).map_err(unreadable)?;
    if imprint != hash.digest(signature) {
        return Err("the timestamp is of another signature".into());
    }
    let [signer] = data.signer_infos.0.as_slice() else {
        return Err("the timestamp does not have one signer".into());
    };
    let embedded = embedded_certificates(&data);
    let is_known = |authority: &RootAuthority| {
        let Some(leaf) = signer_certificate(signer, authority, &embedded) else {
            return false;
        };
        signed_by(signer, &leaf, content.as_bytes())
            && certificate::check_timestamp_chain(&leaf, authority, &embedded, time).is_ok()
    };
    if root.timestamp_authorities.iter().any(is_known) {
        Ok(time)
    } else {
        Err("the timestamp is not by an authority that is known".into())
    }
}

/// The certificates that came with a timestamp, in DER.
fn embedded_certificates(data: &SignedData) -> Vec<Vec<u8>> {
    let all = data.certificates.iter().flat_map(|set| set.0.iter());
    all.filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => certificate.to_der().ok(),
        CertificateChoices::Other(_) => None,
    })
    .collect()
}

/// The certificate of a timestamp's signer: that which came with it, where one did, and which the
/// root names, where it names one.
fn signer_certificate(
    signer: &SignerInfo,
    authority: &RootAuthority,
    embedded: &[Vec<u8>],
) -> Option<Vec<u8>> {
    let SignerIdentifier::IssuerAndSerialNumber(wanted) = &signer.sid else {
        return None;
    };
    let named = authority
        .chain()
        .next()
        .filter(|first| !certificate::may_issue(first));
    let found = if embedded.is_empty() {
        named.filter(|first| certificate::is_numbered(first, wanted))
    } else {
        embedded
            .iter()
            .map(Vec::as_slice)
            .find(|one| certificate::is_numbered(one, wanted))
    };
    found
        .filter(|one| named.is_none_or(|named| named == *one))
        .map(<[u8]>::to_vec)
}

/// The signed part of an authority's answer, if it granted one.
fn signed_data(answer: &[u8]) -> der::Result<SignedData> {
    let mut reader = SliceReader::new(answer)?;
    let token: ContentInfo = reader.sequence(|reader| {
        let status: AnyRef<'_> = reader.decode()?;
        status.sequence(|status| {
            let granted: Int = status.decode()?;
            status.read_slice(status.remaining_len())?;
            check_der(granted.as_bytes() == [0])
        })?;
        reader.decode()
    })?;
    reader.finish(())?;
    check_der(token.content_type == SIGNED_DATA)?;
    token.content.decode_as()
}

fn check_der(is_good: bool) -> der::Result<()> {
    is_good
        .then_some(())
        .ok_or_else(|| der::ErrorKind::Failed.into())
}

/// What was stamped (its hash) and when.
fn timestamp_info(bytes: &[u8]) -> der::Result<(HashAlgorithm, Vec<u8>, u64)> {
    SliceReader::new(bytes)?.sequence(|reader| {
        let _version: Int = reader.decode()?;
        let _policy: ObjectIdentifier = reader.decode()?;
        let (hash, imprint) = reader.sequence(|reader| {
            let algorithm: AlgorithmIdentifierOwned = reader.decode()?;
            let imprint: OctetStringRef<'_> = reader.decode()?;
            let hash = HashAlgorithm::from_identifier(algorithm.oid)
                .ok_or_else(|| der::Error::from(der::ErrorKind::Failed))?;
            Ok((hash, imprint.as_bytes().to_vec()))
        })?;
        let _serial: Int = reader.decode()?;
        let time: GeneralizedTime = reader.decode()?;
        reader.read_slice(reader.remaining_len())?;
        Ok((hash, imprint, time.to_unix_duration().as_secs()))
    })
}

/// Whether the holder of `certificate` signed `content`, by way of attributes that name its hash.
fn signed_by(signer: &SignerInfo, certificate: &[u8], content: &[u8]) -> bool {
    let Ok(holder) = certificate::parse_certificate(certificate) else {
        return false;
    };
    let (Some(attributes), Some(hash)) = (
        &signer.signed_attrs,
        HashAlgorithm::from_identifier(signer.digest_alg.oid),
    ) else {
        return false;
    };
    let value = |wanted: ObjectIdentifier| {
        attributes
            .iter()
            .find(|one| one.oid == wanted)
            .and_then(|one| one.values.iter().next())
    };
    let names_hash = value(MESSAGE_DIGEST)
        .and_then(|value| value.decode_as::<OctetString>().ok())
        .is_some_and(|found| found.as_bytes() == hash.digest(content));
    let is_timestamp = value(CONTENT_TYPE)
        .and_then(|value| value.decode_as::<ObjectIdentifier>().ok())
        .is_some_and(|kind| kind == TIMESTAMP_TYPE);
    let Ok(message) = attributes.to_der() else {
        return false;
    };
    // The algorithm can name another hash for the signature than for the content.
    let signed = ECDSA_HASHES
        .iter()
        .find(|(oid, _)| *oid == signer.signature_algorithm.oid)
        .map_or(hash, |(_, hash)| *hash);
    let signature = signer.signature.as_bytes();
    names_hash && is_timestamp && holder.key.has_signed_hashed(signed, signature, &message)
}
