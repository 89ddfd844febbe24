//! Kyverno's admission controller, without the controllers beside it: no reports, no background
//! scans, no clean-up.

mod barrier;

use std::path::Path;
use std::time::Duration;

use api::{reply_message, server_message, status_code};
use cluster::HostAccess;
use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use model::addons::kyverno::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use crate::admin::{Admin, wait_until};
use crate::certificates::WebhookCertificates;
use crate::endpoints::describe_line;
use crate::first_state::{self, AddonWorkload};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, definitions, tuf};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(PodAddon {
        workload: WORKLOAD,
        install: |site| install_addon(site).boxed_local(),
    }),
    barrier: barrier::barrier_waits,
    labels: barrier::label_wait,
    endpoints: |_| describe_line("Kyverno", "pods in the namespace kyverno"),
};

const WORKLOAD: AddonWorkload = AddonWorkload {
    definitions: |material| {
        definitions::named_definitions(&material.data.join("install.yaml"), &DEFINITIONS)
    },
    objects: |material| objects(material.sigstore),
    text: include_str!("kyverno/manifest.yaml"),
    pods: &["kyverno/app=kyverno"],
    definition_names: &DEFINITIONS,
    in_first_state: true,
};

/// What it watches from its start on: without one of these it never gets as far as having a
/// certificate.
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

/// Where its pod finds the TUF repository: in a separate container beside it.
const MIRROR: &str = "http://tuf.box:3005";

/// The namespace, the policy and the pod of its trial.
const TRIAL: &str = "gauntlet-trial-kyverno";

/// Installs it, and waits until it has refused what it has to.
async fn install_addon(site: &InstallSite<'_>) -> Result<(), Error> {
    let publish = async || {
        if site.material.sigstore {
            tuf::publish_repository(site.host_access).await
        } else {
            Ok(())
        }
    };
    tokio::try_join!(site.make_definitions(&WORKLOAD), publish())?;
    site.run_pods(&WORKLOAD).await?;
    site.admin.apply_object(&sign_of_life()).await?;
    try_policy(site.admin).await
}

/// What an earlier Kyverno would have left a moment ago. Without it, it waits a second before it
/// makes its webhooks, for fear that it was away for long; whether it works is for the trial to
/// say.
fn sign_of_life() -> Value {
    let now = Timestamp::now().to_string();
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": "kyverno-health", "namespace": "kyverno", "annotations": {"kyverno.io/last-request-time": now},
        },
    })
}

fn objects(sigstore: bool) -> Result<Vec<Value>, Error> {
    let text = WORKLOAD
        .text
        .replace("$(node-address)", HostAccess::NODE_ADDRESS)
        .replace("$(image)", HostAccess::PROBE_IMAGE);
    let mut objects = first_state::parse(ADDON.name, &text)?;
    if sigstore {
        let deployment = objects
            .iter_mut()
            .find(|object| object["kind"] == "Deployment");
        let pod = deployment
            .map(|object| &mut object["spec"]["template"]["spec"])
            .ok_or_else(|| Error::Release {
                manifest: ADDON.name.to_owned(),
                lack: "has no Deployment".into(),
            })?;
        serve_trust(pod);
    }
    let made = WebhookCertificates::for_service("kyverno-svc", "kyverno")?;
    objects.push(tls_secret("ca", &made.authority, &made.authority_key));
    objects.push(tls_secret("pair", &made.certificate, &made.key));
    Ok(objects)
}

/// One of its two Secrets. It makes those that are not there one at a time, a second before each.
fn tls_secret(end: &str, certificate: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {
            "name": format!("kyverno-svc.kyverno.svc.kyverno-tls-{end}"), "namespace": "kyverno",
            "labels": {"cert.kyverno.io/managed-by": "kyverno"},
        },
        "stringData": {"tls.crt": certificate, "tls.key": key},
    })
}

/// Has the pod serve itself the repository, in a container that is up before Kyverno is.
fn serve_trust(pod: &mut Value) {
    let more = [
        "--enableTuf=true".to_owned(),
        format!("--tufMirror={MIRROR}"),
        format!("--tufRoot={MIRROR}/root.json"),
    ];
    if let Some(args) = pod["containers"][0]["args"].as_array_mut() {
        args.extend(more.map(Value::from));
    }
    let folder = Path::new(HostAccess::INSIDE).join(tuf::FOLDER);
    if let Some(volumes) = pod["volumes"].as_array_mut() {
        volumes.push(json!({"name": "tuf", "hostPath": {"path": folder}}));
    }
    pod["initContainers"] = json!([{
        "name": "tuf", "image": HostAccess::PROBE_IMAGE, "imagePullPolicy": "Never", "restartPolicy": "Always",
        "args": ["serve", "3005", "/tuf"],
        "volumeMounts": [{"name": "tuf", "mountPath": "/tuf", "readOnly": true}],
    }]);
}

/// Makes a policy and waits until, on its account, the API server refuses an image that cannot have
/// a signature. A Job asks for it: it needs no ServiceAccount, and a policy for pods is for Jobs as
/// well.
async fn try_policy(admin: &Admin) -> Result<(), Error> {
    let key = rcgen::KeyPair::generate()
        .map_err(|why| Error::unmade_by("key", why))?
        .public_key_pem();
    let policy = trial_policy(&key);
    let every = Duration::from_millis(50);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL}});
    admin.apply_object(&namespace).await?;
    wait_until("Kyverno to take a policy", every, async || {
        admin.apply_object(&policy).await.map(WaitLook::Ready)
    })
    .await?;
    let job = trial_job();
    let refused = wait_until("Kyverno to refuse a known-bad image", every, async || {
        let reply = admin.dry_run(&job).await?;
        let words = server_message(&reply).unwrap_or_default();
        let by_kyverno = status_code(&reply) == Some(400)
            && words.contains("mutate.kyverno.svc-")
            && words.contains(TRIAL);
        Ok(WaitLook::when(by_kyverno, || reply_message(&reply)))
    });
    refused.await?;
    admin.delete_path(&policy).await?;
    admin.delete_path(&namespace).await?;
    Ok(())
}

/// Every image has to be signed by a key that has never signed anything.
fn trial_policy(key: &str) -> Value {
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
fn trial_job() -> Value {
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
        let (plain, trusting) = (objects(false).unwrap(), objects(true).unwrap());
        let deployment = |objects: &[Value]| {
            objects
                .iter()
                .find(|object| object["kind"] == "Deployment")
                .cloned()
                .unwrap_or_default()
                .to_string()
        };
        assert!(!deployment(&plain).contains("$("));
        assert!(!deployment(&plain).contains("enableTuf"));
        assert!(deployment(&trusting).contains("--tufRoot=http://tuf.box:3005/root.json"));
        assert_eq!(
            plain
                .iter()
                .filter(|object| object["kind"] == "Secret")
                .count(),
            2
        );
    }
}
