//! The lives of boxes.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use model::{
    AuditShape, ClusterSpec, EncryptionShape, FileText, FirstObject, NodeChange, ProcessChange,
};
use native::{BoxCache, BoxProgress, BoxSpec, Error, PROBE_IMAGE, RunningBox};
use wait::WaitLook;

use crate::control::expect_life;
use crate::host::{expect_nothing, kill_process, kubectl, processes, traces, wait_for_nothing};
use crate::{nodes, services};

/// The argument that makes this program start a box, say how far it is, and hold it.
pub(crate) const HOLD: &str = "__hold";

/// This program, even if its file was replaced.
const LAUNCHER: &str = "/proc/self/exe";

pub(crate) fn cache() -> BoxCache {
    BoxCache::from_env().unwrap()
}

pub(crate) fn name(what: &str) -> String {
    format!("test-{what}-{}", std::process::id())
}

fn spec(name: &str, cluster: ClusterSpec) -> BoxSpec {
    BoxSpec {
        name: name.to_owned(),
        cluster,
        first_state: None,
        launcher: LAUNCHER.into(),
    }
}

fn without_nodes() -> ClusterSpec {
    ClusterSpec {
        nodes: 0,
        ..ClusterSpec::default()
    }
}

pub(crate) fn start(name: &str, cluster: ClusterSpec) -> RunningBox {
    native::start_box(&cache(), &spec(name, cluster), true, &mut |_| {}).unwrap()
}

const PODS: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: privileged, namespace: default}
  spec: {containers: [{name: c, image: "gauntlet.local/probe:1", securityContext: {privileged: true}}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: web, namespace: default, labels: {app: web}}
  spec:
    containers:
    - name: c
      image: "gauntlet.local/probe:1"
      args: [serve, "8080"]
      # A kubelet makes no folder for a volume that no container mounts.
      volumeMounts: [{name: host, mountPath: /host}, {name: memory, mountPath: /memory}]
    volumes:
    - {name: host, hostPath: {path: /var/lib/gauntlet-test-trace, type: DirectoryOrCreate}}
    - {name: memory, hostPath: {path: /dev/shm/gauntlet-test-trace, type: DirectoryOrCreate}}
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: default}
  spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"#;

pub(crate) fn pods_run_and_services_answer() {
    let (one, two) = (name("one"), name("two"));
    let other = std::thread::spawn({
        let two = two.clone();
        let cluster = ClusterSpec {
            encryption: EncryptionShape::Secretbox,
            ..without_nodes()
        };
        move || start(&two, cluster)
    });
    let running = start(&one, ClusterSpec::default());
    let other = other.join().unwrap();
    assert_ne!(running.server, other.server);
    let cache = cache();
    let manifests = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(manifests.path(), PODS).unwrap();
    let on = |args: &[&str]| kubectl(&cache, &running, args);
    on(&["create", "-f", &manifests.path().display().to_string()]).unwrap();
    on(&[
        "wait",
        "--for=condition=Ready",
        "pod/privileged",
        "pod/web",
        "--timeout=60s",
    ])
    .unwrap();
    let address = on(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]).unwrap();
    let target = format!("{address}:80/");
    let asked = wait::wait_until(
        "the Service to answer",
        Duration::from_secs(20),
        Duration::from_millis(100),
        || match on(&["exec", "privileged", "--", "/probe", "get", &target]) {
            Ok(answer) => WaitLook::Ready(answer),
            Err(why) => WaitLook::NotYet(why),
        },
    );
    assert_eq!(asked.unwrap(), "web\n");
    assert_eq!(on(&["logs", "web"]).unwrap(), "serving on port 8080\n");
    for trace in [
        "/var/lib/gauntlet-test-trace",
        "/dev/shm/gauntlet-test-trace",
    ] {
        assert!(
            !Path::new(trace).exists(),
            "a hostPath reached the host: {trace}"
        );
    }
    kubectl(&cache, &other, &["get", "pod", "web"]).unwrap_err();
    kubectl(
        &cache,
        &other,
        &["create", "secret", "generic", "s", "--from-literal=a=b"],
    )
    .unwrap();
    let audit = std::fs::read_to_string(other.audit_log.as_ref().unwrap()).unwrap();
    assert!(audit.contains("/api/v1/namespaces/default/secrets"));
    assert_eq!(running.deaths(), []);
    assert_eq!(other.deaths(), []);
    let taken = native::start_box(&cache, &spec(&one, without_nodes()), true, &mut |_| {});
    assert!(matches!(taken, Err(Error::NameTaken(_))), "{taken:?}");
    running.take_down().unwrap();
    expect_nothing(&cache, &one);
    assert!(!traces(&cache, &two).is_empty());
    drop(other);
    expect_nothing(&cache, &two);
}

