//! What a world needs of its cluster.

use std::collections::BTreeSet;

use crate::names::placeholder_names;
use crate::{
    Action, AuditShape, Capability, ClusterShape, ClusterSpec, EncryptionShape, LoadedScenario,
    StepIdentity,
};

/// The placeholder of the image whose program speaks for a pod.
const PROBE_IMAGE: &str = "image:probe";

/// What the world of this name needs of its cluster: for its steps, for its cluster's shape, for
/// what it installs. Of several numbers of nodes, the largest.
#[must_use]
pub fn world_requirements(loaded: &LoadedScenario, world: &str) -> BTreeSet<Capability> {
    let scenario = &loaded.scenario;
    let own = scenario.worlds.get(world).cloned().unwrap_or_default();
    let mut needs: BTreeSet<Capability> = scenario
        .steps_in(world)
        .flat_map(|step| step.action.facts().needs)
        .collect();
    if scenario
        .steps_in(world)
        .any(|step| is_user_who_impersonates(step.identity.as_ref()))
    {
        needs.insert(Capability::UserCredentials);
    }
    let texts: Vec<String> = scenario_texts(loaded);
    // A pod that is only admitted may name an image that does not exist.
    if needs.contains(&Capability::Nodes(1)) && mentions_any(&texts, |name| name == PROBE_IMAGE) {
        needs.insert(Capability::ProbeImage);
    }
    needs.extend(
        texts
            .iter()
            .flat_map(|text| placeholder_names(text))
            .filter_map(named_node)
            .map(Capability::Nodes),
    );
    let shape = scenario.world_shape(&own);
    if !shape.enforce_network_policy
        && tries_the_wire(loaded, world)
        && writes_network_policy(loaded)
    {
        needs.insert(Capability::UnenforcedNetworkPolicy);
    }
    if ClusterSpec::resolve(loaded, world).is_ok_and(|spec| !spec.kms.is_empty()) {
        needs.insert(Capability::KmsPlugin);
    }
    needs.extend(of_shape(&shape));
    needs.extend(
        scenario
            .world_installs(&own)
            .into_iter()
            .map(Capability::Addon),
    );
    keep_most_nodes(needs)
}

/// Whether a user acts as another one: whom the administrator impersonates cannot.
fn is_user_who_impersonates(identity: Option<&StepIdentity>) -> bool {
    match identity {
        Some(StepIdentity::User { impersonate, .. }) => impersonate.is_some(),
        None | Some(StepIdentity::Serviceaccount { .. } | StepIdentity::Anonymous) => false,
    }
}

fn tries_the_wire(loaded: &LoadedScenario, world: &str) -> bool {
    loaded
        .scenario
        .steps_in(world)
        .any(|step| matches!(step.action, Action::Reach(_) | Action::OpenConnection(_)))
}

fn writes_network_policy(loaded: &LoadedScenario) -> bool {
    loaded
        .manifests
        .values()
        .flatten()
        .any(|manifest| manifest.kind() == "NetworkPolicy")
}

/// The scenario's own file and its manifests.
fn scenario_texts(loaded: &LoadedScenario) -> Vec<String> {
    let objects = loaded
        .manifests
        .values()
        .flatten()
        .map(|manifest| manifest.object.to_string());
    objects.chain([loaded.text.clone()]).collect()
}

fn mentions_any(texts: &[String], is_it: impl Fn(&str) -> bool) -> bool {
    texts.iter().any(|text| placeholder_names(text).any(&is_it))
}

/// The number of the node for which a placeholder stands, or 1 for one that only a pod on a node
/// has.
fn named_node(placeholder: &str) -> Option<u8> {
    match placeholder.split_once(':') {
        None if placeholder == "node" => Some(1),
        Some(("node", number)) => number.parse().ok(),
        Some(("pod-ip", _)) => Some(1),
        None | Some(_) => None,
    }
}

/// What there is to a shape that not every cluster has. A shape of the usual release runs on every
/// release.
fn of_shape(shape: &ClusterShape) -> BTreeSet<Capability> {
    let ClusterShape {
        kubernetes,
        encryption,
        verbosity,
        sync_frequency,
        node_monitor_grace_period,
        audit,
        admission,
        admission_plugins,
        authentication,
        authorization,
        seccomp_default,
        feature_gates,
        runtime_config,
        nodes,
        enforce_network_policy,
        dual_stack,
    } = shape;
    let usual = ClusterShape::default();
    let api_server = *encryption != EncryptionShape::Identity
        || *audit != AuditShape::Metadata
        || admission.is_some()
        || !admission_plugins.is_empty()
        || authentication.is_some()
        || *authorization != usual.authorization
        || !runtime_config.is_empty()
        || !feature_gates.is_empty();
    let components = verbosity.is_some()
        || sync_frequency.is_some()
        || *seccomp_default
        || node_monitor_grace_period.is_some()
        || !feature_gates.is_empty();
    let each = [
        (
            *kubernetes != usual.kubernetes,
            Capability::Release(kubernetes.clone()),
        ),
        (api_server, Capability::ApiServerFlags),
        (components, Capability::ComponentFlags),
        (*nodes > usual.nodes, Capability::Nodes(*nodes)),
        (*enforce_network_policy, Capability::NetworkPolicy),
        (*dual_stack, Capability::DualStack),
    ];
    each.into_iter()
        .filter(|(is_needed, _)| *is_needed)
        .map(|(_, capability)| capability)
        .collect()
}

fn keep_most_nodes(needs: BTreeSet<Capability>) -> BTreeSet<Capability> {
    let others: Vec<Capability> = needs.iter().cloned().collect();
    let is_covered =
        |one: &Capability| others.iter().any(|other| other != one && other.covers(one));
    needs.into_iter().filter(|one| !is_covered(one)).collect()
}
