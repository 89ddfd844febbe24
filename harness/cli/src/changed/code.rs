//! Which code a scenario uses: the one place that knows. Whatever is named nowhere here touches
//! every scenario.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use components::PinnedComponent;
use model::{Action, LoadedScenario, ObservedRecord, PureAddon, addons};

/// The folder of the components' modules.
pub(super) const COMPONENT_MODULES: &str = "harness/components/modules/";

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

/// How paths of the program begin, from the project's top.
const PROGRAM_PLACES: [&str; 5] = [".cargo/", "Cargo.", "golden/", "harness/", "rust-toolchain"];

/// What a scenario uses.
pub(super) struct ScenarioUses {
    code: BTreeSet<&'static str>,
    /// By name.
    addons: BTreeSet<&'static str>,
    /// `NAME-VERSION`; `None` where its shapes cannot be told.
    components: Option<BTreeSet<String>>,
    /// Files outside its folder, without links.
    shared: Vec<PathBuf>,
}

impl ScenarioUses {
    pub(super) fn from_scenario(loaded: &LoadedScenario) -> Self {
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
                .flat_map(|world| scenario.world_installs(world))
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
        let components = needed_components(loaded).map(|all| {
            all.into_iter()
                .map(PinnedComponent::title)
                .collect::<BTreeSet<_>>()
        });
        Self {
            code,
            addons,
            components,
            shared: loaded.list_shared(),
        }
    }

    /// Whether it names this file outside its folder, or one below: of a repository within another
    /// one git tells the folder alone.
    pub(super) fn names_file(&self, real: &Path) -> bool {
        self.shared.iter().any(|one| one.starts_with(real))
    }

    /// The files that it names and that are not below this folder.
    pub(super) fn files_outside(&self, top: &Path) -> impl Iterator<Item = &PathBuf> {
        self.shared.iter().filter(move |one| !one.starts_with(top))
    }

    pub(super) fn uses_code(&self, path: &str) -> bool {
        self.code.contains(path)
            || addon_of(path).is_some_and(|addon| self.addons.contains(addon.name))
    }

    pub(super) fn uses_component(&self, title: &str) -> bool {
        self.components
            .as_ref()
            .is_none_or(|titles| titles.contains(title))
    }
}

/// What the boxes of its worlds are made of, each once for each world; `None` where that cannot be
/// told.
pub(super) fn needed_components(loaded: &LoadedScenario) -> Option<Vec<&'static PinnedComponent>> {
    let mut all = Vec::new();
    for world in loaded.scenario.worlds.keys() {
        let spec = model::ClusterSpec::resolve(loaded, world).ok()?;
        all.extend(runner::needed_components(&spec, loaded, world).ok()?);
    }
    Some(all)
}

/// Whether this is a part of the program itself, and no scenario's file alone.
pub(super) fn is_program(path: &str) -> bool {
    PROGRAM_PLACES.iter().any(|place| path.starts_with(place))
}

/// Whether some scenarios use this file and others do not.
pub(super) fn is_claimed(path: &str) -> bool {
    CLAIMED_FILES.contains(path) || addon_of(path).is_some()
}

/// Every file that something here names.
pub(super) static CLAIMED_FILES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
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

type CodeFiles = &'static [&'static str];

