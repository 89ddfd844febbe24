//! What would let a scenario pass by accident, found before anything runs.

mod absent;
mod answers;
mod asked;
mod authorization;
mod cluster_words;
mod containers;
mod deniers;
mod files;
mod generated;
mod identities;
mod images;
mod indexes;
mod keys;
mod kinds;
mod missing_addons;
mod nodes;
mod origins;
mod place;
mod processes;
mod recorded_users;
mod resources;
mod shape;
mod steps;
mod storage;
mod subresources;
mod switches;
mod trust;
mod ways;
mod webhooks;
mod wire;
mod worlds;

use crate::LoadedScenario;
use crate::error::FilePlace;
use place::{FindingPlace, locate_finding};

pub use ways::lint_family;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LintSubject {
    /// The scenario is at fault: it cannot be tried as it is.
    Scenario,
    /// It can be tried, and shows less than its worlds claim.
    Claim,
}

/// One fault of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFinding {
    /// What it is about.
    pub subject: LintSubject,
    /// The scenario's id.
    pub id: String,
    /// Where it stands, with the line and a caret, where a text of the file can be pointed at.
    pub place: FilePlace,
    /// The line at that place, with a caret below.
    pub snippet: String,
    /// The fault, one sentence.
    pub what: String,
    /// The way out, one sentence.
    pub hint: String,
}

/// Every fault of the clusters that `loaded` describes, whatever is done in them.
pub(crate) fn lint_shapes(loaded: &LoadedScenario) -> Vec<LintFinding> {
    let mut notes = LintNotes::new(loaded);
    notes.check_node_counts();
    notes.check_cluster_words();
    notes.findings
}

/// Every fault of `loaded`, in the order of the checks.
#[must_use]
pub fn lint_scenario(loaded: &LoadedScenario) -> Vec<LintFinding> {
    let mut notes = LintNotes::new(loaded);
    notes.check_worlds();
    notes.check_nodes();
    notes.check_shapes();
    notes.check_cluster_words();
    notes.check_shown_by();
    notes.check_rights_shown();
    notes.check_steps();
    notes.check_step_keys();
    notes.check_processes();
    notes.check_deniers();
    notes.check_addons();
    notes.check_identities();
    notes.check_containers();
    notes.check_webhooks();
    notes.check_files();
    notes.check_objects();
    notes.check_resources();
    notes.check_subresources();
    notes.check_absences();
    notes.check_placeholders();
    notes.check_images();
    notes.check_trust();
    notes.check_keeping();
    notes.check_wire();
    notes.check_effects();
    notes.check_ways();
    notes.check_origins();
    notes.check_sources();
    notes.findings
}

struct LintNotes<'a> {
    loaded: &'a LoadedScenario,
    findings: Vec<LintFinding>,
}

impl<'a> LintNotes<'a> {
    fn new(loaded: &'a LoadedScenario) -> Self {
        Self {
            loaded,
            findings: Vec::new(),
        }
    }
}

impl LintNotes<'_> {
    fn add_finding(&mut self, at: FindingPlace<'_>, what: String, hint: impl Into<String>) {
        self.say_at(LintSubject::Scenario, at, what, hint);
    }

    /// The same of what its worlds claim.
    fn add_claim_finding(&mut self, world: &str, what: String, hint: impl Into<String>) {
        self.say_at(LintSubject::Claim, FindingPlace::World(world), what, hint);
    }

    fn say_at(
        &mut self,
        subject: LintSubject,
        at: FindingPlace<'_>,
        what: String,
        hint: impl Into<String>,
    ) {
        let (place, snippet) = locate_finding(self.loaded, at);
        self.findings.push(LintFinding {
            subject,
            id: self.loaded.id.clone(),
            place,
            snippet,
            what,
            hint: hint.into(),
        });
    }
}

const NAME_HINT: &str = "names are lower case letters, digits and dashes, 63 at most";

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
