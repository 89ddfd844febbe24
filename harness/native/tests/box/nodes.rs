//! Boxes of several nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{ClusterSpec, NodeChange, ProcessChange, ProcessState};
use native::{PROBE_IMAGE, RunningBox};
use probe_image::ImageFile;
use wait::WaitLook;

use crate::control::expect_life;
use crate::host::{expect_nothing, kubectl, wait_for_nothing};
use crate::lives::{cache, holder, name, start};

pub(crate) fn cluster() -> ClusterSpec {
    ClusterSpec {
        nodes: 2,
        ..ClusterSpec::default()
    }
}

fn on(running: &RunningBox, args: &[&str]) -> String {
    kubectl(&cache(), running, args).unwrap()
}

/// Runs a pod on a node, and returns its address.
fn pod(running: &RunningBox, name: &str, node: &str, host_network: bool) -> String {
    let spec = format!(r#"{{"spec":{{"nodeName":"{node}","hostNetwork":{host_network}}}}}"#);
    let (image, labels) = (
        format!("--image={PROBE_IMAGE}"),
        format!("--labels=run={name},app=web"),
    );
    let port = if host_network { "8081" } else { "8080" };
    let run = [
        "run",
        name,
        &image,
        &labels,
        "--restart=Never",
        "--overrides",
        &spec,
        "--",
        "serve",
        port,
    ];
    on(running, &run);
    on(
        running,
        &[
            "wait",
            "--for=condition=Ready",
            &format!("pod/{name}"),
            "--timeout=60s",
        ],
    );
    on(
        running,
        &["get", "pod", name, "-o", "jsonpath={.status.podIP}"],
    )
}

/// What a pod gets from an address, once it gets something.
fn get(running: &RunningBox, pod: &str, target: &str) -> String {
    let from = ["exec", pod, "--", "/probe", "get", target];
    let waited = wait::wait_until(
        target,
        Duration::from_secs(20),
        Duration::from_millis(50),
        || kubectl(&cache(), running, &from).map_or_else(WaitLook::NotYet, WaitLook::Ready),
    );
    waited.unwrap()
}

pub(crate) fn pods_of_two_nodes_reach_each_other() {
    let name = name("nodes");
    let running = start(&name, cluster());
    let parts = r#"jsonpath={.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}"#;
    for (node, wanted) in [
        ("node-1", "10.244.0.0/20 10.88.0.1"),
        ("node-2", "10.244.16.0/20 10.88.0.2"),
    ] {
        assert_eq!(on(&running, &["get", "node", node, "-o", parts]), wanted);
    }
    let first = pod(&running, "first", "node-1", false);
    let second = pod(&running, "second", "node-2", false);
    let host = pod(&running, "host", "node-2", true);
    let privileged = r#"{"spec":{"nodeName":"node-2","containers":[{"name":"all","image":"gauntlet.local/probe:1",
        "securityContext":{"privileged":true}}]}}"#;
    on(
        &running,
        &[
            "run",
            "all",
            &format!("--image={PROBE_IMAGE}"),
            "--overrides",
            privileged,
        ],
    );
    on(
        &running,
        &["wait", "--for=condition=Ready", "pod/all", "--timeout=60s"],
    );
    assert!(
        first.starts_with("10.244.0.") && second.starts_with("10.244.16."),
        "{first} {second}"
    );
    assert_eq!(host, "10.88.0.2");
    on(
        &running,
        &[
            "expose",
            "pod",
            "second",
            "--port=80",
            "--target-port=8080",
            "--selector=run=second",
        ],
    );
    let service = on(
        &running,
        &[
            "get",
            "service",
            "second",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ],
    );
    for pod in ["first", "second", "host"] {
        for target in [
            format!("{first}:8080/"),
            format!("{second}:8080/"),
            format!("{host}:8081/"),
            format!("{service}:80/"),
        ] {
            assert!(!get(&running, pod, &target).is_empty(), "{pod} {target}");
        }
    }
    on(
        &running,
        &[
            "expose",
            "pod",
            "second",
            "--name=open",
            "--type=NodePort",
            "--port=80",
            "--target-port=8080",
            "--selector=run=second",
        ],
    );
    let port = on(
        &running,
        &[
            "get",
            "service",
            "open",
            "-o",
            "jsonpath={.spec.ports[0].nodePort}",
        ],
    );
    for pod in ["first", "second", "host"] {
        for node in ["10.88.0.1", "10.88.0.2"] {
            assert!(
                !get(&running, pod, &format!("{node}:{port}/")).is_empty(),
                "{pod} {node}:{port}"
            );
        }
    }
    let first_host = pod(&running, "first-host", "node-1", true);
    assert_eq!(first_host, "10.88.0.1");
    for (pod, node) in [("first-host", "node-1"), ("host", "node-2")] {
        assert_eq!(
            on(
                &running,
                &[
                    "exec",
                    pod,
                    "--",
                    "/probe",
                    "cat",
                    "/proc/sys/kernel/hostname"
                ]
            )
            .trim(),
            node
        );
    }
    requests_come_from_their_node(&running);
    images_reach_every_node(&running);
    let log = on(&running, &["logs", "second"]);
    assert!(log.contains("serving on port 8080"), "{log}");
    for process in ["kubelet-2", "kube-proxy-2"] {
        running
            .control_process(&ProcessChange::Kill(process.into()))
            .unwrap();
        expect_life(&running, process, |life| {
            matches!(life.state, ProcessState::Ended { .. })
        });
        running
            .control_process(&ProcessChange::Start(process.into()))
            .unwrap();
        expect_life(&running, process, |life| {
            life.state == ProcessState::Alive && life.starts == 2
        });
    }
    assert!(!get(&running, "second", &format!("{first}:8080/")).is_empty());
    assert_eq!(running.deaths(), []);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

