//! What shows that an addon's objects are in force: what a barrier may do in a cluster, and the
//! questions to all addons.

use std::time::Duration;

use api::{ApiCall, MERGE_PATCH, reply_message, was_taken};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use model::{ApiReply, ReplyBody};
use serde_json::{Value, json};
use wait::{ConditionWait, WaitLook};

use crate::{AddonFuture, Error, LIVE_ADDONS};

/// How long a control may take until it is in force.
pub const IN_FORCE_WITHIN: Duration = Duration::from_secs(20);

/// The label by which a sentinel picks its own Lease.
pub const SENTINEL_LABEL: &str = "gauntlet.dev/sentinel";

/// What a barrier works with: a namespace for sentinels, requests of the engine's own, and waits
/// with a deadline.
pub trait BarrierSite {
    /// The sentinels' namespace, which is there.
    fn namespace(&self) -> &str;
    /// A name that no sentinel had before.
    fn sentinel_name(&self) -> String;
    /// Asks as administrator.
    fn send_as_admin(&self, call: ApiCall) -> LocalBoxFuture<'_, ApiReply>;
    /// Takes objects away, in the background.
    fn remove_objects(&self, paths: Vec<String>);
    /// Looks until a condition holds; a look that fails shows that it does not yet.
    ///
    /// # Errors
    /// After the deadline: what was waited for, for how long, and what was last seen.
    fn wait_until<'a>(&'a self, wait: ConditionWait<'a>, look: SiteLook<'a>) -> AddonFuture<'a>;
}

/// Looks at a condition.
pub type SiteLook<'a> =
    &'a mut (dyn FnMut() -> LocalBoxFuture<'a, Result<WaitLook<()>, Error>> + 'a);

/// A wait as long as a control may take.
pub(crate) fn within_barrier_time(what: &str, every_millis: u64) -> ConditionWait<'_> {
    ConditionWait {
        what,
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(every_millis),
    }
}

/// An object that was written, or deleted.
#[derive(Clone, Debug)]
pub struct WrittenObject<'a> {
    /// Its group; empty for the core one.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace; empty where it has none.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Where it is.
    pub path: String,
    /// As the server returned it; nothing where it was deleted.
    pub object: Option<&'a Value>,
}

/// The waits of all addons that one of these objects concerns; `history` has what was written
/// earlier.
pub fn addon_waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
    history: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    LIVE_ADDONS
        .iter()
        .flat_map(|live| (live.barrier)(site, written, history))
        .collect()
}

/// The waits of all addons until they know the labels of namespaces, where something that was
/// written goes by them.
pub fn label_waits<'a>(
    site: &'a dyn BarrierSite,
    history: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    LIVE_ADDONS
        .iter()
        .filter_map(|live| (live.labels)(site, history))
        .collect()
}

/// For an addon that serves no kinds.
pub(crate) fn no_waits<'a>(
    _: &'a dyn BarrierSite,
    _: &'a [WrittenObject<'a>],
    _: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    Vec::new()
}

/// For an addon that does not go by labels of namespaces, or learns of them with what goes by them.
pub(crate) fn no_labels<'a>(
    _: &'a dyn BarrierSite,
    _: &'a [WrittenObject<'a>],
) -> Option<AddonFuture<'a>> {
    None
}

impl dyn BarrierSite + '_ {
    /// Makes a part of a sentinel.
    pub(crate) async fn make_part(&self, path: &str, body: Value) -> Result<(), Error> {
        let reply = self.send_as_admin(ApiCall::post(path, body)).await;
        if was_taken(&reply) {
            Ok(())
        } else {
            let failed = format!("a sentinel could not be made at {path}");
            Err(Error::refused(failed, &reply))
        }
    }

    /// Tries to make an object, without storing it.
    pub(crate) async fn try_out(&self, path: &str, body: Value) -> ApiReply {
        self.send_as_admin(ApiCall::post(path, body).dry_run(true))
            .await
    }

    /// Tries the Lease that only the sentinel `name` looks at.
    pub(crate) async fn try_lease(&self, name: &str) -> ApiReply {
        let metadata = json!({"name": name, "labels": {SENTINEL_LABEL: name}});
        let body =
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata});
        self.try_out(
            &format!(
                "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
                self.namespace()
            ),
            body,
        )
        .await
    }

    /// Tries a Job with this image: nothing of it is created, it needs no ServiceAccount, and
    /// policies for pods are for Jobs as well.
    pub(crate) async fn try_job(&self, name: &str, image: &str) -> ApiReply {
        let pod =
            json!({"restartPolicy": "Never", "containers": [{"name": "none", "image": image}]});
        let body = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": {"spec": pod}}});
        self.try_out(
            &format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace()),
            body,
        )
        .await
    }

    /// Puts a label on the sentinels' namespace.
    pub(crate) async fn label_namespace(&self, label: &str, value: &str) -> Result<(), Error> {
        let body = json!({"metadata": {"labels": {label: value}}});
        let path = format!("/api/v1/namespaces/{}", self.namespace());
        let reply = self
            .send_as_admin(ApiCall::patch(path, MERGE_PATCH, body))
            .await;
        if was_taken(&reply) {
            Ok(())
        } else {
            Err(Error::refused("the sentinels' namespace", &reply))
        }
    }

    /// What is at a path.
    pub(crate) async fn fetch_object(&self, path: &str) -> Result<Value, Error> {
        match self.send_as_admin(ApiCall::get(path)).await {
            ApiReply::Http {
                code: 200..=299,
                body: ReplyBody::Json(body),
                ..
            } => Ok(body),
            reply => Err(api::Error::unexpected(&reply).into()),
        }
    }

    /// Waits until an object's own status says that it is in force.
    pub(crate) async fn own_status(
        &self,
        one: &WrittenObject<'_>,
        is_done: fn(&Value) -> bool,
    ) -> Result<(), Error> {
        let what = format!("{} {} to be in force", one.kind, one.name);
        let look = async || {
            let object = self.fetch_object(&one.path).await?;
            let seen = || format!("its status {}", object["status"]);
            Ok(WaitLook::when(is_done(&object), seen))
        };
        self.wait_until(within_barrier_time(&what, 20), &mut || look().boxed_local())
            .await
    }
}

