//! The objects of a control.

use serde_json::Value;

use super::ControlKind;
use super::agent_rules::is_of_agents;
use super::tried::TriedStep;
use crate::{Answer, Refuser};

const ENFORCE_LABEL: &str = "pod-security.kubernetes.io/enforce";

/// Whether an object makes a control of this kind.
pub(super) fn is_of_kind(
    kind: ControlKind,
    object: &Value,
    attacks: &[TriedStep<'_>],
    world: &str,
) -> bool {
    let named = object["kind"].as_str().unwrap_or_default();
    let group = object_group(object);
    match kind {
        ControlKind::PodSecurity => {
            named == "Namespace" && !object["metadata"]["labels"][ENFORCE_LABEL].is_null()
        }
        ControlKind::AdmissionPolicy => is_admission_policy(object, attacks, world),
        ControlKind::Webhook => named.ends_with("WebhookConfiguration"),
        ControlKind::Rbac => group == "rbac.authorization.k8s.io",
        ControlKind::NetworkPolicy => named == "NetworkPolicy",
        ControlKind::Quota => matches!(named, "ResourceQuota" | "LimitRange"),
        ControlKind::Audit => group == "audit.k8s.io",
        ControlKind::Encryption => group == "apiserver.config.k8s.io",
        ControlKind::NodeRestriction => matches!(named, "Pod" | "Node"),
        ControlKind::AdmissionPlugin => true,
        ControlKind::AgentManager => is_of_agents(object),
        ControlKind::Addon(addon) => {
            let control = addon.control;
            control.is_some_and(|control| control.has_group(group))
        }
    }
}

/// The group of an object; empty for the core one.
pub(crate) fn object_group(object: &Value) -> &str {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// Whether this is a policy that refuses an attack, or a binding of such a policy.
fn is_admission_policy(object: &Value, attacks: &[TriedStep<'_>], world: &str) -> bool {
    let named = object["kind"].as_str().unwrap_or_default();
    let policy = match named {
        "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => &object["metadata"]["name"],
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
            &object["spec"]["policyName"]
        }
        _ => return false,
    };
    attacks
        .iter()
        .any(|step| match step.step.intended_verdict(world) {
            Some(
                Answer::Denied {
                    by: Refuser::Policy(name),
                }
                | Answer::NotStarted {
                    by: Refuser::Policy(name),
                },
            ) => *policy == **name,
            _ => false,
        })
}

/// Whether a step puts the label on that makes a level of Pod Security.
pub(super) fn is_labelled(tried: &[TriedStep<'_>]) -> bool {
    tried.iter().any(|step| step.mentions(ENFORCE_LABEL))
}
