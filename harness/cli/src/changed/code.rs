//! Which code a scenario uses: the one place that knows. Whatever is named nowhere here touches every scenario.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use model::{Action, Addon, Loaded, Record, addons};
use native::components::Component;

/// The folder of the components' modules.
pub(super) const COMPONENTS: &str = "harness/components/modules/";

/// Folders and files that no scenario's outcome depends on, from the project's top.
const NO_FOLDERS: [&str; 7] = [
    ".ci/",
    "benches/",
    "ci/",
    "docs/",
    "golden/schema/",
    "golden/tests/",
    "harness/oracle/",
];
const NO_FILES: [&str; 7] = [
    ".gitattributes",
    ".gitignore",
    "LICENSE",
    "clippy.toml",
    "deny.toml",
    "justfile",
    "rustfmt.toml",
];

/// What a scenario uses.
pub(super) struct Uses {
    code: BTreeSet<&'static str>,
    /// By name.
    addons: BTreeSet<&'static str>,
    /// `NAME-VERSION`; `None` where its shapes cannot be told.
    components: Option<BTreeSet<String>>,
}

impl Uses {
    pub(super) fn of(loaded: &Loaded) -> Self {
        let scenario = &loaded.scenario;
        let mut code: BTreeSet<&'static str> = BTreeSet::new();
        code.extend(
            scenario
                .steps
                .iter()
                .flat_map(|step| of_action(&step.action)),
        );
        let installs = || {
            scenario
                .worlds
                .values()
                .flat_map(|world| scenario.install(world))
        };
        code.extend(installs().flat_map(|install| of_addon(install.addon())));
        let mut addons: BTreeSet<&'static str> =
            installs().map(|install| install.addon().name).collect();
        // A box has both or none.
        let registries = [
            addons::registry::ADDON.name,
            addons::plain_registry::ADDON.name,
        ];
        if registries.iter().any(|name| addons.contains(name)) {
            addons.extend(registries);
        }
        let components = needed(loaded).map(|all| {
            all.into_iter()
                .map(Component::title)
                .collect::<BTreeSet<_>>()
        });
        Self {
            code,
            addons,
            components,
        }
    }

    pub(super) fn code(&self, path: &str) -> bool {
        self.code.contains(path)
            || addon_of(path).is_some_and(|addon| self.addons.contains(addon.name))
    }

    pub(super) fn component(&self, title: &str) -> bool {
        self.components
            .as_ref()
            .is_none_or(|titles| titles.contains(title))
    }
}

/// What the boxes of its worlds are made of, each once for each world; `None` where that cannot be told.
pub(super) fn needed(loaded: &Loaded) -> Option<Vec<&'static Component>> {
    let mut all = Vec::new();
    for world in loaded.scenario.worlds.keys() {
        let spec = model::ClusterSpec::resolve(loaded, world).ok()?;
        all.extend(runner::needed_components(&spec, loaded, world).ok()?);
    }
    Some(all)
}

/// Whether some scenarios use this file and others do not.
pub(super) fn is_claimed(path: &str) -> bool {
    CLAIMED.contains(path) || addon_of(path).is_some()
}

/// Every file that something here names.
pub(super) static CLAIMED: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let actions = ACTION_FILES.iter().flat_map(|files| files.iter().copied());
    let records = RECORD_FILES.iter().flat_map(|files| files.iter().copied());
    let installs = ADDON_FILES.iter().flat_map(|files| files.iter().copied());
    actions.chain(records).chain(installs).collect()
});

/// Whether no scenario's outcome depends on this file.
pub(super) fn touches_nothing(path: &str) -> bool {
    let tests = path
        .strip_prefix("harness/")
        .and_then(|inside| inside.split_once('/'));
    NO_FOLDERS.iter().any(|folder| path.starts_with(folder))
        || NO_FILES.contains(&path)
        || path.ends_with(".md")
        || tests.is_some_and(|(_, inside)| inside.starts_with("tests/"))
}

type Files = &'static [&'static str];

const EXEC: Files = &["harness/engine/src/actions/exec.rs"];
const WIRE: Files = &[
    "harness/engine/src/actions/exec.rs",
    "harness/engine/src/actions/wire.rs",
];
const AGENT: Files = &[
    "harness/engine/src/actions/agent.rs",
    "harness/engine/src/actions/exec.rs",
];
const READS: Files = &["harness/engine/src/actions/reads.rs"];
const IMAGE: Files = &["harness/engine/src/actions/image/build.rs"];
const BILL: Files = &[
    "harness/engine/src/actions/image/build.rs",
    "harness/engine/src/actions/image/once.rs",
    "harness/engine/src/actions/image/sbom.rs",
];
const SIGN: Files = &[
    "harness/engine/src/actions/image/once.rs",
    "harness/engine/src/tools/token.rs",
];
const VERIFY: Files = &[
    "harness/engine/src/actions/image/build.rs",
    "harness/engine/src/actions/image/own.rs",
    "harness/engine/src/actions/image/verify.rs",
];
const STORED: Files = &[
    "harness/engine/src/actions/keeping/etcd.rs",
    "harness/engine/src/actions/keeping/store.rs",
];
const MANY: Files = &[
    "harness/engine/src/actions/keeping/etcd.rs",
    "harness/engine/src/actions/keeping/many.rs",
];
const ENCRYPT: Files = &[
    "harness/engine/src/actions/keeping/encrypt.rs",
    "harness/engine/src/actions/keeping/process.rs",
];
const PROCESS: Files = &["harness/engine/src/actions/keeping/process.rs"];
const SNAPSHOT: Files = &[
    "harness/engine/src/actions/keeping/etcd.rs",
    "harness/engine/src/actions/keeping/process.rs",
    "harness/engine/src/actions/keeping/snapshot.rs",
];
const ROTATE: Files = &[
    "harness/engine/src/actions/exec.rs",
    "harness/engine/src/actions/keeping/rotate.rs",
];
const NODE: Files = &["harness/engine/src/actions/node.rs"];

