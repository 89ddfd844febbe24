//! Secrets as etcd has them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use kms::{KmsOperation, PluginSettings};
use model::{ClusterSpec, EncryptionShape, FileText, ProcessChange, ProcessState};
use native::{PROBE_IMAGE, RunningBox};
use wait::WaitLook;

use crate::control::{expect_controllers, expect_life, expect_ok, expect_ready, has_ended};
use crate::host::{expect_nothing, kubectl};
use crate::lives::{cache, name, start};

/// Keys of 32 bytes, as a configuration has them.
const KEYS: [(&str, &str); 2] = [
    ("one", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
    ("two", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="),
];

/// A configuration that seals Secrets with the first of these keys and opens them with all.
fn aescbc(keys: &[usize]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| format!("{{name: {}, secret: {}}}", KEYS[*key].0, KEYS[*key].1))
        .collect();
    config(&format!("aescbc: {{keys: [{}]}}", keys.join(", ")))
}

/// A configuration with one provider for Secrets.
fn config(provider: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n\
        resources: [{{resources: [secrets], providers: [{{{provider}}}, {{identity: {{}}}}]}}]\n"
    )
}

/// A cluster with its own configuration.
fn cluster(text: String) -> ClusterSpec {
    ClusterSpec {
        nodes: 0,
        encryption: EncryptionShape::Config(FileText(text)),
        ..ClusterSpec::default()
    }
}

fn create(running: &RunningBox, secret: &str) -> Result<String, String> {
    kubectl(
        &cache(),
        running,
        &[
            "create",
            "secret",
            "generic",
            secret,
            "--from-literal=password=swordfish",
        ],
    )
}

/// A Secret's password, as the API server answers it, in base64.
fn read(running: &RunningBox, secret: &str) -> Result<String, String> {
    kubectl(
        &cache(),
        running,
        &["get", "secret", secret, "-o", "jsonpath={.data.password}"],
    )
}

const PASSWORD: &str = "c3dvcmRmaXNo";

