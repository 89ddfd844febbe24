//! A TUF repository with the box's own trusted root, for engines that take their trust from such a
//! repository alone.
//!
//! It is the smallest there can be: one key holds every role, and there is one version of
//! everything. Clients find `1.root.json`, `timestamp.json`, `1.snapshot.json`, `1.targets.json`
//! and the target under its hash.

use std::fs;
use std::path::{Path, PathBuf};

use cluster::{HostAccess, TrustedParties};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::Error;

/// The repository's folder, below the box's work folder.
pub(crate) const TUF_FOLDER: &str = "tuf";

const EXPIRES_AT: &str = "2099-01-01T00:00:00Z";
const KEY_SEED: &str = "key for TUF";
const TARGET_NAME: &str = "trusted_root.json";

/// Writes the repository.
pub(crate) async fn publish_repository(host_access: HostAccess<'_>) -> Result<(), Error> {
    let folder = host_access.work_folder().join(TUF_FOLDER);
    fs::create_dir_all(folder.join("targets")).map_err(|source| Error::Write {
        path: folder.clone(),
        source,
    })?;
    let trusted = trusted_root(host_access, &folder).await?;
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| Error::unmade(KEY_SEED))?;
    let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| Error::unmade(KEY_SEED))?;
    repository_files(&key, trusted.as_bytes())
        .iter()
        .try_for_each(|(name, text)| write_file(&folder.join(name), text))
}

/// The files of a repository with one target, by their names.
fn repository_files(key: &Ed25519KeyPair, target: &[u8]) -> Vec<(String, String)> {
    let public = json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": hex(key.public_key().as_ref())}});
    let id = hex(&Sha256::digest(canonical_json(&public)));
    let sign = |kind: &str, rest: Value| {
        let mut signed =
            json!({"_type": kind, "spec_version": "1.0.31", "version": 1, "expires": EXPIRES_AT});
        if let (Some(all), Value::Object(rest)) = (signed.as_object_mut(), rest) {
            all.extend(rest);
        }
        let signature = hex(key.sign(canonical_json(&signed).as_bytes()).as_ref());
        json!({"signatures": [{"keyid": id, "sig": signature}], "signed": signed}).to_string()
    };
    let described = |text: &str| {
        let hashes = json!({"sha256": hex(&Sha256::digest(text))});
        json!({"version": 1, "length": text.len(), "hashes": hashes})
    };
    let role = json!({"keyids": [id], "threshold": 1});
    let roles = json!({"root": role, "targets": role, "snapshot": role, "timestamp": role});
    let root = sign(
        "root",
        json!({"consistent_snapshot": true, "keys": {&id: public}, "roles": roles}),
    );
    let hashes = [hex(&Sha256::digest(target)), hex(&Sha512::digest(target))];
    let entry =
        json!({"length": target.len(), "hashes": {"sha256": hashes[0], "sha512": hashes[1]}});
    let targets = sign("targets", json!({"targets": {TARGET_NAME: entry}}));
    let snapshot = sign(
        "snapshot",
        json!({"meta": {"targets.json": described(&targets)}}),
    );
    let timestamp = sign(
        "timestamp",
        json!({"meta": {"snapshot.json": described(&snapshot)}}),
    );
    let mut files = vec![
        ("root.json".to_owned(), root.clone()),
        ("1.root.json".to_owned(), root),
        ("1.targets.json".to_owned(), targets),
        ("1.snapshot.json".to_owned(), snapshot),
        ("timestamp.json".to_owned(), timestamp),
    ];
    let text = String::from_utf8_lossy(target).into_owned();
    files.extend(hashes.map(|hash| (format!("targets/{hash}.{TARGET_NAME}"), text.clone())));
    files
}

/// JSON in the one form that is signed: keys sorted, no blanks.
fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let parts: Vec<_> = fields
                .iter()
                .map(|(name, value)| {
                    format!("{}:{}", Value::from(name.as_str()), canonical_json(value))
                })
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => format!(
            "[{}]",
            items
                .iter()
                .map(canonical_json)
                .collect::<Vec<_>>()
                .join(",")
        ),
        other => other.to_string(),
    }
}

/// The box's trusted root. Kyverno refuses one without a log of certificates, even where it is told
/// to ignore that; the box has none, so an unused key takes its place.
async fn trusted_root(host_access: HostAccess<'_>, folder: &Path) -> Result<String, Error> {
    let unused = rcgen::KeyPair::generate()
        .map_err(|why| Error::unmade_by(KEY_SEED, why))?
        .public_key_pem();
    let trust = TrustedParties {
        certificate_log: Some(unused),
        ..TrustedParties::of_box(host_access).await?
    };
    let file = trust
        .write_trusted_root(host_access, folder, "trusted-root")
        .await?;
    fs::read_to_string(&file).map_err(|source| Error::Read { path: file, source })
}

fn write_file(path: &PathBuf, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::Write {
        path: path.clone(),
        source,
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, UnparsedPublicKey};

    #[test]
    fn every_part_is_signed_and_every_reference_holds() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let files = repository_files(&key, b"{}");
        let text = |name: &str| {
            files
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, text)| text.clone())
                .unwrap()
        };
        for name in [
            "1.root.json",
            "1.targets.json",
            "1.snapshot.json",
            "timestamp.json",
        ] {
            let part: Value = serde_json::from_str(&text(name)).unwrap();
            let signature = part["signatures"][0]["sig"].as_str().unwrap();
            let bytes: Vec<u8> = (0..64)
                .map(|at| u8::from_str_radix(&signature[at * 2..at * 2 + 2], 16).unwrap())
                .collect();
            let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
            public
                .verify(canonical_json(&part["signed"]).as_bytes(), &bytes)
                .unwrap();
        }
        let snapshot: Value = serde_json::from_str(&text("1.snapshot.json")).unwrap();
        let hash = hex(&Sha256::digest(text("1.targets.json")));
        assert_eq!(
            snapshot["signed"]["meta"]["targets.json"]["hashes"]["sha256"],
            hash.as_str()
        );
        assert_eq!(
            text(&format!(
                "targets/{}.{TARGET_NAME}",
                hex(&Sha256::digest(b"{}"))
            )),
            "{}"
        );
    }

    #[test]
    fn the_signed_form_does_not_depend_on_the_order_of_keys() {
        assert_eq!(
            canonical_json(&json!({"b": [1, true], "a": {"d": null, "c": "x"}})),
            r#"{"a":{"c":"x","d":null},"b":[1,true]}"#
        );
    }
}
