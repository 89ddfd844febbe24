//! What shows that policy-controller goes by what was written. It collects policies and trusted
//! roots in its own ConfigMaps and says in their status when it has; its webhook reads the
//! ConfigMaps by one watch. So a policy that was made after that status, and that already refuses,
//! shows that the earlier ones have been read too.

use api::{ApiCall, condition_status, reply_message};
use futures::FutureExt;
use model::addons::policy_controller::ADDON;
use model::{ApiReply, ReplyBody};
use serde_json::{Value, json};
use wait::WaitLook;

use crate::barrier::{BarrierSite, WrittenObject, refused_by, within_barrier_time};
use crate::{AddonFuture, Error};

const API_GROUP: &str = "policy.sigstore.dev";
const POLICIES_PATH: &str = "/apis/policy.sigstore.dev/v1beta1/clusterimagepolicies";
/// Where its own settings are.
const HOME_NAMESPACE: &str = "cosign-system";

/// The wait for what it has to learn of: its own kinds, and its settings.
pub(super) fn barrier_waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
    _: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    let is_setting =
        |one: &WrittenObject<'_>| one.kind == "ConfigMap" && one.namespace == HOME_NAMESPACE;
    let is_concerned = written
        .iter()
        .any(|one| one.group == API_GROUP || is_setting(one));
    is_concerned
        .then(|| wait_for_policies(site, written).boxed_local())
        .into_iter()
        .collect()
}

/// Waits until it goes by everything in `written`.
async fn wait_for_policies(
    site: &dyn BarrierSite,
    written: &[WrittenObject<'_>],
) -> Result<(), Error> {
    for one in written.iter().filter(|one| one.group == API_GROUP) {
        wait_until_collected(site, one).await?;
    }
    let name = site.sentinel_name();
    site.label_namespace("policy.sigstore.dev/include", "true")
        .await?;
    site.make_part(POLICIES_PATH, sentinel_policy(&name))
        .await?;
    // By digest, so that no registry is asked.
    let image = format!("127.0.0.1:1/{name}/none@sha256:{}", "0".repeat(64));
    let look = async || {
        let reply = site.try_job(&name, &image).await;
        Ok(refused_by(&reply, &ADDON, &name))
    };
    let wait = within_barrier_time("image policies to be in force", 20);
    let proved = site.wait_until(wait, &mut || look().boxed_local()).await;
    site.remove_objects(vec![format!("{POLICIES_PATH}/{name}")]);
    proved
}

/// Waits until a policy or root was collected, or turned down for good; where it was deleted, until
/// it is gone, which its finalizer delays until it has been taken out.
async fn wait_until_collected(
    site: &dyn BarrierSite,
    one: &WrittenObject<'_>,
) -> Result<(), Error> {
    let verb = if one.object.is_some() {
        "collected"
    } else {
        "dropped"
    };
    let what = format!("{} {} to be {verb}", one.kind, one.name);
    let look = async || {
        Ok(match site.send_as_admin(ApiCall::get(&one.path)).await {
            ApiReply::Http { code: 404, .. } => WaitLook::Ready(()),
            ApiReply::Http {
                code: 200,
                body: ReplyBody::Json(object),
                ..
            } => {
                let is_done = one.object.is_some() && is_decided(&object);
                WaitLook::when(is_done, || format!("its status {}", object["status"]))
            }
            reply => WaitLook::NotYet(reply_message(&reply)),
        })
    };
    site.wait_until(within_barrier_time(&what, 20), &mut || look().boxed_local())
        .await
}

/// Whether its status speaks of this version, and for good. A root whose log has a key of a kind
/// that is not taken stays undecided, with its keys read and not collected.
fn is_decided(object: &Value) -> bool {
    let is_stuck =
        object["kind"] == "TrustRoot" && condition_status(object, "KeysInlined") == Some("True");
    let is_current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    is_current && (matches!(condition_status(object, "Ready"), Some("True" | "False")) || is_stuck)
}

/// A policy that refuses one image whatever it is.
fn sentinel_policy(name: &str) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": name},
        "spec": {
            "images": [{"glob": format!("127.0.0.1:1/{name}/**")}],
            "authorities": [{"static": {"action": "fail", "message": "a sentinel"}}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::barrier::is_refused_by;

    fn with(kind: &str, observed: u8, conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status}))
            .collect();
        json!({"kind": kind, "metadata": {"generation": 2},
            "status": {"observedGeneration": observed, "conditions": conditions}})
    }

    #[test]
    fn a_status_speaks_of_one_version_and_for_good() {
        let ready = [("Ready", "True"), ("ConfigMapUpdated", "True")];
        assert!(is_decided(&with("ClusterImagePolicy", 2, &ready)));
        assert!(!is_decided(&with("ClusterImagePolicy", 1, &ready)));
        assert!(is_decided(&with(
            "ClusterImagePolicy",
            2,
            &[("Ready", "False")]
        )));
        assert!(!is_decided(&with(
            "ClusterImagePolicy",
            2,
            &[("Ready", "Unknown"), ("KeysInlined", "True")]
        )));
        assert!(!is_decided(
            &json!({"kind": "TrustRoot", "metadata": {"generation": 1}})
        ));
    }

    #[test]
    fn a_root_can_be_stuck() {
        assert!(is_decided(&with(
            "TrustRoot",
            2,
            &[("Ready", "Unknown"), ("KeysInlined", "True")]
        )));
        assert!(!is_decided(&with(
            "TrustRoot",
            2,
            &[("Ready", "Unknown"), ("KeysInlined", "Unknown")]
        )));
    }

    #[test]
    fn only_the_sentinels_own_refusal_counts() {
        let by = |name: &str| ApiReply::Http {
            code: 400,
            body: ReplyBody::Json(
                json!({"kind": "Status", "reason": "BadRequest", "message": format!(
                "admission webhook \"policy.sigstore.dev\" denied the request: validation failed: failed policy: {name}: \
                 spec.template.spec.containers[0].image\nx disallowed by static policy: a sentinel")}),
            ),
            warnings: Vec::new(),
        };
        assert!(is_refused_by(&by("c-1"), &ADDON, "c-1"));
        assert!(!is_refused_by(&by("c-2"), &ADDON, "c-1"));
    }
}
