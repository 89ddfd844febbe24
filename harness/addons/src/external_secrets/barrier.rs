//! What shows that External Secrets Operator has looked at what was written. Each of its kinds has
//! its own controller, which hears of it by one watch, in order, and looks at one object at a time.
//! An object's status says that it has been looked at, and not always at which version; a sentinel
//! of the same kind that is looked at later shows that. An object that changes while its controller
//! is at it gets in line again, perhaps behind the sentinel: hence two of them, one after the
//! other.
//!
//! The sentinels come to nothing: their stores name credentials that are not there, and no store
//! holds their secrets, nor takes them.

use std::time::Duration;

use api::{ApiCall, condition_status, reply_body, reply_message, status_code};
use futures::FutureExt;
use serde_json::{Value, json};
use wait::{ConditionWait, WaitLook};

use super::generators::generator_waits;
use crate::barrier::{BarrierSite, SENTINEL_LABEL, WrittenObject, within_barrier_time};
use crate::{AddonFuture, Error};

const API_GROUP: &str = "external-secrets.io";
const API_VERSION: &str = "external-secrets.io/v1";
/// The version of what pushes secrets out.
const PUSH_VERSION: &str = "external-secrets.io/v1alpha1";

/// The garbage collector looks for kinds that are new to it every 30 s (`ResyncPeriod` of its
/// controller).
const COLLECTED_WITHIN: Duration = Duration::from_secs(60);

/// How many sentinels have to be looked at, one after the other.
const LOOK_ROUNDS: usize = 2;

/// A kind that a controller looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReconciledKind {
    kind: &'static str,
    plural: &'static str,
    version: &'static str,
    namespaced: bool,
}

const EXTERNAL_SECRETS: ReconciledKind = ReconciledKind {
    kind: "ExternalSecret",
    plural: "externalsecrets",
    version: API_VERSION,
    namespaced: true,
};

const PUSHED_SECRETS: ReconciledKind = ReconciledKind {
    kind: "PushSecret",
    plural: "pushsecrets",
    version: PUSH_VERSION,
    namespaced: true,
};

const RECONCILED_KINDS: [ReconciledKind; 6] = [
    ReconciledKind {
        kind: "SecretStore",
        plural: "secretstores",
        version: API_VERSION,
        namespaced: true,
    },
    ReconciledKind {
        kind: "ClusterSecretStore",
        plural: "clustersecretstores",
        version: API_VERSION,
        namespaced: false,
    },
    ReconciledKind {
        kind: "ClusterExternalSecret",
        plural: "clusterexternalsecrets",
        version: API_VERSION,
        namespaced: false,
    },
    EXTERNAL_SECRETS,
    ReconciledKind {
        kind: "ClusterPushSecret",
        plural: "clusterpushsecrets",
        version: PUSH_VERSION,
        namespaced: false,
    },
    PUSHED_SECRETS,
];

/// A wait for each kind that was written.
pub(super) fn barrier_waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
    history: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    let concerned = RECONCILED_KINDS
        .into_iter()
        .filter(|kind| written.iter().any(|one| kind.is_of(one)));
    let waits = concerned.map(|kind| wait_for_objects(site, kind, written, history).boxed_local());
    waits.chain(generator_waits(site, written)).collect()
}

impl ReconciledKind {
    fn is_of(self, one: &WrittenObject<'_>) -> bool {
        one.kind == self.kind && one.group == API_GROUP
    }

    fn path(self, namespace: &str) -> String {
        let place = if self.namespaced {
            format!("namespaces/{namespace}/")
        } else {
            String::new()
        };
        format!("/apis/{}/{place}{}", self.version, self.plural)
    }

    /// An object that the controller reconciles without any effect.
    fn sentinel(self, namespace: &str, name: &str) -> Value {
        let credentials = |more: Value| {
            let mut spec =
                json!({"provider": {"kubernetes": {"authRef": {"name": name, "key": "none"}}}});
            if let Some(conditions) = more.as_array() {
                spec["provider"]["kubernetes"]["authRef"]["namespace"] = Value::from(namespace);
                spec["conditions"] = Value::from(conditions.clone());
            }
            spec
        };
        let secret = json!({
            "secretStoreRef": {"kind": "SecretStore", "name": name},
            "data": [{"secretKey": "none", "remoteRef": {"key": "none"}}],
        });
        let spec = match self.kind {
            "SecretStore" => credentials(Value::Null),
            "ClusterSecretStore" => credentials(json!([{"namespaces": [namespace]}])),
            "ClusterExternalSecret" => {
                json!({"namespaceSelector": {"matchLabels": {SENTINEL_LABEL: name}}, "externalSecretSpec": secret})
            }
            "PushSecret" => pushed(name),
            "ClusterPushSecret" => {
                json!({"namespaceSelectors": [{"matchLabels": {SENTINEL_LABEL: name}}], "pushSecretSpec": pushed(name)})
            }
            _ => secret,
        };
        json!({"apiVersion": self.version, "kind": self.kind, "metadata": {"name": name}, "spec": spec})
    }
}

