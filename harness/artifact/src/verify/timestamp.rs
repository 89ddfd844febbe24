//! RFC 3161 timestamps: when a signature existed, in the words of an authority.

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo};
use der::asn1::{AnyRef, GeneralizedTime, Int, ObjectIdentifier, OctetString, OctetStringRef};
use der::{Encode, Reader, SliceReader};
use model::RejectionReason;
use sha2::{Digest, Sha256};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::bundle::SigstoreBundle;
use super::{TrustedRoot, VerifyRejection, certificate};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TIMESTAMP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// The time of the bundle's signature, in seconds since 1970, by an authority that the root knows.
pub(super) fn verify_timestamp(
    bundle: &SigstoreBundle,
    root: &TrustedRoot,
) -> Result<u64, VerifyRejection> {
    let mut rejection = VerifyRejection::new(RejectionReason::NoTimestamp, "it has no timestamp");
    for token in bundle.timestamps() {
        match check_stamped(token, bundle.signature(), root) {
            Ok(time) => return Ok(time),
            Err(said) => {
                rejection = VerifyRejection::new(RejectionReason::UntrustedTimestamp, said)
            }
        }
    }
    Err(rejection)
}

fn check_stamped(answer: &[u8], signature: &[u8], root: &TrustedRoot) -> Result<u64, String> {
    let unreadable = |fault: der::Error| format!("the timestamp cannot be read: {fault}");
    let data = signed_data(answer).map_err(unreadable)?;
    if data.encap_content_info.econtent_type != TIMESTAMP {
        return Err("it is signed, and no timestamp".into());
    }
    let content = data
        .encap_content_info
        .econtent
        .ok_or("the timestamp says nothing")?;
    let content: OctetString = content.decode_as().map_err(unreadable)?;
    let (imprint, time) = timestamp_info(content.as_bytes()).map_err(unreadable)?;
    if imprint.as_slice() != Sha256::digest(signature).as_slice() {
        return Err("the timestamp is of another signature".into());
    }
    let by_known = |signer: &SignerInfo| {
        let authorities = root.timestamp_authorities.iter();
        authorities.clone().any(|authority| {
            let Some(leaf) = authority.chain().next() else {
                return false;
            };
            signed_by(signer, leaf, content.as_bytes())
                && certificate::check_timestamp_chain(leaf, authority, time).is_ok()
        })
    };
    if data.signer_infos.0.iter().any(by_known) {
        Ok(time)
    } else {
        Err("the timestamp is not by an authority that is known".into())
    }
}

/// The signed part of an authority's answer.
fn signed_data(answer: &[u8]) -> der::Result<SignedData> {
    let mut reader = SliceReader::new(answer)?;
    let token: ContentInfo = reader.sequence(|reader| {
        let _status: AnyRef<'_> = reader.decode()?;
        reader.decode()
    })?;
    reader.finish(())?;
    token
        .content_type
        .eq(&SIGNED_DATA)
        .then_some(())
        .ok_or(der::ErrorKind::Failed)?;
    token.content.decode_as()
}

/// What was stamped (its SHA-256) and when.
fn timestamp_info(bytes: &[u8]) -> der::Result<(Vec<u8>, u64)> {
    SliceReader::new(bytes)?.sequence(|reader| {
        let _version: Int = reader.decode()?;
        let _policy: ObjectIdentifier = reader.decode()?;
        let imprint = reader.sequence(|reader| {
            let algorithm: AlgorithmIdentifierOwned = reader.decode()?;
            let imprint: OctetStringRef<'_> = reader.decode()?;
            algorithm
                .oid
                .eq(&SHA256)
                .then_some(())
                .ok_or(der::ErrorKind::Failed)?;
            Ok(imprint.as_bytes().to_vec())
        })?;
        let _serial: Int = reader.decode()?;
        let time: GeneralizedTime = reader.decode()?;
        reader.read_slice(reader.remaining_len())?;
        Ok((imprint, time.to_unix_duration().as_secs()))
    })
}

/// Whether the holder of `certificate` signed `content`, by way of attributes that name its hash.
fn signed_by(signer: &SignerInfo, certificate: &[u8], content: &[u8]) -> bool {
    let Ok(holder) = certificate::parse_certificate(certificate) else {
        return false;
    };
    let Some(attributes) = &signer.signed_attrs else {
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
        .is_some_and(|hash| hash.as_bytes() == Sha256::digest(content).as_slice());
    let is_timestamp = value(CONTENT_TYPE)
        .and_then(|value| value.decode_as::<ObjectIdentifier>().ok())
        .is_some_and(|kind| kind == TIMESTAMP);
    let Ok(message) = attributes.to_der() else {
        return false;
    };
    signer.digest_alg.oid == SHA256
        && names_hash
        && is_timestamp
        && holder.key.has_signed(signer.signature.as_bytes(), &message)
}