/// Whether a sentinel's object was refused by this addon on account of this policy.
pub(crate) fn refused_by(reply: &ApiReply, addon: &model::PureAddon, policy: &str) -> WaitLook<()> {
    WaitLook::when(is_refused_by(reply, addon, policy), || not_yet(reply))
}

/// A word on a reply that shows no effect yet.
pub(crate) fn not_yet(reply: &ApiReply) -> String {
    if was_taken(reply) {
        "the sentinel's object is still let through".into()
    } else {
        reply_message(reply)
    }
}

/// Whether a reply is the refusal of this addon, on account of this policy among others.
pub(crate) fn is_refused_by(reply: &ApiReply, addon: &model::PureAddon, policy: &str) -> bool {
    let verdict = model::read_reply(model::ReplyContext::Change, reply);
    let model::Verdict::Answered(model::Answer::Denied {
        by: model::Refuser::Engine { engine, policy: by },
    }) = verdict
    else {
        return false;
    };
    engine == addon && by.split(", ").any(|one| one == policy)
}

#[cfg(test)]
mod tests {
    use model::{ANY_KIND, KindBarrier, KindIsolation};

    use super::*;

    /// A site at which nothing happens; its waits are never begun.
    struct NoSite;

    impl BarrierSite for NoSite {
        fn namespace(&self) -> &'static str {
            "nowhere"
        }

        fn sentinel_name(&self) -> String {
            "nobody".into()
        }

        fn send_as_admin(&self, _: ApiCall) -> LocalBoxFuture<'_, ApiReply> {
            async {
                ApiReply::Transport {
                    fault: "nowhere".into(),
                }
            }
            .boxed_local()
        }

        fn remove_objects(&self, _: Vec<String>) {}

        fn wait_until<'a>(&'a self, wait: ConditionWait<'a>, _: SiteLook<'a>) -> AddonFuture<'a> {
            async move { Err(wait.in_vain("nowhere").into()) }.boxed_local()
        }
    }

    fn written<'a>(group: &'a str, kind: &'a str) -> WrittenObject<'a> {
        WrittenObject {
            group,
            kind,
            namespace: "n",
            name: "x",
            path: "/x".into(),
            object: None,
        }
    }

    /// A barrier that finds nothing to wait for would take a control for in force at once.
    #[test]
    fn every_kind_of_an_addon_has_a_scope_and_a_barrier_of_that_addon() {
        for live in LIVE_ADDONS {
            for kind in live.addon.kinds {
                let name = if kind.kind == ANY_KIND {
                    "Whatever"
                } else {
                    kind.kind
                };
                assert_eq!(kind.barrier, KindBarrier::Addon(live.addon.name), "{name}");
                assert_ne!(
                    kind.isolation,
                    KindIsolation::Question,
                    "{name}: an addon's objects are stored"
                );
                let one = [written(kind.group, name)];
                assert_eq!(
                    (live.barrier)(&NoSite, &one, &[]).len(),
                    1,
                    "{} {name}",
                    kind.group
                );
                assert_eq!(
                    addon_waits(&NoSite, &one, &[]).len(),
                    1,
                    "{} {name}: another addon waits for it as well",
                    kind.group
                );
            }
        }
        assert!(addon_waits(&NoSite, &[written("", "ConfigMap")], &[]).is_empty());
    }

    #[test]
    fn an_addon_that_can_refuse_serves_what_it_refuses_by() {
        for addon in LIVE_ADDONS.iter().map(|live| live.addon) {
            assert!(
                addon.denials.is_empty() || !addon.kinds.is_empty(),
                "{addon}"
            );
            assert!(addon.kinds.is_empty() || addon.needs_node, "{addon}");
        }
    }
}
