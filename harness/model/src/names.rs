//! The placeholders of manifests and scenario files, and what they stand for.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use probe_protocol::RegistryFault;

use crate::ImageName;

/// What the placeholders stand for, in one world of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceholderValues {
    /// `$(namespace)`: the world's namespace.
    pub namespace: String,
    /// `$(node)` is the first one, `$(node:N)` the one of that number, from 1.
    pub nodes: Vec<String>,
    /// `$(image:probe)`: the test image.
    pub probe: String,
    /// `$(registry)`: host and port of the world's registry; empty where it has none.
    pub registry: String,
    /// Host and port of the front before the registry, for `$(front:FAULT:IMAGE)`; empty where
    /// there is none.
    pub front: String,
    /// What becomes known on the way, by the placeholder without `$(` and `)`: `sha256:IMAGE`,
    /// `key:NAME`, `trusted-root`.
    pub texts: BTreeMap<String, String>,
}

/// A placeholder, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ParsedPlaceholder {
    Namespace,
    /// By its number, from 1.
    Node(usize),
    Probe,
    Registry,
    Image(ImageName),
    Digest(ImageName),
    Front(RegistryFault, ImageName),
    Base64(String),
    Text(String),
}

/// Texts of the box that have names.
const BOX_TEXTS: [&str; 8] = [
    "fulcio-root",
    "private-registry",
    "pull-config",
    "rekor-key",
    "short-lived-root",
    "trusted-root",
    "tsa-chain",
    "tuf-root",
];

/// Texts that are made when they are first named, by the kind before the name.
const NAMED_TEXTS: [&str; 6] = [
    "canary",
    "sealing-key",
    "helm-release",
    "kms",
    "certificate",
    "expired-certificate",
];

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Addresses, which are looked up again for every step: a pod that is made again has another.
const ADDRESS_KINDS: [&str; 7] = [
    "pod-ip",
    "service-ip",
    "node-port",
    "node-ip",
    "pod-ipv6",
    "service-ipv6",
    "node-ipv6",
];

/// `NAME`, or `NAMESPACE/NAME`; a namespace that begins with `-` is one of the world's own, whose
/// name comes before.
fn is_place(name: &str) -> bool {
    name.split_once('/')
        .map_or(is_plain(name), |(namespace, name)| {
            is_plain(namespace) && is_plain(name)
        })
}

/// Whether the placeholder of this name stands for an address, which may be another by now.
#[must_use]
pub fn is_address(name: &str) -> bool {
    ADDRESS_KINDS.contains(&name.split_once(':').map_or(name, |(kind, _)| kind))
}

/// Every placeholder there is, for a hint.
pub(crate) const ALL_PLACEHOLDERS: &str = "$(namespace), $(node), $(node:NUMBER), $(registry), $(image:NAME), $(digest:NAME), $(sha256:NAME), \
    $(front:FAULT:NAME), $(key:NAME), $(certificate:KEY), $(expired-certificate:KEY), $(base64:KEY-OR-ROOT), $(fulcio-root), $(rekor-key), $(short-lived-root), \
    $(tsa-chain), $(trusted-root), $(tuf-root), $(private-registry), $(pull-config), $(canary:NAME), $(helm-release:CANARY), $(sealing-key:NAME), $(kms:NAME), \
    $(pod-ip:NAME), $(pod-ip:NAMESPACE/NAME), $(service-ip:NAME), $(node-port:SERVICE), $(node-ip), $(node-ip:NUMBER), \
    $(pod-ipv6:NAME), $(service-ipv6:NAME), $(node-ipv6)";

