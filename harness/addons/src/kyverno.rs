//! Kyverno's admission controller, from the manifest of its release, without the controllers beside
//! it: no reports, no background scans, no clean-up.

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
use crate::first_state::{AddonWorkload, ObjectInputs};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, definitions, released, tuf};

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
    definitions: |material| definitions::read_definitions(&material.data.join(RELEASE), |_| true),
    objects,
    text: include_str!("kyverno/patches.yaml"),
    release: Some(RELEASE),
    pods: &["kyverno/app.kubernetes.io/component=admission-controller"],
    definition_names: &[],
    in_first_state: true,
};

/// The manifest of its release.
const RELEASE: &str = "install.yaml";

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

fn objects(material: &ObjectInputs) -> Result<Vec<Value>, Error> {
    let folder = Path::new(HostAccess::INSIDE).join(tuf::FOLDER);
    let fill = [
        ("image", HostAccess::PROBE_IMAGE),
        ("node-address", HostAccess::NODE_ADDRESS),
        ("tuf-folder", &folder.to_string_lossy()),
    ];
    let mut objects = released::released_objects(material, &WORKLOAD, &fill)?;
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

    /// What is built of its release; nothing where it is not.
    fn material(sigstore: bool) -> Option<ObjectInputs> {
        let cache = components::BoxCache::from_env().unwrap();
        let component = components::find_titled("kyverno-1.19.1").unwrap();
        if cache.is_built(component) {
            let data = cache.data_path(component, "");
            return Some(ObjectInputs { data, sigstore });
        }
        // CI sets it where everything is built (see tests/released_kinds.rs).
        assert!(
            std::env::var_os("GAUNTLET_ALL_BUILT").is_none(),
            "not built"
        );
        None
    }

    fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
        let all = objects.iter().filter(|object| object["kind"] == kind);
        all.collect()
    }

    #[test]
    fn the_patches_fit_the_release_and_leave_its_rights_alone() {
        let Some(material) = material(false) else {
            return;
        };
        let objects = objects(&material).unwrap();
        assert!(!Value::from(objects.clone()).to_string().contains("$(node"));
        assert_eq!(of_kind(&objects, "Secret").len(), 2);
        assert_eq!(of_kind(&objects, "ServiceAccount").len(), 4);
        for binding in of_kind(&objects, "ClusterRoleBinding") {
            assert_ne!(binding["roleRef"]["name"], "cluster-admin");
        }
        let deployments = of_kind(&objects, "Deployment");
        let [deployment] = deployments.as_slice() else {
            panic!("{} Deployments", deployments.len())
        };
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert!(pod.get("initContainers").is_none() && container["readinessProbe"].is_object());
        let modes: Vec<_> = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["projected"]["defaultMode"])
            .collect();
        assert!(
            modes.contains(&&json!(0o444)),
            "octal, as YAML 1.1 has it: {modes:?}"
        );
        assert_eq!(container["securityContext"]["runAsNonRoot"], true);
        let text = container["args"].to_string();
        assert!(text.contains("--generateValidatingAdmissionPolicy=true"));
        assert!(!text.contains("--enableTuf"));
        let filters = &of_kind(&objects, "ConfigMap")[0]["data"]["resourceFilters"];
        assert!(filters.as_str().unwrap().matches('[').count() > 80);
        assert_eq!((WORKLOAD.definitions)(&material).unwrap().len(), 22);
    }

    #[test]
    fn trust_is_served_where_there_is_some() {
        let Some(material) = material(true) else {
            return;
        };
        let objects = objects(&material).unwrap();
        let deployment = of_kind(&objects, "Deployment")[0].to_string();
        assert!(deployment.contains("--tufRoot=http://tuf.box:3005/root.json"));
        let folder = format!("{}/tuf", HostAccess::INSIDE);
        assert!(deployment.contains(&folder) && !deployment.contains("$(tuf"));
    }
}
