//! Planted values are random in each run, and stay out of everything that a run leaves: its output,
//! its reports, the evidence of what failed, and what waits to be accepted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Ran, Scratch, can_start_boxes};

/// Every step fails or is recorded, so that everything about it is written down: replies, requests,
/// logs, details.
const LEAKY: &str = "\
scenario: v2
why: A value is planted where it can be seen, and everything about it is written down.
cluster: { nodes: 0, encryption: { config: sealed.yaml }, audit: { policy: everything.yaml } }
worlds:
  bare: {}
steps:
  - { id: config-map, do: { create: map.yaml }, expect: forbidden }
  - { id: secret, do: { create: secret.yaml }, expect: forbidden }
  - { id: read-map, do: { get: configmap/map }, expect: forbidden }
  - { id: list-secrets, do: { list: { resource: secrets } }, expect: forbidden }
  - { id: field, do: { look-for: { field: { of: configmap/map, at: /data/plain, equals: other } } }, expect: found }
  - { id: path, do: { path: \"/api/v1/namespaces/$(namespace)/configmaps/map\" }, expect: forbidden }
  - { id: named, do: { path: \"/api/v1/configmaps?labelSelector=$(canary:leak)%3D%3D%3D\" }, expect: allowed }
  - { id: log, do: { look-for: { canary: { of: leak, in: audit } } }, expect: found }
";

const MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: map }
data: { plain: $(canary:leak), encoded: $(base64:canary:leak), key: $(sealing-key:one) }
";

const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: { name: secret, annotations: { note: $(canary:leak) } }
stringData: { password: $(canary:leak) }
";

const SEALED: &str = "\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers: [{ aesgcm: { keys: [{ name: one, secret: $(sealing-key:one) }] } }, { identity: {} }]
";

const EVERYTHING: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: RequestResponse }]\n";

/// What every canary begins and ends with.
const EDGES: [&str; 2] = ["canary-", "-yranac"];

#[test]
fn planted_values_are_in_nothing_that_a_run_leaves() {
    if !can_start_boxes("planted_values_are_in_nothing_that_a_run_leaves") {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("secrets/leaky", LEAKY);
    let folder = scratch.path("scenarios/secrets/leaky");
    let files = [
        ("map.yaml", MAP),
        ("secret.yaml", SECRET),
        ("sealed.yaml", SEALED),
        ("everything.yaml", EVERYTHING),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    for name in ["namespace.yaml", "pod.yaml"] {
        let _ = fs::remove_file(folder.join(name));
    }
    let (json, junit) = (scratch.path("run.json"), scratch.path("run.xml"));
    let mut command = scratch.command(&[
        "run",
        "--json",
        &json.to_string_lossy(),
        "--junit",
        &junit.to_string_lossy(),
    ]);
    let real = native::BoxCache::from_env().unwrap();
    let evidence_before = entries(&real.root.join("evidence"));
    let ran = Ran::of(&command.env("GAUNTLET_CACHE", &real.root).output().unwrap());
    assert_eq!(
        ran.code,
        Some(9),
        "one step is broken, on purpose: {ran:#?}"
    );
    let evidence: Vec<PathBuf> = entries(&real.root.join("evidence"))
        .into_iter()
        .filter(|path| !evidence_before.contains(path))
        .collect();
    let mut looked_at = 0;
    for root in evidence
        .iter()
        .chain([&json, &junit, &scratch.path("golden")])
    {
        for file in files_below(root) {
            let bytes = fs::read(&file).unwrap();
            expect_nothing(&bytes, &file.display().to_string());
            looked_at += 1;
        }
    }
    expect_nothing(ran.out.as_bytes(), "standard output");
    expect_nothing(ran.err.as_bytes(), "standard error");
    assert!(
        looked_at > 10,
        "{looked_at} files are too few to show anything: {evidence:?}"
    );
    let shown = evidence
        .iter()
        .flat_map(|root| files_below(root))
        .filter_map(|file| fs::read_to_string(file).ok());
    assert!(
        shown.collect::<String>().contains("<canary leak>"),
        "nothing was hidden, so nothing was looked for"
    );
}

/// Neither edge of a canary stands anywhere, plain or wrapped, but in our own files' placeholders.
fn expect_nothing(bytes: &[u8], place: &str) {
    for edge in EDGES {
        let found = model::find_canary(bytes, edge);
        assert_eq!(
            found,
            None,
            "`{edge}` is in {place}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn files_below(root: &Path) -> Vec<PathBuf> {
    if root.is_file() {
        return vec![root.to_owned()];
    }
    entries(root)
        .iter()
        .flat_map(|path| files_below(path))
        .collect()
}
