//! Which controls a world holds by: read out of its manifests and of what is refused there.

use std::fmt;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::held_objects::{is_labelled, is_of_kind};
use super::sealing_rules::sealing_configurations;
use super::stopped_step::{StoppedStep, is_everywhere};
use super::tried::TriedStep;
use super::{AddonControl, PolicySubject, addon_controls};
use crate::{AuditShape, LoadedScenario, PureAddon, Scenario};

/// A kind of control for which there are ways round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlKind {
    /// A level of Pod Security, by a label or by the API server's file.
    PodSecurity,
    /// A ValidatingAdmissionPolicy and its binding, or one that mutates.
    AdmissionPolicy,
    /// A webhook configuration.
    Webhook,
    /// Roles and their bindings.
    Rbac,
    /// NetworkPolicies.
    NetworkPolicy,
    /// ResourceQuotas and LimitRanges.
    Quota,
    /// The API server's audit policy.
    Audit,
    /// Encryption at rest.
    Encryption,
    /// The `NodeRestriction` admission plugin, which every world has.
    NodeRestriction,
    /// Another of the API server's own admission plugins.
    AdmissionPlugin,
    /// What an agent's manager, or an agent, wants of the other.
    AgentManager,
    /// An addon that is one.
    Addon(&'static PureAddon),
}

impl ControlKind {
    /// Every kind but for addons, in the order of the reference.
    const FIXED_KINDS: [Self; 11] = [
        Self::PodSecurity,
        Self::AdmissionPolicy,
        Self::Webhook,
        Self::Rbac,
        Self::NetworkPolicy,
        Self::Quota,
        Self::Audit,
        Self::Encryption,
        Self::NodeRestriction,
        Self::AdmissionPlugin,
        Self::AgentManager,
    ];

    /// Every kind, addons in the order of their table.
    pub fn all() -> impl Iterator<Item = Self> {
        let addons = addon_controls().map(|(addon, _)| Self::Addon(addon));
        Self::FIXED_KINDS.into_iter().chain(addons)
    }

    /// Whether this is an addon whose policies are about this.
    pub(super) fn is_about(self, subject: PolicySubject) -> bool {
        let control = self.addon_control();
        control.is_some_and(|control| control.subjects.contains(&subject))
    }

    /// What an addon says of itself as a control.
    pub(super) fn addon_control(self) -> Option<&'static AddonControl> {
        match self {
            Self::Addon(addon) => addon.control,
            Self::PodSecurity
            | Self::AdmissionPolicy
            | Self::Webhook
            | Self::Rbac
            | Self::NetworkPolicy
            | Self::Quota
            | Self::Audit
            | Self::Encryption
            | Self::NodeRestriction
            | Self::AdmissionPlugin
            | Self::AgentManager => None,
        }
    }
}

impl fmt::Display for ControlKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PodSecurity => "Pod Security",
            Self::AdmissionPolicy => "an admission policy",
            Self::Webhook => "a webhook",
            Self::Rbac => "RBAC",
            Self::NetworkPolicy => "a NetworkPolicy",
            Self::Quota => "a quota or a LimitRange",
            Self::Audit => "an audit policy",
            Self::Encryption => "encryption at rest",
            Self::NodeRestriction => "NodeRestriction",
            Self::AdmissionPlugin => "an admission plugin",
            Self::AgentManager => "an agent's manager",
            Self::Addon(addon) => addon.control.map_or(addon.name, |control| control.title),
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
    /// The encryption configurations that its API server is given, in their order.
    pub configurations: Vec<Value>,
    /// What the world applies.
    pub applied: Vec<&'a Value>,
    /// Every step that the world takes.
    pub steps: Vec<TriedStep<'a>>,
    /// The scenario.
    pub scenario: &'a Scenario,
}

impl HeldControl<'_> {
    /// Whether this text is in one of its objects.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.objects
            .iter()
            .any(|object| object.to_string().contains(text))
    }
}

/// The controls that the world of this name claims to hold by, with the steps that it takes. In
/// `bare`, and where a world is declared to change nothing, there are only those that every world has.
pub(crate) fn held_controls<'a>(
    loaded: &'a LoadedScenario,
    world: &'a str,
) -> (Vec<HeldControl<'a>>, Vec<TriedStep<'a>>) {
    let tried = TriedStep::in_world(loaded, world);
    let Some(own) = loaded.scenario.worlds.get(world) else {
        return (Vec::new(), tried);
    };
    let has_none = world == "bare" || own.changes_nothing();
    let controls = ControlKind::all()
        .filter(|kind| !has_none || is_everywhere(*kind))
        .filter_map(|kind| held_control(loaded, world, kind, &tried))
        .collect();
    (controls, tried)
}

/// The controls of this kind, if a step is stopped by them that another world lets through.
fn held_control<'a>(
    loaded: &'a LoadedScenario,
    world: &'a str,
    kind: ControlKind,
    tried: &[TriedStep<'a>],
) -> Option<HeldControl<'a>> {
    let stopped = |step: &&TriedStep<'a>| {
        let stopped = StoppedStep {
            loaded,
            world,
            steps: tried,
            step,
        };
        stopped.is_stopped_by(kind)
    };
    let attacks: Vec<TriedStep<'a>> = tried.iter().filter(stopped).cloned().collect();
    if attacks.is_empty() {
        return None;
    }
    let own = loaded.scenario.worlds.get(world)?;
    let shape = loaded.scenario.world_shape(own);
    let of_files = |files: &[String]| -> Vec<&'a Value> {
        let files = files.iter().filter_map(|file| loaded.manifests.get(file));
        files.flatten().map(|manifest| &manifest.object).collect()
    };
    let applied = of_files(&own.apply);
    let audit = match shape.audit {
        AuditShape::Policy(file) => of_files(&[file]),
        AuditShape::None | AuditShape::Metadata | AuditShape::PolicyWithoutLog(_) => Vec::new(),
    };
    let sent = tried.iter().flat_map(|step| step.sent.iter().copied());
    let written = applied.iter().copied().chain(audit).chain(sent);
    let objects: Vec<&Value> = written
        .filter(|object| is_of_kind(kind, object, &attacks, world))
        .collect();
    let configurations = if kind == ControlKind::Encryption {
        sealing_configurations(loaded, &shape.encryption, tried)
    } else {
        Vec::new()
    };
    let is_there = match kind {
        ControlKind::PodSecurity => {
            !objects.is_empty() || shape.admission.is_some() || is_labelled(tried)
        }
        ControlKind::Encryption => !configurations.is_empty(),
        // They need no object.
        ControlKind::NodeRestriction | ControlKind::AdmissionPlugin => true,
        ControlKind::Addon(addon) => {
            !objects.is_empty() || addon.control.is_some_and(|control| control.needs_no_object)
        }
        ControlKind::AdmissionPolicy
        | ControlKind::Webhook
        | ControlKind::Rbac
        | ControlKind::NetworkPolicy
        | ControlKind::Quota
        | ControlKind::Audit
        | ControlKind::AgentManager => !objects.is_empty(),
    };
    is_there.then(|| HeldControl {
        kind,
        world,
        objects,
        rights: bound_rules(&applied, false),
        cluster_rights: bound_rules(&applied, true),
        attacks,
        dual_stack: shape.dual_stack,
        configurations,
        applied,
        steps: tried.to_vec(),
        scenario: &loaded.scenario,
    })
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
