//! What a step can do with container images: make them, sign them, judge them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use probe_protocol::RegistryFault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The tag of an image that is named without one.
const FIRST_TAG: &str = "v1";

/// An image of the world, `NAME` or `NAME:TAG`: the repository `$(namespace)/NAME` in the world's
/// registry. The tag is `v1` where it is left out.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ImageName {
    /// The last part of its repository.
    pub name: String,
    /// Its tag.
    pub tag: String,
}

impl FromStr for ImageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, tag) = text.split_once(':').unwrap_or((text, FIRST_TAG));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && !part.ends_with('-')
                && part.chars().all(plain)
        };
        if good(name) && good(tag) && name != "probe" {
            Ok(Self {
                name: name.into(),
                tag: tag.into(),
            })
        } else {
            Err(format!(
                "`{text}` is not an image name: write NAME or NAME:TAG in lower case, and not `probe`"
            ))
        }
    }
}

impl TryFrom<String> for ImageName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(image: ImageName) -> Self {
        image.to_string()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.tag == FIRST_TAG {
            Ok(())
        } else {
            write!(f, ":{}", self.tag)
        }
    }
}

/// An image is made of the test image and some files; the same files make the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BuildImage {
    /// What it is called from then on. It is not in the registry yet.
    pub image: ImageName,
    /// Files of the scenario by their place in the image, such as
    /// `app/requirements.txt: requirements.txt`; placeholders in them are filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// Copying an image within the registry, to another repository or to another tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CopyImage {
    /// What is there.
    pub from: ImageName,
    /// What it is to be called; a tag that is there moves.
    pub to: ImageName,
    /// Copies its signatures and attestations too; to another digest's place, if `to` is there
    /// already and differs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_signatures: bool,
}

/// Changing an image under its tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TamperImage {
    /// The image; its tag names the changed one afterwards.
    pub image: ImageName,
    /// What is changed.
    pub with: ImageChange,
    /// Copies the signatures and attestations of the old digest to the new one's place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_signatures: bool,
}

/// What of an image is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageChange {
    /// One more layer, with one more file.
    Layer,
    /// One more variable in the configuration's environment.
    Config,
    /// One more annotation in the manifest.
    Manifest,
}

/// Destroying what is attached to an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SpoilAttached {
    /// The image.
    pub image: ImageName,
    /// How.
    pub what: AttachmentDamage,
}

/// How a signature or attestation is destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentDamage {
    /// One byte of every signature is another.
    Signature,
    /// One byte of every signed statement is another.
    Statement,
    /// Every bundle is cut in half: no JSON any more.
    Bundle,
    /// Everything that is attached is gone.
    Removal,
}

/// Writing an image's bill of materials with syft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WriteSbom {
    /// The image: as built, or, if it was not built here, as it is in the registry.
    pub image: ImageName,
    /// The format.
    #[serde(rename = "as", default)]
    pub format: SbomFormat,
    /// What the document is called from then on.
    pub into: String,
}

/// Attaching a bill of materials to an image without any signature, as every client of a registry
/// can.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttachSbom {
    /// The image, in the registry.
    pub image: ImageName,
    /// The bill of materials that an earlier step wrote.
    pub sbom: String,
}

/// The format of a bill of materials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SbomFormat {
    /// `CycloneDX` JSON.
    #[default]
    Cyclonedx,
    /// SPDX JSON.
    Spdx,
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

/// Looking for known vulnerabilities with grype.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScanImage {
    /// The bill of materials that an earlier step wrote.
    pub sbom: String,
    /// The severity from which on it is rejected.
    pub fail_on: VulnerabilitySeverity,
    /// What grype's database holds. Without it there is no database, and grype cannot scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Vec<VulnerabilityAdvisory>>,
}

/// A vulnerability that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VulnerabilityAdvisory {
    /// Its name.
    pub id: String,
    /// What kind of package it is in.
    pub ecosystem: PackageEcosystem,
    /// The package's name there.
    pub package: String,
    /// The versions that have it, such as `< 4.17.21`.
    pub versions: String,
    /// How bad it is.
    pub severity: VulnerabilitySeverity,
}

/// A kind of package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PackageEcosystem {
    /// Node's packages.
    Npm,
    /// Python's packages.
    Python,
}

/// The severity of a vulnerability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VulnerabilitySeverity {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl VulnerabilitySeverity {
    /// Its word, which is also grype's.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
