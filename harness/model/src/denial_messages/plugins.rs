//! The texts of the built-in admission plugins, each as its plugin writes it behind
//! `… is forbidden: `.
//!
//! Sources, kubernetes 1.36.3: `plugin/pkg/admission/*` (a folder for each plugin,
//! `namespace/lifecycle` and `resourcequota` in
//! `staging/src/k8s.io/apiserver/pkg/admission/plugin`). "not yet ready to handle request", which
//! any of them says while the server starts, and "unexpected type" are faults, and stand here for
//! nobody.

mod messages;
mod node_restriction;

use crate::{Plugin, Refuser};
use messages::PLUGIN_MESSAGES;
use node_restriction::NODE_MESSAGES;

/// The plugin whose text this is. Of several faults in one, `[FAULT, FAULT]`, the first says whose
/// they are.
pub(super) fn refuser(text: &str) -> Option<Refuser> {
    let text = text.strip_prefix('[').unwrap_or(text);
    let said_by_others = || {
        let known = PLUGIN_MESSAGES
            .iter()
            .find(|(_, parts)| has_parts(text, parts));
        known.map(|(by, _)| by.clone())
    };
    let said_to_node = NODE_MESSAGES.iter().any(|parts| has_parts(text, parts));
    said_by_others().or(said_to_node.then_some(Refuser::NodeRestriction))
}

/// What a plugin says without wrapping it as a refusal: the server passes it on as a fault of its
/// own.
pub(super) fn unwrapped_refuser(message: &str) -> Option<Refuser> {
    let plugin = if message.starts_with("insufficient quota to match these scopes: ") {
        Plugin::ResourceQuota
    } else if has_parts(
        message,
        &["pod tolerations (", " conflict with its ", " whitelist"],
    ) {
        Plugin::PodTolerationRestriction
    } else {
        let first = message.strip_prefix('[').unwrap_or(message);
        let text = super::behind_forbidden(first)?;
        let parts = &[
            "spec.",
            "ullPolicy: Unsupported value: ",
            "supported values: \"Always\"",
        ];
        if !has_parts(text, parts) {
            return None;
        }
        Plugin::AlwaysPullImages
    };
    Some(Refuser::Plugin(plugin))
}

/// The text of the 429 with which events are turned away.
pub(super) fn too_many_events(message: &str) -> Option<Refuser> {
    let text = message.strip_prefix('[').unwrap_or(message);
    has_parts(
        text,
        &["Too many requests: limit reached on type ", " for key "],
    )
    .then_some(Refuser::Plugin(Plugin::EventRateLimit))
}

fn has_parts(text: &str, parts: &[&str]) -> bool {
    let Some((first, others)) = parts.split_first() else {
        return false;
    };
    let mut rest = text.strip_prefix(first);
    for part in others {
        rest = rest
            .and_then(|rest| rest.split_once(part))
            .map(|(_, rest)| rest);
    }
    rest.is_some()
}
