//! What a scenario or a command line asks for beside Kubernetes: an addon, perhaps in a named
//! version.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use thiserror::Error;

use crate::spelling::nearest_word;
use crate::{ADDONS, AddonVersion, PureAddon, find_addon};

/// An addon in one of its versions. It is written `NAME`, or `NAME@VERSION` where it is not the
/// usual one.
#[derive(Clone, Copy, Debug)]
pub struct AddonInstall {
    addon: &'static PureAddon,
    version: &'static AddonVersion,
}

impl AddonInstall {
    /// The usual version of an addon.
    #[must_use]
    pub fn usual_version(addon: &'static PureAddon) -> Self {
        Self {
            addon,
            version: &addon.versions[0],
        }
    }

    /// The addon.
    #[must_use]
    pub fn addon(self) -> &'static PureAddon {
        self.addon
    }

    /// Its version.
    #[must_use]
    pub fn version(self) -> &'static AddonVersion {
        self.version
    }

    /// Its place in the table.
    fn place(self) -> (&'static PureAddon, Option<usize>) {
        let versions = self.addon.versions;
        let version = versions
            .iter()
            .position(|version| version.version == self.version.version);
        (self.addon, version)
    }
}

/// Whether this addon is asked for, in whatever version.
#[must_use]
pub fn includes_addon(install: &BTreeSet<AddonInstall>, addon: &PureAddon) -> bool {
    install.iter().any(|one| one.addon == addon)
}

/// The same, with each part of an addon in the version of its whole, where both are asked for: a part
/// is a program or a setting of that version.
#[must_use]
pub fn align_parts(install: BTreeSet<AddonInstall>) -> BTreeSet<AddonInstall> {
    let aligned = |one: &AddonInstall| {
        let whole = one.addon.part_of?;
        let whole = install.iter().find(|other| other.addon == whole)?;
        let mut versions = one.addon.versions.iter();
        let version = versions.find(|version| version.version == whole.version.version)?;
        Some(AddonInstall {
            addon: one.addon,
            version,
        })
    };
    install
        .iter()
        .map(|one| aligned(one).unwrap_or(*one))
        .collect()
}

impl PartialEq for AddonInstall {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for AddonInstall {}

impl PartialOrd for AddonInstall {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AddonInstall {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl Hash for AddonInstall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

impl fmt::Display for AddonInstall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::usual_version(self.addon) {
            self.addon.fmt(f)
        } else {
            write!(f, "{}@{}", self.addon, self.version.version)
        }
    }
}

/// An addon or a version that is not in the table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownInstall {
    /// No addon has this name.
    #[error("unknown addon `{name}`; {}", offer_words(near.as_deref()))]
    Name {
        /// The name.
        name: String,
        /// The name that is nearest to it, if one is near.
        near: Option<String>,
    },
    /// The addon is not known in this version.
    #[error("unknown version `{version}` of `{addon}`; known: {}", version_words(addon).join(", "))]
    Version {
        /// The addon.
        addon: &'static PureAddon,
        /// The version.
        version: String,
    },
}

fn offer_words(near: Option<&str>) -> String {
    let all: Vec<&str> = ADDONS.iter().map(|addon| addon.name).collect();
    let near = near
        .map(|name| format!("did you mean `{name}`? "))
        .unwrap_or_default();
    format!("{near}known: {}", all.join(", "))
}

fn version_words(addon: &PureAddon) -> Vec<&'static str> {
    addon
        .versions
        .iter()
        .map(|version| version.version)
        .collect()
}

impl FromStr for AddonInstall {
    type Err = UnknownInstall;

    fn from_str(text: &str) -> Result<Self, UnknownInstall> {
        let (name, asked) = text
            .split_once('@')
            .map_or((text, None), |(name, version)| (name, Some(version)));
        let Some(addon) = find_addon(name) else {
            return Err(UnknownInstall::Name {
                name: name.into(),
                near: nearest_word(name, ADDONS.iter().map(|addon| addon.name)).map(str::to_owned),
            });
        };
        let Some(asked) = asked else {
            return Ok(Self::usual_version(addon));
        };
        let found = addon
            .versions
            .iter()
            .find(|version| is_version(version.version, asked));
        let unknown = || UnknownInstall::Version {
            addon,
            version: asked.into(),
        };
        found
            .map(|version| Self { addon, version })
            .ok_or_else(unknown)
    }
}

