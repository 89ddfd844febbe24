//! The scenario file: worlds, steps, and what is intended of each cell.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Action, ActionWrites, AddonInstall, Answer, AnswerOrigin, ClusterShape, align_parts};

/// One scenario: steps, each tried in several worlds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// The version of this format.
    pub scenario: FormatVersion,
    /// Why this matters, and any finding that would surprise a reader.
    pub why: String,
    /// The shape of the cluster for every world that does not name its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterShape>,
    /// What every world needs beside Kubernetes itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub install: BTreeSet<AddonInstall>,
    /// The same cluster with other controls in it; `bare` has none.
    pub worlds: IndexMap<String, ScenarioWorld>,
    /// Where its answers are defined, where that is not plain: what holds here need not hold
    /// elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Vec<AnswerOrigin>>,
    /// The ways round its controls that no step tries, each with the reason: `tried in AREA/NAME`
    /// where another scenario tries it against a control of the same kind.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub leaves_out: IndexMap<String, String>,
    /// What is tried, in this order, in every world.
    pub steps: Vec<ScenarioStep>,
}

/// The version of the scenario format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FormatVersion {
    /// The first: some actions and answers have other words, which are read as what they mean now.
    #[serde(rename = "v1")]
    V1,
    /// The one that is described here.
    #[serde(rename = "v2")]
    V2,
}

/// One world: which controls are in place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ScenarioWorld {
    /// The addons that this world needs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub install: BTreeSet<AddonInstall>,
    /// Manifest files of the scenario, applied in this order before the first step. They are in its
    /// own folder; a path such as `../../../policies/x.yaml` leads to another file where that is
    /// below the folder that `--root DIR` names, and no link is on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apply: Vec<String>,
    /// Ids of steps that this world leaves out: where a control is something that is done, the
    /// worlds without it leave it out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_steps: Vec<String>,
    /// Declares that this world changes no cell against `bare`: the copied recipe that does not
    /// protect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ineffective: bool,
    /// Declares that this world changes no cell against `bare` in the way that is tried here, and
    /// says what it is good for: a remedy that is right against something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_not_help: Option<String>,
    /// Names a world whose break this one repairs: it has what that one has, and more or something
    /// instead, and a cell that is broken there is as in `bare` again. It is judged against that
    /// world, and may be like `bare` everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repairs: Option<String>,
    /// Where this recipe was copied from: a document, a project, an issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<String>,
    /// The shape of this world's cluster, instead of the scenario's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterShape>,
}

impl ScenarioWorld {
    /// Whether it is declared to change no cell against `bare`.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.ineffective || self.did_not_help.is_some()
    }
}

/// One thing to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScenarioStep {
    /// Unique within the scenario; lower case, digits and dashes.
    pub id: String,
    /// What to know about this step, where it is not obvious.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The identity of the request; the cluster's administrator where it is left out.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub identity: Option<StepIdentity>,
    /// The namespace of names in `do`, instead of the world's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The container in which a command runs, or whose log is read. A pod with several needs it,
    /// the API server refuses the request otherwise. The probe is asked in the first container with
    /// `$(image:probe)`, whatever is beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Ask the API server to decide and store nothing (`dryRun=All`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Let the API server drop the fields that it does not know, with a warning. It refuses them
    /// where this is left out: a misspelt field would be a control, or an attempt, that is not
    /// there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop_unknown_fields: bool,
    /// Have the next step come while what is deleted may still be ending: a namespace in which
    /// something stays, a pod that takes its time. The end of a namespace, and of what a quota
    /// counts, is waited for where this is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub while_it_ends: bool,
    /// Within how many seconds the intended answer may come, and what was written may come into
    /// force, instead of the usual time for such a step. Another answer is believed once it has
    /// held for this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<NonZeroU16>,
    /// What to try.
    #[serde(rename = "do")]
    pub action: Action,
    /// The verdict intended in every world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Answer>,
    /// The verdict intended in each world; every world is named that does not leave the step out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_in: Option<IndexMap<String, Answer>>,
}

/// What a step intends in one world.
pub type ExpectedAnswer<'a> = &'a Answer;

