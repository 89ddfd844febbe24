//! Which controls a world holds by: read out of its manifests and of what is refused there.

use std::fmt;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::tried::TriedStep;
use crate::addons::{gatekeeper, kyverno, policy_controller};
use crate::{Answer, LoadedScenario, Plugin, Refuser};

const ENFORCE_LABEL: &str = "pod-security.kubernetes.io/enforce";

/// The plugins of the API server that look at ResourceQuotas and LimitRanges.
const LIMIT_PLUGINS: [Plugin; 2] = [Plugin::ResourceQuota, Plugin::LimitRanger];

/// A kind of control for which there are ways round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlKind {
    /// A level of Pod Security, by a label or by the API server's file.
    PodSecurity,
    /// A ValidatingAdmissionPolicy and its binding, or one that mutates.
    AdmissionPolicy,
    /// A webhook configuration.
    Webhook,
    /// Policies of Kyverno.
    Kyverno,
    /// Policies of Sigstore's policy-controller.
    PolicyController,
    /// Constraints of Gatekeeper.
    Gatekeeper,
    /// Roles and their bindings.
    Rbac,
    /// NetworkPolicies.
    NetworkPolicy,
    /// ResourceQuotas and LimitRanges.
    Quota,
}

impl ControlKind {
    /// Every kind, in the order of the reference.
    pub const ALL: [Self; 9] = [
        Self::PodSecurity,
        Self::AdmissionPolicy,
        Self::Webhook,
        Self::Kyverno,
        Self::PolicyController,
        Self::Gatekeeper,
        Self::Rbac,
        Self::NetworkPolicy,
        Self::Quota,
    ];
}

impl fmt::Display for ControlKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PodSecurity => "Pod Security",
            Self::AdmissionPolicy => "an admission policy",
            Self::Webhook => "a webhook",
            Self::Kyverno => "Kyverno",
            Self::PolicyController => "policy-controller",
            Self::Gatekeeper => "Gatekeeper",
            Self::Rbac => "RBAC",
            Self::NetworkPolicy => "a NetworkPolicy",
            Self::Quota => "a quota or a LimitRange",
        })
    }
}

/// The controls of one kind that a world claims to hold by.
pub struct HeldControl<'a> {
    /// The kind.
    pub kind: ControlKind,
    /// The world.
    pub world: &'a str,
    /// The objects of these controls.
    pub objects: Vec<&'a Value>,
    /// The rules of the roles that the world binds.
    pub rights: Vec<&'a Value>,
    /// Those of them that are bound in the whole cluster.
    pub cluster_rights: Vec<&'a Value>,
    /// Steps that they stop, and that another world lets through.
    pub attacks: Vec<TriedStep<'a>>,
    /// Whether the world's cluster has IPv6 as well.
    pub dual_stack: bool,
}

impl HeldControl<'_> {
    /// Whether this text is in one of its objects.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.objects
            .iter()
            .any(|object| object.to_string().contains(text))
    }
}

/// The controls that the world of this name claims to hold by, with the steps that it takes. There
/// are none in `bare`, and none where a world is declared ineffective.
pub(crate) fn held_controls<'a>(
    loaded: &'a LoadedScenario,
    world: &'a str,
) -> (Vec<HeldControl<'a>>, Vec<TriedStep<'a>>) {
    let tried = TriedStep::in_world(loaded, world);
    let Some(own) = loaded.scenario.worlds.get(world) else {
        return (Vec::new(), tried);
    };
    if world == "bare" || own.ineffective {
        return (Vec::new(), tried);
    }
    let applied = own
        .apply
        .iter()
        .filter_map(|file| loaded.manifests.get(file))
        .flatten()
        .map(|manifest| &manifest.object);
    let applied: Vec<&Value> = applied.collect();
    let written: Vec<&Value> = applied
        .iter()
        .copied()
        .chain(tried.iter().flat_map(|step| step.sent.iter().copied()))
        .collect();
    let shape = loaded.scenario.world_shape(own);
    let held = |kind: &ControlKind| {
        let attacks: Vec<TriedStep<'a>> = tried
            .iter()
            .filter(|step| is_stopped_by(*kind, step, world))
            .filter(|step| passes_elsewhere(loaded, step, world))
            .cloned()
            .collect();
        let objects: Vec<&Value> = written
            .iter()
            .copied()
            .filter(|object| is_of_kind(*kind, object, &attacks, world))
            .collect();
        let by_file = *kind == ControlKind::PodSecurity && shape.admission.is_some();
        let is_there = !objects.is_empty() || by_file || is_labelled(*kind, &tried);
        (!attacks.is_empty() && is_there).then(|| HeldControl {
            kind: *kind,
            world,
            objects,
            rights: bound_rules(&applied, false),
            cluster_rights: bound_rules(&applied, true),
            attacks,
            dual_stack: shape.dual_stack,
        })
    };
    let controls = ControlKind::ALL.iter().filter_map(held).collect();
    (controls, tried)
}

