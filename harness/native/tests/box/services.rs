//! What stands beside a cluster: a registry, and what signs, logs and dates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::addons::{plain_registry, private_registry, registry, sigstore};
use model::{AddonInstall, ClusterSpec};
use native::RunningBox;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use wait::WaitLook;

use crate::host::{expect_nothing, kill_process, kubectl, processes, wait_for_nothing};
use crate::lives::{cache, holder, name, start};
use crate::push::push;

pub(crate) fn cluster() -> ClusterSpec {
    ClusterSpec {
        install: [
            AddonInstall::usual_version(&registry::ADDON),
            AddonInstall::usual_version(&sigstore::ADDON),
        ]
        .into(),
        ..ClusterSpec::default()
    }
}

/// A client that trusts the box's authority, or none.
fn agent(ca: Option<&str>) -> Agent {
    let roots = ca
        .map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap())
        .into_iter()
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

fn get(agent: &Agent, url: &str) -> (u16, String) {
    let mut response = agent
        .get(url)
        .header("accept", format!("{}, */*", probe_image::MANIFEST_TYPE))
        .call()
        .unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), body)
}

pub(crate) fn what_is_pushed_runs() {
    let name = name("registry");
    let running = start(
        &name,
        ClusterSpec {
            install: [
                AddonInstall::usual_version(&plain_registry::ADDON),
                AddonInstall::usual_version(&private_registry::ADDON),
            ]
            .into(),
            ..ClusterSpec::default()
        },
    );
    let address = running.address;
    let (trusting, wary) = (agent(Some(&running.ca)), agent(None));
    wary.get(format!("https://{address}:5000/v2/"))
        .call()
        .unwrap_err();
    assert_eq!(
        get(&trusting, &format!("https://{address}:5000/v2/")).0,
        200
    );
    let pushed = push(&trusting, &format!("http://{address}:5001"), "app", "v1");
    let manifest = get(
        &trusting,
        &format!("https://{address}:5000/v2/app/manifests/v1"),
    );
    assert_eq!(manifest, (200, pushed.manifest));
    assert_eq!(
        get(
            &trusting,
            &format!("http://{address}:5002/v2/none/app/manifests/v1")
        )
        .0,
        200
    );
    assert_eq!(
        get(
            &trusting,
            &format!("http://{address}:5002/v2/answer-404/app/manifests/v1")
        )
        .0,
        404
    );
    // The same image, for those who have the password.
    let private = format!("https://{address}:5003/v2/app/manifests/v1");
    let asked = |credentials: Option<&str>| {
        let mut request = trusting
            .get(&private)
            .header("accept", probe_image::MANIFEST_TYPE);
        if let Some(both) = credentials {
            request = request.header("authorization", format!("Basic {}", STANDARD.encode(both)));
        }
        request.call().unwrap().status().as_u16()
    };
    let known = format!(
        "{}:{}",
        private_registry::USER_NAME,
        private_registry::USER_PASSWORD
    );
    assert_eq!(
        [None, Some("puller:another"), Some(&known)].map(asked),
        [401, 401, 200]
    );
    let images = [
        "registry.box:5000/app",
        "registry.localhost:5001/app",
        "front.localhost:5002/none/app",
    ];
    for (pod, image) in ["tls", "plain", "front"].iter().zip(images) {
        let image = format!("--image={image}@{}", pushed.digest);
        kubectl(
            &cache(),
            &running,
            &["run", pod, &image, "--restart=Never", "--", "pause"],
        )
        .unwrap();
        // One after the other: containerd fetches the same bytes once, from whichever it asks
        // first.
        let ready = [
            "wait",
            "--for=condition=Ready",
            &format!("pod/{pod}"),
            "--timeout=60s",
        ];
        kubectl(&cache(), &running, &ready).unwrap();
    }
    let log = std::fs::read_to_string(running.logs.join("registry.log")).unwrap();
    let asked = format!("\"GET /v2/app/manifests/{} HTTP/1.1\" 200", pushed.digest);
    assert!(
        log.lines()
            .any(|line| line.contains(&asked) && line.contains("containerd/")),
        "{log}"
    );
    let deleted = trusting
        .delete(format!(
            "https://{address}:5000/v2/app/manifests/{}",
            pushed.digest
        ))
        .call()
        .unwrap();
    assert_eq!(deleted.status(), 202);
    assert_eq!(
        get(
            &trusting,
            &format!("http://{address}:5001/v2/app/manifests/v1")
        )
        .0,
        404
    );
    assert_eq!(running.deaths(), []);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

/// What a signer needs, made from what the services say; then a signature by a ServiceAccount.
const SIGN: &str = r#"
set -eu
since=start-time=2020-01-01T00:00:00Z
printf 'some bytes' > blob
cosign trusted-root create --out root.json \
  --fulcio="url=http://fulcio.box:5555,certificate-chain=fulcio.pem,$since" \
  --rekor="url=http://rekor.box:3003,public-key=rekor.pem,origin=rekor.box,$since" \
  --tsa="url=http://tsa.box:3004,certificate-chain=tsa.pem,$since"
cosign signing-config create --out services.json --rekor-config=ANY --tsa-config=ANY \
  --fulcio="url=http://fulcio.box:5555,api-version=1,$since,operator=box" \
  --rekor="url=http://rekor.box:3003,api-version=2,$since,operator=box" \
  --tsa="url=http://tsa.box:3004/api/v1/timestamp,api-version=1,$since,operator=box"
cosign sign-blob --yes --signing-config services.json --trusted-root root.json --identity-token token \
  --bundle bundle.json blob
"#;

const VERIFY: &str = "cosign verify-blob --trusted-root root.json --bundle bundle.json --insecure-ignore-sct \
    --certificate-oidc-issuer https://kubernetes.default.svc --certificate-identity $0 blob";

pub(crate) fn a_service_account_signs() {
    let name = name("sigstore");
    let running = start(
        &name,
        ClusterSpec {
            nodes: 0,
            install: [AddonInstall::usual_version(&sigstore::ADDON)].into(),
            ..ClusterSpec::default()
        },
    );
    let (address, client) = (running.address, agent(None));
    let put = |file: &str, text: &str| std::fs::write(running.work.join(file), text).unwrap();
    for (file, at) in [
        ("fulcio.pem", "5555/api/v1/rootCert"),
        ("tsa.pem", "3004/api/v1/timestamp/certchain"),
    ] {
        let (status, text) = get(&client, &format!("http://{address}:{at}"));
        assert!(
            status == 200 && text.contains("BEGIN CERTIFICATE"),
            "{file}: {text}"
        );
        put(file, &text);
    }
    put("rekor.pem", running.rekor_key.as_ref().unwrap());
    let token = kubectl(
        &cache(),
        &running,
        &["create", "token", "default", "--audience", "sigstore"],
    )
    .unwrap();
    put("token", token.trim_end());
    let inside = |args: &[&str]| {
        let output = running.enter_command().args(args).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (signed, said) = inside(&["sh", "-c", SIGN]);
    assert!(signed, "{said}");
    let subject = "https://kubernetes.io/namespaces/default/serviceaccounts/";
    let (verified, said) = inside(&["sh", "-c", VERIFY, &format!("{subject}default")]);
    assert!(verified, "{said}");
    let (verified, said) = inside(&["sh", "-c", VERIFY, &format!("{subject}other")]);
    assert!(!verified && said.contains("expected SAN value"), "{said}");
    for milestone in ["fulcio", "rekor", "timestamp-authority"] {
        assert!(
            running
                .milestones()
                .iter()
                .any(|(name, _)| name == milestone),
            "{milestone}"
        );
    }
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

pub(crate) fn what_is_entered_ends_with_its_caller_and_its_box() {
    let name = name("enter");
    let running = start(
        &name,
        ClusterSpec {
            nodes: 0,
            ..ClusterSpec::default()
        },
    );
    let run = |line: &str| {
        running
            .enter_command()
            .args(["sh", "-c", line])
            .output()
            .unwrap()
    };
    assert_eq!(run("exit 42").status.code(), Some(42));
    assert_eq!(run("kill -KILL $$").status.code(), Some(137));
    let seen = run("pwd; hostname; env").stdout;
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.starts_with("/run/gauntlet/work\nnode-1\n"), "{seen}");
    assert!(
        !seen.contains("GAUNTLET") && !seen.contains("CARGO"),
        "{seen}"
    );
    let before = programs(&name).len();
    let count = || programs(&name);
    let sleeping = |running: &RunningBox| {
        running
            .enter_command()
            .args(["sleep", "1000"])
            .spawn()
            .unwrap()
    };
    let mut sleeper = sleeping(&running);
    expect_count("the program to be there", before + 2, count);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    expect_count("the program to be gone", before, count);
    for millis in 0..40 {
        let mut sleeper = sleeping(&running);
        let _ = wait::wait_until::<()>(
            "nothing",
            Duration::from_millis(millis),
            Duration::from_millis(1),
            || WaitLook::NotYet(String::new()),
        );
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
    expect_count(
        "the programs to be gone, however early their callers died",
        before,
        count,
    );
    let mut sleeper = sleeping(&running);
    expect_count("the program to be there again", before + 2, count);
    let mut late = running.enter_command();
    running.take_down().unwrap();
    assert!(!sleeper.wait().unwrap().success());
    let late = late.arg("true").output().unwrap();
    assert!(
        String::from_utf8_lossy(&late.stderr).contains("is not up"),
        "{late:?}"
    );
    expect_nothing(&cache(), &name);
}

/// The command line of every process of the box.
fn programs(name: &str) -> Vec<String> {
    let line = |process: String| {
        let pid = process.trim_start_matches("process ");
        let words = std::fs::read_to_string(Path::new("/proc").join(pid).join("cmdline"))
            .unwrap_or_default();
        words.replace('\0', " ")
    };
    processes(&format!("gauntlet-{name}"))
        .into_iter()
        .map(line)
        .collect()
}

fn expect_count(what: &str, wanted: usize, programs: impl Fn() -> Vec<String>) {
    let waited = wait::wait_until(
        what,
        Duration::from_secs(20),
        Duration::from_millis(20),
        || match programs() {
            found if found.len() == wanted => WaitLook::Ready(()),
            found => WaitLook::NotYet(format!("not {wanted} processes, but {found:#?}")),
        },
    );
    waited.unwrap();
}

pub(crate) fn a_registry_that_dies_is_reported() {
    let name = name("dies");
    let running = start(
        &name,
        ClusterSpec {
            nodes: 0,
            install: [AddonInstall::usual_version(&registry::ADDON)].into(),
            ..ClusterSpec::default()
        },
    );
    let group = format!("gauntlet-{name}");
    let is_registry = |pid: &&str| {
        let line = std::fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).ends_with("registry.json\0")
    };
    let found = processes(&group);
    let mut pids = found
        .iter()
        .filter_map(|process| process.strip_prefix("process "));
    let pid = pids.find(is_registry).unwrap();
    kill_process(pid);
    let waited = wait::wait_until(
        "the death to be told",
        Duration::from_secs(10),
        Duration::from_millis(10),
        || {
            running
                .deaths()
                .into_iter()
                .next()
                .map_or_else(|| WaitLook::NotYet("none".into()), WaitLook::Ready)
        },
    );
    let death = waited.unwrap();
    assert_eq!(
        (death.process.as_str(), death.status.as_str()),
        ("registry", "killed by SIGKILL")
    );
    assert!(death.tail.contains("GET /v2/"), "{}", death.tail);
    running.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

pub(crate) fn sigkill_leaves_no_service() {
    let name = name("killed-services");
    let mut child = holder(&name, "entered");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for_nothing(&cache(), &name);
}