fn parse_placeholder(name: &str) -> Option<ParsedPlaceholder> {
    let image = |text: &str| text.parse::<ImageName>().ok();
    Some(match name.split_once(':') {
        None if name == "namespace" => ParsedPlaceholder::Namespace,
        None if name == "node" => ParsedPlaceholder::Node(1),
        Some(("node", rest)) => {
            ParsedPlaceholder::Node(rest.parse().ok().filter(|number| *number > 0)?)
        }
        None if name == "registry" => ParsedPlaceholder::Registry,
        None if BOX_TEXTS.contains(&name) => ParsedPlaceholder::Text(name.into()),
        None if matches!(name, "node-ip" | "node-ipv6") => ParsedPlaceholder::Text(name.into()),
        Some(("node-ip" | "node-ipv6", rest)) if rest.parse::<u8>().is_ok() => {
            ParsedPlaceholder::Text(name.into())
        }
        Some(("pod-ip" | "service-ip" | "node-port" | "pod-ipv6" | "service-ipv6", rest))
            if is_place(rest) =>
        {
            ParsedPlaceholder::Text(name.into())
        }
        Some((kind, rest)) if NAMED_TEXTS.contains(&kind) && is_plain(rest) => {
            ParsedPlaceholder::Text(name.into())
        }
        Some(("image", "probe")) => ParsedPlaceholder::Probe,
        Some(("image", rest)) => ParsedPlaceholder::Image(image(rest)?),
        Some(("digest", rest)) => ParsedPlaceholder::Digest(image(rest)?),
        Some(("sha256", rest)) => ParsedPlaceholder::Text(format!("sha256:{}", image(rest)?)),
        Some(("base64", rest)) => {
            parse_placeholder(rest)?;
            ParsedPlaceholder::Base64(rest.into())
        }
        Some(("key", rest)) if !rest.is_empty() => ParsedPlaceholder::Text(name.into()),
        Some(("front", rest)) => {
            let (word, rest) = rest.split_once(':')?;
            ParsedPlaceholder::Front(RegistryFault::of_word(word)?, image(rest)?)
        }
        _ => return None,
    })
}

impl PlaceholderValues {
    /// The repository of an image of the world, without registry: `NAMESPACE/NAME`.
    #[must_use]
    pub fn repository(&self, image: &ImageName) -> String {
        format!("{}/{}", self.namespace, image.name)
    }

    /// An image of the world by its tag, as `HOST:PORT/NAMESPACE/NAME:TAG`.
    #[must_use]
    pub fn reference(&self, image: &ImageName) -> String {
        format!("{}/{}:{}", self.registry, self.repository(image), image.tag)
    }

    /// `text` with its placeholders filled in; one whose text is not known stays.
    #[must_use]
    pub fn fill_text(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        for (plain, name) in split_pieces(text) {
            filled.push_str(plain);
            match name.map(|name| (name, self.value_text(name))) {
                Some((_, Some(value))) => filled.push_str(&value),
                Some((name, None)) => filled.push_str(&format!("$({name})")),
                None => {}
            }
        }
        filled
    }

    fn value_text(&self, name: &str) -> Option<String> {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match parse_placeholder(name)? {
            ParsedPlaceholder::Namespace => known(&self.namespace),
            ParsedPlaceholder::Node(number) => self.nodes.get(number.checked_sub(1)?).cloned(),
            ParsedPlaceholder::Probe => known(&self.probe),
            ParsedPlaceholder::Registry => known(&self.registry),
            ParsedPlaceholder::Image(image) => {
                known(&self.registry).map(|_| self.reference(&image))
            }
            ParsedPlaceholder::Digest(image) => {
                let digest = self.texts.get(&format!("sha256:{image}"))?;
                Some(format!(
                    "{}/{}@{digest}",
                    known(&self.registry)?,
                    self.repository(&image)
                ))
            }
            ParsedPlaceholder::Front(fault, image) => Some(format!(
                "{}/{}/{}:{}",
                known(&self.front)?,
                fault.word(),
                self.repository(&image),
                image.tag
            )),
            ParsedPlaceholder::Base64(name) => Some(STANDARD.encode(self.value_text(&name)?)),
            ParsedPlaceholder::Text(name) => self.texts.get(&name).cloned(),
        }
    }

    /// `value` with the placeholders in its strings and keys filled in.
    #[must_use]
    pub fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill_text(text)),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill_value(item)).collect())
            }
            Value::Object(fields) => {
                let filled: Map<String, Value> = fields
                    .iter()
                    .map(|(key, item)| (self.fill_text(key), self.fill_value(item)))
                    .collect();
                Value::Object(filled)
            }
            other => other.clone(),
        }
    }

    /// The names in `text` that are placeholders of ours without a text yet, without `$(` and `)`.
    #[must_use]
    pub fn missing_names(&self, text: &str) -> Vec<String> {
        placeholder_names(text)
            .filter(|name| self.value_text(name).is_none())
            .map(|name| decode_plain(name).to_owned())
            .collect()
    }
}

/// The names of the placeholders of ours in `text`, without `$(` and `)`.
pub(crate) fn placeholder_names(text: &str) -> impl Iterator<Item = &str> {
    split_pieces(text)
        .filter_map(|(_, name)| name)
        .filter(|name| parse_placeholder(name).is_some())
}

