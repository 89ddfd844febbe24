//! Public keys, and what they signed.

use der::Decode;
use der::oid::ObjectIdentifier;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// RFC 5480, 2.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480, 2.1.1.1: P-256 and P-384.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// RFC 8410, 3.
const EDWARDS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// RFC 3279, 2.3.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A key that signatures are checked with. Its type says how what is signed is hashed, as cosign
/// and Rekor do it: P-256 and RSA (PKCS #1 v1.5) with SHA-256, P-384 with SHA-384, Ed25519 by
/// itself.
#[derive(Debug)]
pub(super) struct PublicKey {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
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
        let algorithm: &'static dyn VerificationAlgorithm = match info.algorithm.oid {
            EC => match curve()? {
                P256 => &ECDSA_P256_SHA256_ASN1,
                P384 => &ECDSA_P384_SHA384_ASN1,
                other => return Err(format!("its curve {other} is not supported")),
            },
            EDWARDS => &ED25519,
            RSA => &RSA_PKCS1_2048_8192_SHA256,
            other => return Err(format!("its type {other} is not supported")),
        };
        let bytes = info
            .subject_public_key
            .as_bytes()
            .ok_or("its bits are not whole bytes")?;
        Ok(Self {
            algorithm,
            bytes: bytes.to_vec(),
        })
    }

    /// Whether this key made `signature` over `message`.
    pub(super) fn has_signed(&self, signature: &[u8], message: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.bytes)
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
