//! Public keys, and what they signed.

use der::Decode;
use der::oid::ObjectIdentifier;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::hash::HashAlgorithm;

/// RFC 5480, 2.1.1.
const EC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480, 2.1.1.1: P-256 and P-384.
const P256_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// RFC 8410, 3.
const EDWARDS_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// RFC 3279, 2.3.1.
const RSA_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

/// A key that signatures are checked with.
#[derive(Debug)]
pub(super) struct PublicKey {
    kind: KeyKind,
    bytes: Vec<u8>,
    /// The whole of it, with its type, in DER.
    info: Vec<u8>,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in PEM.
    ///
    /// # Errors
    /// In words, what cannot be read.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
            .map_err(|fault| fault.to_string())?;
        Self::from_der(&info)
    }

    /// Reads a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// In words, what cannot be read.
    pub(super) fn from_der(bytes: &[u8]) -> Result<Self, String> {
        let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(|fault| fault.to_string())?;
        let curve = || {
            info.algorithm
                .parameters_oid()
                .map_err(|fault| fault.to_string())
        };
        let kind = match info.algorithm.oid {
            EC_KEY => match curve()? {
                P256_CURVE => KeyKind::P256,
                P384_CURVE => KeyKind::P384,
                other => return Err(format!("its curve {other} is not supported")),
            },
            EDWARDS_KEY => KeyKind::Ed25519,
            RSA_KEY => KeyKind::Rsa,
            other => return Err(format!("its type {other} is not supported")),
        };
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or("its bits are not whole bytes")?;
        Ok(Self {
            kind,
            bytes: key.to_vec(),
            info: bytes.to_vec(),
        })
    }

    /// The key with its type, in DER.
    pub(super) fn info(&self) -> &[u8] {
        &self.info
    }

    pub(super) fn is_elliptic(&self) -> bool {
        match self.kind {
            KeyKind::P256 | KeyKind::P384 => true,
            KeyKind::Ed25519 | KeyKind::Rsa => false,
        }
    }

    /// How Rekor 2 hashes what this key signs. An entry of Ed25519 is of its variant with a hash.
    pub(super) fn record_hash(&self) -> HashAlgorithm {
        match self.kind {
            KeyKind::P256 | KeyKind::Rsa => HashAlgorithm::Sha256,
            KeyKind::P384 => HashAlgorithm::Sha384,
            KeyKind::Ed25519 => HashAlgorithm::Sha512,
        }
    }

    /// Whether this key made `signature` over `message`, hashed as its type demands: P-256 and RSA
    /// (PKCS #1 v1.5) with SHA-256, P-384 with SHA-384, or with SHA-256 as older tools did, Ed25519
    /// by itself. Its variant with a hash is not among them.
    pub(super) fn has_signed(&self, signature: &[u8], message: &[u8]) -> bool {
        let algorithms: &[&'static dyn VerificationAlgorithm] = match self.kind {
            KeyKind::P256 => &[&ECDSA_P256_SHA256_ASN1],
            KeyKind::P384 => &[&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA256_ASN1],
            KeyKind::Ed25519 => &[&ED25519],
            KeyKind::Rsa => &[&RSA_PKCS1_2048_8192_SHA256],
        };
        algorithms
            .iter()
            .any(|algorithm| self.checks(*algorithm, signature, message))
    }

    /// The same, where what is signed says how it was hashed.
    pub(super) fn has_signed_hashed(
        &self,
        hash: HashAlgorithm,
        signature: &[u8],
        message: &[u8],
    ) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, hash) {
            (KeyKind::P256, HashAlgorithm::Sha256) => &ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, HashAlgorithm::Sha384) => &ECDSA_P256_SHA384_ASN1,
            (KeyKind::P384, HashAlgorithm::Sha256) => &ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, HashAlgorithm::Sha384) => &ECDSA_P384_SHA384_ASN1,
            (KeyKind::Rsa, HashAlgorithm::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa, HashAlgorithm::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa, HashAlgorithm::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
            // `ring` has no curve of these with SHA-512.
            (KeyKind::P256 | KeyKind::P384, HashAlgorithm::Sha512) => return false,
            (KeyKind::Ed25519, _) => &ED25519,
        };
        self.checks(algorithm, signature, message)
    }

    fn checks(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        signature: &[u8],
        message: &[u8],
    ) -> bool {
        UnparsedPublicKey::new(algorithm, &self.bytes)
            .verify(message, signature)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SigningKey,
    };

    use super::*;

    #[test]
    fn each_type_of_key_takes_its_own_signature_and_no_other() {
        for algorithm in [
            &PKCS_ECDSA_P256_SHA256,
            &PKCS_ECDSA_P384_SHA384,
            &PKCS_ED25519,
        ] {
            let pair = KeyPair::generate_for(algorithm).unwrap();
            let key = PublicKey::from_pem(&pair.public_key_pem()).unwrap();
            let mut signature = pair.sign(b"message").unwrap();
            assert!(key.has_signed(&signature, b"message"));
            assert!(!key.has_signed(&signature, b"another"));
            let other = KeyPair::generate_for(algorithm).unwrap();
            assert!(
                !PublicKey::from_pem(&other.public_key_pem())
                    .unwrap()
                    .has_signed(&signature, b"message")
            );
            *signature.last_mut().unwrap() ^= 1;
            assert!(!key.has_signed(&signature, b"message"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(PublicKey::from_pem("no key").is_err());
        assert!(PublicKey::from_der(b"\x30\x00").is_err());
        // The curve secp256k1 (1.3.132.0.10), which is not checked here.
        let curve =
            b"\x30\x18\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a\x03\x04\x00\x04\x01\x02";
        let Err(why) = PublicKey::from_der(curve) else {
            panic!("an unknown curve was taken")
        };
        assert!(why.contains("1.3.132.0.10"), "{why}");
    }
}