/// The audit log has the address of the node that a request came from.
fn requests_come_from_their_node(running: &RunningBox) {
    let log = std::fs::read_to_string(running.audit_log.as_ref().unwrap()).unwrap();
    let events: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let sources = |user: &str| -> BTreeSet<String> {
        let of_user = events
            .iter()
            .filter(|event| event["user"]["username"] == user);
        of_user
            .map(|event| event["sourceIPs"].to_string())
            .collect()
    };
    let (first, second) = (r#"["10.88.0.1"]"#.to_owned(), r#"["10.88.0.2"]"#.to_owned());
    assert_eq!(sources("system:node:node-1"), [first.clone()].into());
    assert_eq!(sources("system:node:node-2"), [second.clone()].into());
    assert_eq!(sources("system:kube-proxy"), [first, second].into());
}

fn images_reach_every_node(running: &RunningBox) {
    let name = "gauntlet.test/brought:1";
    let probe = native::probe_program(&cache()).unwrap();
    let file = ImageFile {
        bytes: &probe,
        mode: 0o755,
    };
    let files = BTreeMap::from([("/probe".to_owned(), file)]);
    let archive = tempfile::NamedTempFile::new().unwrap();
    let bytes = probe_image::write_archive(name, &files, &["/probe"]).unwrap();
    std::fs::write(archive.path(), bytes).unwrap();
    running.import_images(archive.path()).unwrap();
    for node in ["node-1", "node-2"] {
        let (pod, image) = (format!("brought-{node}"), format!("--image={name}"));
        let spec = format!(r#"{{"spec":{{"nodeName":"{node}"}}}}"#);
        let pull = "--image-pull-policy=Never";
        on(running, &["run", &pod, &image, pull, "--overrides", &spec]);
        let wanted = format!("pod/{pod}");
        on(
            running,
            &["wait", "--for=condition=Ready", &wanted, "--timeout=60s"],
        );
    }
    let empty = tempfile::NamedTempFile::new().unwrap();
    running.import_images(empty.path()).unwrap_err();
}

pub(crate) fn pods_have_users_of_their_own() {
    let name = name("users");
    let running = start(&name, cluster());
    for node in ["node-1", "node-2"] {
        let spec = format!(r#"{{"spec":{{"nodeName":"{node}","hostUsers":false}}}}"#);
        on(
            &running,
            &[
                "run",
                node,
                &format!("--image={PROBE_IMAGE}"),
                "--overrides",
                &spec,
            ],
        );
        on(
            &running,
            &[
                "wait",
                "--for=condition=Ready",
                &format!("pod/{node}"),
                "--timeout=60s",
            ],
        );
        let users = on(
            &running,
            &["exec", node, "--", "/probe", "cat", "/proc/self/uid_map"],
        );
        let first: Vec<&str> = users.split_whitespace().collect();
        assert!(first[0] == "0" && first[1] != "0", "{users}");
    }
    assert_eq!(running.deaths(), []);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

pub(crate) fn nodes_fail_and_come_back() {
    let name = name("failing");
    let running = start(&name, cluster());
    let second = pod(&running, "second", "node-2", false);
    pod(&running, "first", "node-1", false);
    let target = format!("{second}:8080/");
    get(&running, "first", &target);
    let reaches = || {
        kubectl(
            &cache(),
            &running,
            &["exec", "first", "--", "/probe", "get", &target],
        )
        .is_ok()
    };
    running
        .command_node(&NodeChange::CutOff("node-2".into()))
        .unwrap();
    assert!(!reaches());
    running
        .command_node(&NodeChange::Rejoin("node-2".into()))
        .unwrap();
    get(&running, "first", &target);
    running
        .command_node(&NodeChange::Freeze("node-2".into()))
        .unwrap();
    assert!(!reaches());
    running
        .command_node(&NodeChange::Thaw("node-2".into()))
        .unwrap();
    get(&running, "first", &target);
    running
        .command_node(&NodeChange::Kill("node-2".into()))
        .unwrap();
    assert!(!reaches());
    assert_eq!(running.deaths(), []);
    running
        .command_node(&NodeChange::Start("node-2".into()))
        .unwrap();
    pod(&running, "third", "node-2", false);
    running
        .command_node(&NodeChange::Freeze("node-1".into()))
        .unwrap_err();
    running
        .command_node(&NodeChange::Freeze("node-3".into()))
        .unwrap_err();
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

/// Whether or not a node is frozen.
pub(crate) fn sigkill_leaves_nothing_of_two_nodes() {
    for what in ["nodes", "nodes-frozen"] {
        let name = name(&format!("killed-{what}"));
        let mut child = holder(&name, "up");
        child.kill().unwrap();
        child.wait().unwrap();
        wait_for_nothing(&cache(), &name);
    }
}
