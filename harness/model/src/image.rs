//! What a step can do with container images: make them, sign them, judge them.

mod index;
mod sbom;
mod signing;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ParseWordError;
pub use index::{ImagePlatform, IndexImages};
pub use sbom::{
    AttachSbom, PackageEcosystem, SbomFormat, ScanImage, VulnerabilityAdvisory,
    VulnerabilitySeverity, WriteSbom,
};
pub use signing::{
    AttestImage, ImageSigner, ImageVerifier, PREDICATE_TYPES, SignImage, SignatureFormat,
    SignatureRepository, StatementPredicate, TrustedRoot, VerifyImage, VerifyTrust,
};

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
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, ParseWordError> {
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
            Err(ParseWordError::new(
                text,
                "is not an image name: write NAME or NAME:TAG in lower case, and not `probe`",
            ))
        }
    }
}

impl TryFrom<String> for ImageName {
    type Error = ParseWordError;

    fn try_from(text: String) -> Result<Self, ParseWordError> {
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
    /// Files of the scenario that hold base64, by their place in the image: what it stands for is
    /// there, byte for byte. Nothing in them is filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base64_files: BTreeMap<String, String>,
    /// The platform that its configuration names; this machine's where it is left out. The program
    /// in it is this machine's in any case, so one for another platform is there to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<ImagePlatform>,
}

/// The bytes that the text of a file in base64 stands for, whatever its lines.
///
/// # Errors
/// What is wrong with it.
pub fn decode_base64_file(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let joined: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(joined)
}

/// Copying an image within the registry, to another repository or to another tag; an index with
/// its children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CopyImage {
    /// What is there.
    pub from: ImageName,
    /// What it is to be called; a tag that is there moves.
    pub to: ImageName,
    /// Copies its signatures and attestations too; to another digest's place, if `to` is there
    /// already and differs. Those of an index's children stay where they are.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// The layers in cosign's older tags have these annotations as well. Nobody signs what a
    /// layer's descriptor says.
    LayerAnnotations(BTreeMap<String, String>),
}