impl ScenarioStep {
    /// The deadline that it sets for its waits.
    #[must_use]
    pub fn seconds(&self) -> Option<Duration> {
        let seconds = self.within.map(NonZeroU16::get);
        seconds.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// The verdict intended in `world`, or `None` where the file names none (the lint refuses
    /// that).
    #[must_use]
    pub fn intended_verdict(&self, world: &str) -> Option<ExpectedAnswer<'_>> {
        match (&self.expect, &self.expect_in) {
            (Some(answer), None) => Some(answer),
            (None, Some(each)) => each.get(world),
            _ => None,
        }
    }
}

impl Scenario {
    /// The steps that the world of this name takes, in order.
    pub fn steps_in(&self, world: &str) -> impl Iterator<Item = &ScenarioStep> {
        let omitted = self
            .worlds
            .get(world)
            .map(|world| world.skip_steps.as_slice())
            .unwrap_or_default();
        self.steps
            .iter()
            .filter(move |step| !omitted.contains(&step.id))
    }

    /// How many cells its table has: a step that a world leaves out has none there.
    #[must_use]
    pub fn count_cells(&self) -> usize {
        self.worlds
            .keys()
            .map(|world| self.steps_in(world).count())
            .sum()
    }

    /// Whether a step of this world changes the cluster itself, so that no other world can be tried
    /// on it.
    #[must_use]
    pub fn changes_cluster(&self, world: &str) -> bool {
        self.steps_in(world)
            .any(|step| matches!(step.action.facts().writes, ActionWrites::Cluster { .. }))
    }

    /// Whether the world of this name takes the step of this id.
    #[must_use]
    pub fn takes_step(&self, world: &str, step: &str) -> bool {
        !self
            .worlds
            .get(world)
            .is_some_and(|world| world.skip_steps.iter().any(|omitted| omitted == step))
    }

    /// The world that this one is judged against: the one that it repairs, else `bare`.
    #[must_use]
    pub fn judged_against<'a>(&'a self, world: &str) -> &'a str {
        let own = self.worlds.get(world);
        own.and_then(|own| own.repairs.as_deref()).unwrap_or("bare")
    }

    /// The shape of the cluster in which `world` is tried.
    #[must_use]
    pub fn world_shape(&self, world: &ScenarioWorld) -> ClusterShape {
        world
            .cluster
            .clone()
            .or_else(|| self.cluster.clone())
            .unwrap_or_default()
    }

    /// What `world` needs beside Kubernetes itself. Where the world names another version of an
    /// addon than the scenario, it is the world's.
    #[must_use]
    pub fn world_installs(&self, world: &ScenarioWorld) -> BTreeSet<AddonInstall> {
        let is_replaced =
            |one: &&AddonInstall| world.install.iter().any(|own| own.addon() == one.addon());
        let all = self
            .install
            .iter()
            .filter(|one| !is_replaced(one))
            .chain(&world.install)
            .copied();
        align_parts(all.collect())
    }
}

/// The identity of a request. In a box a user authenticates through an authenticating proxy, and
/// nothing in the cluster can tell that another way led there; on another cluster the administrator
/// impersonates the user, and the audit log says so. A ServiceAccount asks with its own token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StepIdentity {
    /// A user name and its groups (`system:authenticated` is added).
    User {
        /// The user's name.
        name: String,
        /// Its groups.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<String>,
        /// The user's uid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
        /// What else the authenticator tells of the user: values by keys in lower case.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        extra: BTreeMap<String, Vec<String>>,
        /// The user that it asks to act as, in the request itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        impersonate: Option<ImpersonateHeaders>,
    },
    /// A ServiceAccount, through a token requested for it.
    Serviceaccount {
        /// Its name.
        name: String,
        /// Its namespace, where it is not the world's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// The user that it asks to act as, in the request itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        impersonate: Option<ImpersonateHeaders>,
        /// The audience of the token, where it is not the API server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
        /// A pod of that namespace: the token is good for as long as the pod is there. It is
        /// requested when it is first used, and once only.
        #[serde(default, rename = "bound-to", skip_serializing_if = "Option::is_none")]
        bound_to: Option<String>,
    },
    /// No credentials at all.
    Anonymous,
}

/// The impersonation headers of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImpersonateHeaders {
    /// `Impersonate-User`.
    pub user: String,
    /// `Impersonate-Group`, once each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// `Impersonate-Uid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `Impersonate-Extra-KEY`, once for each value; keys are in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}
