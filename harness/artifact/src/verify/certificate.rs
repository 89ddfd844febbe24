//! The certificate of a signer: its subject, and its issuer.

use cms::cert::IssuerAndSerialNumber;
use der::asn1::Utf8StringRef;
use der::oid::ObjectIdentifier;
use der::{Decode, Encode};
use model::RejectionReason;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::{Certificate, TbsCertificate};

use super::key::PublicKey;
use super::root::RootAuthority;
use super::{CertificateText, TrustedRoot, VerifyRejection};

/// The issuer of the token, as a UTF-8 string.
const ISSUER_EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");

/// The same in its older form, as it is.
const OLD_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");

/// For signing code.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// For timestamps.
const TIMESTAMPING_USAGE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
const TIMESTAMP_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// A name that is neither an address nor a URI, as Fulcio gives it to users of a name alone.
const OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// The subject of a certificate.
#[derive(Debug)]
pub(super) struct CertificateHolder {
    subject: Option<String>,
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
    let issuer = match extension(ISSUER_EXTENSION) {
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
        subject: certificate_subject(&names),
        issuer,
        key,
    })
}

/// The one name that counts, as in sigstore-go 1.3.0: the first URI, else the first address of mail,
/// else the first name of another kind. Names of hosts are not signers.
fn certificate_subject(names: &[GeneralName]) -> Option<String> {
    let uri = names.iter().find_map(|name| match name {
        GeneralName::UniformResourceIdentifier(text) => Some(text.as_str().to_owned()),
        _ => None,
    });
    let mail = || {
        names.iter().find_map(|name| match name {
            GeneralName::Rfc822Name(text) => Some(text.as_str().to_owned()),
            _ => None,
        })
    };
    let other = || {
        names.iter().find_map(|name| match name {
            GeneralName::OtherName(other) if other.type_id == OTHER_NAME => other
                .value
                .decode_as::<Utf8StringRef<'_>>()
                .ok()
                .map(|text| text.as_str().to_owned()),
            _ => None,
        })
    };
    uri.or_else(mail).or_else(other)
}

impl CertificateHolder {
    pub(super) fn matches_signer(
        &self,
        subject: &CertificateText<'_>,
        issuer: &CertificateText<'_>,
    ) -> Result<(), VerifyRejection> {
        let said = self.issuer.as_deref().unwrap_or_default();
        let Some(name) = &self.subject else {
            return Err(VerifyRejection::new(
                RejectionReason::WrongIdentity,
                "the certificate names no signer",
            ));
        };
        if !subject.fits(name) {
            return Err(VerifyRejection::new(
                RejectionReason::WrongIdentity,
                format!("the certificate is for {name}"),
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
        &[],
        CODE_SIGNING,
        time,
    )
}

/// The same, for the certificate of a timestamp authority; `embedded` are certificates that came
/// with the timestamp.
pub(super) fn check_timestamp_chain(
    certificate: &[u8],
    authority: &RootAuthority,
    embedded: &[Vec<u8>],
    time: u64,
) -> Result<(), VerifyRejection> {
    if !is_timestamp_signer(certificate) {
        return Err(VerifyRejection::new(
            RejectionReason::UntrustedAuthority,
            "the certificate is not for timestamps alone",
        ));
    }
    was_issued_by(
        certificate,
        std::slice::from_ref(authority),
        embedded,
        TIMESTAMPING_USAGE,
        time,
    )
}

/// Whether a certificate is for timestamps and nothing else, and says so in a critical extension
/// (RFC 3161, 2.3).
fn is_timestamp_signer(certificate: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return false;
    };
    let certificate = certificate.tbs_certificate;
    let usage = certificate.get::<ExtendedKeyUsage>();
    let is_alone = usage.is_ok_and(|usage| {
        usage.is_some_and(|(critical, usage)| critical && usage.0 == [TIMESTAMP_USAGE])
    });
    is_alone && !is_authority(&certificate)
}

fn is_authority(certificate: &TbsCertificate) -> bool {
    let constraints = certificate.get::<BasicConstraints>();
    constraints.is_ok_and(|found| found.is_some_and(|(_, constraints)| constraints.ca))
}

/// Whether this is a certificate.
pub(super) fn is_readable(certificate: &[u8]) -> bool {
    Certificate::from_der(certificate).is_ok()
}

/// Whether a certificate may issue others.
pub(super) fn may_issue(certificate: &[u8]) -> bool {
    Certificate::from_der(certificate)
        .is_ok_and(|certificate| is_authority(&certificate.tbs_certificate))
}

/// Whether a certificate is the one of this issuer and number.
pub(super) fn is_numbered(certificate: &[u8], wanted: &IssuerAndSerialNumber) -> bool {
    Certificate::from_der(certificate).is_ok_and(|certificate| {
        let certificate = certificate.tbs_certificate;
        certificate.issuer == wanted.issuer && certificate.serial_number == wanted.serial_number
    })
}

fn was_issued_by(
    certificate: &[u8],
    authorities: &[RootAuthority],
    embedded: &[Vec<u8>],
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
        let mut between = between.to_vec();
        between.extend(
            embedded
                .iter()
                .map(|one| CertificateDer::from(one.as_slice())),
        );
        match chain_path(&leaf, &[anchor], &between, at, usage) {
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