const EXEC_FILES: CodeFiles = &["harness/engine/src/actions/exec.rs"];
const STREAM_FILES: CodeFiles = &[
    "harness/engine/src/actions/exec.rs",
    "harness/engine/src/actions/streams.rs",
];
const WIRE_FILES: CodeFiles = &[
    "harness/engine/src/actions/exec.rs",
    "harness/engine/src/actions/wire.rs",
    "harness/engine/src/barriers/service.rs",
];
const AGENT_FILES: CodeFiles = &[
    "harness/engine/src/actions/agent.rs",
    "harness/engine/src/actions/exec.rs",
];
const READ_FILES: CodeFiles = &["harness/engine/src/actions/reads.rs"];
const IMAGE_FILES: CodeFiles = &["harness/engine/src/actions/image/build.rs"];
const SBOM_FILES: CodeFiles = &[
    "harness/engine/src/actions/image/build.rs",
    "harness/engine/src/actions/image/once.rs",
    "harness/engine/src/actions/image/sbom.rs",
];
const SIGNING_FILES: CodeFiles = &[
    "harness/engine/src/actions/image/once.rs",
    "harness/engine/src/tools/token.rs",
];
const VERIFY_FILES: CodeFiles = &[
    "harness/engine/src/actions/image/build.rs",
    "harness/engine/src/actions/image/own.rs",
    "harness/engine/src/actions/image/verify.rs",
];
const STORAGE_FILES: CodeFiles = &[
    "harness/engine/src/actions/storage/etcd.rs",
    "harness/engine/src/actions/storage/store.rs",
];
const MANY_SECRETS_FILES: CodeFiles = &[
    "harness/engine/src/actions/storage/etcd.rs",
    "harness/engine/src/actions/storage/many.rs",
];
const ENCRYPTION_FILES: CodeFiles = &[
    "harness/engine/src/actions/storage/encrypt.rs",
    "harness/engine/src/actions/storage/process.rs",
];
const PROCESS_FILES: CodeFiles = &["harness/engine/src/actions/storage/process.rs"];
const SNAPSHOT_FILES: CodeFiles = &[
    "harness/engine/src/actions/storage/etcd.rs",
    "harness/engine/src/actions/storage/process.rs",
    "harness/engine/src/actions/storage/snapshot.rs",
];
const ROTATION_FILES: CodeFiles = &[
    "harness/engine/src/actions/exec.rs",
    "harness/engine/src/actions/storage/rotate.rs",
];
const NODE_FILES: CodeFiles = &["harness/engine/src/actions/node.rs"];

const ACTION_FILES: [CodeFiles; 16] = [
    EXEC_FILES,
    STREAM_FILES,
    WIRE_FILES,
    AGENT_FILES,
    READ_FILES,
    IMAGE_FILES,
    SBOM_FILES,
    SIGNING_FILES,
    VERIFY_FILES,
    STORAGE_FILES,
    MANY_SECRETS_FILES,
    ENCRYPTION_FILES,
    PROCESS_FILES,
    SNAPSHOT_FILES,
    ROTATION_FILES,
    NODE_FILES,
];

/// Files of the engine's four folders that every scenario goes through, or that cannot be told from
/// those.
#[cfg(test)]
pub(super) const COMMON_FILES: [&str; 41] = [
    "harness/engine/src/actions/context.rs",
    "harness/engine/src/actions/image.rs",
    "harness/engine/src/actions/image/short_lived.rs",
    "harness/engine/src/actions/image/sign.rs",
    "harness/engine/src/actions/storage/kms.rs",
    "harness/engine/src/actions/storage.rs",
    "harness/engine/src/actions.rs",
    "harness/engine/src/actions/objects.rs",
    "harness/engine/src/actions/pods.rs",
    "harness/engine/src/observe/audit.rs",
    "harness/engine/src/observe/event.rs",
    "harness/engine/src/observe/metric.rs",
    "harness/engine/src/observe.rs",
    "harness/engine/src/barriers/account.rs",
    "harness/engine/src/barriers/aggregation.rs",
    "harness/engine/src/barriers/definition.rs",
    "harness/engine/src/barriers/namespace.rs",
    "harness/engine/src/barriers/dry_pod.rs",
    "harness/engine/src/barriers/sentinels.rs",
    "harness/engine/src/barriers/limits.rs",
    "harness/engine/src/barriers.rs",
    "harness/engine/src/barriers/network.rs",
    "harness/engine/src/barriers/plan.rs",
    "harness/engine/src/barriers/policy.rs",
    "harness/engine/src/barriers/priority.rs",
    "harness/engine/src/barriers/quota.rs",
    "harness/engine/src/barriers/quota/freed.rs",
    "harness/engine/src/barriers/quota/orphans.rs",
    "harness/engine/src/barriers/quota/pod_resources.rs",
    "harness/engine/src/barriers/quota/quantity.rs",
    "harness/engine/src/barriers/quota/scopes.rs",
    "harness/engine/src/barriers/quota/usage.rs",
    "harness/engine/src/barriers/rbac.rs",
    "harness/engine/src/barriers/runtime_class.rs",
    "harness/engine/src/barriers/site.rs",
    "harness/engine/src/barriers/status.rs",
    "harness/engine/src/barriers/token.rs",
    "harness/engine/src/barriers/webhook.rs",
    "harness/engine/src/tools/authority.rs",
    "harness/engine/src/tools/material.rs",
    "harness/engine/src/tools.rs",
];

