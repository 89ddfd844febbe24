//! The sentinels' namespace, their names, and their removal.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use addons::IN_FORCE_WITHIN;
use addons::SENTINEL_LABEL;
use api::{ApiCall, ApiCaller, MERGE_PATCH, reply_message, status_code, was_taken};
use model::ApiReply;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::Error;
use crate::random;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// How long a namespace may take to go.
pub(crate) const NAMESPACE_GOES_WITHIN: Duration = Duration::from_secs(120);

const LEASES_API: &str = "/apis/coordination.k8s.io/v1";

/// The sentinels of one run.
pub(crate) struct SentinelObjects {
    own: ApiCaller,
    namespace: String,
    counter: AtomicU64,
    home: OnceCell<()>,
    removals: Mutex<JoinSet<()>>,
    /// The paths of what could not be deleted, and does not go with the namespace.
    stuck: Arc<Mutex<Vec<String>>>,
    anchors: KeepalivePolicies,
}

/// The paths of what lasts as long as the run, by what it is for.
pub(crate) type KeepalivePolicies = tokio::sync::Mutex<BTreeMap<String, Vec<String>>>;

impl SentinelObjects {
    pub(crate) fn new(own: ApiCaller) -> Self {
        Self {
            own,
            namespace: format!("gauntlet-sentinel-{}", random::random_name(6)),
            counter: AtomicU64::new(1),
            home: OnceCell::new(),
            removals: Mutex::default(),
            stuck: Arc::default(),
            anchors: KeepalivePolicies::default(),
        }
    }

    /// The sentinels' namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn keepalive_policies(&self) -> &KeepalivePolicies {
        &self.anchors
    }

    pub(crate) fn own(&self) -> &ApiCaller {
        &self.own
    }

    /// Makes the sentinels' namespace, once.
    pub(crate) async fn make_namespace(&self) -> Result<(), Error> {
        let make = async || {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
            self.make_part("/api/v1/namespaces", body).await
        };
        self.home.get_or_try_init(make).await.copied()
    }

    /// A name that no sentinel had before.
    pub(crate) fn fresh_name(&self) -> String {
        format!(
            "{}-{}",
            self.namespace,
            self.counter.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Makes a part of a sentinel.
    pub(crate) async fn make_part(&self, path: &str, body: Value) -> Result<(), Error> {
        let reply = self.own.send_call(ApiCall::post(path, body)).await.reply;
        if was_taken(&reply) {
            Ok(())
        } else {
            Err(Error::refused_reply(
                format!("a sentinel could not be made at {path}"),
                &reply,
            ))
        }
    }

    /// Puts one more label on the sentinels' namespace.
    pub(crate) async fn label_namespace(&self, label: &str) -> Result<(), Error> {
        let patch = json!({"metadata": {"labels": {label: "yes"}}});
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let reply = self
            .own
            .send_call(ApiCall::patch(path, MERGE_PATCH, patch))
            .await
            .reply;
        if was_taken(&reply) {
            Ok(())
        } else {
            Err(Error::refused_reply("the sentinels' namespace", &reply))
        }
    }

    /// Tries, without storing it, the Lease that only the sentinel `name` looks at.
    pub(crate) async fn try_lease(&self, name: &str) -> ApiReply {
        let body = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                          "metadata": {"name": name, "labels": {SENTINEL_LABEL: name}}});
        let path = format!("{LEASES_API}/namespaces/{}/leases", self.namespace);
        self.own
            .send_call(ApiCall::post(path, body).dry_run(true))
            .await
            .reply
    }

    /// What only the sentinel `name` matches: its Lease, in the sentinels' namespace.
    pub(crate) fn sentinel_selectors(&self, name: &str) -> Value {
        json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "objectSelector": {"matchLabels": {SENTINEL_LABEL: name}},
        })
    }

    /// Takes parts of a sentinel away, in the background.
    pub(crate) fn remove_parts(&self, paths: Vec<String>) {
        let (own, stuck) = (self.own.clone(), Arc::clone(&self.stuck));
        let within = format!("/namespaces/{}/", self.namespace);
        let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        while removals.try_join_next().is_some() {}
        removals.spawn(async move {
            for path in paths {
                let is_gone = delete_object(&own, &path).await.is_ok();
                if !is_gone && !path.contains(&within) {
                    let mut stuck = stuck.lock().unwrap_or_else(PoisonError::into_inner);
                    stuck.push(path);
                }
            }
        });
    }

    /// Waits for every removal, and takes the anchors and the namespace away: what is left, each
    /// with the reason. An ephemeral cluster takes everything along by itself.
    pub(crate) async fn finish_removals(
        &self,
        waiter: &WaitReporter,
        ephemeral: bool,
    ) -> Vec<String> {
        let anchors = std::mem::take(&mut *self.anchors.lock().await);
        self.remove_parts(anchors.into_values().flatten().collect());
        let removals =
            std::mem::take(&mut *self.removals.lock().unwrap_or_else(PoisonError::into_inner));
        removals.join_all().await;
        if ephemeral {
            return Vec::new();
        }
        let stuck = std::mem::take(&mut *self.stuck.lock().unwrap_or_else(PoisonError::into_inner));
        let mut left = Vec::new();
        for path in stuck {
            // What a control of a world kept from being deleted can go after the last world.
            left.extend(delete_object(&self.own, &path).await.err());
        }
        left.extend(self.remove_namespace(waiter).await.err());
        left.iter().map(Error::in_one_line).collect()
    }

    async fn remove_namespace(&self, waiter: &WaitReporter) -> Result<(), Error> {
        if !self.home.initialized() {
            return Ok(());
        }
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        self.own.send_call(ApiCall::delete(path.as_str())).await;
        let wait = ConditionWait {
            what: "the sentinels' namespace to go",
            within: NAMESPACE_GOES_WITHIN,
            every: Duration::from_millis(100),
        };
        let gone = waiter.wait_until(wait, async || {
            match status_code(&self.own.send_call(ApiCall::get(path.as_str())).await.reply) {
                Some(404) => WaitLook::Ready(()),
                other => WaitLook::NotYet(format!("{other:?}")),
            }
        });
        gone.await
    }
}

/// Deletes an object, or says why it is still there.
async fn delete_object(own: &ApiCaller, path: &str) -> Result<(), Error> {
    let reply = own.send_call(ApiCall::delete(path)).await.reply;
    match status_code(&reply) {
        Some(200..=299 | 404) => Ok(()),
        _ => Err(Error::refused_reply(
            format!("{path} was not deleted"),
            &reply,
        )),
    }
}

/// A pod that no Pod Security level refuses, and that is never scheduled.
pub(super) fn restricted_pod(name: &str, account: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "serviceAccountName": account,
            "terminationGracePeriodSeconds": 0,
            "schedulingGates": [{"name": "gauntlet.dev/never"}],
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main", "image": "sentinel",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// The wait for something to be in force.
pub(super) fn in_force_wait(what: &str) -> ConditionWait<'_> {
    ConditionWait {
        what,
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(20),
    }
}

/// A word on a reply that shows no effect yet.
pub(crate) fn not_yet(reply: &ApiReply) -> String {
    match status_code(reply) {
        Some(200..=299) => "the sentinel's object is still let through".into(),
        _ => reply_message(reply),
    }
}

/// The rule for Leases, in the words of a policy or webhook.
pub(crate) fn lease_rule() -> Value {
    json!({"apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["leases"]})
}
