//! What a run comes to, on one box that all of these share: each way to end that needs a cluster.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::repeated;
use crate::served;
use crate::support::{GAUNTLET, PRIVILEGED, Ran, Scratch, can_start_boxes};

/// One case: the cluster, and a folder in which the scenario was recorded.
type Case = fn(&Path, &Scratch);

/// Tries every case on the same cluster, one after the other; each has its own folder.
#[test]
fn on_one_box() {
    if !can_start_boxes("on_one_box") {
        return;
    }
    let cache = native::BoxCache::from_env().unwrap();
    let name = format!("cli-{}", std::process::id());
    let cluster = model::ClusterSpec {
        nodes: 0,
        ..model::ClusterSpec::default()
    };
    let spec = native::BoxSpec {
        name,
        cluster,
        first_state: None,
        launcher: GAUNTLET.into(),
    };
    let running = native::start_box(&cache, &spec, true, &mut |_| {}).unwrap();
    let recorded = new_then_passed(&running.kubeconfig);
    let cases: [(&str, Case); 12] = [
        ("every resource is known", served::serves_what_is_listed),
        ("detail that changed differs", differs),
        (
            "an intent that is not met fails, and is never pending",
            fails,
        ),
        ("what cannot be tried is broken", broken),
        ("a golden that no scenario uses differs", orphan),
        ("a shape of its own is skipped", skipped),
        ("reports for programs", reports),
        ("golden files on a full disk", full_disk),
        ("an object that does not go is a leak", leaves),
        ("repeated, with a line for each step", repeated::repeated),
        ("stopped at the first failure", repeated::stopped),
        ("interrupted on a cluster that stays", interrupted),
    ];
    for (what, case) in cases {
        eprintln!("{what}");
        case(&running.kubeconfig, &recorded);
    }
    running.take_down().unwrap();
}

/// `gauntlet run` on the shared cluster; its namespaces stay, which spares the wait for their end.
fn quick(scratch: &Scratch, kubeconfig: &Path, more: &[&str]) -> Ran {
    run(scratch, kubeconfig, &[&["--keep"], more].concat())
}

/// `gauntlet run` on the shared cluster.
pub(crate) fn run(scratch: &Scratch, kubeconfig: &Path, more: &[&str]) -> Ran {
    let mut command = scratch.command(&["run", "--kubeconfig"]);
    Ran::of(&command.arg(kubeconfig).args(more).output().unwrap())
}

/// A separate folder with the same scenario, and with what was recorded of it.
pub(crate) fn copy(recorded: &Scratch) -> Scratch {
    let scratch = Scratch::privileged();
    fs::create_dir_all(golden(&scratch).parent().unwrap()).unwrap();
    fs::copy(golden(recorded), golden(&scratch)).unwrap();
    scratch
}

fn golden(scratch: &Scratch) -> std::path::PathBuf {
    scratch.path("golden/outcomes/pod-security/privileged.snap")
}

/// What is new differs until it is accepted, and passes from then on.
fn new_then_passed(kubeconfig: &Path) -> Scratch {
    let scratch = Scratch::privileged();
    let ran = run(&scratch, kubeconfig, &[]);
    assert_eq!(ran.code, Some(6), "{ran:#?}");
    let texts = [
        "new      pod-security/privileged  2 × 2 = 4 cells\n",
        "  step            bare      enforce\n",
        "  privileged-pod  admitted  denied by pod-security\n",
        "hint: look at the table, then `gauntlet accept pod-security/privileged`",
        "1 scenario, 4 cells: 4 passed; new: 1 scenario; 1 cluster; ",
    ];
    ran.says_in_order(&ran.out, &texts);
    scratch
        .gauntlet(&["accept", "--yes"])
        .passes(&["+  enforce:\n", "denied by pod-security (403 Forbidden)"]);
    let recorded = fs::read_to_string(golden(&scratch)).unwrap();
    assert!(
        recorded.contains("input_file: scenarios/pod-security/privileged/scenario.yaml\n"),
        "{recorded}"
    );
    assert!(
        !recorded.contains("gauntlet-"),
        "the namespace is redacted: {recorded}"
    );
    let ran = run(&scratch, kubeconfig, &[]);
    ran.passes(&[
        "passed   pod-security/privileged  2 × 2 = 4 cells\n",
        "1 scenario, 4 cells: 4 passed; 1 cluster; ",
    ]);
    assert!(!ran.out.contains("hint"), "{ran:#?}");
    scratch
}

