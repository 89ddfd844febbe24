//! What the API server says when it cannot seal an object, or cannot open what is stored.
//!
//! Sources, all in kubernetes/apiserver: `pkg/server/options/encryptionconfig/config.go` (prefixes
//! and keys), `pkg/storage/value/encrypt/{identity,aes,secretbox}` and Go's `crypto/cipher` (the
//! ciphers), and `pkg/storage/value/encrypt/envelope/kmsv2/envelope.go` (KMS).

const INTERNAL_ERROR: &str = "Internal error occurred: ";

/// Beginnings of the transformers' own errors.
const SEALING_FAULTS: [&str; 12] = [
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
    "got unexpected nil transformer",
];

/// What a list is answered for as long as the server cannot read all of it (`pkg/storage/cacher`),
/// and why not.
const STORAGE_INITIALIZING: &str = "storage is (re)initializing: failed to list ";

/// Whether this message of a reply 500, or 429, is such a one.
#[must_use]
pub(crate) fn is_fault(code: u16, message: &str) -> bool {
    let rest = match code {
        500 => message
            .strip_prefix(INTERNAL_ERROR)
            .map(|rest| behind_key(rest).unwrap_or(rest)),
        429 => message
            .strip_prefix(STORAGE_INITIALIZING)
            .and_then(|rest| behind_key(rest.split_once(": ")?.1)),
        _ => None,
    };
    let Some(rest) = rest else { return false };
    let rest = rest.strip_prefix('[').unwrap_or(rest); // several keys or providers were tried
    SEALING_FAULTS.iter().any(|fault| rest.starts_with(fault))
}

/// What stands behind `unable to transform key "…": `, which lists put before it.
fn behind_key(message: &str) -> Option<&str> {
    let (_, rest) = message
        .strip_prefix("unable to transform key \"")?
        .split_once("\": ")?;
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
            assert!(
                is_fault(500, message) && !is_fault(503, message),
                "{message}"
            );
        }
        for message in [
            "no matching prefix found",
            "Internal error occurred: etcdserver: no leader",
            "Internal error occurred: secrets \"no matching prefix found\" is odd",
            "Internal error occurred: unable to transform key",
            "Internal error occurred: ",
        ] {
            assert!(!is_fault(500, message), "{message}");
        }
        let list = "storage is (re)initializing: failed to list *core.Secret: unable to transform key \"/registry/secrets/a/b\": \
                    no matching key was found for the provided AES transformer";
        assert!(is_fault(429, list) && !is_fault(500, list));
        assert!(!is_fault(
            429,
            "storage is (re)initializing: failed to list *core.Secret: etcdserver: no leader"
        ));
        assert!(!is_fault(429, "storage is (re)initializing"));
    }
}
