//! Kyverno's admission controller, without the controllers beside it: no reports, no background scans, no clean-up.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use kube::Client;
use serde_json::{Value, json};

use super::{Site, api, definitions, tuf};
use crate::Toolbox;

/// Our own part: the controller with what it needs.
const MANIFEST: &str = include_str!("../../manifests/kyverno.yaml");

/// What it watches from its start on: without one of these it never gets as far as having a certificate.
const DEFINITIONS: [&str; 14] = [
    "clusterpolicies.kyverno.io",
    "policies.kyverno.io",
    "policyexceptions.kyverno.io",
    "globalcontextentries.kyverno.io",
    "updaterequests.kyverno.io",
    "generatingpolicies.policies.kyverno.io",
    "imagevalidatingpolicies.policies.kyverno.io",
    "mutatingpolicies.policies.kyverno.io",
    "namespacedgeneratingpolicies.policies.kyverno.io",
    "namespacedimagevalidatingpolicies.policies.kyverno.io",
    "namespacedmutatingpolicies.policies.kyverno.io",
    "namespacedvalidatingpolicies.policies.kyverno.io",
    "policyexceptions.policies.kyverno.io",
    "validatingpolicies.policies.kyverno.io",
];

/// Where its pod finds the TUF repository: in a container of its own beside it.
const MIRROR: &str = "http://tuf.box:3005";

/// The namespace, the policy and the pod of its trial.
const TRIAL: &str = "gauntlet-trial-kyverno";

/// Installs it, and waits until it has refused what it has to.
pub(super) async fn install(site: &Site<'_>) -> Result<(), String> {
    let manifest = site.data("kyverno", "install.yaml")?;
    let read = tokio::task::spawn_blocking(move || definitions::named(&manifest, &DEFINITIONS));
    let definitions = read.await.map_err(|why| why.to_string())??;
    let installed = async {
        try_join_all(definitions.iter().map(|definition| definitions::install(site.admin, definition))).await.map(drop)
    };
    let root = async {
        if site.sigstore { tuf::publish(Toolbox { running: site.running }).await.map(Some) } else { Ok(None) }
    };
    let ((), root) = tokio::try_join!(installed, root)?;
    for object in objects(root.as_deref())? {
        api::apply(site.admin, &object).await?;
    }
    trial(site.admin).await
}

fn objects(root: Option<&str>) -> Result<Vec<Value>, String> {
    let text = MANIFEST.replace("$(node-address)", native::NODE_ADDRESS).replace("$(image)", native::PROBE_IMAGE);
    let parsed: Result<Vec<Value>, _> = serde_saphyr::from_multiple(&text);
    let mut objects = parsed.map_err(|why| why.to_string())?;
    if let Some(root) = root {
        let deployment = objects.iter_mut().find(|object| object["kind"] == "Deployment");
        let pod = deployment.map(|object| &mut object["spec"]["template"]["spec"]).ok_or("no Deployment")?;
        serve_trust(pod, root);
    }
    Ok(objects)
}

/// Has the pod serve itself the repository, in a container that is up before Kyverno is.
fn serve_trust(pod: &mut Value, root: &str) {
    let raw = STANDARD.encode(root);
    let more = ["--enableTuf=true".to_owned(), format!("--tufMirror={MIRROR}"), format!("--tufRootRaw={raw}")];
    if let Some(args) = pod["containers"][0]["args"].as_array_mut() {
        args.extend(more.map(Value::from));
    }
    let folder = Path::new(Toolbox::INSIDE).join(tuf::FOLDER);
    if let Some(volumes) = pod["volumes"].as_array_mut() {
        volumes.push(json!({"name": "tuf", "hostPath": {"path": folder}}));
    }
    pod["initContainers"] = json!([{
        "name": "tuf", "image": native::PROBE_IMAGE, "imagePullPolicy": "Never", "restartPolicy": "Always",
        "args": ["serve", "3005", "/tuf"],
        "volumeMounts": [{"name": "tuf", "mountPath": "/tuf", "readOnly": true}],
    }]);
}

/// Makes a policy and waits until, on its account, the API server refuses an image that nobody can have signed. A Job
/// asks for it: it needs no ServiceAccount, and a policy for pods is for Jobs as well.
async fn trial(admin: &Client) -> Result<(), String> {
    let key = rcgen::KeyPair::generate().map_err(|why| why.to_string())?.public_key_pem();
    let policy = policy(&key);
    let every = Duration::from_millis(50);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL}});
    api::apply(admin, &namespace).await?;
    api::until("Kyverno to take a policy", every, async || api::apply(admin, &policy).await.map(Some)).await?;
    let job = job();
    let refused = api::until("Kyverno to refuse a known-bad image", every, async || {
        let answer = api::dry_run(admin, &job).await?;
        let said = answer.said();
        let by_kyverno = answer.code == 400 && said.contains("mutate.kyverno.svc-") && said.contains(TRIAL);
        if by_kyverno { Ok(Some(())) } else { Err(said) }
    });
    refused.await?;
    api::delete(admin, &policy).await?;
    api::delete(admin, &namespace).await?;
    Ok(())
}

/// Every image has to be signed by a key that has never signed anything.
fn policy(key: &str) -> Value {
    let attestor = json!({"keys": {"publicKeys": key, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}});
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": TRIAL},
        "spec": {
            "background": false,
            "webhookConfiguration": {"failurePolicy": "Fail"},
            "rules": [{
                "name": "signed",
                "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": [TRIAL]}}]},
                "verifyImages": [{
                    "type": "SigstoreBundle", "failureAction": "Enforce", "imageReferences": ["*"],
                    "attestors": [{"entries": [attestor]}],
                }],
            }],
        },
    })
}

/// A Job whose image is in no registry at all.
fn job() -> Value {
    let container = json!({"name": "known-bad", "image": "127.0.0.1:1/known/bad:1"});
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "known-bad", "namespace": TRIAL},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_can_be_read_and_trust_is_served_where_there_is_some() {
        let plain = objects(None).unwrap();
        let trusting = objects(Some("{}")).unwrap();
        let deployment = |objects: &[Value]| {
            objects.iter().find(|object| object["kind"] == "Deployment").cloned().unwrap_or_default().to_string()
        };
        assert!(!deployment(&plain).contains("$("));
        assert!(!deployment(&plain).contains("enableTuf"));
        assert!(deployment(&trusting).contains("--tufRootRaw=e30="));
    }
}