fn differs(kubeconfig: &Path, recorded: &Scratch) {
    let scratch = copy(recorded);
    let text = fs::read_to_string(golden(&scratch)).unwrap();
    fs::write(
        golden(&scratch),
        text.replace("(403 Forbidden)", "(418 Teapot)"),
    )
    .unwrap();
    let ran = quick(&scratch, kubeconfig, &[]);
    assert_eq!(ran.code, Some(6), "{ran:#?}");
    ran.says_in_order(
        &ran.out,
        &[
            "differs  ",
            "-    verdict: denied by pod-security (418 Teapot)\n",
            "+    verdict: ",
            "hint: ",
        ],
    );
    assert!(golden(&scratch).with_extension("snap.new").exists());
    fs::write(golden(&scratch), text).unwrap();
    quick(&scratch, kubeconfig, &[]).passes(&["passed"]);
    assert!(
        !golden(&scratch).with_extension("snap.new").exists(),
        "what is pending goes once a run agrees"
    );
}

fn leaves(kubeconfig: &Path, _: &Scratch) {
    let scratch = Scratch::new();
    let scenario = "scenario: v2
why: Something else has to finish with it first.
worlds: { bare: {} }
steps:
  - { id: make, do: { create: role.yaml }, expect: admitted }
";
    scratch.write("rbac/held", scenario);
    let role = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: held-$(namespace), finalizers: [gauntlet.test/held] }
";
    let home = scratch.path("scenarios/rbac/held");
    for file in ["map.yaml", "namespace.yaml", "pod.yaml"] {
        fs::remove_file(home.join(file)).unwrap();
    }
    fs::write(home.join("role.yaml"), role).unwrap();
    let ran = run(&scratch, kubeconfig, &[]);
    assert_eq!(ran.code, Some(5), "{ran:#?}");
    ran.says_in_order(
        &ran.out,
        &[
            "leaked: rbac/held in bare: waited 20 s for /apis/rbac",
            "gauntlet.test/held",
        ],
    );
}