pub(crate) fn a_first_state_holds_what_it_was_given() {
    let (cache, name) = (cache(), name("first"));
    let spec = BoxSpec {
        first_state: Some(name.clone()),
        ..spec(&name, without_nodes())
    };
    let metadata = |name: &str| serde_json::json!({"name": name, "namespace": "given"});
    let given = |collection: &str, kind: &str, metadata| FirstObject {
        collection: collection.to_owned(),
        object: serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": metadata}),
        in_force: None,
    };
    let objects = vec![
        given(
            "/api/v1/namespaces",
            "Namespace",
            serde_json::json!({"name": "given"}),
        ),
        given(
            "/api/v1/namespaces/given/configmaps",
            "ConfigMap",
            metadata("mine"),
        ),
    ];
    assert!(!native::is_prepared(&cache, &spec));
    native::prepare_template(&cache, &spec, objects, &mut |_| {}).unwrap();
    assert!(native::is_prepared(&cache, &spec));
    let running = native::start_box(&cache, &spec, true, &mut |_| {}).unwrap();
    let names = kubectl(
        &cache,
        &running,
        &["get", "configmaps", "-n", "given", "-o", "name"],
    )
    .unwrap();
    running.take_down().unwrap();
    let place = std::fs::read_dir(cache.templates_folder())
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let place = place
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(&name))
        .unwrap();
    std::fs::remove_dir_all(place).unwrap();
    assert_eq!(names, "configmap/kube-root-ca.crt\nconfigmap/mine\n");
    let without = native::start_box(&cache, &spec, true, &mut |_| {}).unwrap();
    let names = kubectl(&cache, &without, &["get", "namespaces", "given"]);
    without.take_down().unwrap();
    names.unwrap_err();
}

pub(crate) fn kept_until_taken_down() {
    let (cache, name) = (cache(), name("kept"));
    let running =
        native::start_box(&cache, &spec(&name, without_nodes()), false, &mut |_| {}).unwrap();
    let mode = running.kubeconfig.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mode = cache
        .box_dir(&name)
        .join("box.json")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = native::start_box(&cache, &spec(&name, without_nodes()), false, &mut |_| {});
    assert!(matches!(again, Err(Error::NameTaken(_))), "{again:?}");
    assert!(matches!(
        running.control_process(&ProcessChange::Kill("etcd".into())),
        Err(Error::NotAttached(_))
    ));
    let server = running.server.clone();
    native::sweep_dead(&cache);
    let listed = native::list_boxes(&cache)
        .into_iter()
        .find(|info| info.name == name)
        .unwrap();
    assert_eq!(listed.server, server);
    running.take_down().unwrap();
    expect_nothing(&cache, &name);
    assert!(matches!(
        native::take_down(&cache, &name),
        Err(Error::NoSuchBox(_))
    ));
}

pub(crate) fn a_failed_start_shows_the_log() {
    let name = name("bad");
    let audit = AuditShape::Policy(FileText(
        "apiVersion: audit.k8s.io/v1\nkind: Pancake\n".into(),
    ));
    let cluster = ClusterSpec {
        audit,
        ..without_nodes()
    };
    let failed = native::start_box(&cache(), &spec(&name, cluster), true, &mut |_| {});
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("`kube-apiserver` ended"), "{text}");
    assert!(text.contains("Pancake"), "{text}");
    expect_nothing(&cache(), &name);
}

