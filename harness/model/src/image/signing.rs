//! Signatures and attestations: made, and judged.

use std::collections::BTreeMap;
use std::fmt;

use probe_protocol::RegistryFault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ImageName;
use crate::ParseWordError;

/// A repository of the world that holds signatures of others' images: `NAME`, for
/// `$(registry)/$(namespace)/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SignatureRepository(String);

impl TryFrom<String> for SignatureRepository {
    type Error = ParseWordError;

    fn try_from(text: String) -> Result<Self, ParseWordError> {
        match text.parse::<ImageName>() {
            Ok(image) if image.name == text => Ok(Self(text)),
            Ok(_) | Err(_) => Err(ParseWordError::new(
                &text,
                "is not a repository: write NAME in lower case, without a tag",
            )),
        }
    }
}

impl From<SignatureRepository> for String {
    fn from(repository: SignatureRepository) -> Self {
        repository.0
    }
}

impl fmt::Display for SignatureRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ImageSigner {
    /// The key pair of this name; it is made when it is first named.
    Key(String),
    /// This ServiceAccount, without a key: a certificate of the box's Fulcio for its token.
    Account(String),
    /// This ServiceAccount, with a token that expired an hour ago.
    ExpiredToken(String),
    /// This ServiceAccount, with a token of an issuer whose clock is two hours ahead.
    FutureToken(String),
    /// A certificate for this subject that expires seconds after the signature, by an authority
    /// that the box's trusted root knows beside Fulcio.
    ShortLived(String),
}

/// Signing an image with cosign, by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SignImage {
    /// The image, in the registry.
    pub image: ImageName,
    /// The signer.
    pub with: ImageSigner,
    /// Enters it into the transparency log; by default if it is not by a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// Has it timestamped; by default if it is not by a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<bool>,
    /// Where and how it is stored.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: SignatureFormat,
    /// Signs every image that an index names as well (`--recursive`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
    /// What is signed beside the digest (`--annotations`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Stores it in another repository than the image's (`COSIGN_REPOSITORY`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_in: Option<SignatureRepository>,
}

/// Where and how a signature is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureFormat {
    /// A Sigstore bundle that refers to the image: what cosign 3 writes.
    #[default]
    Bundle,
    /// A tag `sha256-….sig` beside the image: what cosign 2 wrote.
    Legacy,
}

/// Attaching a signed statement to an image with cosign.
// The last three fields are those of `SignImage`. They are not shared by `serde(flatten)`: a fault
// in one of them would be shown at the line after it, and an unknown field without the fields that
// there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttestImage {
    /// The image, in the registry.
    pub image: ImageName,
    /// The signer.
    pub with: ImageSigner,
    /// What is stated.
    pub predicate: StatementPredicate,
    /// The predicate's type: one of cosign's words (`cyclonedx`, `spdxjson`, `slsaprovenance1`, …)
    /// or a URI.
    #[serde(rename = "type")]
    pub kind: String,
    /// As in signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// As in signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<bool>,
    /// As in signing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: SignatureFormat,
}

/// Cosign's words for predicate types (cosign 3.1 `cmd/cosign/cli/options/predicate.go`).
pub const PREDICATE_TYPES: [(&str, &str); 10] = [
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// What an attestation states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StatementPredicate {
    /// The text of a file of the scenario.
    File(String),
    /// A bill of materials that an earlier step wrote.
    Sbom(String),
}

/// Judging an image's signature, or its attestation where `type` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VerifyImage {
    /// The image, by its tag.
    pub image: ImageName,
    /// Whose signature is wanted.
    pub by: VerifyTrust,
    /// The predicate type of the attestation that is wanted.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What has to be signed beside the digest (`--annotations`); of a signature.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Looks in this repository, and not in the image's (`COSIGN_REPOSITORY`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_in: Option<SignatureRepository>,
    /// A file of the scenario with a policy, `NAME.rego` or `NAME.cue`, that each attestation of this type
    /// has to satisfy; for cosign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether an entry in the transparency log is wanted; by default if it is not by a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// Whether a timestamp is wanted; by default if it is not by a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<bool>,
    /// What the signature is checked against.
    #[serde(default, skip_serializing_if = "is_default")]
    pub root: TrustedRoot,
    /// Reads the registry through a front that spoils every answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<RegistryFault>,
    /// The verifier.
    #[serde(default, skip_serializing_if = "is_default")]
    pub with: ImageVerifier,
}

/// Whose signature is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum VerifyTrust {
    /// The key pair of this name.
    Key(String),
    /// An identity in a certificate.
    Identity {
        /// The subject, exactly.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// A regular expression for the subject.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject_like: Option<String>,
        /// The issuer of the token, exactly.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issuer: Option<String>,
        /// A regular expression for the issuer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issuer_like: Option<String>,
    },
}

/// What a signature is checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrustedRoot {
    /// The box's own authorities, log and timestamp authority.
    #[default]
    Box,
    /// The same, with another log's key.
    OtherLog,
    /// The same, with another certificate authority.
    OtherAuthority,
    /// The same, with another timestamp authority.
    OtherTimestamps,
    /// None at hand: the verifier has to fetch one, and nothing can be reached.
    Absent,
    /// The text of a file of the scenario.
    File(String),
}

/// The verifier of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageVerifier {
    /// cosign.
    #[default]
    Cosign,
    /// A second reader that shares no code with cosign.
    Own,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