fn fails(kubeconfig: &Path, _: &Scratch) {
    let scratch = Scratch::new();
    scratch.write(
        "pod-security/privileged",
        &PRIVILEGED.replace(
            "{ denied: { by: pod-security } }",
            "{ denied: { by: node-restriction } }",
        ),
    );
    let ran = quick(&scratch, kubeconfig, &[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let texts = [
        "failed   pod-security/privileged",
        "  privileged-pod  admitted  !! denied by pod-security\n",
        "  failed · privileged-pod · enforce\n",
        "    intended  denied by node-restriction\n",
        "    seen      denied by pod-security\n",
        "    reply     403 pods \"privileged\" is forbidden: violates PodSecurity",
        "    evidence  ",
        "    again     gauntlet run pod-security/privileged\n",
        "3 passed, 1 failed; ",
    ];
    ran.says_in_order(&ran.out, &texts);
    let evidence = ran
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("evidence  "))
        .unwrap();
    assert!(fs::read_dir(evidence).unwrap().count() > 0, "{evidence}");
    assert!(
        !scratch.path("golden").exists(),
        "an intent that fails is never written as pending"
    );
}

fn broken(kubeconfig: &Path, _: &Scratch) {
    let scratch = Scratch::privileged();
    fs::remove_file(scratch.file("map.yaml")).unwrap();
    // A selector that is none: the server's complaint is nothing that an action can be answered.
    let text = PRIVILEGED.replace(
        "do: { create: map.yaml }\n    expect: admitted",
        "do: { path: \"/api/v1/configmaps?labelSelector=a%3D%3D%3D\" }\n    expect: allowed",
    );
    assert_ne!(text, PRIVILEGED);
    fs::write(scratch.file("scenario.yaml"), text).unwrap();
    let ran = quick(&scratch, kubeconfig, &[]);
    assert_eq!(ran.code, Some(9), "{ran:#?}");
    ran.says_in_order(
        &ran.out,
        &[
            "broken   pod-security/privileged",
            "?? broken",
            "broken: the reply 400 BadRequest",
            "again",
        ],
    );
    assert!(!scratch.path("golden").exists());
}

fn orphan(kubeconfig: &Path, recorded: &Scratch) {
    let scratch = copy(recorded);
    let lost = scratch.path("golden/outcomes/rbac/lost.snap");
    fs::create_dir_all(lost.parent().unwrap()).unwrap();
    fs::copy(golden(&scratch), &lost).unwrap();
    let ran = quick(&scratch, kubeconfig, &[]);
    assert_eq!(ran.code, Some(6), "{ran:#?}");
    ran.says_in_order(
        &ran.out,
        &[
            "error: no scenario uses `",
            "rbac/lost.snap`\n\nhint: delete it\n",
        ],
    );
}

fn skipped(kubeconfig: &Path, recorded: &Scratch) {
    let scratch = copy(recorded);
    let other = PRIVILEGED.replace(
        "cluster: { nodes: 0 }",
        "cluster: { nodes: 0, encryption: secretbox }",
    );
    scratch.write("secrets/sealed", &other);
    let ran = quick(&scratch, kubeconfig, &[]);
    ran.passes(&[
        "skipped  secrets/sealed           2 × 2 = 4 cells, 4 skipped\n",
        "\nskipped: 2 worlds: the API server of this cluster cannot be given the world's configuration\n",
        "4 passed, 4 skipped",
    ]);
    let ran = quick(&scratch, kubeconfig, &["secrets/sealed"]);
    assert_eq!(ran.code, Some(4), "nothing ran: {ran:#?}");
}

fn reports(kubeconfig: &Path, recorded: &Scratch) {
    let scratch = copy(recorded);
    let ran = quick(
        &scratch,
        kubeconfig,
        &["--json", "-", "--junit", "junit.xml", "--tables"],
    );
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (json["report"].as_str(), json["exit"]["code"].as_u64()),
        (Some("v1"), Some(0))
    );
    let cells = json["scenarios"][0]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    assert!(
        cells.iter().all(|cell| cell["millis"].as_f64() > Some(0.0)),
        "{cells:#?}"
    );
    ran.says_in_order(
        &ran.err,
        &[
            "passed   pod-security/privileged",
            "  privileged-pod  admitted  denied by pod-security",
        ],
    );
    let junit = fs::read_to_string(scratch.path("junit.xml")).unwrap();
    assert!(
        junit.contains(r#"tests="4" "#) && junit.contains(r#"failures="0""#),
        "{junit}"
    );
}

fn full_disk(kubeconfig: &Path, _: &Scratch) {
    let scratch = Scratch::privileged();
    fs::create_dir_all(scratch.path("golden")).unwrap();
    let script = "mount -t tmpfs -o size=8k,nr_inodes=4 tmpfs golden && head -c 8k /dev/zero > golden/full; exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            GAUNTLET,
            "run",
            "--keep",
            "--kubeconfig",
        ])
        .arg(kubeconfig);
    command
        .current_dir(scratch.path("."))
        .env("GAUNTLET_CACHE", scratch.path("cache"));
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    ran.says_in_order(
        &ran.out,
        &[
            "error: cannot write `",
            "privileged.snap.new`\n  caused by: No space left on device",
            "\nhint: free some space",
        ],
    );
}

/// Interrupted on a cluster that stays, it takes away what it made.
fn interrupted(kubeconfig: &Path, recorded: &Scratch) {
    let scratch = copy(recorded);
    let mut command = scratch.command(&["run", "--json", "report.json", "--kubeconfig"]);
    let mut child = command
        .arg(kubeconfig)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("2 worlds to try") {
        assert!(lines.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    lines.read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{seen}");
    assert!(
        seen.contains("interrupted: everything was taken down first"),
        "{seen}"
    );
    let report = fs::read_to_string(scratch.path("report.json")).unwrap();
    assert!(report.contains("\"word\": \"interrupted\""), "{report}");
}
