//! The API server, where most of a scenario's knobs are.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use model::{ClusterSpec, EncryptionShape, FileText};
use serde_json::{Value, json};

use super::{
    API_PORT, API_SERVER, BOX_HOME, BoxBlueprint, BoxFile, BoxProcess, SERVICE_CIDR,
    SERVICE_CIDR_6, box_file, feature_gates, join_pairs, json_file, kubernetes_process,
    verbosity_flag,
};
use crate::Error;
use crate::places::{NODE_ADDRESS, WORK_FOLDER};

const AUDIT_POLICY: &str = "audit-policy.yaml";
const ENCRYPTION_FILE: &str = "encryption.yaml";

/// The configuration that a caller brings, in the folder that the box shares with the host.
pub(crate) const OWN_ENCRYPTION: &str = "encryption.yaml";
const ADMISSION_FILE: &str = "admission.yaml";
const AUTHENTICATION_FILE: &str = "authentication.yaml";

/// The audit log, below [`BOX_HOME`].
pub(crate) const AUDIT_LOG: &str = "logs/audit.jsonl";

pub(super) fn apiserver_process(blueprint: &BoxBlueprint) -> BoxProcess {
    let cluster = blueprint.cluster;
    let mut args = fixed_flags();
    args.push(format!(
        "--service-cluster-ip-range={}",
        blueprint.families(SERVICE_CIDR, SERVICE_CIDR_6)
    ));
    args.push(authorization_flag(cluster));
    args.extend(kubelet_identities());
    if cluster.audit.policy().is_some() {
        args.push(format!("--audit-policy-file={BOX_HOME}/{AUDIT_POLICY}"));
    }
    if cluster.audit.has_log() {
        args.push(format!("--audit-log-path={BOX_HOME}/{AUDIT_LOG}"));
        args.push("--audit-log-mode=blocking".into());
    }
    args.extend(encryption_flags(&cluster.encryption));
    args.extend(plugin_flags(cluster));
    if cluster.admission.is_some() {
        args.push(format!(
            "--admission-control-config-file={BOX_HOME}/{ADMISSION_FILE}"
        ));
    }
    if cluster.authentication.is_some() {
        args.push(format!(
            "--authentication-config={BOX_HOME}/{AUTHENTICATION_FILE}"
        ));
    }
    args.extend(feature_gates(&cluster.feature_gates));
    if !cluster.runtime_config.is_empty() {
        args.push(format!(
            "--runtime-config={}",
            join_pairs(&cluster.runtime_config)
        ));
    }
    args.extend(verbosity_flag(cluster));
    kubernetes_process(API_SERVER, args)
}

fn authorization_flag(cluster: &ClusterSpec) -> String {
    let modes: Vec<&str> = cluster
        .authorization
        .iter()
        .map(|mode| mode.as_str())
        .collect();
    format!("--authorization-mode={}", modes.join(","))
}

/// The admission plugins to turn on and off. What the API server does not know it refuses by name.
fn plugin_flags(cluster: &ClusterSpec) -> Vec<String> {
    let (switches, mut flags) = (&cluster.admission_plugins, Vec::new());
    let named = configured_plugins(cluster.admission.as_deref());
    let mut on: BTreeSet<String> = named.union(&switches.enable).cloned().collect();
    on.retain(|plugin| !switches.disable.contains(plugin));
    for (flag, plugins) in [("enable", &on), ("disable", &switches.disable)] {
        if !plugins.is_empty() {
            let plugins: Vec<&str> = plugins.iter().map(String::as_str).collect();
            flags.push(format!("--{flag}-admission-plugins={}", plugins.join(",")));
        }
    }
    flags
}

/// The admission plugins that are turned on: `NodeRestriction`, and those that a configuration
/// names, which are meant to act. A text that is no configuration names none; the API server says
/// what is wrong with it.
fn configured_plugins(admission: Option<&str>) -> BTreeSet<String> {
    let config: Value = admission
        .and_then(|text| serde_saphyr::from_str(text).ok())
        .unwrap_or_default();
    let entries = config["plugins"].as_array().into_iter().flatten();
    let named = entries.filter_map(|plugin| plugin["name"].as_str().map(str::to_owned));
    named.chain(["NodeRestriction".to_owned()]).collect()
}

fn encryption_flags(encryption: &EncryptionShape<FileText>) -> Vec<String> {
    let flag = |path: &str| format!("--encryption-provider-config={BOX_HOME}/{path}");
    match encryption {
        EncryptionShape::Identity => Vec::new(),
        EncryptionShape::Aescbc | EncryptionShape::Aesgcm | EncryptionShape::Secretbox => {
            vec![flag(ENCRYPTION_FILE)]
        }
        EncryptionShape::Config(_) => vec![flag(&format!("{WORK_FOLDER}/{OWN_ENCRYPTION}"))],
        EncryptionShape::ReloadingConfig(_) => vec![
            flag(&format!("{WORK_FOLDER}/{OWN_ENCRYPTION}")),
            "--encryption-provider-config-automatic-reload=true".to_owned(),
        ],
    }
}

fn fixed_flags() -> Vec<String> {
    vec![
        "--etcd-servers=http://127.0.0.1:2379".into(),
        "--bind-address=0.0.0.0".into(),
        format!("--secure-port={API_PORT}"),
        format!("--advertise-address={NODE_ADDRESS}"),
        "--allow-privileged=true".into(),
        "--kubelet-preferred-address-types=InternalIP".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--service-account-jwks-uri=https://kubernetes.default.svc/openid/v1/jwks".into(),
        "--profiling=false".into(),
        // Without it, one that is told to stop holds on to its watches for a whole minute.
        "--shutdown-watch-termination-grace-period=1s".into(),
    ]
}