/// A Secret of the namespace `default`, as etcd has it.
fn stored(running: &RunningBox, secret: &str) -> String {
    let key = format!("/registry/secrets/default/{secret}");
    let output = running
        .enter_command()
        .args(["etcdctl", "get", "--print-value-only", &key])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until the API server refuses to read a Secret for an internal fault.
fn expect_refused(running: &RunningBox, secret: &str) -> String {
    let waited = wait::wait_until(
        "a refusal",
        Duration::from_secs(60),
        Duration::from_millis(100),
        || match read(running, secret) {
            Err(why) if why.contains("Internal error") => WaitLook::Ready(why),
            other => WaitLook::NotYet(format!("{other:?}")),
        },
    );
    waited.unwrap()
}

fn replace(path: &Path, text: &str) {
    let whole = path.with_extension("new");
    std::fs::write(&whole, text).unwrap();
    std::fs::rename(&whole, path).unwrap();
}

fn restart(running: &RunningBox, process: &str) {
    let starts = running.process_status(process).unwrap().starts;
    running
        .control_process(&ProcessChange::Stop(process.into()))
        .unwrap();
    running
        .control_process(&ProcessChange::Start(process.into()))
        .unwrap();
    expect_life(running, process, |life| life.starts == starts + 1);
}

pub(crate) fn keys_are_rotated() {
    let name = name("rotate");
    let running = start(&name, cluster(aescbc(&[0])));
    expect_controllers(&running, "first");
    let place = running.encryption_config();
    assert_eq!(
        place.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    create(&running, "old").unwrap();
    assert!(stored(&running, "old").starts_with("k8s:enc:aescbc:v1:one:"));

    replace(&place, &aescbc(&[1, 0]));
    restart(&running, "kube-apiserver");
    expect_ready(&running);
    create(&running, "new").unwrap();
    assert!(stored(&running, "new").starts_with("k8s:enc:aescbc:v1:two:"));
    assert_eq!(read(&running, "old").as_deref(), Ok(PASSWORD));

    replace(&place, "kind: Pancake\n");
    running
        .control_process(&ProcessChange::Stop("kube-apiserver".into()))
        .unwrap();
    running
        .control_process(&ProcessChange::Start("kube-apiserver".into()))
        .unwrap();
    let life = expect_life(&running, "kube-apiserver", |life| {
        life.starts == 3 && has_ended(life)
    });
    assert!(
        matches!(&life.state, ProcessState::Ended { tail, .. } if tail.contains("Pancake")),
        "{life:?}"
    );
    assert_eq!(running.deaths().len(), 1);

    replace(&place, &aescbc(&[1]));
    running
        .control_process(&ProcessChange::Start("kube-apiserver".into()))
        .unwrap();
    expect_life(&running, "kube-apiserver", |life| life.starts == 4);
    let refused = expect_refused(&running, "old");
    assert!(
        refused.contains("no matching key was found for the provided AES transformer"),
        "{refused}"
    );
    assert_eq!(read(&running, "new").as_deref(), Ok(PASSWORD));
    // It is never ready again, and still the components go on.
    let unready = kubectl(&cache(), &running, &["get", "--raw=/readyz"]).unwrap_err();
    assert!(unready.contains("[-]informer-sync failed"), "{unready}");
    expect_controllers(&running, "later");
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

/// A cluster whose Secrets are sealed by the plugin `a`.
fn with_plugin() -> ClusterSpec {
    let endpoint = "unix:///run/gauntlet/work/kms/a/kms.sock";
    let text = config(&format!(
        "kms: {{apiVersion: v2, name: a, endpoint: \"{endpoint}\", timeout: 3s}}"
    ));
    ClusterSpec {
        kms: ["a".to_owned()].into(),
        ..cluster(text)
    }
}

/// How many calls of a kind the plugin has had.
fn count(running: &RunningBox, call: KmsOperation, ok: bool) -> usize {
    let calls = kms::read_calls(&running.kms_folder("a")).unwrap();
    calls
        .iter()
        .filter(|found| found.call == call && found.ok == ok)
        .count()
}

pub(crate) fn a_plugin_seals() {
    let name = name("kms");
    let running = start(&name, with_plugin());
    expect_controllers(&running, "first");
    for secret in ["one", "two"] {
        create(&running, secret).unwrap();
        assert!(stored(&running, secret).starts_with("k8s:enc:kms:v2:a:"));
    }
    let sealed = |ok| {
        (
            count(&running, KmsOperation::Encrypt, ok),
            count(&running, KmsOperation::Decrypt, ok),
        )
    };
    assert_eq!(
        sealed(true),
        (1, 0),
        "one seed for the life of the API server"
    );
    restart(&running, "kube-apiserver");
    expect_ready(&running);
    assert_eq!(read(&running, "one").as_deref(), Ok(PASSWORD));
    assert_eq!(
        sealed(true),
        (2, 1),
        "a new seed, and the old one is opened once"
    );

    // Without the plugin what is known goes on; an API server that starts then knows nothing.
    running
        .control_process(&ProcessChange::Kill("kms-a".into()))
        .unwrap();
    expect_life(&running, "kms-a", has_ended);
    assert_eq!(read(&running, "two").as_deref(), Ok(PASSWORD));
    restart(&running, "kube-apiserver");
    let refused = expect_refused(&running, "one");
    assert!(
        refused.contains("got unexpected nil transformer"),
        "{refused}"
    );
    let lost = PluginSettings {
        key: "k2".into(),
        lost: ["k1".to_owned()].into(),
        ..PluginSettings::default()
    };
    lost.write(&running.kms_folder("a")).unwrap();
    running
        .control_process(&ProcessChange::Start("kms-a".into()))
        .unwrap();
    expect_ok(
        &running,
        &[
            "create",
            "secret",
            "generic",
            "three",
            "--from-literal=password=swordfish",
        ],
    );
    let refused = expect_refused(&running, "one");
    assert!(refused.contains("the key `k1` is lost"), "{refused}");
    assert!(sealed(false).1 > 0);
    PluginSettings {
        lost: [].into(),
        ..lost
    }
    .write(&running.kms_folder("a"))
    .unwrap();
    expect_ready(&running);
    assert_eq!(read(&running, "one").as_deref(), Ok(PASSWORD));
    assert_eq!(running.deaths(), []);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

/// What an operator does with a snapshot. Revisions are moved on, so that no client takes what it
/// saw before for news.
const RESTORE: &str = "set -e
etcdutl snapshot restore snapshot.db --data-dir /run/gauntlet/etcd.new --bump-revision 1000000000 --mark-compacted
rm -r /run/gauntlet/etcd
mv /run/gauntlet/etcd.new /run/gauntlet/etcd";

pub(crate) fn a_snapshot_is_restored() {
    let name = name("snapshot");
    let running = start(
        &name,
        ClusterSpec {
            encryption: EncryptionShape::Aesgcm,
            ..ClusterSpec::default()
        },
    );
    let inside = |line: &str| {
        let output = running
            .enter_command()
            .args(["sh", "-c", line])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    expect_controllers(&running, "first");
    create(&running, "early").unwrap();
    inside("etcdctl snapshot save snapshot.db");
    create(&running, "late").unwrap();
    kubectl(&cache(), &running, &["delete", "secret", "early"]).unwrap();
    for process in ["kube-apiserver", "etcd"] {
        running
            .control_process(&ProcessChange::Stop(process.into()))
            .unwrap();
        expect_life(&running, process, has_ended);
    }
    inside(RESTORE);
    for process in ["etcd", "kube-apiserver"] {
        running
            .control_process(&ProcessChange::Start(process.into()))
            .unwrap();
        expect_life(&running, process, |life| life.starts == 2);
    }
    expect_ready(&running);
    assert_eq!(read(&running, "early").as_deref(), Ok(PASSWORD));
    let gone = read(&running, "late").unwrap_err();
    assert!(gone.contains("NotFound"), "{gone}");
    kubectl(
        &cache(),
        &running,
        &[
            "run",
            "pod",
            &format!("--image={PROBE_IMAGE}"),
            "--",
            "pause",
        ],
    )
    .unwrap();
    expect_ok(
        &running,
        &["wait", "--for=condition=Ready", "pod/pod", "--timeout=5s"],
    );
    assert_eq!(running.deaths(), []);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}
