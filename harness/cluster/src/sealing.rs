//! The keys with which a cluster seals what it stores: random, of one cluster, and the same
//! whenever they are named.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::PlaceholderValues;
use ring::hmac;
use ring::rand::SystemRandom;

/// Sealing keys by name, made from one random key of this cluster alone.
pub struct SealingKeys {
    master: hmac::Key,
}

impl SealingKeys {
    /// New ones.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn random() -> Result<Self, ring::error::Unspecified> {
        Ok(Self {
            master: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
        })
    }

    /// The key of this name: 32 bytes, in base64.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        STANDARD.encode(hmac::sign(&self.master, name.as_bytes()))
    }

    /// What `$(sealing-key:NAME)` and `$(kms:NAME)` in `text` stand for.
    #[must_use]
    pub fn names(&self, text: &str) -> PlaceholderValues {
        let keys = model::named_placeholders(text, "sealing-key")
            .map(|name| (format!("sealing-key:{name}"), self.key(name)));
        let plugins = model::named_placeholders(text, "kms")
            .map(|name| (format!("kms:{name}"), kms_endpoint(name)));
        PlaceholderValues {
            texts: keys.chain(plugins).collect(),
            ..PlaceholderValues::default()
        }
    }
}

/// Where the API server reaches the KMS plugin of this name.
#[must_use]
pub fn kms_endpoint(plugin: &str) -> String {
    format!("unix://{}/kms/{plugin}/kms.sock", crate::HostAccess::INSIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_key_in_one_cluster() {
        let (one, other) = (
            SealingKeys::random().unwrap(),
            SealingKeys::random().unwrap(),
        );
        assert_eq!(one.key("a"), one.key("a"));
        assert_ne!(one.key("a"), one.key("b"));
        assert_ne!(one.key("a"), other.key("a"));
        assert_eq!(STANDARD.decode(one.key("a")).unwrap().len(), 32);
        let text = "secret: $(sealing-key:a), endpoint: $(kms:x), $(namespace)";
        let filled = one.names(text).fill_text(text);
        assert!(
            filled.contains(&one.key("a"))
                && filled.contains("/kms/x/kms.sock")
                && filled.contains("$(namespace)")
        );
    }
}