/// Starts a box, prints a line for each point of the start, and holds the box until it is killed.
pub(crate) fn hold(name: &str) -> ExitCode {
    let cluster = match name {
        _ if name.contains("services") => services::cluster(),
        _ if name.contains("nodes") => nodes::cluster(),
        _ => ClusterSpec::default(),
    };
    if name.contains("replaced") {
        println!("waits");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    let running = native::start_box(&cache(), &spec(name, cluster), true, &mut |progress| {
        if let BoxProgress::Milestone { name, .. } = progress {
            println!("{name}");
        }
    });
    if let Ok(running) = &running {
        use_it(name, running);
    }
    println!("{}", if running.is_ok() { "up" } else { "failed" });
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(running);
    ExitCode::SUCCESS
}

/// What a holder does with its box, by its name.
fn use_it(name: &str, running: &RunningBox) {
    if name.contains("services") {
        running
            .enter_command()
            .args(["sh", "-c", "echo entered; exec sleep 1000"])
            .status()
            .unwrap();
    }
    if name.contains("frozen") {
        running
            .command_node(&NodeChange::Freeze("node-2".into()))
            .unwrap();
    }
    if name.contains("restarted") {
        running
            .control_process(&ProcessChange::Kill("kube-apiserver".into()))
            .unwrap();
        running
            .control_process(&ProcessChange::Start("kube-apiserver".into()))
            .unwrap();
        expect_life(running, "kube-apiserver", |life| life.starts == 2);
        println!("restarted");
    }
    if name.contains("replaced") {
        let on = |args: &[&str]| kubectl(&cache(), running, args).unwrap();
        on(&[
            "run",
            "pod",
            &format!("--image={PROBE_IMAGE}"),
            "--restart=Never",
            "--",
            "pause",
        ]);
        on(&["wait", "--for=condition=Ready", "pod/pod", "--timeout=60s"]);
        running
            .enter_command()
            .args(["echo", "entered"])
            .status()
            .unwrap();
    }
}

pub(crate) fn holder(name: &str, until: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([HOLD, name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let lines = stdout.by_ref().lines().map_while(Result::ok);
    let last = lines
        .into_iter()
        .find(|line| [until, "up", "failed"].contains(&line.as_str()));
    assert_eq!(last.as_deref(), Some(until));
    child.stdout = Some(stdout.into_inner());
    child
}

pub(crate) fn the_program_is_replaced() {
    let (cache, name) = (cache(), name("replaced"));
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut child = Command::new(&program)
        .args([HOLD, &name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("waits"));
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "#!/bin/false\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let last = lines.find(|line| ["entered", "up", "failed"].contains(&line.as_str()));
    assert_eq!(last.as_deref(), Some("entered"));
    drop(child.stdin.take());
    child.wait().unwrap();
    expect_nothing(&cache, &name);
}

pub(crate) fn sigkill_of_the_parent() {
    for point in ["inside", "api-answers", "api-usable", "up"] {
        let name = name(&format!("killed-{point}"));
        let mut child = holder(&name, point);
        assert!(!processes(&format!("gauntlet-{name}")).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        wait_for_nothing(&cache(), &name);
    }
}

pub(crate) fn sigkill_of_the_launcher() {
    let (cache, name) = (cache(), name("launcher"));
    let mut child = holder(&name, "up");
    let pid = std::fs::read_to_string(cache.box_dir(&name).join("launcher.pid")).unwrap();
    kill_process(pid.trim());
    let group = format!("gauntlet-{name}");
    wait::wait_until(
        "every process to end",
        Duration::from_secs(10),
        Duration::from_millis(10),
        || {
            let left = processes(&group);
            if left.is_empty() {
                WaitLook::Ready(())
            } else {
                WaitLook::NotYet(left.join("; "))
            }
        },
    )
    .unwrap();
    native::sweep_dead(&cache);
    wait_for_nothing(&cache, &name);
    child.kill().unwrap();
    child.wait().unwrap();
}