/// The files that an action's doing is in, beside those that every scenario goes through.
fn of_action(action: &Action) -> CodeFiles {
    match action {
        Action::Create(_)
        | Action::Apply(_)
        | Action::Update(_)
        | Action::Patch { .. }
        | Action::UpdateSubresource { .. }
        | Action::Delete(_)
        | Action::DeleteCollection(_)
        | Action::DeleteLabelled { .. }
        | Action::Label { .. }
        | Action::Scale { .. }
        | Action::Evict(_)
        | Action::EphemeralContainer { .. }
        | Action::Bind { .. }
        | Action::Token { .. }
        | Action::WaitRunning(_)
        | Action::Kms(_) => &[],
        Action::Get(_) | Action::List { .. } | Action::Path(_) => READ_FILES,
        Action::Exec { .. } => EXEC_FILES,
        Action::AttachPod(_) | Action::PortForward(_) => STREAM_FILES,
        Action::Reach(_) | Action::OpenConnection(_) | Action::CheckConnection(_) => WIRE_FILES,
        Action::LookFor(record) => of_record(record),
        Action::Build(_)
        | Action::Push(_)
        | Action::Copy(_)
        | Action::Index(_)
        | Action::Tamper(_)
        | Action::Corrupt(_) => IMAGE_FILES,
        Action::Sbom(_) | Action::Attach(_) | Action::Scan(_) => SBOM_FILES,
        Action::Sign(_) | Action::Attest(_) => SIGNING_FILES,
        Action::Verify(_) => VERIFY_FILES,
        Action::ReadEtcdValue(_) | Action::CopyEtcdValue(_) => STORAGE_FILES,
        Action::SetEncryption(_) | Action::RewriteSecrets(_) => ENCRYPTION_FILES,
        Action::CreateSecrets(_) | Action::CheckSecrets => MANY_SECRETS_FILES,
        Action::Process(_) => PROCESS_FILES,
        Action::Node(_) => NODE_FILES,
        Action::Snapshot(_) | Action::Restore(_) => SNAPSHOT_FILES,
        Action::Rotate(_) | Action::CheckPropagation(_) => ROTATION_FILES,
        Action::CheckAgent(_) | Action::CheckDelivery(_) => AGENT_FILES,
    }
}

const FIELD_FILES: CodeFiles = &[
    "harness/engine/src/observe/field.rs",
    "harness/engine/src/observe/presence.rs",
];
const PRESENCE_FILES: CodeFiles = &["harness/engine/src/observe/presence.rs"];
const NODE_SEEN: CodeFiles = &["harness/engine/src/observe/node.rs"];
const CANARY_FILES: CodeFiles = &[
    "harness/engine/src/observe/canary.rs",
    "harness/engine/src/actions/storage/etcd.rs",
    "harness/engine/src/actions/storage/store.rs",
];

const RECORD_FILES: [CodeFiles; 4] = [FIELD_FILES, PRESENCE_FILES, NODE_SEEN, CANARY_FILES];

/// The files that looking into a record is in.
fn of_record(record: &ObservedRecord) -> CodeFiles {
    match record {
        ObservedRecord::Audit(_)
        | ObservedRecord::Event(_)
        | ObservedRecord::Metric(_)
        | ObservedRecord::Warning(_)
        | ObservedRecord::Output(_) => &[],
        ObservedRecord::Field(_) => FIELD_FILES,
        ObservedRecord::Object(_) | ObservedRecord::Pods(_) => PRESENCE_FILES,
        ObservedRecord::Node(_) => NODE_SEEN,
        ObservedRecord::Canary(_) => CANARY_FILES,
    }
}

const REGISTRY_FILES: CodeFiles = &["harness/engine/src/actions/image/requests.rs"];
const ADDON_FILES: [CodeFiles; 1] = [REGISTRY_FILES];

/// The files that an addon has in the engine, beside its own.
fn of_addon(addon: &PureAddon) -> CodeFiles {
    let registries = [
        &addons::registry::ADDON,
        &addons::plain_registry::ADDON,
        &addons::private_registry::ADDON,
    ];
    if registries.contains(&addon) {
        REGISTRY_FILES
    } else {
        &[]
    }
}

/// The folders with a file or a folder for each addon.
const ADDON_FOLDERS: [&str; 2] = ["harness/addons/src/", "harness/model/src/addons/"];

/// The addon whose own a file is.
fn addon_of(path: &str) -> Option<&'static PureAddon> {
    let inside = ADDON_FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    let name = inside.split('/').next()?;
    model::find_addon(&name.strip_suffix(".rs").unwrap_or(name).replace('_', "-"))
}
