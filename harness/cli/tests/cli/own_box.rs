//! Boxes that the command starts itself: up and down, names that are taken, signals in every phase.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait::{WaitLook, wait_until};

use crate::support::{PRIVILEGED, Ran, Scratch, can_start_boxes, names};

/// The command with this machine's own cache, where components are built.
fn command(scratch: &Scratch, args: &[&str]) -> Command {
    let mut command = scratch.command(args);
    command.env(
        "GAUNTLET_CACHE",
        &native::BoxCache::from_env().unwrap().root,
    );
    command
}

pub(crate) fn gauntlet(scratch: &Scratch, args: &[&str]) -> Ran {
    Ran::of(&command(scratch, args).output().unwrap())
}

/// Takes a box down when the test ends, however it ends.
pub(crate) struct Down(pub(crate) String);

impl Drop for Down {
    fn drop(&mut self) {
        let _ = gauntlet(&Scratch::new(), &["down", &self.0]);
    }
}

#[test]
fn a_box_goes_up_and_down_and_its_kubeconfig_with_it() {
    if !can_start_boxes("a_box_goes_up_and_down_and_its_kubeconfig_with_it") {
        return;
    }
    let scratch = Scratch::privileged();
    let name = format!("up-{}", std::process::id());
    let down = Down(name.clone());
    let ran = gauntlet(&scratch, &["up", "--name", &name]);
    ran.passes(&[
        "is up: Kubernetes 1.36",
        "  export KUBECONFIG=",
        "kubectl get pods",
        &format!("gauntlet enter {name} -- COMMAND"),
        &format!("gauntlet down {name}"),
    ]);
    let kubeconfig = ran
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("export KUBECONFIG="))
        .unwrap()
        .to_owned();
    gauntlet(&scratch, &["list", "--boxes"]).passes(&[&name, &kubeconfig]);
    let again = gauntlet(&scratch, &["up", "--name", &name]);
    again.fails(
        2,
        &[
            &format!("error: a box named `{name}` is already up\n"),
            "\nhint: take it down with `gauntlet down",
        ],
    );
    let copy = scratch.path("kubeconfig");
    std::fs::copy(&kubeconfig, &copy).unwrap();
    drop(down);
    let gone = gauntlet(
        &scratch,
        &["run", "--kubeconfig", &copy.display().to_string()],
    );
    gone.fails(
        3,
        &["error: ", "\nhint: start a cluster with `gauntlet up`"],
    );
    let gone = gauntlet(&scratch, &["down", &name]);
    gone.fails(
        2,
        &[
            &format!("error: no box named `{name}` is up\n"),
            "\nhint: `gauntlet list --boxes` shows those that are up; `gauntlet up` starts one",
        ],
    );
}

#[test]
fn a_box_to_work_in_has_the_services_that_were_asked_for() {
    if !can_start_boxes("a_box_to_work_in_has_the_services_that_were_asked_for") {
        return;
    }
    let scratch = Scratch::privileged();
    let name = format!("up-services-{}", std::process::id());
    let _down = Down(name.clone());
    let ran = gauntlet(
        &scratch,
        &["up", "--name", &name, "--install", "registry,sigstore"],
    );
    ran.passes(&[
        "is up",
        "  registry",
        "registry.box:5000",
        "  its authority",
        "  Rekor",
        "  a trusted root",
    ]);
    let line = |start: &str| {
        let found = ran
            .out
            .lines()
            .find_map(|line| line.trim().strip_prefix(start))
            .unwrap();
        found.trim().to_owned()
    };
    assert!(
        std::fs::read_to_string(line("its authority"))
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    let root: serde_json::Value =
        serde_json::from_slice(&std::fs::read(line("a trusted root")).unwrap()).unwrap();
    assert_eq!(root["tlogs"].as_array().map(Vec::len), Some(1), "{root:#}");
    let address = line("without TLS")
        .split(['/', ','])
        .nth(2)
        .unwrap()
        .to_owned();
    let mut registry = std::net::TcpStream::connect(&address).unwrap();
    registry
        .write_all(format!("GET /v2/ HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    registry.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 OK\r\n"), "{answer}");
}

#[test]
fn what_cannot_be_installed_is_said_at_once() {
    let ran = Scratch::new().gauntlet(&["up", "--install", "registry,docker"]);
    ran.fails(2, &["docker", "registry", "policy-controller"]);
}

#[test]
fn names_that_are_none_are_refused() {
    let scratch = Scratch::new();
    for name in ["../x", "UP", "-x", "", "a b"] {
        let ran = gauntlet(&scratch, &["down", "--", name]);
        ran.fails(2, &["is not a name for a box\n", "\nhint: 1 to 40 of a-z"]);
    }
}

#[test]
fn signals_in_every_phase_take_everything_down_and_end_with_130() {
    if !can_start_boxes("signals_in_every_phase_take_everything_down_and_end_with_130") {
        return;
    }
    for (signal, phase) in [
        (Signal::SIGINT, "starting Kubernetes"),
        (Signal::SIGTERM, "up in"),
        (Signal::SIGINT, "tried "),
    ] {
        let scratch = Scratch::privileged();
        let mut child = spawn(&scratch, &["run", "--keep", "--json", "report.json"]);
        let pid = child.id();
        let err = read_until(&mut child, phase);
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal} in `{phase}`: {err}");
        nothing_is_left(pid);
        let report = std::fs::read_to_string(scratch.path("report.json")).unwrap();
        if phase == "starting Kubernetes" {
            assert!(report.contains("\"worlds-done\": 0"), "{report}");
        }
        assert!(
            !scratch.path("golden").exists() || phase == "tried ",
            "{phase}"
        );
    }
}

