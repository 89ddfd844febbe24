//! The commands that only look: help, list, show, schema, completions.

use std::io::Read;
use std::process::Stdio;

use crate::support::{GAUNTLET, Ran, Scratch};

#[test]
fn the_help_shows_the_exit_codes() {
    let scratch = Scratch::new();
    let ran = scratch.gauntlet(&["--help"]);
    ran.passes(&[
        "Exit codes:",
        "  0  passed       every cell as intended, detail as recorded",
        "  9  broken       it could not be tried",
        "130  interrupted  interrupted: everything was taken down first",
        "Several at once: the first of 3, 9, 5, 1, 6, 8, 7 that applies.",
    ]);
}

#[test]
fn a_list_counts_worlds_steps_and_cells() {
    let ran = Scratch::privileged().gauntlet(&["list"]);
    ran.passes(&[
        "pod-security/privileged   2 ×  2 =   4  A privileged container owns its node; the label of the namespace has to turn it away.\n",
        "1 scenario, 4 cells",
    ]);
    assert!(!ran.out.contains("And more"), "{}", ran.out);
}

#[test]
fn a_list_says_what_clusters_have_to_have() {
    let scratch = Scratch::privileged();
    scratch.write(
        "audit/look",
        "scenario: v2
why: Who asked.
worlds: { bare: {} }
steps:
  - { id: look, do: { look-for: { audit: { verb: get } } }, expect: found }
  - { id: kill, do: { process: { kill: etcd } }, expect: stopped }
",
    );
    scratch.gauntlet(&["list"]).passes(&[
        "Who asked. [needs the audit log, processes]\n",
        "turn it away.\n",
    ]);
    let ran = scratch.gauntlet(&["list", "--json", "audit/look"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        json[0]["needs"],
        serde_json::json!(["the audit log", "processes"])
    );
}

#[test]
fn a_list_of_boxes_can_be_empty() {
    let ran = Scratch::new().gauntlet(&["list", "--boxes"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(0), "", "no box is up\n")
    );
}

#[test]
fn show_prints_manifests_as_they_will_be_sent() {
    let ran = Scratch::privileged().gauntlet(&["show", "pod-security/privileged"]);
    ran.passes(&[
        "# $(namespace) is a fresh name",
        "# ===== world enforce: Kubernetes 1.36, 0 node(s); applies namespace.yaml",
        "  name: gauntlet-xxxxxxxxxx\n",
        "# ===== step privileged-pod\n",
        "#   enforce: denied by pod-security\n",
        "image: gauntlet.local/probe:1",
    ]);
}

#[test]
fn show_says_what_stays_of_images_and_keys() {
    let scratch = Scratch::new();
    let images = "\
scenario: v2
why: An image.
install: [registry]
worlds: { bare: {} }
steps:
  - { id: build, do: { build: { image: app } }, expect: done }
  - { id: push, do: { push: app }, expect: done }
";
    scratch.write("signing/image", images);
    let said = "# $(image:NAME) and $(digest:NAME) are an image of the scenario, by tag and by digest, and $(key:NAME)";
    scratch.gauntlet(&["show", "signing/image"]).passes(&[
        said,
        "left as they are",
        "# ===== world bare",
    ]);
    let without = Scratch::privileged().gauntlet(&["show", "pod-security/privileged"]);
    assert!(!without.out.contains("$(key:NAME)"), "{}", without.out);
}

#[test]
fn show_of_a_scenario_that_cannot_be_read_says_why() {
    let scratch = Scratch::new();
    scratch.write("rbac/one", "scenario: v2\n");
    scratch
        .gauntlet(&["show", "rbac/one"])
        .fails(2, &["error: ", "rbac/one/scenario.yaml:1:"]);
}

#[test]
fn the_schema_can_be_printed_and_written() {
    let scratch = Scratch::new();
    let ran = scratch.gauntlet(&["schema"]);
    assert_eq!(ran.out, model::scenario_schema());
    scratch
        .gauntlet(&["schema", "--write", "schema.json"])
        .passes(&[]);
    assert_eq!(
        std::fs::read_to_string(scratch.path("schema.json")).unwrap(),
        ran.out
    );
    let ran = scratch.gauntlet(&["schema", "--write", "no/such/folder.json"]);
    ran.fails(
        3,
        &["error: cannot write `no/such/folder.json`\n  caused by: "],
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        Scratch::new()
            .gauntlet(&["completions", shell])
            .passes(&["components"]);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let scratch = Scratch::privileged();
    let mut child = std::process::Command::new(GAUNTLET)
        .args(["show", "pod-security/privileged", "--scenarios"])
        .arg(scratch.path("scenarios"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn a_full_disk_behind_standard_output_is_a_fault() {
    let scratch = Scratch::privileged();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = scratch.command(&["list"]).stdout(full).output().unwrap();
    Ran::of(&output).fails(
        3,
        &["error: cannot write to standard output\n  caused by: No space left on device"],
    );
}

#[test]
fn components_are_listed_and_named() {
    let scratch = Scratch::new();
    scratch.gauntlet(&["components"]).passes(&[
        "missing  kubernetes-1.36",
        "kube-apiserver",
        "missing  runtime-",
    ]);
    scratch.gauntlet(&["components", "list"]).passes(&[
        "installed by its release's `config/install-latest-testing.yaml`, with ",
        "\n           admission-controller-alone (not with kyverno-controllers): most scenarios ask at admission alone",
        "\n           trust (only with sigstore): ",
        "installed by its release's `config/100-namespace.yaml` and 15 more files, with ",
        "installed by its release's `deploy/charts/external-secrets`, with ",
        "installed by its release's `deploy/gatekeeper.yaml`, with ",
    ]);
    for args in [
        ["components", "--json"].as_slice(),
        &["components", "list", "--json"],
    ] {
        let ran = scratch.gauntlet(args);
        let listed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let listed = listed.as_array().unwrap();
        let release = |title: &str| {
            let mut found = listed.iter().filter(|one| one["component"] == title);
            &found.next().unwrap()["release"]
        };
        assert!(release("vault-1.13.2").is_null());
        let patched = listed.iter().filter(|one| !one["release"].is_null());
        assert!(patched.clone().count() >= 6);
        for one in patched {
            for patch in one["release"]["patches"].as_array().unwrap() {
                assert!(
                    patch["name"].is_string() && patch["why"].is_string(),
                    "{patch}"
                );
            }
        }
    }
    let ran = scratch.gauntlet(&["components", "build", "nonsense"]);
    ran.fails(
        2,
        &[
            "error: no such pinned component: `nonsense`\n",
            "\nhint: pinned are kubernetes-1.36",
        ],
    );
    let ran = scratch.gauntlet(&["components", "import", "nowhere.tar"]);
    ran.fails(3, &["error: ", "nowhere.tar"]);
    std::fs::write(scratch.path("bad.tar"), "this is no archive").unwrap();
    scratch
        .gauntlet(&["components", "import", "bad.tar"])
        .fails(2, &["error: `bad.tar` is not a good archive"]);
}