/// The names behind `KIND:` in the placeholders of this kind in `text`.
pub fn named_placeholders<'a>(text: &'a str, kind: &'a str) -> impl Iterator<Item = &'a str> {
    placeholder_names(text)
        .map(decode_plain)
        .filter_map(move |name| name.strip_prefix(kind)?.strip_prefix(':'))
}

/// What is in base64, without saying so.
fn decode_plain(name: &str) -> &str {
    name.strip_prefix("base64:").map_or(name, decode_plain)
}

/// The image that a placeholder names, unless it is the test image.
pub(crate) fn image_of(name: &str) -> Option<ImageName> {
    match parse_placeholder(decode_plain(name))? {
        ParsedPlaceholder::Image(image)
        | ParsedPlaceholder::Digest(image)
        | ParsedPlaceholder::Front(_, image) => Some(image),
        ParsedPlaceholder::Text(name) => name
            .strip_prefix("sha256:")
            .and_then(|rest| rest.parse().ok()),
        _ => None,
    }
}

/// The first `$(…)` in `text` that is not a placeholder of ours, if there is one.
///
/// Kubernetes expands `$(VAR)` in commands and arguments itself, so upper-case names are left to
/// it.
#[must_use]
pub(crate) fn unknown_placeholder(text: &str) -> Option<&str> {
    let theirs = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    split_pieces(text)
        .filter_map(|(_, name)| name)
        .find(|name| parse_placeholder(name).is_none() && !theirs(name))
}

/// `text` in pieces: what is plain, and the name in the `$(…)` behind it.
fn split_pieces(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let all = rest?;
        let Some((plain, tail)) = all.split_once("$(") else {
            rest = None;
            return Some((all, None));
        };
        match tail.split_once(')') {
            Some((name, behind)) => {
                rest = Some(behind);
                Some((plain, Some(name)))
            }
            None => {
                rest = None;
                Some((all, None))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> PlaceholderValues {
        let texts = [("sha256:app", "sha256:00"), ("key:release", "PEM")];
        PlaceholderValues {
            namespace: "ns".into(),
            registry: "registry.box:5000".into(),
            front: "front.local:5002".into(),
            nodes: vec!["node-1".into(), "node-2".into()],
            probe: "probe:1".into(),
            texts: texts.map(|(name, text)| (name.into(), text.into())).into(),
        }
    }

    #[test]
    fn every_placeholder_is_filled() {
        let filled = [
            ("a $(namespace) b", "a ns b"),
            ("$(image:probe)", "probe:1"),
            ("$(image:app)", "registry.box:5000/ns/app:v1"),
            ("$(image:app:v2)", "registry.box:5000/ns/app:v2"),
            ("$(digest:app)", "registry.box:5000/ns/app@sha256:00"),
            ("$(sha256:app)$(key:release)", "sha256:00PEM"),
            (
                "$(front:answer-500:app)",
                "front.local:5002/answer-500/ns/app:v1",
            ),
            ("$(base64:key:release)", "UEVN"),
            ("$(node) $(node:2) $(node:3)", "node-1 node-2 $(node:3)"),
            ("$(HOME) $(", "$(HOME) $("),
        ];
        for (text, wanted) in filled {
            assert_eq!(names().fill_text(text), wanted);
        }
    }

    #[test]
    fn what_is_not_known_yet_stays_and_is_missing() {
        let text = "$(digest:other) $(base64:key:old) $(namespace) $(HOME)";
        assert_eq!(
            names().fill_text(text),
            "$(digest:other) $(base64:key:old) ns $(HOME)"
        );
        assert_eq!(names().missing_names(text), ["digest:other", "key:old"]);
    }

    #[test]
    fn what_is_no_placeholder_is_found() {
        for (text, wanted) in [
            ("$(image:App)", Some("image:App")),
            ("$(front:slow:app)", Some("front:slow:app")),
            ("$(nonsense)", Some("nonsense")),
            ("$(node:2) $(node:0)", Some("node:0")),
            ("$(image:app) $(HOME) $(fulcio-root)", None),
            (
                "$(pod-ip:web) $(pod-ip:-shop/web) $(service-ip:kube-system/kube-dns) $(node-port:web) $(node-ip) $(node-ip:2)",
                None,
            ),
            ("$(pod-ip:Web)", Some("pod-ip:Web")),
            ("$(pod-ip:a/b/c)", Some("pod-ip:a/b/c")),
            ("$(node-ip:two)", Some("node-ip:two")),
            ("$(never closed", None),
        ] {
            assert_eq!(unknown_placeholder(text), wanted, "{text}");
        }
    }
}
