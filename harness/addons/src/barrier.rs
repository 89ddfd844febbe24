//! What shows that an addon's objects are in force: what a barrier may do in a cluster, and the questions to all addons.

use std::time::Duration;

use api::{Call, MERGE, said, taken};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use model::{Body, Reply};
use serde_json::{Value, json};
use wait::{Look, Wait};

use crate::{Error, LIVE_ADDONS, Work};

/// How long a control may take until it is in force.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The label by which a sentinel picks its own Lease.
pub const SENTINEL_LABEL: &str = "gauntlet.dev/canary";

/// What a barrier works with: a namespace for sentinels, requests of the engine's own, and waits with a deadline.
pub trait BarrierSite {
    /// The sentinels' namespace, which is there.
    fn namespace(&self) -> &str;
    /// A name that no sentinel had before.
    fn sentinel_name(&self) -> String;
    /// Asks as administrator.
    fn send(&self, call: Call) -> LocalBoxFuture<'_, Reply>;
    /// Takes objects away, in the background.
    fn remove(&self, paths: Vec<String>);
    /// Looks until a condition holds; a look that fails shows that it does not yet.
    ///
    /// # Errors
    /// After the deadline: what was waited for, for how long, and what was last seen.
    fn wait<'a>(&'a self, wait: Wait<'a>, look: SiteLook<'a>) -> Work<'a>;
}

/// Looks at a condition.
pub type SiteLook<'a> = &'a mut (dyn FnMut() -> LocalBoxFuture<'a, Result<Look<()>, Error>> + 'a);

/// A wait as long as a control may take.
pub(crate) fn patient(what: &str, every_millis: u64) -> Wait<'_> {
    Wait {
        what,
        within: PATIENCE,
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

/// The waits of all addons that one of these objects concerns; `history` has what was written earlier.
pub fn waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
    history: &'a [WrittenObject<'a>],
) -> Vec<Work<'a>> {
    LIVE_ADDONS
        .iter()
        .flat_map(|live| (live.barrier)(site, written, history))
        .collect()
}

/// The waits of all addons until they know the labels of namespaces, where something that was written goes by them.
pub fn label_waits<'a>(
    site: &'a dyn BarrierSite,
    history: &'a [WrittenObject<'a>],
) -> Vec<Work<'a>> {
    LIVE_ADDONS
        .iter()
        .filter_map(|live| (live.labels)(site, history))
        .collect()
}

/// For an addon that serves no kinds.
pub(crate) fn none<'a>(
    _: &'a dyn BarrierSite,
    _: &'a [WrittenObject<'a>],
    _: &'a [WrittenObject<'a>],
) -> Vec<Work<'a>> {
    Vec::new()
}

/// For an addon that does not go by labels of namespaces, or learns of them with what goes by them.
pub(crate) fn no_labels<'a>(
    _: &'a dyn BarrierSite,
    _: &'a [WrittenObject<'a>],
) -> Option<Work<'a>> {
    None
}

impl dyn BarrierSite + '_ {
    /// Makes a part of a sentinel.
    pub(crate) async fn make(&self, path: &str, body: Value) -> Result<(), Error> {
        let reply = self.send(Call::post(path, body)).await;
        if taken(&reply) {
            Ok(())
        } else {
            let failed = format!("a sentinel could not be made at {path}");
            Err(Error::refused(failed, &reply))
        }
    }

    /// Tries to make an object, without storing it.
    pub(crate) async fn try_out(&self, path: &str, body: Value) -> Reply {
        self.send(Call::post(path, body).dry(true)).await
    }

    /// Tries the Lease that only the sentinel `name` looks at.
    pub(crate) async fn try_lease(&self, name: &str) -> Reply {
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

    /// Tries a Job with this image: nothing of it is created, it needs no ServiceAccount, and policies for pods are for
    /// Jobs as well.
    pub(crate) async fn try_job(&self, name: &str, image: &str) -> Reply {
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
        let reply = self.send(Call::patch(path, MERGE, body)).await;
        if taken(&reply) {
            Ok(())
        } else {
            Err(Error::refused("the sentinels' namespace", &reply))
        }
    }

    /// What is at a path.
    pub(crate) async fn fetch(&self, path: &str) -> Result<Value, Error> {
        match self.send(Call::get(path)).await {
            Reply::Http {
                code: 200..=299,
                body: Body::Json(body),
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
            let object = self.fetch(&one.path).await?;
            let seen = || format!("its status {}", object["status"]);
            Ok(Look::when(is_done(&object), seen))
        };
        self.wait(patient(&what, 20), &mut || look().boxed_local())
            .await
    }
}

/// Whether a sentinel's object was refused by this addon on account of this policy.
pub(crate) fn refused_by(reply: &Reply, addon: &model::Addon, policy: &str) -> Look<()> {
    Look::when(is_refused_by(reply, addon, policy), || not_yet(reply))
}

/// A word on a reply that shows no effect yet.
pub(crate) fn not_yet(reply: &Reply) -> String {
    if taken(reply) {
        "the sentinel's object is still let through".into()
    } else {
        said(reply)
    }
}

/// Whether a reply is the refusal of this addon, on account of this policy.
pub(crate) fn is_refused_by(reply: &Reply, addon: &model::Addon, policy: &str) -> bool {
    let verdict = model::read(model::Asked::Api, reply);
    let model::Verdict::Answered(model::Answer::Denied {
        by: model::By::Engine { engine, policy: by },
    }) = verdict
    else {
        return false;
    };
    engine == addon && by == policy
}

#[cfg(test)]
mod tests {
    use model::{ANY_KIND, Barrier, Isolation};

    use super::*;

    /// A site at which nothing happens; its waits are never begun.
    struct Nowhere;

    impl BarrierSite for Nowhere {
        fn namespace(&self) -> &'static str {
            "nowhere"
        }

        fn sentinel_name(&self) -> String {
            "nobody".into()
        }

        fn send(&self, _: Call) -> LocalBoxFuture<'_, Reply> {
            async {
                Reply::Transport {
                    fault: "nowhere".into(),
                }
            }
            .boxed_local()
        }

        fn remove(&self, _: Vec<String>) {}

        fn wait<'a>(&'a self, wait: Wait<'a>, _: SiteLook<'a>) -> Work<'a> {
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
                assert_eq!(kind.barrier, Barrier::Addon(live.addon.name), "{name}");
                assert_ne!(
                    kind.isolation,
                    Isolation::Question,
                    "{name}: an addon's objects are stored"
                );
                let one = [written(kind.group, name)];
                assert_eq!(
                    (live.barrier)(&Nowhere, &one, &[]).len(),
                    1,
                    "{} {name}",
                    kind.group
                );
                assert_eq!(
                    waits(&Nowhere, &one, &[]).len(),
                    1,
                    "{} {name}: nobody else waits for it",
                    kind.group
                );
            }
        }
        assert!(waits(&Nowhere, &[written("", "ConfigMap")], &[]).is_empty());
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
