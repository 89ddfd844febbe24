//! The ways by which people and attackers go round a control, as data: for each kind of control a
//! line for each way, with what shows that it is open there, and what shows that a step tries it.
//!
//! The lint names those that are open in a world that claims to hold, and that no step tries.

mod addon_control;
mod agent_rules;
mod agent_ways;
mod audit_rules;
mod audit_ways;
mod control;
mod engine_ways;
mod held_objects;
mod image_ways;
mod named_users;
mod network_ways;
mod object_rules;
mod object_ways;
mod plugin_ways;
mod pod_ways;
mod quota_ways;
mod right_ways;
mod sealing_rules;
mod sealing_ways;
mod stopped_step;
mod tried;

pub use addon_control::{AddonControl, ComparedKind, PolicySubject, RefusalPart};
pub(crate) use control::held_controls;
pub use control::{ControlKind, HeldControl};
pub(crate) use held_objects::object_group;
pub(crate) use image_ways::{attestations, collect_items};
pub(crate) use object_rules::selector_keys;
pub(crate) use stopped_step::{StoppedStep, is_secret_look};
pub use tried::TriedStep;
pub(crate) use tried::{ChangeVerb, holds_field};

use crate::{ADDONS, PureAddon};

/// One way round a control.
pub struct WayRound {
    /// What `leaves-out` calls it.
    pub name: &'static str,
    /// The kinds of controls that people go round in this way, but for addons: those say it
    /// themselves, in their [`AddonControl`].
    pub kinds: &'static [ControlKind],
    /// What it is, as half a sentence.
    pub about: &'static str,
    /// Whether this control leaves it open: some are there only for what a policy asks about.
    pub is_open: fn(&HeldControl<'_>) -> bool,
    /// Whether these steps try it.
    pub is_tried: fn(&HeldControl<'_>, &[TriedStep<'_>]) -> bool,
}

impl WayRound {
    /// Whether it leads round controls of this kind.
    #[must_use]
    pub fn leads_round(&self, kind: ControlKind) -> bool {
        self.kinds.contains(&kind)
            || kind
                .addon_control()
                .is_some_and(|control| control.has_way(self.name))
    }

    /// Whether it leads round an engine as a whole, whatever its policies say.
    #[must_use]
    pub fn is_of_engine(&self) -> bool {
        let mut controls = addon_controls();
        controls.any(|(_, control)| control.engine_ways.contains(&self.name))
    }

    /// Whether it leads round this control.
    #[must_use]
    pub fn applies(&self, control: &HeldControl<'_>) -> bool {
        self.leads_round(control.kind) && (self.is_open)(control)
    }
}

/// Every way round, by what it is about.
pub fn ways_round() -> impl Iterator<Item = &'static WayRound> {
    pod_ways::WAYS
        .iter()
        .chain(object_ways::WAYS)
        .chain(right_ways::WAYS)
        .chain(image_ways::WAYS)
        .chain(network_ways::WAYS)
        .chain(quota_ways::WAYS)
        .chain(audit_ways::WAYS)
        .chain(sealing_ways::WAYS)
        .chain(plugin_ways::WAYS)
        .chain(agent_ways::WAYS)
        .chain(engine_ways::WAYS)
        .chain(addon_controls().flat_map(|(_, control)| control.ways))
}

/// The addons that are controls.
pub(crate) fn addon_controls() -> impl Iterator<Item = (&'static PureAddon, &'static AddonControl)>
{
    let addons = ADDONS.iter().copied();
    addons.filter_map(|addon| Some((addon, addon.control?)))
}

/// The way of this name.
#[must_use]
pub fn way_round(name: &str) -> Option<&'static WayRound> {
    ways_round().find(|way| way.name == name)
}

/// For a way that is open round every control of its kinds.
pub(crate) const fn always(_: &HeldControl<'_>) -> bool {
    true
}

#[cfg(test)]
pub(crate) mod test_scenario;
#[cfg(test)]
mod tests;