fn kubelet_identities() -> Vec<String> {
    let pki = |flag: &str, file: &str| format!("--{flag}={BOX_HOME}/pki/{file}");
    vec![
        pki("tls-cert-file", "kube-apiserver.crt"),
        pki("tls-private-key-file", "kube-apiserver.key"),
        pki("client-ca-file", "ca.crt"),
        pki("service-account-key-file", "sa.pub"),
        pki("service-account-signing-key-file", "sa.key"),
        pki(
            "kubelet-client-certificate",
            "kube-apiserver-kubelet-client.crt",
        ),
        pki("kubelet-client-key", "kube-apiserver-kubelet-client.key"),
        pki("kubelet-certificate-authority", "ca.crt"),
        pki("requestheader-client-ca-file", "front-proxy-ca.crt"),
        pki("proxy-client-cert-file", "front-proxy-client.crt"),
        pki("proxy-client-key-file", "front-proxy-client.key"),
        "--requestheader-allowed-names=front-proxy-client".into(),
        "--requestheader-username-headers=X-Remote-User".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-uid-headers=X-Remote-Uid".into(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
    ]
}

pub(super) fn apiserver_files(blueprint: &BoxBlueprint) -> Result<Vec<BoxFile>, Error> {
    let cluster = blueprint.cluster;
    let mut files = Vec::new();
    if let Some(policy) = cluster.audit.policy() {
        files.push(json_file(AUDIT_POLICY, &with_sentinel(policy)?));
    }
    if let Some(config) = encryption_file(&cluster.encryption)? {
        files.push(json_file(ENCRYPTION_FILE, &config));
    }
    if let Some(text) = &cluster.admission {
        files.push(box_file(ADMISSION_FILE, text.as_str()));
    }
    if let Some(text) = &cluster.authentication {
        files.push(box_file(AUTHENTICATION_FILE, text.as_str()));
    }
    Ok(files)
}

/// The policy with one rule before its own: a sentinel request is always recorded, whichever client
/// makes it, so that "it is not in the log" can be believed once a later sentinel is.
fn with_sentinel(policy: &str) -> Result<Value, Error> {
    let refused = |why: String| Error::BadCluster(format!("the audit policy: {why}"));
    let mut policy: Value =
        serde_saphyr::from_str(policy).map_err(|why| refused(why.to_string()))?;
    let object = policy
        .as_object_mut()
        .ok_or_else(|| refused("it is not an object".into()))?;
    let rules = object.entry("rules").or_insert_with(|| json!([]));
    let rules = rules
        .as_array_mut()
        .ok_or_else(|| refused("`rules` is not a list".into()))?;
    rules.insert(
        0,
        json!({ "level": "Metadata", "nonResourceURLs": ["/gauntlet/sentinel*"] }),
    );
    Ok(policy)
}

fn encryption_file(provider: &EncryptionShape<FileText>) -> Result<Option<Value>, Error> {
    let name = match provider {
        EncryptionShape::Identity
        | EncryptionShape::Config(_)
        | EncryptionShape::ReloadingConfig(_) => {
            return Ok(None);
        }
        EncryptionShape::Aescbc => "aescbc",
        EncryptionShape::Aesgcm => "aesgcm",
        EncryptionShape::Secretbox => "secretbox",
    };
    let key = json!({ "name": "key1", "secret": BASE64_STANDARD.encode(random_key()?) });
    Ok(Some(json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{ "resources": ["secrets"], "providers": [{ name: { "keys": [key] } }, { "identity": {} }] }],
    })))
}

pub(super) fn random_key() -> Result<[u8; 32], Error> {
    use std::io::Read;
    let mut key = [0; 32];
    let path = "/dev/urandom";
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut key))
        .map_err(Error::file("read", path))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentinel_rule_comes_before_every_other() {
        let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: None}]";
        let policy = with_sentinel(policy).unwrap();
        assert_eq!(
            policy["rules"][0]["nonResourceURLs"][0],
            "/gauntlet/sentinel*"
        );
        assert_eq!(policy["rules"][1]["level"], "None");
        assert_eq!(policy["omitStages"][0], "RequestReceived");
    }

    #[test]
    fn a_policy_that_is_no_policy_is_refused() {
        for text in ["[]", "rules: 7", "a: [", ""] {
            assert!(
                matches!(with_sentinel(text), Err(Error::BadCluster(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn each_provider_has_a_key_of_its_own_before_identity() {
        let one = encryption_file(&EncryptionShape::Secretbox)
            .unwrap()
            .unwrap();
        let two = encryption_file(&EncryptionShape::Secretbox)
            .unwrap()
            .unwrap();
        let secret = |config: &Value| {
            config["resources"][0]["providers"][0]["secretbox"]["keys"][0]["secret"].clone()
        };
        assert_ne!(secret(&one), secret(&two));
        assert_eq!(
            BASE64_STANDARD
                .decode(secret(&one).as_str().unwrap())
                .unwrap()
                .len(),
            32
        );
        assert!(
            encryption_file(&EncryptionShape::Identity)
                .unwrap()
                .is_none()
        );
    }
}
