//! Our authorities: one for short-lived certificates, and strangers that sign nothing.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
    PublicKeyData, SanType, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

/// The extensions in which Fulcio's certificates name the issuer of the token: as plain bytes,
/// which readers of the older signature format look for, and as a DER `UTF8String`
/// (sigstore/fulcio, `docs/oid-info.md`).
const TOKEN_ISSUER: [[u64; 9]; 2] = [
    [1, 3, 6, 1, 4, 1, 57264, 1, 1],
    [1, 3, 6, 1, 4, 1, 57264, 1, 8],
];

/// The issuer of the cluster's ServiceAccount tokens.
pub(crate) const CLUSTER_ISSUER: &str = "https://kubernetes.default.svc";

/// An authority for short-lived certificates.
pub(crate) struct ShortLivedAuthority(CertifiedIssuer<'static, KeyPair>);

/// The key of a short-lived certificate.
pub(crate) struct LeafKey(KeyPair);

impl LeafKey {
    pub(crate) fn generate() -> Result<Self, Error> {
        KeyPair::generate().map(Self).map_err(cannot_make)
    }

    /// PKCS #8, PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.serialize_pem()
    }
}

/// The public half of a key of cosign's: a point on P-256.
struct CosignKey(Vec<u8>);

impl CosignKey {
    /// How many bytes of such a key in DER are the point, which comes last.
    const POINT_LENGTH: usize = 65;

    fn from_pem(pem: &str) -> Result<Self, Error> {
        let text: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let bytes = STANDARD.decode(text).map_err(cannot_make)?;
        let point = bytes.len().checked_sub(Self::POINT_LENGTH);
        let key = Self(bytes[point.unwrap_or_default()..].to_vec());
        if key.subject_public_key_info() == bytes {
            Ok(key)
        } else {
            Err(cannot_make("the key is not one on P-256"))
        }
    }
}

impl PublicKeyData for CosignKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A certificate, PEM, and its last second.
pub(crate) struct LeafCertificate {
    pub(crate) certificate: String,
    pub(crate) not_after: OffsetDateTime,
}

impl ShortLivedAuthority {
    pub(crate) fn new() -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(cannot_make)?;
        CertifiedIssuer::self_signed(root_certificate("gauntlet-short-lived"), key)
            .map(Self)
            .map_err(cannot_make)
    }

    /// Its own certificate, PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the holder of this key, PEM, by a name of its own. It began twelve hours
    /// ago, when this authority was there already, and ends in a day, or has ended an hour ago.
    pub(crate) fn certify_key(
        &self,
        pem: &str,
        name: &str,
        has_expired: bool,
    ) -> Result<String, Error> {
        let now = OffsetDateTime::now_utc();
        let mut leaf = CertificateParams::default();
        leaf.not_before = now - Duration::hours(12);
        leaf.not_after = match has_expired {
            true => now - Duration::hours(1),
            false => now + Duration::days(1),
        };
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        leaf.use_authority_key_identifier_extension = true;
        let key = CosignKey::from_pem(pem)?;
        let certificate = leaf.signed_by(&key, &self.0).map_err(cannot_make)?;
        Ok(certificate.pem())
    }

    /// A certificate for this subject (a URI) that expires after this many seconds.
    pub(crate) fn issue_leaf(
        &self,
        key: &LeafKey,
        subject: &str,
        seconds: i64,
    ) -> Result<LeafCertificate, Error> {
        let now = OffsetDateTime::now_utc();
        let mut leaf = CertificateParams::default();
        leaf.not_before = now - Duration::seconds(1);
        // A certificate knows whole seconds.
        let not_after = (now + Duration::seconds(seconds)).truncate_to_second();
        leaf.not_after = not_after;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        leaf.subject_alt_names = vec![SanType::URI(subject.try_into().map_err(cannot_make)?)];
        let issuers = [
            CLUSTER_ISSUER.as_bytes().to_vec(),
            utf8_string(CLUSTER_ISSUER),
        ];
        let issuers = TOKEN_ISSUER.iter().zip(issuers);
        leaf.custom_extensions = issuers
            .map(|(id, text)| CustomExtension::from_oid_content(id, text))
            .collect();
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key.0, &self.0).map_err(cannot_make)?.pem();
        Ok(LeafCertificate {
            certificate,
            not_after,
        })
    }
}

/// The certificate of an unused certificate authority, PEM.
pub(crate) fn stranger_authority() -> Result<String, Error> {
    let key = KeyPair::generate().map_err(cannot_make)?;
    CertifiedIssuer::self_signed(root_certificate("gauntlet-stranger"), key)
        .map(|issuer| issuer.pem())
        .map_err(cannot_make)
}

/// The public key of an unused log, PEM.
pub(crate) fn other_log_key() -> Result<String, Error> {
    KeyPair::generate_for(&PKCS_ED25519)
        .map(|key| key.public_key_pem())
        .map_err(cannot_make)
}

/// The certificates of an unused timestamp authority, its own first, PEM.
pub(crate) fn other_timestamps() -> Result<String, Error> {
    let key = KeyPair::generate().map_err(cannot_make)?;
    let issuer = CertifiedIssuer::self_signed(root_certificate("gauntlet-other-timestamps"), key)
        .map_err(cannot_make)?;
    let mut leaf = CertificateParams::default();
    leaf.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
    let key = KeyPair::generate().map_err(cannot_make)?;
    let leaf = leaf.signed_by(&key, &issuer).map_err(cannot_make)?;
    Ok(format!("{}{}", leaf.pem(), issuer.pem()))
}

fn root_certificate(name: &str) -> CertificateParams {
    let mut root = CertificateParams::default();
    root.distinguished_name.push(DnType::CommonName, name);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    root.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    root
}

fn utf8_string(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or_default();
    [&[0x0c, length], text.as_bytes()].concat()
}

fn cannot_make(fault: impl std::fmt::Display) -> Error {
    Error::cannot_make(format!("a certificate could not be made: {fault}"))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// From when until when a certificate is valid: the two times in it (RFC 5280, `UTCTime`).
    fn validity_times(pem: &str) -> [OffsetDateTime; 2] {
        let format = time::macros::format_description!(
            "[year][month][day][hour][minute][second]Z[offset_hour sign:mandatory]"
        );
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        let der = STANDARD.decode(lines.collect::<String>()).unwrap();
        let times = der.windows(15).filter_map(|bytes| {
            let text = std::str::from_utf8(bytes.strip_prefix(&[0x17, 13])?).ok()?;
            OffsetDateTime::parse(&format!("20{text}+00"), format).ok()
        });
        times.collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn a_key_of_cosign_s_is_taken_and_no_other() {
        let authority = ShortLivedAuthority::new().unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let read = CosignKey::from_pem(&key.public_key_pem()).unwrap();
        assert_eq!(read.der_bytes(), key.der_bytes());
        for has_expired in [false, true] {
            let made = authority.certify_key(&key.public_key_pem(), "release", has_expired);
            let [begin, end] = validity_times(&made.unwrap());
            let now = OffsetDateTime::now_utc();
            assert!(begin < now && (end < now) == has_expired, "{begin} {end}");
        }
        let other = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        assert!(CosignKey::from_pem(&other.public_key_pem()).is_err());
        assert!(CosignKey::from_pem("").is_err());
    }
}