/// What would push a Secret that is not there into a store that is not there.
fn pushed(name: &str) -> Value {
    json!({"secretStoreRefs": [{"kind": "SecretStore", "name": name}], "selector": {"secret": {"name": name}}})
}

/// Waits until every object of this kind in `written` has been looked at, and what came of those
/// that were deleted is gone. `history` has what was written earlier.
async fn wait_for_objects(
    site: &dyn BarrierSite,
    kind: ReconciledKind,
    written: &[WrittenObject<'_>],
    history: &[WrittenObject<'_>],
) -> Result<(), Error> {
    for one in written.iter().filter(|one| kind.is_of(one)) {
        match one.object {
            Some(object) if is_looked_after(object) => site.own_status(one, is_looked_at).await?,
            Some(_) => {}
            None if kind == EXTERNAL_SECRETS => owned_gone(site, one, history).await?,
            None if kind == PUSHED_SECRETS => taken_back(site, one).await?,
            None => {}
        }
    }
    looked_at(site, kind).await?;
    match kind.kind {
        "ClusterExternalSecret" => looked_at(site, EXTERNAL_SECRETS).await,
        "ClusterPushSecret" => looked_at(site, PUSHED_SECRETS).await,
        _ => Ok(()),
    }
}

/// Waits until a controller has looked at everything that was written before now.
async fn looked_at(site: &dyn BarrierSite, kind: ReconciledKind) -> Result<(), Error> {
    for _ in 0..LOOK_ROUNDS {
        let (name, at) = (site.sentinel_name(), kind.path(site.namespace()));
        let path = format!("{at}/{name}");
        site.make_part(&at, kind.sentinel(site.namespace(), &name))
            .await?;
        let what = format!("External Secrets Operator to look at a {}", kind.kind);
        let look = async || {
            let object = site.fetch_object(&path).await?;
            let status = format!("its status {}", object["status"]);
            let is_seen = condition_status(&object, "Ready").is_some();
            Ok(WaitLook::when(is_seen, || status))
        };
        let looked = site
            .wait_until(within_barrier_time(&what, 10), &mut || look().boxed_local())
            .await;
        site.remove_objects(vec![path]);
        looked?;
    }
    Ok(())
}

/// A store can be left to another controller.
fn is_looked_after(object: &Value) -> bool {
    matches!(
        object["spec"]["controller"].as_str(),
        None | Some("" | "default")
    )
}

/// Whether its status is that of a first look, or of a look at this version where a success says of
/// which it was.
fn is_looked_at(object: &Value) -> bool {
    match condition_status(object, "Ready") {
        None => false,
        Some("True") if says_of_which(object) => {
            let generation = format!("{}-", object["metadata"]["generation"]);
            object["status"]["syncedResourceVersion"]
                .as_str()
                .is_some_and(|seen| seen.starts_with(&generation))
        }
        Some(_) => true,
    }
}

/// Whether its success says of which version it was, and that has to be the one that is there.
fn says_of_which(object: &Value) -> bool {
    let is_of = |kind: ReconciledKind| object["kind"] == kind.kind;
    is_of(PUSHED_SECRETS) || is_of(EXTERNAL_SECRETS) && follows_changes(&object["spec"])
}

/// Whether an ExternalSecret is fetched again when it changes. A PushSecret always is pushed again.
fn follows_changes(spec: &Value) -> bool {
    let interval = spec["refreshInterval"].as_str().unwrap_or("1h");
    match spec["refreshPolicy"].as_str() {
        Some("CreatedOnce") => false,
        Some("OnChange") => true,
        _ => interval.chars().any(|c| ('1'..='9').contains(&c)),
    }
}

/// Waits until no Secret is left that a deleted ExternalSecret owned: the garbage collector takes
/// them.
async fn owned_gone(
    site: &dyn BarrierSite,
    one: &WrittenObject<'_>,
    history: &[WrittenObject<'_>],
) -> Result<(), Error> {
    let earlier = history
        .iter()
        .rev()
        .filter(|earlier| earlier.path == one.path);
    let Some(object) = earlier.filter_map(|earlier| earlier.object).next() else {
        return Ok(());
    };
    let uid = &object["metadata"]["uid"];
    let path = format!("/api/v1/namespaces/{}/secrets", one.namespace);
    let what = format!("what ExternalSecret {} owned to go", one.name);
    let wait = ConditionWait {
        within: COLLECTED_WITHIN,
        ..within_barrier_time(&what, 30)
    };
    let look = async || {
        let list = site.fetch_object(&path).await?;
        let left = owned_object(&list, uid);
        Ok(left.map_or(WaitLook::Ready(()), |name| {
            WaitLook::NotYet(format!("the Secret {name} is there"))
        }))
    };
    site.wait_until(wait, &mut || look().boxed_local()).await
}

/// Waits until a PushSecret that was deleted is gone: one that takes back what it pushed stays until
/// it has.
async fn taken_back(site: &dyn BarrierSite, one: &WrittenObject<'_>) -> Result<(), Error> {
    let what = format!("PushSecret {} to take back what it pushed", one.name);
    let look = async || {
        let reply = site.send_as_admin(ApiCall::get(&one.path)).await;
        if status_code(&reply) == Some(404) {
            return Ok(WaitLook::Ready(()));
        }
        let object = reply_body(&reply);
        let is_new = object["metadata"]["uid"].is_string()
            && object["metadata"]["deletionTimestamp"].is_null();
        Ok(WaitLook::when(is_new, || reply_message(&reply)))
    };
    site.wait_until(within_barrier_time(&what, 20), &mut || look().boxed_local())
        .await
}

/// The first object of a list that an object of this uid owns.
fn owned_object<'a>(list: &'a Value, uid: &Value) -> Option<&'a Value> {
    let is_owned = |item: &&Value| {
        let owners = item["metadata"]["ownerReferences"].as_array();
        owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == *uid))
    };
    let found = list["items"].as_array()?.iter().find(is_owned)?;
    Some(&found["metadata"]["name"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(spec: &Value, ready: Option<&str>, seen: &str) -> Value {
        let conditions: Vec<Value> = ready
            .into_iter()
            .map(|status| json!({"type": "Ready", "status": status}))
            .collect();
        json!({"kind": "ExternalSecret", "metadata": {"generation": 2}, "spec": spec,
            "status": {"conditions": conditions, "syncedResourceVersion": seen}})
    }

    #[test]
    fn a_success_speaks_of_one_version_and_a_failure_of_none() {
        let spec = json!({"refreshInterval": "1h"});
        assert!(!is_looked_at(&secret(&spec, None, "")));
        assert!(is_looked_at(&secret(&spec, Some("False"), "")));
        assert!(is_looked_at(&secret(&spec, Some("True"), "2-abc")));
        assert!(!is_looked_at(&secret(&spec, Some("True"), "1-abc")));
        assert!(!is_looked_at(&secret(&json!({}), Some("True"), "20-abc")));
    }

    #[test]
    fn what_is_fetched_once_is_not_waited_for() {
        for spec in [
            json!({"refreshPolicy": "CreatedOnce"}),
            json!({"refreshInterval": "0h0m0s"}),
        ] {
            assert!(
                is_looked_at(&secret(&spec, Some("True"), "1-abc")),
                "{spec}"
            );
        }
        assert!(!is_looked_at(&secret(
            &json!({"refreshPolicy": "OnChange"}),
            Some("True"),
            "1-abc"
        )));
    }

    #[test]
    fn a_store_of_another_controller_gets_no_status() {
        assert!(
            is_looked_after(&json!({"spec": {}}))
                && is_looked_after(&json!({"spec": {"controller": "default"}}))
        );
        assert!(!is_looked_after(
            &json!({"spec": {"controller": "another"}})
        ));
        assert!(is_looked_at(
            &json!({"kind": "SecretStore", "metadata": {"generation": 2},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        ));
    }

    #[test]
    fn what_was_owned_is_found_by_its_owner() {
        let item = |name: &str, uid: &str| json!({"metadata": {"name": name, "ownerReferences": [{"uid": uid}]}});
        let list =
            json!({"items": [json!({"metadata": {"name": "a"}}), item("b", "1"), item("c", "2")]});
        assert_eq!(owned_object(&list, &json!("2")), Some(&json!("c")));
        assert_eq!(owned_object(&list, &json!("3")), None);
    }

    #[test]
    fn a_sentinel_stays_in_its_namespace() {
        for kind in RECONCILED_KINDS {
            let sentinel = kind.sentinel("gauntlet-sentinel", "c-1");
            let within = match kind.kind {
                "ClusterSecretStore" => {
                    &sentinel["spec"]["conditions"][0]["namespaces"][0] == "gauntlet-sentinel"
                }
                "ClusterExternalSecret" => {
                    &sentinel["spec"]["namespaceSelector"]["matchLabels"][SENTINEL_LABEL] == "c-1"
                }
                "ClusterPushSecret" => {
                    let selector = &sentinel["spec"]["namespaceSelectors"][0];
                    &selector["matchLabels"][SENTINEL_LABEL] == "c-1"
                }
                _ => kind
                    .path("gauntlet-sentinel")
                    .contains("/namespaces/gauntlet-sentinel/"),
            };
            assert!(within, "{sentinel}");
        }
    }
}
