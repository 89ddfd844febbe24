use std::collections::BTreeSet;

use crate::ways::test_scenario::{assert_each_tries_its_own, untried_ways};

const SECRET: &str =
    "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {a: $(canary:db)}}";
const OTHER: &str = "{apiVersion: v1, kind: Secret, metadata: {name: later}}";
const MADE: &str = "{id: made, do: {create: secret.yaml}, expect: admitted}";
const BYTES: &str = "{id: bytes, do: {read-etcd-value: secret/db}, expect-in: {bare: plaintext, sealed: {encrypted: {with: aesgcm}}}}";

fn configuration(resources: &str, providers: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{{resources: {resources}, providers: {providers}}}]\n"
    )
}

const SEAL: &str = "{aesgcm: {keys: [{name: one, secret: $(sealing-key:one)}]}}";

fn missed(resources: &str, providers: &str, steps: &[&str]) -> BTreeSet<String> {
    let head = "worlds:
  bare: {cluster: {nodes: 0}}
  sealed: {cluster: {nodes: 0, encryption: {config: one.yaml}}}";
    let one = configuration(resources, providers);
    let plain_first = configuration("[secrets]", &format!("[{{identity: {{}}}}, {SEAL}]"));
    let sealed = configuration("[secrets]", &format!("[{SEAL}]"));
    let files = [
        ("one.yaml", one.as_str()),
        ("plain-first.yaml", plain_first.as_str()),
        ("sealed.yaml", sealed.as_str()),
        ("secret.yaml", SECRET),
        ("later.yaml", OTHER),
    ];
    untried_ways(head, &[&[MADE, BYTES][..], steps].concat(), &files)
}

#[test]
fn each_way_round_a_list_of_secrets_is_tried_by_its_own_step() {
    let missed = |steps: &[&str]| {
        let mut missed = missed("[secrets]", &format!("[{SEAL}, {{identity: {{}}}}]"), steps);
        assert!(missed.remove("identity-behind"));
        missed
    };
    let moves = [
        "{id: move, do: {copy-etcd-value: {from: secret/db, to: secret/mine}}, expect: done}",
        "{id: get, do: {get: secret/mine}, expect-in: {bare: allowed, sealed: encryption-failed}}",
    ];
    assert_each_tries_its_own(
        &missed,
        &[
            (
                "unlisted-resource",
                &["{id: a, do: {read-etcd-value: configmap/db}, expect: plaintext}"],
            ),
            (
                "custom-resource",
                &["{id: a, do: {read-etcd-value: widget/db}, expect: plaintext}"],
            ),
            ("moved-ciphertext", &moves),
            (
                "disk-or-backup",
                &["{id: a, do: {look-for: {canary: {of: db, in: etcd-files}}}, expect: absent}"],
            ),
            (
                "read-through-the-api",
                &["{id: a, do: {get: secret/db}, expect: allowed}"],
            ),
            (
                "copy-elsewhere",
                &["{id: a, do: {look-for: {canary: {of: db, in: events}}}, expect: absent}"],
            ),
        ],
    );
    // Bytes that are moved and not read show nothing.
    assert!(missed(&moves[..1]).contains("moved-ciphertext"));
}

#[test]
fn what_covers_everything_and_has_no_identity_closes_ways() {
    let everything = missed("['*.*']", &format!("[{SEAL}]"), &[]);
    for closed in ["unlisted-resource", "custom-resource", "identity-behind"] {
        assert!(!everything.contains(closed), "{closed}");
    }
    let core = missed("['*.']", &format!("[{SEAL}]"), &[]);
    assert!(core.contains("custom-resource") && !core.contains("identity-behind"));
}

#[test]
fn what_was_there_before_a_change_is_looked_at() {
    let open =
        |steps: &[&str], way: &str| missed("[secrets]", &format!("[{SEAL}]"), steps).contains(way);
    let change = "{id: change, do: {set-encryption: {with: sealed.yaml}}, expect: reloaded}";
    let old = "{id: old, do: {read-etcd-value: secret/db}, expect-in: {bare: plaintext, sealed: {encrypted: {with: aesgcm}}}}";
    let later = "{id: later, do: {create: later.yaml}, expect: admitted}";
    let new = "{id: new, do: {read-etcd-value: secret/later}, expect-in: {bare: plaintext, sealed: {encrypted: {with: aesgcm}}}}";
    let rewrite = "{id: rewrite, do: {rewrite-secrets: {}}, expect: done}";
    assert!(!open(&[], "old-bytes"));
    assert!(open(&[change], "old-bytes"));
    assert!(open(&[change, later, new], "old-bytes"));
    assert!(open(&[change, rewrite, old], "old-bytes"));
    assert!(!open(&[change, old], "old-bytes"));
}

#[test]
fn identity_is_tried_first_and_behind() {
    let open = |providers: &str, steps: &[&str], way: &str| {
        missed("[secrets]", providers, steps).contains(way)
    };
    let (alone, behind) = (format!("[{SEAL}]"), format!("[{SEAL}, {{identity: {{}}}}]"));
    let plain = "{id: plain, do: {set-encryption: {with: plain-first.yaml}}, expect: reloaded}";
    let again = "{id: again, do: {set-encryption: {with: one.yaml}}, expect: reloaded}";
    let looks = "{id: looks, do: {read-etcd-value: secret/later}, expect: plaintext}";
    let plants =
        "{id: plants, do: {copy-etcd-value: {from: secret/later, to: secret/db}}, expect: done}";
    assert!(!open(&behind, &[], "identity-first"));
    assert!(open(&behind, &[plain], "identity-first"));
    assert!(!open(&behind, &[plain, looks], "identity-first"));
    assert!(open(&behind, &[plain, again], "identity-behind"));
    assert!(!open(&behind, &[plain, again, plants], "identity-behind"));
    assert!(open(&behind, &[plants], "identity-behind"));
    assert!(!open(&alone, &[plain, again], "identity-behind"));
}