/// Without a terminal, and with hang-ups ignored, as `nohup gauntlet run --keep </dev/null &` has
/// it.
#[test]
fn what_is_kept_without_a_terminal_stays_until_it_is_told_to_go() {
    if !can_start_boxes("what_is_kept_without_a_terminal_stays_until_it_is_told_to_go") {
        return;
    }
    let scratch = Scratch::new();
    scratch.write(
        "pod-security/privileged",
        &PRIVILEGED.replace("pod-security } } }", "node-restriction } } }"),
    );
    let own = command(&scratch, &["run", "--keep"]);
    let mut nohup = Command::new("nohup");
    nohup
        .arg(own.get_program())
        .args(own.get_args())
        .current_dir(scratch.path("."));
    nohup.env(
        "GAUNTLET_CACHE",
        &native::BoxCache::from_env().unwrap().root,
    );
    let mut child = nohup
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let err = read_until(&mut child, "send SIGTERM to take everything down");
    assert!(err.contains("kept: namespace gauntlet-"), "{err}");
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGHUP).unwrap();
    let kubeconfig = err
        .lines()
        .find_map(|line| line.split("export KUBECONFIG=").nth(1))
        .unwrap()
        .trim()
        .to_owned();
    for _ in 0..3 {
        gauntlet(&scratch, &["list", "--boxes"]).passes(&[&format!("run-{pid}-1  ")]);
        let again = gauntlet(&scratch, &["run", "--kubeconfig", &kubeconfig]);
        assert_eq!(
            again.code,
            Some(1),
            "the kept cluster answers, and the control fails as before: {again:#?}"
        );
    }
    assert!(child.try_wait().unwrap().is_none());
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    nothing_is_left(pid);
}

#[test]
fn sigkill_leaves_nothing_running() {
    if !can_start_boxes("sigkill_leaves_nothing_running") {
        return;
    }
    for phase in ["starting Kubernetes", "up in"] {
        let scratch = Scratch::privileged();
        let mut child = spawn(&scratch, &["run", "--keep"]);
        let pid = child.id();
        read_until(&mut child, phase);
        child.kill().unwrap();
        child.wait().unwrap();
        nothing_is_left(pid);
    }
}

fn spawn(scratch: &Scratch, args: &[&str]) -> Child {
    command(scratch, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads standard error until a line holds `text`; what was read.
fn read_until(child: &mut Child, text: &str) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains(text) {
        assert!(
            lines.read_line(&mut seen).unwrap() > 0,
            "it ended before `{text}`:\n{seen}"
        );
    }
    std::thread::spawn(move || {
        let _ = lines.read_to_end(&mut Vec::new());
    });
    seen
}

/// No folder and no control group of that program's boxes remains.
fn nothing_is_left(pid: u32) {
    let prefix = format!("run-{pid}-");
    let cache = native::BoxCache::from_env().unwrap();
    let left = || {
        let groups = [
            "/sys/fs/cgroup",
            "/sys/fs/cgroup/pids",
            "/sys/fs/cgroup/memory",
        ];
        let groups = groups.iter().flat_map(|tree| names(tree.as_ref()));
        let all = groups.chain(names(&cache.boxes_folder()));
        all.filter(|name| name.contains(&prefix))
            .collect::<Vec<_>>()
    };
    let gone = wait_until(
        "everything to be gone",
        Duration::from_secs(20),
        Duration::from_millis(20),
        || match left() {
            left if left.is_empty() => WaitLook::Ready(()),
            left => WaitLook::NotYet(format!("{left:?}")),
        },
    );
    gone.unwrap();
}
