//! The ways by which people and attackers go round a control, as data: for each kind of control a
//! line for each way, with what shows that it is open there, and what shows that a step tries it.
//!
//! The lint names those that are open in a world that claims to hold, and that no step tries.

mod agent_rules;
mod agent_ways;
mod audit_rules;
mod audit_ways;
mod control;
mod held_objects;
mod image_ways;
mod named_users;
mod network_ways;
mod object_rules;
mod object_ways;
mod operator_rules;
mod operator_ways;
mod plugin_ways;
mod pod_ways;
mod quota_ways;
mod right_ways;
mod sealing_rules;
mod sealing_ways;
mod stopped_step;
mod tried;
mod vault_rules;
mod vault_ways;

pub(crate) use control::held_controls;
pub use control::{ControlKind, HeldControl};
pub use tried::TriedStep;

/// One way round a control.
pub struct WayRound {
    /// What `leaves-out` calls it.
    pub name: &'static str,
    /// The kinds of controls that people go round in this way.
    pub kinds: &'static [ControlKind],
    /// What it is, as half a sentence.
    pub about: &'static str,
    /// Whether this control leaves it open: some are there only for what a policy asks about.
    pub is_open: fn(&HeldControl<'_>) -> bool,
    /// Whether these steps try it.
    pub is_tried: fn(&HeldControl<'_>, &[TriedStep<'_>]) -> bool,
}

impl WayRound {
    /// Whether it leads round this control.
    #[must_use]
    pub fn applies(&self, control: &HeldControl<'_>) -> bool {
        self.kinds.contains(&control.kind) && (self.is_open)(control)
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
        .chain(operator_ways::WAYS)
        .chain(vault_ways::WAYS)
        .chain(agent_ways::WAYS)
}

/// The way of this name.
#[must_use]
pub fn way_round(name: &str) -> Option<&'static WayRound> {
    ways_round().find(|way| way.name == name)
}

/// For a way that is open round every control of its kinds.
const fn always(_: &HeldControl<'_>) -> bool {
    true
}

#[cfg(test)]
mod test_scenario;
#[cfg(test)]
mod tests;
