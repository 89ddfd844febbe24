//! Images for several platforms: an index, and the images that it names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ImageName;

/// A platform that an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePlatform {
    /// Linux on x86-64.
    #[serde(rename = "linux/amd64")]
    LinuxAmd64,
    /// Linux on 64-bit ARM.
    #[serde(rename = "linux/arm64")]
    LinuxArm64,
    /// Linux on IBM Z.
    #[serde(rename = "linux/s390x")]
    LinuxS390x,
}

impl ImagePlatform {
    /// The architecture, as an image's configuration names it.
    #[must_use]
    pub fn architecture(self) -> &'static str {
        match self {
            Self::LinuxAmd64 => "amd64",
            Self::LinuxArm64 => "arm64",
            Self::LinuxS390x => "s390x",
        }
    }
}

/// Putting an index into the registry: one name for images of several platforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IndexImages {
    /// What the index is called; a tag that is there moves.
    pub image: ImageName,
    /// Its children: images that are in the registry under other tags of the same name. Each is for
    /// the platform that its configuration names.
    pub of: Vec<ImageName>,
}