/// Whether a step is refused in this world by a control of this kind.
fn is_stopped_by(kind: ControlKind, step: &TriedStep<'_>, world: &str) -> bool {
    match step.step.intended_verdict(world) {
        Some(Answer::Denied { by } | Answer::NotStarted { by }) => is_refuser(kind, by),
        Some(Answer::Forbidden) => kind == ControlKind::Rbac,
        Some(Answer::Blocked { .. }) => kind == ControlKind::NetworkPolicy,
        _ => false,
    }
}

fn is_refuser(kind: ControlKind, by: &Refuser) -> bool {
    let is_engine = |name: &str| match by {
        Refuser::Engine { engine, .. } => engine.name == name,
        _ => false,
    };
    match kind {
        ControlKind::PodSecurity => *by == Refuser::PodSecurity,
        ControlKind::AdmissionPolicy => matches!(by, Refuser::Policy(_)),
        ControlKind::Webhook => matches!(by, Refuser::Webhook(_) | Refuser::FailingClosed(_)),
        ControlKind::Kyverno => is_engine(kyverno::ADDON.name),
        ControlKind::PolicyController => is_engine(policy_controller::ADDON.name),
        ControlKind::Gatekeeper => is_engine(gatekeeper::ADDON.name),
        ControlKind::Quota => match by {
            Refuser::Quota(_) => true,
            Refuser::Plugin(plugin) => LIMIT_PLUGINS.contains(plugin),
            _ => false,
        },
        ControlKind::Rbac | ControlKind::NetworkPolicy => false,
    }
}

/// Whether another world lets the step through, so that it is the control that stops it here.
fn passes_elsewhere(loaded: &LoadedScenario, step: &TriedStep<'_>, world: &str) -> bool {
    let lets_through = |other: &String| {
        let answer = step.step.intended_verdict(other);
        other != world
            && loaded.scenario.takes_step(other, &step.step.id)
            && answer.is_some_and(|answer| answer.is_positive() || *answer == Answer::Done)
    };
    loaded.scenario.worlds.keys().any(lets_through)
}

fn is_of_kind(kind: ControlKind, object: &Value, attacks: &[TriedStep<'_>], world: &str) -> bool {
    let named = object["kind"].as_str().unwrap_or_default();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    match kind {
        ControlKind::PodSecurity => {
            named == "Namespace" && !object["metadata"]["labels"][ENFORCE_LABEL].is_null()
        }
        ControlKind::AdmissionPolicy => is_admission_policy(object, attacks, world),
        ControlKind::Webhook => named.ends_with("WebhookConfiguration"),
        ControlKind::Kyverno => group.ends_with("kyverno.io"),
        ControlKind::PolicyController => group == "policy.sigstore.dev",
        ControlKind::Gatekeeper => group.ends_with("gatekeeper.sh"),
        ControlKind::Rbac => group == "rbac.authorization.k8s.io",
        ControlKind::NetworkPolicy => named == "NetworkPolicy",
        ControlKind::Quota => matches!(named, "ResourceQuota" | "LimitRange"),
    }
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

/// Whether a step puts the label on that makes the control.
fn is_labelled(kind: ControlKind, tried: &[TriedStep<'_>]) -> bool {
    kind == ControlKind::PodSecurity && tried.iter().any(|step| step.mentions(ENFORCE_LABEL))
}

/// What `cluster-admin` grants. The other roles that come with Kubernetes are not looked into.
static ALL_GRANTS: LazyLock<Value> =
    LazyLock::new(|| json!({"apiGroups": ["*"], "verbs": ["*"], "resources": ["*"]}));

/// The rules of the roles in here that are bound; of those alone that are bound in the whole cluster.
fn bound_rules<'a>(written: &[&'a Value], cluster: bool) -> Vec<&'a Value> {
    let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
    let bindings = written.iter().filter(|object| match kind(object).as_str() {
        "ClusterRoleBinding" => true,
        "RoleBinding" => !cluster,
        _ => false,
    });
    let bound: Vec<(&Value, &Value)> = bindings
        .map(|object| (&object["roleRef"]["kind"], &object["roleRef"]["name"]))
        .collect();
    let is_owner = bound.iter().any(|(_, name)| **name == "cluster-admin");
    let owner = is_owner.then(|| &*ALL_GRANTS);
    let is_role = |object: &&&Value| {
        matches!(kind(object).as_str(), "Role" | "ClusterRole")
            && bound.contains(&(&object["kind"], &object["metadata"]["name"]))
    };
    let roles = written.iter().filter(is_role);
    let rules = roles.filter_map(|object| object["rules"].as_array());
    rules.flatten().chain(owner).collect()
}
