//! What a step can do with what a cluster keeps: look at the bytes, seal them otherwise, take them
//! away and back, and change a value while it is in use.

use std::collections::BTreeSet;
use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ImageName, ObjectTarget};

/// Giving the API server another `EncryptionConfiguration`. The cluster's shape has to have begun
/// with one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EncryptStorage {
    /// A file of the scenario; `$(sealing-key:NAME)` in it is a random key of 32 bytes, base64, and
    /// `$(kms:NAME)` the endpoint of a KMS plugin.
    pub with: String,
    /// How the API server comes to use it.
    #[serde(default)]
    pub by: ConfigTakeover,
}

/// How an API server comes to use a changed configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigTakeover {
    /// As it was started: with a `reloading-config` it looks at the file by itself, once a minute;
    /// else it is started again.
    #[default]
    Usual,
    /// It looks at the file by itself, and nothing else is waited for.
    Reload,
    /// Not at all: the file lies there until it is started again.
    None,
}

/// Reading every Secret of the world and writing it back, so that it is sealed as new ones are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RewriteSecrets {
    /// Kills the API server (SIGKILL) once this many are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub killed_after: Option<u32>,
}

/// What becomes of one process of the box, such as `kube-apiserver`, `etcd` or `kms-NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessChange {
    /// SIGTERM.
    Stop(String),
    /// SIGKILL.
    Kill(String),
    /// SIGSTOP.
    Freeze(String),
    /// SIGCONT.
    Thaw(String),
    /// Starts it as it was started before.
    Start(String),
    /// Stops and starts it.
    Restart(String),
}

/// How the test's own KMS plugin behaves from now on; what is left out is as in the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KmsBehavior {
    /// Its name, as in `$(kms:NAME)`.
    pub plugin: String,
    /// The key that it seals with.
    #[serde(default = "first_key")]
    pub key: String,
    /// How long each of its answers takes, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delay: u64,
    /// The calls that it answers with an error.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fails: BTreeSet<KmsCall>,
    /// Whether it says of itself that it is not well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unhealthy: bool,
    /// Keys that it no longer has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lost: BTreeSet<String>,
}

/// A call of the KMS v2 protocol.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KmsCall {
    /// `Status`.
    Status,
    /// `EncryptStorage`.
    Encrypt,
    /// `Decrypt`.
    Decrypt,
}

fn first_key() -> String {
    "k1".into()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Copying stored bytes from one object's place to another's, past the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TransplantObject {
    /// Whose bytes.
    pub from: ObjectTarget,
    /// Whose place.
    pub to: ObjectTarget,
}

/// Giving a Secret's key another value, and watching how it gets about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RotateSecret {
    /// The Secret's name.
    pub secret: String,
    /// The key in its data.
    pub key: String,
    /// The canary that is its value from then on: `$(canary:NAME)`.
    pub to: String,
    /// Places to watch, by names that `check-propagation` steps use.
    pub watch: IndexMap<String, WatchedValue>,
    /// For how many seconds at the most. The step ends sooner when every place has the new value.
    pub within: u16,
}

/// A place where a value is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WatchedValue {
    /// An object, read by the administrator.
    Object(ObjectTarget),
    /// A file, read by a command in a pod.
    File {
        /// The pod.
        pod: String,
        /// The file's path in its container, or in the first one with `$(image:probe)`.
        path: String,
    },
    /// The environment of a pod's first process.
    Environment {
        /// The pod.
        pod: String,
    },
}

/// Whether a place of an earlier `rotate` step came to have the new value in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PlaceFollowed {
    /// The id of that step.
    pub of: String,
    /// The place's name.
    pub place: String,
}

/// A planted value, `$(canary:NAME)`, in a place where it could have leaked to. It is found as it
/// is, in base64, in hex dumps, compressed, and in any of these within another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CanaryMatch {
    /// The canary's name.
    pub of: String,
    /// Where to look.
    #[serde(rename = "in")]
    pub place: LeakPlace,
}

/// A place to which a secret value can leak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LeakPlace {
    /// The bytes of one object in etcd.
    EtcdValue(ObjectTarget),
    /// The files of etcd: what was overwritten or deleted stays in them for a while.
    EtcdFiles,
    /// What a `snapshot` step of this name saved.
    Snapshot(String),
    /// The API server's audit log, from this world's beginning on.
    Audit,
    /// The events of the world's namespaces.
    Events,
    /// A part of an object, as the API server gives it to its administrator.
    Field {
        /// The object.
        of: ObjectTarget,
        /// A JSON pointer (RFC 6901); the whole object where it is empty.
        at: String,
    },
    /// What an earlier step was answered: the reply's body, or the output of a command.
    Reply(String),
    /// The log of a process of the box, from this world's beginning on.
    ComponentLog(String),
    /// The log of a pod's container, as the API server gives it to its administrator.
    PodLog(String),
    /// The layers and the configuration of an image that a step built.
    Image(ImageName),
}

impl ProcessChange {
    /// The process's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Stop(name)
            | Self::Kill(name)
            | Self::Freeze(name)
            | Self::Thaw(name)
            | Self::Start(name)
            | Self::Restart(name) => name,
        }
    }
}

/// How an object is sealed in etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StorageSeal {
    /// `aescbc`.
    Aescbc,
    /// `aesgcm`.
    Aesgcm,
    /// `secretbox`.
    Secretbox,
    /// A KMS v2 plugin.
    KmsV2,
}

/// The prefixes that the providers put before what they sealed (k8s.io/apiserver,
/// `encryptionconfig/config.go`); the name of the key or of the plugin comes next, then a colon.
const SEAL_PREFIXES: [(&str, StorageSeal); 4] = [
    ("k8s:enc:aescbc:v1:", StorageSeal::Aescbc),
    ("k8s:enc:aesgcm:v1:", StorageSeal::Aesgcm),
    ("k8s:enc:secretbox:v1:", StorageSeal::Secretbox),
    ("k8s:enc:kms:v2:", StorageSeal::KmsV2),
];

impl StorageSeal {
    /// The seal that stored bytes begin with, and the name of the key or plugin.
    #[must_use]
    pub fn read_seal(stored: &[u8]) -> Option<(Self, String)> {
        let (prefix, seal) = SEAL_PREFIXES
            .iter()
            .find(|(prefix, _)| stored.starts_with(prefix.as_bytes()))?;
        let rest = &stored[prefix.len()..];
        let end = rest.iter().position(|byte| *byte == b':')?;
        Some((*seal, String::from_utf8_lossy(&rest[..end]).into_owned()))
    }
}

impl fmt::Display for StorageSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aescbc => "aescbc",
            Self::Aesgcm => "aesgcm",
            Self::Secretbox => "secretbox",
            Self::KmsV2 => "kms-v2",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_known_by_its_whole_prefix() {
        assert_eq!(
            StorageSeal::read_seal(b"k8s:enc:aescbc:v1:key1:\x00\xff"),
            Some((StorageSeal::Aescbc, "key1".into()))
        );
        assert_eq!(
            StorageSeal::read_seal(b"k8s:enc:kms:v2:a:\n\x01"),
            Some((StorageSeal::KmsV2, "a".into()))
        );
        for other in [
            &b"k8s\x00\n"[..],
            b"k8s:enc:aescbc:v1:key1",
            b"k8s:enc:rot13:v1:a:b",
            b"",
            b"x k8s:enc:kms:v2:a:",
        ] {
            assert_eq!(StorageSeal::read_seal(other), None);
        }
    }
}
