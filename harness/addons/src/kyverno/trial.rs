//! What shows that Kyverno is at work: each of its controllers does something that it has to.

use std::time::Duration;

use api::{object_path, reply_body, reply_message, server_message, status_code, was_taken};
use serde_json::{Value, json};
use wait::WaitLook;

use super::barrier::{background, deleting};
use crate::Error;
use crate::admin::{Admin, wait_until};

/// The namespace, the policy and the pod of its trial.
const TRIAL_NAME: &str = "gauntlet-trial-kyverno";

/// Makes a policy and waits until, on its account, the API server refuses an image that cannot have
/// a signature. A Job asks for it: it needs no ServiceAccount, and a policy for pods is for Jobs as
/// well.
pub(super) async fn try_policy(admin: &Admin) -> Result<(), Error> {
    let key = rcgen::KeyPair::generate()
        .map_err(|why| Error::unmade_by("key", why))?
        .public_key_pem();
    let policy = trial_policy(&key);
    let every = Duration::from_millis(50);
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL_NAME}});
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
            && words.contains(TRIAL_NAME);
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
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": TRIAL_NAME},
        "spec": {
            "background": false,
            "webhookConfiguration": {"failurePolicy": "Fail"},
            "rules": [{
                "name": "signed",
                "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": [TRIAL_NAME]}}]},
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
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "known-bad", "namespace": TRIAL_NAME},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    })
}

/// The namespace and the policies of the trial of the other controllers.
const CONTROLLERS_TRIAL: &str = "gauntlet-trial-controllers";

/// Whom the reports controller has to have made the one that works.
const REPORTS_LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/kyverno/leases/kyverno-reports-controller";

/// Makes policies and waits until something was generated and a schedule was gone by, and until the
/// controller of reports has begun.
pub(super) async fn try_controllers(admin: &Admin) -> Result<(), Error> {
    let every = Duration::from_millis(50);
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CONTROLLERS_TRIAL}});
    let mut trigger = background::trigger(CONTROLLERS_TRIAL);
    trigger["metadata"]["namespace"] = CONTROLLERS_TRIAL.into();
    let generating = background::generating_cluster_policy(CONTROLLERS_TRIAL, CONTROLLERS_TRIAL);
    let deleting = deleting::deleting_policy(CONTROLLERS_TRIAL, CONTROLLERS_TRIAL);
    admin.apply_object(&namespace).await?;
    admin.apply_object(&trigger).await?;
    for policy in [&generating, &deleting] {
        let taken = async || admin.apply_object(policy).await.map(WaitLook::Ready);
        wait_until("Kyverno to take a policy", every, taken).await?;
    }
    trigger["metadata"]["name"] = background::made_name(CONTROLLERS_TRIAL).into();
    let made = object_path(&trigger);
    wait_until("Kyverno to generate something", every, async || {
        let reply = admin.get(&made).await?;
        Ok(WaitLook::when(was_taken(&reply), || reply_message(&reply)))
    })
    .await?;
    let schedule = object_path(&deleting);
    wait_until("Kyverno to go by a schedule", every, async || {
        let reply = admin.get(&schedule).await?;
        let policy = reply_body(&reply);
        Ok(WaitLook::when(deleting::was_run(policy), || {
            policy["status"].to_string()
        }))
    })
    .await?;
    wait_until("Kyverno's reports controller to begin", every, async || {
        let reply = admin.get(REPORTS_LEASE).await?;
        let holder = reply_body(&reply)["spec"]["holderIdentity"].as_str();
        let has_begun = holder.is_some_and(|holder| !holder.is_empty());
        Ok(WaitLook::when(has_begun, || reply_message(&reply)))
    })
    .await?;
    for object in [&generating, &deleting, &namespace] {
        admin.delete_path(object).await?;
    }
    Ok(())
}
