//! What a change touches, by the table and by this repository's own scenarios.

use std::path::{Path, PathBuf};

use super::code::{CLAIMED_FILES, COMMON_FILES, COMPONENT_MODULES, is_claimed, touches_nothing};
use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn library() -> ScenarioLibrary {
    ScenarioLibrary::open(&root().join("scenarios")).unwrap()
}

fn found() -> CommandFolders {
    CommandFolders {
        scenarios: root().join("scenarios"),
        golden: root().join("golden/outcomes"),
        reach: model::FileReach::OwnFolder,
    }
}

/// The ids that one changed path touches, with the turns or without.
fn hit(path: &str, only_own: bool) -> Vec<String> {
    let library = library();
    let layout = RepositoryLayout::in_root(&found(), root()).unwrap();
    let uses: BTreeMap<&str, ScenarioUses> = library
        .scenarios
        .iter()
        .map(|loaded| (loaded.id.as_str(), ScenarioUses::from_scenario(loaded)))
        .collect();
    let ids: Vec<&str> = uses.keys().copied().collect();
    touched_by_changes(&[layout.changed(path)].into(), &ids, &uses, only_own)
        .why
        .into_keys()
        .collect()
}

/// The Rust files below a folder of the project.
fn sources(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(sources(&path));
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_file_that_the_table_names_exists() {
    let missing: Vec<_> = CLAIMED_FILES
        .iter()
        .chain(&COMMON_FILES)
        .filter(|path| !root().join(path).is_file())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_file_of_actions_and_controls_is_either_somebodys_or_common() {
    for folder in ["actions", "observe", "barriers", "tools"] {
        for path in sources(&format!("harness/engine/src/{folder}")) {
            assert!(
                is_claimed(&path) != COMMON_FILES.contains(&path.as_str()),
                "{path}: name it in `changed/code.rs`"
            );
        }
    }
}

#[test]
fn every_pinned_component_has_its_modules_in_a_folder_of_its_own() {
    for component in components::pinned_components()
        .iter()
        .filter(|component| component.name != "probe")
    {
        let title = component.title().replace("-node-", "-");
        assert!(
            root()
                .join(COMPONENT_MODULES)
                .join(&title)
                .join("go.mod")
                .is_file(),
            "{title}"
        );
    }
}

#[test]
fn a_scenario_is_touched_by_what_is_its_own() {
    for path in [
        "scenarios/secrets/kms-fails/kms.yaml",
        "golden/outcomes/secrets/kms-fails.snap",
    ] {
        assert_eq!(hit(path, true), ["secrets/kms-fails"], "{path}");
    }
    for path in [
        "scenarios/secrets/gone/scenario.yaml",
        "scenarios/README",
        "golden/outcomes/secrets/gone.snap",
    ] {
        assert!(hit(path, false).is_empty(), "{path}");
    }
}

#[test]
fn what_is_installed_touches_those_that_install_it() {
    let installs = |addon: &model::PureAddon| -> Vec<String> {
        let all = library().scenarios.into_iter();
        let with =
            all.filter(|loaded| {
                loaded.scenario.worlds.values().any(|world| {
                    model::includes_addon(&loaded.scenario.world_installs(world), addon)
                })
            });
        with.map(|loaded| loaded.id).collect()
    };
    let vault = installs(&model::addons::vault::ADDON);
    assert!(!vault.is_empty());
    let paths = [
        "harness/components/modules/vault-1.13.2/go.mod",
        "harness/addons/src/vault/manifest.yaml",
        "harness/model/src/addons/vault.rs",
    ];
    for path in paths {
        assert_eq!(hit(path, true), vault, "{path}");
    }
    assert!(
        hit("harness/components/modules/vault-0.0.1/go.mod", false).is_empty(),
        "no box has it"
    );
}

#[test]
fn the_code_of_an_action_touches_those_that_take_it() {
    let nodes = hit("harness/engine/src/actions/node.rs", true);
    assert_eq!(nodes, ["agent/silent-end", "network/node-failure"]);
}

#[test]
fn in_doubt_everything_is_touched_unless_turns_cover_it() {
    let all = library().scenarios.len();
    for path in [
        "Cargo.lock",
        "harness/model/src/read.rs",
        "harness/engine/src/world.rs",
        "something/new.rs",
    ] {
        assert_eq!(hit(path, false).len(), all, "{path}");
        assert!(hit(path, true).is_empty(), "{path}");
    }
    let kubernetes = "harness/components/modules/kubernetes-1.36.3/go.mod";
    assert!(hit(kubernetes, false).len() * 2 > all && hit(kubernetes, true).is_empty());
}

#[test]
fn documents_tests_and_figures_touch_nothing() {
    for path in [
        "README.md",
        "benches/figures/main.rs",
        "ci/prepare",
        ".ci/run",
        "harness/cli/tests/cli/main.rs",
    ] {
        assert!(
            touches_nothing(path) && hit(path, false).is_empty(),
            "{path}"
        );
    }
    assert!(
        !touches_nothing("harness/model/src/tests.rs") && !touches_nothing("golden/src/lib.rs")
    );
}

#[test]
fn code_that_a_scenario_names_touches_the_others_as_well() {
    let layout = RepositoryLayout::in_root(&found(), root()).unwrap();
    let kinds = |path: &str| {
        let all = layout.changed_for(path, |real| real.starts_with(root()));
        all.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(kinds("policies/x.yaml"), ["policies/x.yaml"]);
    assert_eq!(kinds("docs/x.yaml"), ["docs/x.yaml", "nothing"]);
    for path in ["Cargo.lock", "harness/engine/src/lib.rs"] {
        assert_eq!(
            kinds(path),
            [path.to_owned(), format!("everything: {path}")]
        );
    }
}

#[test]
fn a_scenario_that_cannot_be_read_is_touched_by_all_code() {
    let component = ChangedPath::Component {
        title: "vault-1.13.2".into(),
    };
    let ids = ["a/unread", "b/unread", "c/unread"];
    let own = ChangedPath::File {
        id: "a/unread".into(),
        file: "scenario.yaml".into(),
    };
    let touched = |changed: &ChangedPath| {
        touched_by_changes(&[changed.clone()].into(), &ids, &BTreeMap::new(), false)
            .why
            .into_keys()
    };
    assert_eq!(touched(&component).collect::<Vec<_>>(), ids);
    assert_eq!(touched(&own).collect::<Vec<_>>(), ["a/unread"]);
}