/// Whether `asked` is this version, in full or without its last part.
fn is_version(version: &str, asked: &str) -> bool {
    version == asked
        || version
            .rsplit_once('.')
            .is_some_and(|(minor, _)| minor == asked)
}

impl Serialize for AddonInstall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddonInstall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(InstallVisitor)
    }
}

struct InstallVisitor;

impl Visitor<'_> for InstallVisitor {
    type Value = AddonInstall;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an addon, perhaps with `@VERSION`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AddonInstall, E> {
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for AddonInstall {
    fn schema_name() -> Cow<'static, str> {
        "Install".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut words: Vec<Value> = ADDONS
            .iter()
            .map(|addon| json!({"description": addon.about, "type": "string", "const": addon.name}))
            .collect();
        let all = || {
            ADDONS.iter().flat_map(|addon| {
                addon
                    .versions
                    .iter()
                    .map(|version| (addon.name, version.version))
            })
        };
        let known: Vec<String> = all()
            .map(|(name, version)| format!("`{name}@{version}`"))
            .collect();
        let patterns: Vec<String> = all()
            .map(|(name, version)| version_pattern(name, version))
            .collect();
        words.push(json!({
            "description": format!("A version of one of these, its last part perhaps left out: {}.", known.join(", ")),
            "type": "string",
            "pattern": format!("^({})$", patterns.join("|")),
        }));
        json_schema!({"description": "What a world needs beside Kubernetes itself.", "oneOf": words})
    }
}

/// What matches a version of an addon, in full or without its last part.
fn version_pattern(name: &str, version: &str) -> String {
    let escaped = |text: &str| text.replace('.', "\\.");
    match version.rsplit_once('.') {
        Some((minor, patch)) => format!("{name}@{}(\\.{patch})?", escaped(minor)),
        None => format!("{name}@{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::kyverno;

    #[test]
    fn an_addon_is_named_alone_or_with_a_version() {
        let usual = AddonInstall::usual_version(&kyverno::ADDON);
        for text in ["kyverno", "kyverno@1.19", "kyverno@1.19.1"] {
            assert_eq!(text.parse(), Ok(usual), "{text}");
        }
        assert_eq!(usual.to_string(), "kyverno");
        for addon in ADDONS {
            assert_eq!(addon.name.parse(), Ok(AddonInstall::usual_version(addon)));
            assert!(
                addon
                    .versions
                    .iter()
                    .all(|version| !version.components.is_empty()),
                "{addon}"
            );
        }
    }

    #[test]
    fn what_nobody_knows_is_answered_with_what_there_is() {
        let said = |text: &str| text.parse::<AddonInstall>().unwrap_err().to_string();
        let why = said("kyverna");
        assert!(
            why.starts_with("unknown addon `kyverna`; did you mean `kyverno`? known: registry, "),
            "{why}"
        );
        assert!(said("docker").starts_with("unknown addon `docker`; known: registry, "));
        assert_eq!(
            said("kyverno@1.17"),
            "unknown version `1.17` of `kyverno`; known: 1.19.1, 1.18.2"
        );
        for bad in [
            "kyverno@",
            "kyverno@1",
            "kyverno@1.19.1.",
            "@1.19",
            "",
            "Kyverno",
        ] {
            assert!(bad.parse::<AddonInstall>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_part_has_the_version_of_its_whole() {
        let aligned = |asked: &[&str]| {
            let install = asked.iter().map(|one| one.parse().unwrap()).collect();
            align_parts(install)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            aligned(&["dns", "kyverno@1.18", "kyverno-controllers"]),
            ["kyverno@1.18.2", "kyverno-controllers@1.18.2", "dns"]
        );
        assert_eq!(
            aligned(&["kyverno", "kyverno-controllers@1.18"]),
            ["kyverno", "kyverno-controllers"]
        );
        for part in ADDONS.iter().filter(|addon| addon.part_of.is_some()) {
            let versions = |addon: &PureAddon| version_words(addon);
            assert_eq!(versions(part), versions(part.part_of.unwrap()), "{part}");
        }
    }

    #[test]
    fn addons_keep_the_order_of_the_table() {
        let all: Vec<AddonInstall> = ADDONS
            .iter()
            .map(|addon| AddonInstall::usual_version(addon))
            .collect();
        assert!(all.is_sorted());
        let set: BTreeSet<AddonInstall> = all.iter().rev().copied().collect();
        assert_eq!(set.into_iter().collect::<Vec<_>>(), all);
    }
}
