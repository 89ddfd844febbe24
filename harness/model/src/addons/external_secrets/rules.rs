//! What External Secrets Operator is asked for.

use serde_json::Value;

use crate::ways::{StoppedStep, TriedStep, holds_field, is_secret_look, object_group};
use crate::{Answer, LoadedScenario};

/// Kinds that somebody makes to have the operator read or write for him.
const OPERATOR_KINDS: [&str; 6] = [
    "secretstore",
    "clustersecretstore",
    "externalsecret",
    "clusterexternalsecret",
    "pushsecret",
    "clusterpushsecret",
];

pub(super) const STORE_KINDS: [&str; 2] = ["secretstore", "clustersecretstore"];

fn is_operator_kind(kind: &str) -> bool {
    OPERATOR_KINDS.contains(&kind)
}

/// Whether a world has a store that is for some namespaces alone.
fn has_conditions(loaded: &LoadedScenario, world: &str) -> bool {
    let own = loaded.scenario.worlds.get(world);
    let files = own.into_iter().flat_map(|own| &own.apply);
    let manifests = files.filter_map(|file| loaded.manifests.get(file));
    manifests
        .flatten()
        .any(|manifest| store_conditions(&manifest.object).next().is_some())
}

/// The conditions of a store for the whole cluster.
pub(super) fn store_conditions(object: &Value) -> impl Iterator<Item = &Value> {
    let is_store = object["kind"] == "ClusterSecretStore";
    let conditions = object["spec"]["conditions"].as_array();
    conditions.into_iter().flatten().filter(move |_| is_store)
}

/// Whether a step sends an object of one of these kinds, or changes one, as somebody.
pub(super) fn changes_as_somebody(step: &TriedStep<'_>, kinds: &[&str]) -> bool {
    let mut changes = step.changes().into_iter();
    step.step.identity.is_some() && changes.any(|(_, kind)| kinds.contains(&kind.as_str()))
}

/// Whether a step sends an object of the operator's generators.
pub(super) fn sends_generator(step: &TriedStep<'_>) -> bool {
    let mut sent = step.sent.iter();
    sent.any(|object| {
        let names_one = holds_field(object, "generatorRef");
        object_group(object) == "generators.external-secrets.io" || names_one
    })
}

/// Whether a step asks for a Secret that becomes a token, by its template.
pub(super) fn asks_for_token_secret(step: &TriedStep<'_>) -> bool {
    step.sent.iter().any(|object| {
        object["spec"]["target"]["template"]["type"] == "kubernetes.io/service-account-token"
    })
}

/// Whether somebody is kept from what the operator would do for him: an object of it is refused, or
/// a store for some namespaces gives a Secret to no other.
pub(super) fn keeps_back(stopped: &StoppedStep<'_, '_>) -> bool {
    let is_asked = || {
        let mut changes = stopped.step.changes().into_iter();
        changes.any(|(_, kind)| is_operator_kind(&kind))
    };
    stopped.has_addon(&super::ADDON)
        && match stopped.answer() {
            Some(Answer::Denied { .. } | Answer::Forbidden) => is_asked(),
            Some(Answer::Absent) => {
                is_secret_look(&stopped.step.step.action)
                    && has_conditions(stopped.loaded, stopped.world)
            }
            _ => false,
        }
}
