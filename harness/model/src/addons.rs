//! What can stand beside Kubernetes in a box: the pure half of each addon, a file each.
//!
//! Everything that has to know of addons asks the one table. The live half (what is installed, the
//! trial that shows it at work, what shows that its objects are in force) is in the crate `addons`,
//! which is made from the same lines.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use serde_json::Value;

use crate::{AddonControl, AddonInstall, ObjectKind, Refuser};

/// Calls a macro with the module of every addon: the one list of them.
#[macro_export]
macro_rules! each_addon {
    ($make:ident) => {
        $make! {
            registry,
            plain_registry,
            private_registry,
            sigstore,
            kyverno,
            kyverno_controllers,
            kyverno_exceptions,
            kyverno_exceptions_apart,
            policy_controller,
            external_secrets,
            dns,
            vault,
            gatekeeper,
        }
    };
}

macro_rules! table {
    ($($addon:ident),* $(,)?) => {
        $(pub mod $addon;)*

        /// Every addon, in the order in which they are listed everywhere.
        pub static ADDONS: &[&PureAddon] = &[$(&$addon::ADDON),*];
    };
}

each_addon!(table);

/// What is known of an addon without a cluster.
pub struct PureAddon {
    /// What a scenario's `install` calls it, and its refusals.
    pub name: &'static str,
    /// What it is, for the reference.
    pub about: &'static str,
    /// The versions that can be had, the usual one first.
    pub versions: &'static [AddonVersion],
    /// The addon that it is a part of: it is installed beside that one, and changes it.
    pub part_of: Option<&'static PureAddon>,
    /// Whether it runs as pods, so that its cluster needs a node.
    pub needs_node: bool,
    /// The namespace that it brings, with ServiceAccounts of its own.
    pub namespace: Option<&'static str>,
    /// Whether it asks registries about images while a request is decided.
    pub asks_registries: bool,
    /// Whether its objects are put in force one by one: it acts on each the moment it is there, and
    /// fails if what that needs is not in force by then; or one makes the kind of the next.
    pub one_by_one: bool,
    /// How long it needs for a second try at what failed, where that is longer than a look usually
    /// lasts.
    pub second_try: Option<Duration>,
    /// What a box says when it is there.
    pub milestones: &'static [&'static str],
    /// The kinds of objects that it serves. `*` stands for every other kind of the group.
    pub kinds: &'static [ObjectKind],
    /// Kinds that its release serves and no scenario may write, as group and kind: there is no way
    /// yet to know when they are in force.
    pub without_barrier: &'static [(&'static str, &'static str)],
    /// How it says that it refused.
    pub denials: &'static [WebhookDenial],
    /// What it says in another order or with other numbers each time, in one form.
    pub settle_message: Option<fn(&str) -> String>,
    /// What an object of its groups asks for that nothing does in a world that installs this, or
    /// that nobody knows how to wait for.
    pub unserved: Option<UnservedWish>,
    /// What differs from run to run in what it says, and is not recorded.
    pub varying_texts: &'static [VaryingText],
    /// What it is as a control, where it is one: every addon that refuses is.
    pub control: Option<&'static AddonControl>,
    /// The addon beside which it makes no sense.
    pub contradicts: Option<AddonContradiction>,
    /// What it puts before a policy's name for the admission policy that it makes of it.
    pub made_policy_prefixes: &'static [&'static str],
}

/// A text of an addon that differs from run to run.
#[derive(Clone, Copy, Debug)]
pub struct VaryingText {
    /// What the rule is called that takes it out.
    pub name: &'static str,
    /// What finds it, as a regular expression.
    pub pattern: &'static str,
    /// What is recorded instead; `$1` and so on are groups of the pattern.
    pub replacement: &'static str,
    /// A text with something to find, and what is recorded of it.
    pub example: (&'static str, &'static str),
}

/// Another addon, and what a world with both would say of itself.
#[derive(Clone, Copy, Debug)]
pub struct AddonContradiction {
    /// The other addon.
    pub other: &'static PureAddon,
    /// What the world does that cannot be, as half a sentence.
    pub about: &'static str,
}

/// What an object asks for that nothing does in a world that installs this.
pub type UnservedWish = fn(&Value, &BTreeSet<AddonInstall>) -> Option<&'static str>;

/// A version of an addon.
#[derive(Debug)]
pub struct AddonVersion {
    /// The version, without a `v`.
    pub version: &'static str,
    /// The components that have to be built, as `NAME-VERSION`; its own first.
    pub components: &'static [&'static str],
}

/// How an addon says that it refused, behind one kind of its webhooks.
#[derive(Debug)]
pub struct WebhookDenial {
    /// Whether it is one of these webhooks, by its name.
    pub is_webhook: fn(&str) -> bool,
    /// Every policy that refused, from what follows `denied the request`; none where that is not
    /// known.
    pub policies: fn(&str) -> Vec<&str>,
    /// What is named in the place of a policy where none refused.
    pub instead: &'static [&'static str],
    /// What the name behind the addon's is, for the reference.
    pub about: &'static str,
}

/// The addon of this name.
#[must_use]
pub fn find_addon(name: &str) -> Option<&'static PureAddon> {
    ADDONS.iter().copied().find(|addon| addon.name == name)
}

/// A text in which what addons say has one form: some say the same in another order each time.
#[must_use]
pub fn settle_addon_messages(text: &str) -> String {
    ADDONS
        .iter()
        .filter_map(|addon| addon.settle_message)
        .fold(text.to_owned(), |text, settle| settle(&text))
}

/// What an object of an addon's groups asks for that nothing does in a world that installs this.
pub(crate) fn unserved_wish(
    object: &Value,
    install: &BTreeSet<AddonInstall>,
) -> Option<&'static str> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let mut serving = ADDONS
        .iter()
        .filter(|addon| addon.kinds.iter().any(|kind| kind.group == group));
    serving.find_map(|addon| addon.unserved?(object, install))
}

/// Whether objects of this group are put in force one by one.
#[must_use]
pub fn one_by_one(group: &str) -> bool {
    ADDONS
        .iter()
        .any(|addon| addon.one_by_one && addon.kinds.iter().any(|kind| kind.group == group))
}

/// Whether this milestone of a box is an addon's.
#[must_use]
pub fn is_addon_milestone(name: &str) -> bool {
    ADDONS.iter().any(|addon| addon.milestones.contains(&name))
}

/// The addon's policies behind a webhook's refusal, where the webhook is one that names them: in
/// the order of their names, with a comma between them.
pub(crate) fn refusing_addon(webhook: &str, rest: &str) -> Option<Refuser> {
    ADDONS.iter().find_map(|addon| {
        let denial = addon
            .denials
            .iter()
            .find(|denial| (denial.is_webhook)(webhook))?;
        let names: BTreeSet<&str> = (denial.policies)(rest).into_iter().collect();
        let names: Vec<&str> = names.into_iter().collect();
        (!names.is_empty()).then(|| Refuser::Engine {
            engine: addon,
            policy: space_names(&names.join(",")),
        })
    })
}

/// Several names with a comma and a space between them, whatever stands around the commas.
pub(crate) fn space_names(names: &str) -> String {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    names.join(", ")
}

/// Whether this can be the name of an object.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
}

impl PartialEq for PureAddon {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PureAddon {}

impl PartialOrd for PureAddon {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In the order of the table.
impl Ord for PureAddon {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |name| ADDONS.iter().position(|addon| addon.name == name);
        place(self.name).cmp(&place(other.name))
    }
}

impl Hash for PureAddon {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for PureAddon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Addon({})", self.name)
    }
}

impl fmt::Display for PureAddon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
