//! What the API server says when it cannot seal an object, or cannot open what is stored.
//!
//! Sources, all in kubernetes/apiserver: `pkg/server/options/encryptionconfig/config.go` (prefixes and keys),
//! `pkg/storage/value/encrypt/{identity,aes,secretbox}` and Go's `crypto/cipher` (the ciphers), and
//! `pkg/storage/value/encrypt/envelope/kmsv2/envelope.go` (KMS).

const INTERNAL: &str = "Internal error occurred: ";

/// Beginnings of the transformers' own errors.
const FAULTS: [&str; 11] = [
    "no matching prefix found",
    "no matching key was found for the provided ",
    "identity transformer tried to read encrypted data",
    "invalid padding on input",
    "invalid PKCS7 data ",
    "cipher: message authentication failed",
    "the stored data was shorter than the required size",
    "output array was not large enough for encryption",
    "failed to decrypt DEK, error: ",
    "failed to encrypt DEK, error: ",
    "encryptedDEKSource with keyID hash ",
];

/// Whether this message of a reply 500 is such a one.
#[must_use]
pub(crate) fn is_fault(message: &str) -> bool {
    let Some(rest) = message.strip_prefix(INTERNAL) else { return false };
    let rest = behind_key(rest).unwrap_or(rest);
    let rest = rest.strip_prefix('[').unwrap_or(rest); // several keys or providers were tried
    FAULTS.iter().any(|fault| rest.starts_with(fault))
}

/// What stands behind `unable to transform key "…": `, which lists put before it.
fn behind_key(message: &str) -> Option<&str> {
    let (_, rest) = message.strip_prefix("unable to transform key \"")?.split_once("\": ")?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_transformers_own_words_count() {
        for message in [
            "Internal error occurred: no matching prefix found",
            "Internal error occurred: unable to transform key \"/registry/secrets/a/b\": invalid padding on input",
            "Internal error occurred: [invalid padding on input, invalid padding on input]",
            "Internal error occurred: failed to decrypt DEK, error: failed to decrypt, error: rpc error: code = Unavailable",
        ] {
            assert!(is_fault(message), "{message}");
        }
        for message in [
            "no matching prefix found",
            "Internal error occurred: etcdserver: no leader",
            "Internal error occurred: secrets \"no matching prefix found\" is odd",
            "Internal error occurred: unable to transform key",
            "Internal error occurred: ",
        ] {
            assert!(!is_fault(message), "{message}");
        }
    }
}