const ACTION_FILES: [Files; 15] = [
    EXEC, WIRE, AGENT, READS, IMAGE, BILL, SIGN, VERIFY, STORED, MANY, ENCRYPT, PROCESS, SNAPSHOT,
    ROTATE, NODE,
];

/// Files of the engine's four folders that every scenario goes through, or that cannot be told from those.
#[cfg(test)]
pub(super) const COMMON: [&str; 27] = [
    "harness/engine/src/actions/context.rs",
    "harness/engine/src/actions/image/mod.rs",
    "harness/engine/src/actions/image/sign.rs",
    "harness/engine/src/actions/keeping/kms.rs",
    "harness/engine/src/actions/keeping/mod.rs",
    "harness/engine/src/actions/mod.rs",
    "harness/engine/src/actions/objects.rs",
    "harness/engine/src/actions/pods.rs",
    "harness/engine/src/seen/audit.rs",
    "harness/engine/src/seen/event.rs",
    "harness/engine/src/seen/metric.rs",
    "harness/engine/src/seen/mod.rs",
    "harness/engine/src/settle/sentinels.rs",
    "harness/engine/src/settle/limits.rs",
    "harness/engine/src/settle/mod.rs",
    "harness/engine/src/settle/network.rs",
    "harness/engine/src/settle/plan.rs",
    "harness/engine/src/settle/policy.rs",
    "harness/engine/src/settle/priority.rs",
    "harness/engine/src/settle/rbac.rs",
    "harness/engine/src/settle/site.rs",
    "harness/engine/src/settle/status.rs",
    "harness/engine/src/settle/token.rs",
    "harness/engine/src/settle/webhook.rs",
    "harness/engine/src/tools/authority.rs",
    "harness/engine/src/tools/material.rs",
    "harness/engine/src/tools/mod.rs",
];

/// The files that an action's doing is in, beside those that every scenario goes through.
fn of_action(action: &Action) -> Files {
    match action {
        Action::Create(_)
        | Action::Apply(_)
        | Action::Update(_)
        | Action::Patch { .. }
        | Action::Delete(_)
        | Action::Label { .. }
        | Action::Scale { .. }
        | Action::Evict(_)
        | Action::EphemeralContainer { .. }
        | Action::Bind { .. }
        | Action::Token { .. }
        | Action::WaitRunning(_)
        | Action::Kms(_) => &[],
        Action::Get(_) | Action::List { .. } | Action::Path(_) => READS,
        Action::Exec { .. } => EXEC,
        Action::Reach(_) | Action::OpenConnection(_) | Action::CheckConnection(_) => WIRE,
        Action::LookFor(record) => of_record(record),
        Action::Build(_)
        | Action::Push(_)
        | Action::Copy(_)
        | Action::Tamper(_)
        | Action::Corrupt(_) => IMAGE,
        Action::Sbom(_) | Action::Attach(_) | Action::Scan(_) => BILL,
        Action::Sign(_) | Action::Attest(_) => SIGN,
        Action::Verify(_) => VERIFY,
        Action::ReadEtcdValue(_) | Action::CopyEtcdValue(_) => STORED,
        Action::SetEncryption(_) | Action::RewriteSecrets(_) => ENCRYPT,
        Action::CreateSecrets(_) | Action::CheckSecrets => MANY,
        Action::Process(_) => PROCESS,
        Action::Node(_) => NODE,
        Action::Snapshot(_) | Action::Restore(_) => SNAPSHOT,
        Action::Rotate(_) | Action::CheckPropagation(_) => ROTATE,
        Action::CheckAgent(_) | Action::CheckDelivery(_) => AGENT,
    }
}

const FIELD: Files = &[
    "harness/engine/src/seen/field.rs",
    "harness/engine/src/seen/presence.rs",
];
const PRESENCE: Files = &["harness/engine/src/seen/presence.rs"];
const NODE_SEEN: Files = &["harness/engine/src/seen/node.rs"];
const CANARY: Files = &[
    "harness/engine/src/seen/canary.rs",
    "harness/engine/src/actions/keeping/etcd.rs",
];

const RECORD_FILES: [Files; 4] = [FIELD, PRESENCE, NODE_SEEN, CANARY];

/// The files that looking into a record is in.
fn of_record(record: &Record) -> Files {
    match record {
        Record::Audit(_)
        | Record::Event(_)
        | Record::Metric(_)
        | Record::Warning(_)
        | Record::Output(_) => &[],
        Record::Field(_) => FIELD,
        Record::Object(_) | Record::Pods(_) => PRESENCE,
        Record::Node(_) => NODE_SEEN,
        Record::Canary(_) => CANARY,
    }
}

const REGISTRY: Files = &["harness/engine/src/actions/image/requests.rs"];
const ADDON_FILES: [Files; 1] = [REGISTRY];

/// The files that an addon has in the engine, beside its own.
fn of_addon(addon: &Addon) -> Files {
    let registries = [&addons::registry::ADDON, &addons::plain_registry::ADDON];
    if registries.contains(&addon) {
        REGISTRY
    } else {
        &[]
    }
}

/// The folders with a file or a folder for each addon.
const ADDON_FOLDERS: [&str; 2] = ["harness/addons/src/", "harness/model/src/addons/"];

/// The addon whose own a file is.
fn addon_of(path: &str) -> Option<&'static Addon> {
    let inside = ADDON_FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    let name = inside.split('/').next()?;
    model::addon(&name.strip_suffix(".rs").unwrap_or(name).replace('_', "-"))
}
