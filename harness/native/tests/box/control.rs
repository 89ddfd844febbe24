//! Ordering the processes of a box.

use std::path::Path;
use std::time::Duration;

use model::{ClusterSpec, ProcessChange, ProcessState, ProcessStatus};
use native::{Error, RunningBox};
use wait::WaitLook;

use crate::host::{expect_nothing, kill_process, kubectl, processes, wait_for_nothing};
use crate::lives::{cache, holder, name, start};

/// Waits until what is known of a process is as wanted.
pub(crate) fn expect_life(
    running: &RunningBox,
    process: &str,
    wanted: impl Fn(&ProcessStatus) -> bool,
) -> ProcessStatus {
    let waited = wait::wait_until(
        process,
        Duration::from_secs(60),
        Duration::from_millis(10),
        || match running.process_status(process).unwrap() {
            life if wanted(&life) => WaitLook::Ready(life),
            life => WaitLook::NotYet(format!("{life:?}")),
        },
    );
    waited.unwrap()
}

/// Waits until `kubectl` answers at all.
pub(crate) fn expect_ok(running: &RunningBox, args: &[&str]) {
    let waited = wait::wait_until(
        &args.join(" "),
        Duration::from_secs(60),
        Duration::from_millis(100),
        || match kubectl(&cache(), running, args) {
            Ok(_) => WaitLook::Ready(()),
            Err(why) => WaitLook::NotYet(why),
        },
    );
    waited.unwrap();
}

/// Waits until the API server says that it is ready.
pub(crate) fn expect_ready(running: &RunningBox) {
    expect_ok(running, &["get", "--raw=/readyz"]);
}

/// Waits until the controllers have done their part for a new namespace. A controller manager that
/// is still starting gives up if the API server is not healthy for ten seconds; one that runs does
/// not.
pub(crate) fn expect_controllers(running: &RunningBox, namespace: &str) {
    kubectl(&cache(), running, &["create", "namespace", namespace]).unwrap();
    expect_ok(
        running,
        &["get", "serviceaccount", "default", "--namespace", namespace],
    );
}

pub(crate) fn has_ended(life: &ProcessStatus) -> bool {
    matches!(life.state, ProcessState::Ended { .. })
}

/// The id on the host of the box's process whose program has this name.
fn pid(name: &str, program: &str) -> String {
    let found = processes(&format!("gauntlet-{name}"));
    let is_it = |pid: &&str| {
        let line = std::fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .split('\0')
            .next()
            .unwrap()
            .ends_with(program)
    };
    found
        .iter()
        .filter_map(|process| process.strip_prefix("process "))
        .find(is_it)
        .unwrap()
        .to_owned()
}

/// The kernel's letter for what a process does.
fn kernel_state(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("State:"))
        .unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

pub(crate) fn processes_obey() {
    let name = name("obey");
    let running = start(
        &name,
        ClusterSpec {
            nodes: 0,
            ..ClusterSpec::default()
        },
    );
    let api = "kube-apiserver";
    assert_eq!(
        running.process_status(api),
        Some(ProcessStatus {
            starts: 1,
            state: ProcessState::Alive
        })
    );
    assert_eq!(running.process_status("kubelet"), None);
    assert!(matches!(
        running.control_process(&ProcessChange::Kill("kubelet".into())),
        Err(Error::NoSuchProcess { .. })
    ));
    expect_controllers(&running, "first");
    running
        .control_process(&ProcessChange::Kill(api.into()))
        .unwrap();
    let ended = expect_life(&running, api, has_ended);
    assert!(
        matches!(&ended.state, ProcessState::Ended { status, .. } if status == "killed by SIGKILL"),
        "{ended:?}"
    );
    kubectl(&cache(), &running, &["get", "--raw=/readyz"]).unwrap_err();
    running
        .control_process(&ProcessChange::Start(api.into()))
        .unwrap();
    expect_life(&running, api, |life| {
        *life
            == ProcessStatus {
                starts: 2,
                state: ProcessState::Alive,
            }
    });
    expect_ready(&running);

    // A controller manager that starts beside it has to wait for it, and for its roles.
    let manager = "kube-controller-manager";
    for process in [api, manager] {
        running
            .control_process(&ProcessChange::Kill(process.into()))
            .unwrap();
        expect_life(&running, process, has_ended);
    }
    for process in [manager, api] {
        running
            .control_process(&ProcessChange::Start(process.into()))
            .unwrap();
        expect_life(&running, process, |life| life.state == ProcessState::Alive);
    }
    expect_ready(&running);
    expect_controllers(&running, "second");
    assert_eq!(running.deaths(), []);

    let etcd = pid(&name, "/etcd");
    running
        .control_process(&ProcessChange::Freeze("etcd".into()))
        .unwrap();
    expect_life(&running, "etcd", |life| life.state == ProcessState::Frozen);
    assert_eq!(kernel_state(&etcd), "T");
    let asked = ["get", "namespaces", "--request-timeout=1s"];
    kubectl(&cache(), &running, &asked).unwrap_err();
    running
        .control_process(&ProcessChange::Thaw("etcd".into()))
        .unwrap();
    expect_life(&running, "etcd", |life| {
        *life
            == ProcessStatus {
                starts: 1,
                state: ProcessState::Alive,
            }
    });
    assert_ne!(kernel_state(&etcd), "T");
    expect_ready(&running);
    assert_eq!(running.deaths(), []);

    // Ordered in one breath: it starts when it has ended.
    running
        .control_process(&ProcessChange::Stop(api.into()))
        .unwrap();
    running
        .control_process(&ProcessChange::Start(api.into()))
        .unwrap();
    expect_life(&running, api, |life| {
        *life
            == ProcessStatus {
                starts: 4,
                state: ProcessState::Alive,
            }
    });
    expect_ready(&running);
    assert_eq!(running.deaths(), []);
    kill_process(&pid(&name, "/kube-apiserver"));
    expect_life(&running, api, has_ended);
    let deaths = running.deaths();
    assert!(
        matches!(deaths.as_slice(), [death] if death.process == api),
        "{deaths:?}"
    );

    // What is frozen ends with its box all the same.
    running
        .control_process(&ProcessChange::Freeze("etcd".into()))
        .unwrap();
    expect_life(&running, "etcd", |life| life.state == ProcessState::Frozen);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

pub(crate) fn a_start_that_fails_is_told_with_its_log() {
    let name = name("fails");
    let running = start(
        &name,
        ClusterSpec {
            nodes: 0,
            ..ClusterSpec::default()
        },
    );
    let manager = "kube-controller-manager";
    running
        .control_process(&ProcessChange::Stop(manager.into()))
        .unwrap();
    expect_life(&running, manager, has_ended);
    assert_eq!(running.deaths(), []);
    assert!(
        running
            .enter_command()
            .args(["rm", "/run/gauntlet/pki/sa.key"])
            .status()
            .unwrap()
            .success()
    );
    running
        .control_process(&ProcessChange::Start(manager.into()))
        .unwrap();
    let life = expect_life(&running, manager, |life| {
        life.starts == 2 && has_ended(life)
    });
    let ProcessState::Ended { status, tail } = life.state else {
        unreachable!()
    };
    assert_eq!(status, "exit code 1");
    assert!(
        tail.contains("sa.key") && !tail.contains("terminated"),
        "{tail}"
    );
    assert_eq!(running.deaths().len(), 1);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

pub(crate) fn sigkill_leaves_no_process_that_was_started_again() {
    let name = name("killed-restarted");
    let mut child = holder(&name, "restarted");
    assert!(!pid(&name, "/kube-apiserver").is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for_nothing(&cache(), &name);
}
