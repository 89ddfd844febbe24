//! A box that a file describes, and commands within it.

use std::fs;

use crate::own_box::{Down, gauntlet};
use crate::support::{Ran, Scratch, can_start_boxes};

const CLUSTER: &str = "\
nodes: 1
encryption: secretbox
audit: { policy: audit.yaml }
admission: admission.yaml
feature-gates: { WatchListClient: false }
runtime-config: { scheduling.k8s.io/v1alpha2: true }
enforce-network-policy: true
";

const AUDIT: &str =
    "{ apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{ level: RequestResponse }] }\n";

const ADMISSION: &str = "\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins: [{ name: AlwaysPullImages }]
";

/// A folder with this file and those that it names.
fn described(cluster: &str) -> Scratch {
    let scratch = Scratch::new();
    for (name, text) in [
        ("cluster.yaml", cluster),
        ("audit.yaml", AUDIT),
        ("admission.yaml", ADMISSION),
    ] {
        fs::write(scratch.path(name), text).unwrap();
    }
    scratch
}

#[test]
fn a_box_is_what_its_file_and_the_options_ask_for_and_is_entered() {
    if !can_start_boxes("a_box_is_what_its_file_and_the_options_ask_for_and_is_entered") {
        return;
    }
    let scratch = described(CLUSTER);
    let name = format!("entered-{}", std::process::id());
    let _down = Down(name.clone());
    let up = ["up", &name, "--cluster", "cluster.yaml", "--nodes", "2"];
    gauntlet(&scratch, &up).passes(&["is up", &format!("gauntlet enter {name} -- COMMAND")]);
    let enter = |options: &[&str], command: &[&str]| -> Ran {
        let words = [&["enter", &name], options, &["--"], command].concat();
        gauntlet(&scratch, &words)
    };
    let second = ["--node", "2"];

    // What the file says has reached the processes, and the options go before it.
    let processes = "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'";
    let running = enter(&[], &["sh", "-c", processes]);
    for flag in [
        "--encryption-provider-config=",
        "--audit-policy-file=",
        "--admission-control-config-file=",
        "--feature-gates=WatchListClient=false",
        "--runtime-config=scheduling.k8s.io/v1alpha2=true",
        "--hostname-override=node-2",
    ] {
        let is_there = running.out.lines().any(|line| line.starts_with(flag));
        assert!(is_there, "{flag} of {running:#?}");
    }
    let nodes = ["kubectl", "get", "nodes", "-o", "name"];
    for place in [[].as_slice(), &second] {
        enter(place, &nodes).passes(&["node/node-1\n", "node/node-2\n"]);
        enter(place, &["ctr", "images", "ls", "-q"]).passes(&["probe"]);
        let tables = enter(place, &["nft", "list", "tables"]);
        tables.passes(&["gauntlet"]);
    }
    enter(&[], &["hostname"]).passes(&["node-1\n"]);
    enter(&second, &["hostname"]).passes(&["node-2\n"]);
    let own = |node: &str| format!("inet 10.88.0.{node}/24");
    enter(&second, &["ip", "-4", "addr"]).passes(&[&own("2")]);
    enter(&[], &["ip", "-4", "addr"]).passes(&[&own("1")]);

    // It ends as the command does, and reads what it is given.
    assert_eq!(enter(&[], &["sh", "-c", "exit 42"]).code, Some(42));
    assert_eq!(
        enter(&second, &["sh", "-c", "kill -TERM $$"]).code,
        Some(143)
    );
    let nobody = enter(&["--node", "3"], &["true"]);
    let third = format!("error: the box `{name}` has no node 3\n");
    nobody.fails(2, &[&third, "\nhint: `gauntlet up --nodes N`"]);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place_before_anything_starts() {
    for (cluster, texts) in [
        (
            "nodes: 1\nfeature-gates: { WatchListClent: true }\n",
            [
                "cluster.yaml:2:18: Kubernetes 1.36 has no feature gate",
                "\nhint: did you mean `WatchListClient`?",
            ],
        ),
        (
            "nodes: 1\nimages: []\n",
            ["cluster.yaml:2:1: unknown key `images`", "images: []"],
        ),
        ("nodes: 4\n", ["cluster.yaml:1:1: ", "\nhint: "]),
        (
            "audit: { policy: nowhere.yaml }\n",
            ["nowhere.yaml", "\nhint: a path in a file is relative"],
        ),
        (
            "nodes: 0\n",
            ["`kyverno` runs in pods", "\nhint: give it one: `--nodes 1`"],
        ),
    ] {
        let scratch = described(cluster);
        let up = ["up", "--cluster", "cluster.yaml", "--install", "kyverno"];
        let ran = scratch.gauntlet(&up);
        ran.fails(2, &texts);
        scratch.is_untouched();
    }
}

#[test]
fn a_box_that_is_not_up_is_not_entered() {
    let ran = Scratch::new().gauntlet(&["enter", "nobody", "--", "true"]);
    ran.fails(
        2,
        &[
            "error: no box named `nobody` is up\n",
            "\nhint: `gauntlet list --boxes`",
        ],
    );
}
