//! Bills of materials: written, attached, and looked through for known vulnerabilities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ImageName;

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
