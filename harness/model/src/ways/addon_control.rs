//! What an addon says of itself as a control: its descriptor holds it, and the lint asks it which
//! ways lead round what the addon refuses.

use super::WayRound;
use super::stopped_step::StoppedStep;

/// An addon as a control.
pub struct AddonControl {
    /// What texts call it.
    pub title: &'static str,
    /// The groups of its objects, each with the groups below it: `kyverno.io` is also
    /// `policies.kyverno.io`.
    pub groups: &'static [&'static str],
    /// What its policies are about; [`PolicySubject::ways`] lead round those.
    pub subjects: &'static [PolicySubject],
    /// Ways round this addon alone.
    pub ways: &'static [WayRound],
    /// Ways round the addon as a whole, whatever its policies say, by name: one scenario of a library
    /// tries each, where the others are to be tried in every scenario.
    pub engine_ways: &'static [&'static str],
    /// Labels of a namespace that its webhooks ask for, whatever its policies say.
    pub webhook_labels: &'static [&'static str],
    /// Whether a world holds by it without an object of its groups.
    pub needs_no_object: bool,
    /// Its kinds that refuse, so that two sets of them can be compared.
    pub compared: &'static [ComparedKind],
    /// Whether it stops a step; where this is not said, it stops what its webhooks deny.
    pub(crate) stops: Option<StopRule>,
}

/// A kind of objects that refuses, or helps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComparedKind {
    /// Its group.
    pub group: &'static str,
    /// Its kind; `*` is every kind of the group.
    pub kind: &'static str,
    /// What it has to do with a refusal.
    pub part: RefusalPart,
    /// Keys of rules in `spec.rules`, and of their `context`, that do something else than to refuse, or
    /// ask somebody else.
    pub other_rules: &'static [&'static str],
}

/// What an object has to do with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalPart {
    /// It makes kinds that refuse, and comes before them.
    MakesKinds,
    /// It refuses.
    Refuses,
    /// It says where something else refuses.
    Binds,
}

/// Whether an addon stops a step.
pub(crate) type StopRule = fn(&StoppedStep<'_, '_>) -> bool;

/// What the policies of an engine are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySubject {
    /// Pods, and what makes pods.
    Pods,
    /// Images: where they come from, who signed them, and what is stated about them.
    Images,
    /// Objects that a label selects, or whose namespace it selects.
    LabelledObjects,
}

impl PolicySubject {
    /// Every subject.
    #[cfg(test)]
    pub(super) const ALL: [Self; 3] = [Self::Pods, Self::Images, Self::LabelledObjects];

    /// The ways round every engine whose policies are about this.
    pub(super) const fn ways(self) -> &'static [&'static str] {
        match self {
            Self::Pods => &[
                "workload",
                "init-container",
                "ephemeral-container",
                "pod-changed",
                "image-volume",
            ],
            Self::Images => &["other-repository", "moved-tag", "second-attestation"],
            Self::LabelledObjects => &["opt-out-label"],
        }
    }
}

impl AddonControl {
    /// Whether the objects of this group are its own.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|own| {
            group
                .strip_suffix(own)
                .is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
    }

    /// Whether the way of this name leads round it.
    pub(super) fn has_way(&self, name: &str) -> bool {
        let mut shared = self.subjects.iter().flat_map(|subject| subject.ways());
        shared.any(|way| *way == name)
            || self.engine_ways.contains(&name)
            || self.ways.iter().any(|way| way.name == name)
    }
}
