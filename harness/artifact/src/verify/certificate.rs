//! The certificate of a signer: its subject, and its issuer.

use der::asn1::Utf8StringRef;
use der::oid::ObjectIdentifier;
use der::{Decode, Encode};
use model::RejectionReason;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::key::PublicKey;
use super::root::RootAuthority;
use super::{CertificateText, TrustedRoot, VerifyRejection};

/// The issuer of the token, as a UTF-8 string.
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");

/// The same in its older form, as it is.
const OLD_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");

/// For signing code.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// For timestamps.
const TIMESTAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// The subject of a certificate.
#[derive(Debug)]
pub(super) struct CertificateHolder {
    subjects: Vec<String>,
    issuer: Option<String>,
    pub(super) key: PublicKey,
}

pub(super) fn parse_certificate(bytes: &[u8]) -> Result<CertificateHolder, VerifyRejection> {
    let unreadable = |fault: der::Error| {
        VerifyRejection::new(
            RejectionReason::Unreadable,
            format!("no certificate: {fault}"),
        )
    };
    let certificate = Certificate::from_der(bytes)
        .map_err(unreadable)?
        .tbs_certificate;
    let names = certificate.get::<SubjectAltName>().map_err(unreadable)?;
    let names = names.map(|(_, names)| names.0).unwrap_or_default();
    let extension = |wanted: ObjectIdentifier| {
        let extensions = certificate.extensions.as_deref().unwrap_or_default();
        extensions
            .iter()
            .find(|one| one.extn_id == wanted)
            .map(|one| one.extn_value.as_bytes())
    };
    let issuer = match extension(ISSUER) {
        Some(bytes) => Utf8StringRef::from_der(bytes)
            .ok()
            .map(|text| text.as_str().to_owned()),
        None => extension(OLD_ISSUER).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()),
    };
    let key = certificate
        .subject_public_key_info
        .to_der()
        .map_err(unreadable)?;
    let key = PublicKey::from_der(&key).map_err(|fault| {
        VerifyRejection::new(
            RejectionReason::Unreadable,
            format!("the certificate's key cannot be read: {fault}"),
        )
    })?;
    Ok(CertificateHolder {
        subjects: names.iter().filter_map(certificate_subject).collect(),
        issuer,
        key,
    })
}

fn certificate_subject(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Rfc822Name(text) => Some(text.as_str().to_owned()),
        GeneralName::UniformResourceIdentifier(text) => Some(text.as_str().to_owned()),
        GeneralName::DnsName(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

impl CertificateHolder {
    pub(super) fn matches_signer(
        &self,
        subject: &CertificateText<'_>,
        issuer: &CertificateText<'_>,
    ) -> Result<(), VerifyRejection> {
        let said = self.issuer.as_deref().unwrap_or_default();
        if !self.subjects.iter().any(|name| subject.fits(name)) {
            let names = self.subjects.join(", ");
            return Err(VerifyRejection::new(
                RejectionReason::WrongIdentity,
                format!("the certificate is for {names}"),
            ));
        }
        if !issuer.fits(said) {
            return Err(VerifyRejection::new(
                RejectionReason::WrongIdentity,
                format!("the token was issued by {said}"),
            ));
        }
        Ok(())
    }
}

/// Whether a signer's certificate was issued by one of the root's authorities, and valid at `time`.
pub(super) fn check_signer_chain(
    certificate: &[u8],
    root: &TrustedRoot,
    time: u64,
) -> Result<(), VerifyRejection> {
    if root.certificate_authorities.is_empty() {
        return Err(VerifyRejection::new(
            RejectionReason::NoTrustedRoot,
            "the trusted root names no certificate authority",
        ));
    }
    was_issued_by(
        certificate,
        &root.certificate_authorities,
        CODE_SIGNING,
        time,
    )
}

/// The same, for the certificate of a timestamp authority.
pub(super) fn check_timestamp_chain(
    certificate: &[u8],
    authority: &RootAuthority,
    time: u64,
) -> Result<(), VerifyRejection> {
    was_issued_by(
        certificate,
        std::slice::from_ref(authority),
        TIMESTAMPING,
        time,
    )
}

fn was_issued_by(
    certificate: &[u8],
    authorities: &[RootAuthority],
    usage: &'static [u8],
    time: u64,
) -> Result<(), VerifyRejection> {
    let certificate = CertificateDer::from(certificate);
    let leaf = EndEntityCert::try_from(&certificate).map_err(|fault| {
        VerifyRejection::new(
            RejectionReason::Unreadable,
            format!("no certificate: {fault}"),
        )
    })?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
    let mut rejection = VerifyRejection::new(
        RejectionReason::UntrustedAuthority,
        "no authority is trusted",
    );
    for authority in authorities {
        let chain: Vec<CertificateDer<'_>> = authority.chain().map(CertificateDer::from).collect();
        let Some((last, between)) = chain.split_last() else {
            continue;
        };
        let Ok(anchor) = anchor_from_trusted_cert(last) else {
            continue;
        };
        match chain_path(&leaf, &[anchor], between, at, usage) {
            Ok(()) if authority.was_trusted(time) => return Ok(()),
            Ok(()) => {
                rejection = VerifyRejection::new(
                    RejectionReason::UntrustedAuthority,
                    "the trusted root does not trust the authority at that time",
                );
            }
            Err(other) if rejection.why != RejectionReason::Expired => rejection = other,
            Err(_) => {}
        }
    }
    Err(rejection)
}

fn chain_path(
    leaf: &EndEntityCert<'_>,
    anchors: &[TrustAnchor<'_>],
    between: &[CertificateDer<'_>],
    time: UnixTime,
    usage: &'static [u8],
) -> Result<(), VerifyRejection> {
    let usage = KeyUsage::required(usage);
    match leaf.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        anchors,
        between,
        time,
        usage,
        None,
        None,
    ) {
        Ok(_) => Ok(()),
        Err(webpki::Error::CertExpired { .. }) => Err(VerifyRejection::new(
            RejectionReason::Expired,
            "the certificate had expired",
        )),
        Err(webpki::Error::CertNotValidYet { .. }) => Err(VerifyRejection::new(
            RejectionReason::Expired,
            "the certificate was not valid yet",
        )),
        Err(fault) => Err(VerifyRejection::new(
            RejectionReason::UntrustedAuthority,
            format!("the certificate does not chain: {fault}"),
        )),
    }
}
