//! Whether a step is stopped by a control: what is refused, blocked or not to be seen in one world,
//! and goes through in another.

use super::ControlKind;
use super::agent_rules::is_agent_try;
use super::tried::{TriedStep, plain_kind};
use crate::{
    Action, Answer, LeakPlace, LoadedScenario, ObservedRecord, Plugin, PureAddon, Refuser,
    includes_addon,
};

/// The plugins of the API server that look at ResourceQuotas and LimitRanges.
const LIMIT_PLUGINS: [Plugin; 2] = [Plugin::ResourceQuota, Plugin::LimitRanger];

/// A step of a world, and the other worlds of its scenario.
pub(crate) struct StoppedStep<'s, 'a> {
    pub(crate) loaded: &'a LoadedScenario,
    pub(crate) world: &'a str,
    /// All steps of the world.
    pub(crate) steps: &'s [TriedStep<'a>],
    pub(crate) step: &'s TriedStep<'a>,
}

/// Whether every world has the controls of this kind, `bare` included.
pub(super) fn is_everywhere(kind: ControlKind) -> bool {
    kind == ControlKind::NodeRestriction
}

impl StoppedStep<'_, '_> {
    /// Whether a control of this kind stops it here, and nothing does in another world. What every
    /// world has stops it everywhere.
    pub(super) fn is_stopped_by(&self, kind: ControlKind) -> bool {
        let is_stopped = match kind {
            ControlKind::Audit => self.is_recorded_here_alone(),
            ControlKind::Encryption => self.is_sealed(),
            ControlKind::AgentManager => return self.is_kept_from_manager(),
            ControlKind::Addon(addon) => match addon.control.and_then(|control| control.stops) {
                Some(stops) => stops(self),
                None => self.is_refused_by(kind),
            },
            ControlKind::PodSecurity
            | ControlKind::AdmissionPolicy
            | ControlKind::Webhook
            | ControlKind::Rbac
            | ControlKind::NetworkPolicy
            | ControlKind::Quota
            | ControlKind::NodeRestriction
            | ControlKind::AdmissionPlugin => self.is_refused_by(kind),
        };
        is_stopped && (is_everywhere(kind) || self.passes_elsewhere())
    }

    pub(crate) fn answer(&self) -> Option<&Answer> {
        self.step.step.intended_verdict(self.world)
    }

    /// The names of the other worlds that take it, each with what is intended there.
    fn elsewhere(&self) -> impl Iterator<Item = (&str, &Answer)> {
        let scenario = &self.loaded.scenario;
        let others = scenario.worlds.keys().filter(|other| *other != self.world);
        others
            .filter(|other| scenario.takes_step(other, &self.step.step.id))
            .filter_map(|other| Some((other.as_str(), self.step.step.intended_verdict(other)?)))
    }

    fn passes_elsewhere(&self) -> bool {
        self.elsewhere().any(|(_, answer)| match self.answer() {
            // What a control records, or seals, is what it lets nobody miss, or read.
            Some(Answer::Found) => *answer == Answer::Absent,
            Some(Answer::Encrypted { .. }) => *answer == Answer::Plaintext,
            _ => answer.is_positive() || *answer == Answer::Done,
        })
    }

    fn is_refused_by(&self, kind: ControlKind) -> bool {
        match self.answer() {
            Some(Answer::Denied { by } | Answer::NotStarted { by }) => is_refuser(kind, by),
            Some(Answer::Forbidden) => kind == ControlKind::Rbac,
            Some(Answer::Blocked { .. }) => kind == ControlKind::NetworkPolicy,
            _ => false,
        }
    }

    /// Whether the audit log holds it here, and not where the API server records otherwise.
    fn is_recorded_here_alone(&self) -> bool {
        let audit = |world: &str| {
            let own = self.loaded.scenario.worlds.get(world);
            own.map(|own| self.loaded.scenario.world_shape(own).audit)
        };
        let is_audit = matches!(
            &self.step.step.action,
            Action::LookFor(ObservedRecord::Audit(_))
        );
        is_audit
            && self.answer() == Some(&Answer::Found)
            && self.elsewhere().any(|(other, answer)| {
                *answer == Answer::Absent && audit(other) != audit(self.world)
            })
    }

    /// Whether it shows that what etcd holds cannot be read, or that moved bytes are not opened.
    fn is_sealed(&self) -> bool {
        let in_storage = match &self.step.step.action {
            Action::LookFor(ObservedRecord::Canary(canary)) => matches!(
                canary.place,
                LeakPlace::EtcdValue(_) | LeakPlace::EtcdFiles | LeakPlace::Snapshot(_)
            ),
            _ => false,
        };
        match self.answer() {
            Some(Answer::Encrypted { .. }) => true,
            Some(Answer::Absent) => in_storage,
            Some(Answer::EncryptionFailed) => self
                .steps
                .iter()
                .any(|step| matches!(step.step.action, Action::CopyEtcdValue(_))),
            _ => false,
        }
    }

    pub(crate) fn has_addon(&self, addon: &PureAddon) -> bool {
        let own = self.loaded.scenario.worlds.get(self.world);
        own.is_some_and(|own| includes_addon(&self.loaded.scenario.world_installs(own), addon))
    }

    /// Whether an agent gets through to its manager in one world and not in another, this being
    /// either, or a forged message is taken in one alone.
    fn is_kept_from_manager(&self) -> bool {
        is_agent_try(self.steps, &self.step.step.action)
            && self
                .elsewhere()
                .any(|(_, answer)| Some(answer) != self.answer())
    }
}

/// Whether a Secret is looked into.
pub(crate) fn is_secret_look(action: &Action) -> bool {
    match action {
        Action::LookFor(ObservedRecord::Field(field)) => plain_kind(&field.of) == "secret",
        Action::LookFor(ObservedRecord::Canary(canary)) => match &canary.place {
            LeakPlace::Field { of, .. } => plain_kind(of) == "secret",
            _ => false,
        },
        _ => false,
    }
}

fn is_refuser(kind: ControlKind, by: &Refuser) -> bool {
    match kind {
        ControlKind::PodSecurity => *by == Refuser::PodSecurity,
        ControlKind::AdmissionPolicy => matches!(by, Refuser::Policy(_)),
        ControlKind::Webhook => matches!(by, Refuser::Webhook(_) | Refuser::FailingClosed(_)),
        ControlKind::Addon(addon) => match by {
            Refuser::Engine { engine, .. } => *engine == addon,
            _ => false,
        },
        ControlKind::Quota => match by {
            Refuser::Quota(_) => true,
            Refuser::Plugin(plugin) => LIMIT_PLUGINS.contains(plugin),
            _ => false,
        },
        ControlKind::NodeRestriction => *by == Refuser::NodeRestriction,
        ControlKind::AdmissionPlugin => match by {
            Refuser::Plugin(plugin) => !LIMIT_PLUGINS.contains(plugin),
            _ => false,
        },
        ControlKind::Rbac
        | ControlKind::NetworkPolicy
        | ControlKind::Audit
        | ControlKind::Encryption
        | ControlKind::AgentManager => false,
    }
}
