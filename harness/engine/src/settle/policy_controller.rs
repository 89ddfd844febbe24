//! Canaries for sigstore's policy-controller. It collects policies and trusted roots in ConfigMaps of its own and says in
//! their status when it has; its webhook reads the ConfigMaps by one watch. So a policy that was made after that status,
//! and that already refuses, shows that the earlier ones have been read too.

use std::time::Duration;

use model::{Answer, Asked, By, Reply, Verdict};
use serde_json::{Value, json};

use super::canaries::{Canaries, PATIENCE, not_yet};
use super::plan::Touch;
use crate::Error;
use crate::request::{Call, MERGE, Who, code, json as json_of, said, taken};
use crate::wait::{Look, Wait, Waiter};

const GROUP: &str = "policy.sigstore.dev";
const POLICIES: &str = "/apis/policy.sigstore.dev/v1beta1/clusterimagepolicies";
/// Where its own settings are.
const HOME: &str = "cosign-system";

/// What of `touches` it has to learn of.
pub(super) fn concerned(touches: &[Touch]) -> Vec<&Touch> {
    let is_setting = |touch: &Touch| touch.resource.kind == "ConfigMap" && touch.namespace == HOME;
    touches.iter().filter(|touch| touch.resource.group == GROUP || is_setting(touch)).collect()
}

/// Waits until it goes by everything in `touches`.
pub(super) async fn policies(canaries: &Canaries, waiter: &Waiter, touches: Vec<&Touch>) -> Result<(), Error> {
    for touch in touches.iter().filter(|touch| touch.resource.group == GROUP) {
        collected(canaries.own(), waiter, touch).await?;
    }
    let name = canaries.name();
    include(canaries).await?;
    canaries.make(POLICIES, policy(&name)).await?;
    let wait = Wait { what: "image policies to be in force", within: PATIENCE, every: Duration::from_millis(20) };
    let proved = waiter
        .until(wait, async || {
            let path = format!("/apis/batch/v1/namespaces/{}/jobs", canaries.namespace());
            let reply = canaries.own().send(Call::post(path, job(&name)).dry(true)).await.reply;
            if refused(&reply, &name) { Look::Found(()) } else { Look::Not(not_yet(&reply)) }
        })
        .await;
    canaries.remove(vec![format!("{POLICIES}/{name}")]);
    proved
}

/// Waits until a policy or root was collected, or turned down for good; where it was deleted, until it is gone, which
/// its finalizer delays until it has been taken out.
async fn collected(own: &Who, waiter: &Waiter, touch: &Touch) -> Result<(), Error> {
    let verb = if touch.object.is_some() { "collected" } else { "dropped" };
    let what = format!("{} {} to be {verb}", touch.resource.kind, touch.name);
    let wait = Wait { what: &what, within: PATIENCE, every: Duration::from_millis(20) };
    waiter
        .until(wait, async || {
            let reply = own.send(Call::get(touch.path())).await.reply;
            match (code(&reply), json_of(&reply)) {
                (Some(404), _) => Look::Found(()),
                (Some(200), Some(object)) if touch.object.is_some() && is_decided(object) => Look::Found(()),
                (Some(200), Some(object)) => Look::Not(format!("its status {}", object["status"])),
                _ => Look::Not(said(&reply)),
            }
        })
        .await
}

/// Whether its status speaks of this version, and for good. A root whose log has a key of a kind that is not taken stays
/// undecided, with its keys read and not collected.
fn is_decided(object: &Value) -> bool {
    let status = |kind: &str| {
        let conditions = object["status"]["conditions"].as_array();
        let found = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == kind));
        found.and_then(|condition| condition["status"].as_str()).unwrap_or_default().to_owned()
    };
    let is_stuck = object["kind"] == "TrustRoot" && status("KeysInlined") == "True";
    let is_current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    is_current && (["True", "False"].contains(&status("Ready").as_str()) || is_stuck)
}

/// Has it look at the canaries' namespace.
async fn include(canaries: &Canaries) -> Result<(), Error> {
    let patch = json!({"metadata": {"labels": {"policy.sigstore.dev/include": "true"}}});
    let path = format!("/api/v1/namespaces/{}", canaries.namespace());
    let reply = canaries.own().send(Call::patch(path, MERGE, patch)).await.reply;
    if taken(&reply) { Ok(()) } else { Err(Error::refused("the canaries' namespace", &reply)) }
}

fn refused(reply: &Reply, name: &str) -> bool {
    matches!(
        model::read(Asked::Api, reply),
        Verdict::Answered(Answer::Denied { by: By::PolicyController(by) }) if by == name
    )
}

/// A policy that refuses one image whatever it is.
fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": name},
        "spec": {
            "images": [{"glob": format!("127.0.0.1:1/{name}/**")}],
            "authorities": [{"static": {"action": "fail", "message": "a canary"}}],
        },
    })
}

/// Something with that image, by digest: nobody asks a registry.
fn job(name: &str) -> Value {
    let image = format!("127.0.0.1:1/{name}/none@sha256:{}", "0".repeat(64));
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "none", "image": image}]}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(kind: &str, observed: u8, conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<Value> =
            conditions.iter().map(|(kind, status)| json!({"type": kind, "status": status})).collect();
        json!({"kind": kind, "metadata": {"generation": 2},
            "status": {"observedGeneration": observed, "conditions": conditions}})
    }

    #[test]
    fn a_status_speaks_of_one_version_and_for_good() {
        let ready = [("Ready", "True"), ("ConfigMapUpdated", "True")];
        assert!(is_decided(&with("ClusterImagePolicy", 2, &ready)));
        assert!(!is_decided(&with("ClusterImagePolicy", 1, &ready)));
        assert!(is_decided(&with("ClusterImagePolicy", 2, &[("Ready", "False")])));
        assert!(!is_decided(&with("ClusterImagePolicy", 2, &[("Ready", "Unknown"), ("KeysInlined", "True")])));
        assert!(!is_decided(&json!({"kind": "TrustRoot", "metadata": {"generation": 1}})));
    }

    #[test]
    fn a_root_can_be_stuck() {
        assert!(is_decided(&with("TrustRoot", 2, &[("Ready", "Unknown"), ("KeysInlined", "True")])));
        assert!(!is_decided(&with("TrustRoot", 2, &[("Ready", "Unknown"), ("KeysInlined", "Unknown")])));
    }

    #[test]
    fn only_the_canarys_own_refusal_counts() {
        let by = |name: &str| Reply::Http {
            code: 400,
            body: model::Body::Json(json!({"kind": "Status", "reason": "BadRequest", "message": format!(
                "admission webhook \"policy.sigstore.dev\" denied the request: validation failed: failed policy: {name}: \
                 spec.template.spec.containers[0].image\nx disallowed by static policy: a canary")})),
            warnings: Vec::new(),
        };
        assert!(refused(&by("c-1"), "c-1"));
        assert!(!refused(&by("c-2"), "c-1"));
    }
}
