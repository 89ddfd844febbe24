//! A world's end: nothing that it made is met by another.

use std::time::Duration;

use api::{ApiCall, percent_encode, reply_json, reply_message, status_code};
use futures::future::join_all;
use model::{KindBarrier, POD_MAKERS, PodMaker};

use super::LiveWorld;
use crate::Error;
use crate::barriers::{NAMESPACE_GOES_WITHIN, WriteRecord, wait_in_force};
use crate::wait::{ConditionWait, WaitLook};

/// How long an object may take to go once it was deleted.
const DELETED_WITHIN: Duration = Duration::from_secs(20);

const NODES_PATH: &str = "/api/v1/nodes";

/// Kinds in a namespace that hold what the cluster has once, with their plurals.
const CLAIM_KINDS: [(&str, &str); 2] = [
    ("Service", "services"),
    ("PersistentVolumeClaim", "persistentvolumeclaims"),
];

/// What a world leaves behind.
pub(crate) struct TornDown {
    /// What is still there, or not as it was, each with the reason.
    pub(crate) left: Vec<String>,
    /// Whether another world that reaches beyond its namespaces can be tried on the cluster.
    pub(crate) is_as_before: bool,
}

fn is_of_addon(record: &WriteRecord) -> bool {
    let version = record.resource.api_version();
    model::object_kind(&version, &record.resource.kind)
        .is_some_and(|known| matches!(known.barrier, KindBarrier::Addon(_)))
}

impl LiveWorld<'_> {
    /// What tools read and wrote for this world.
    fn forget_files(&self) {
        if let Ok(host_access) = self.host_access() {
            let _ = std::fs::remove_dir_all(host_access.work_folder().join(self.namespace()));
        }
    }

    /// Takes the world away, unless it is kept: cluster-scoped objects and what runs always;
    /// namespaces where the cluster outlives us. What the world changed is put back.
    ///
    /// A box whose API server or storage a step has broken may answer anything: it goes as a whole,
    /// and no other world is tried on it.
    pub(crate) async fn tear_down(&mut self) -> TornDown {
        let mut torn_down = self.take_away().await;
        for what in &mut torn_down.left {
            *what = self.planted.conceal_values(what);
        }
        torn_down
    }

    async fn take_away(&mut self) -> TornDown {
        if self.run.options.keep {
            // What it took from within its own namespace, such as a port of a node, is still taken.
            return TornDown {
                left: Vec::new(),
                is_as_before: !self.case.is_wide(),
            };
        }
        let stays = !self.run.cluster.facts().ephemeral;
        let is_wide = self.case.is_wide();
        let unfound = self.find_followers().await;
        let mut refused = self
            .end_objects(self.namespaces.made_objects().iter().rev())
            .await;
        self.end_pods(is_wide).await;
        let mut left = if stays {
            Vec::new()
        } else {
            refused.extend(self.end_addon_objects().await);
            self.free_claims(is_wide).await
        };
        self.forget_files();
        if !stays && self.case.changes_cluster() {
            return TornDown {
                left: Vec::new(),
                is_as_before: false,
            };
        }
        // In a box those that are called after the world stay: no other world has such a name.
        let own = self.namespace().to_owned();
        let goes = |name: &&String| stays || !name.contains(&own);
        let namespaces = self.namespaces.all().iter().filter(goes);
        left.extend(
            join_all(namespaces.map(|name| self.end_namespace(name)))
                .await
                .into_iter()
                .flatten(),
        );
        left.extend(unfound);
        let addons = self.put_addons_back().await;
        left.extend(addons.left);
        let mut forgotten = if is_wide {
            self.wait_until_forgotten().await
        } else {
            Ok(())
        };
        if !refused.is_empty() {
            // What a policy of the world kept from being deleted can go once that policy is
            // forgotten.
            left.extend(
                self.end_objects(refused.iter().map(|(path, _)| path))
                    .await
                    .into_iter()
                    .map(|(_, why)| why),
            );
            forgotten = if is_wide {
                self.wait_until_forgotten().await
            } else {
                Ok(())
            };
        }
        left.extend(self.end_followers().await);
        left.extend(forgotten.err().map(|why| why.in_one_line()));
        // In a box a namespace stays, and what waits for its end with it: no other world notices it
        // by its name.
        if stays || is_wide {
            left.extend(
                join_all(
                    self.namespaces
                        .made_objects()
                        .iter()
                        .map(|path| self.wait_until_gone(path, DELETED_WITHIN)),
                )
                .await
                .into_iter()
                .flatten(),
            );
        }
        let put_back = self.put_originals_back().await;
        left.extend(put_back.left);
        let is_remade = addons.is_remade || put_back.is_remade;
        let is_as_before = left.is_empty() && !is_remade && !self.case.leaves_marks();
        TornDown {
            left,
            is_as_before: is_as_before || !is_wide,
        }
    }

    /// Deletes objects: those that the API server does not delete, with the reason.
    pub(super) async fn end_objects(
        &self,
        paths: impl Iterator<Item = &String>,
    ) -> Vec<(String, String)> {
        let one = async |path: &String| {
            // Jobs and ReplicationControllers leave their pods behind where nothing is said.
            let call = ApiCall::delete(path.as_str())
                .with_query("gracePeriodSeconds", "0")
                .with_query("propagationPolicy", "Background");
            let reply = self.run.own.send_call(call).await.reply;
            let is_gone = matches!(status_code(&reply), Some(200..=299 | 404));
            (!is_gone).then(|| {
                (
                    path.clone(),
                    format!("{path} was not deleted: {}", reply_message(&reply)),
                )
            })
        };
        join_all(paths.map(one))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    /// What is left of a deleted object, if it does not go: something has to finish with it first.
    pub(super) async fn wait_until_gone(&self, path: &str, within: Duration) -> Option<String> {
        let what = format!("{path} to go");
        let wait = ConditionWait {
            what: &what,
            within,
            every: Duration::from_millis(20),
        };
        let gone = self.waiter.wait_until(wait, async || {
            let reply = self.run.own.send_call(ApiCall::get(path)).await.reply;
            match (status_code(&reply), reply_json(&reply)) {
                (Some(404), _) => WaitLook::Ready(()),
                (_, Some(object)) => WaitLook::NotYet(format!(
                    "its finalizers {}",
                    object["metadata"]["finalizers"]
                )),
                _ => WaitLook::NotYet(reply_message(&reply)),
            }
        });
        gone.await.err().map(|why| why.in_one_line())
    }

    /// Waits until the cluster has forgotten what reached beyond this world, so that the next one
    /// does not meet it.
    async fn wait_until_forgotten(&mut self) -> Result<(), Error> {
        let mut records = self.barrier.deletions(self.namespaces.made_objects());
        // Of kinds that the world defined itself nothing has to be forgotten.
        records.retain(|record| {
            model::object_kind(&record.resource.api_version(), &record.resource.kind).is_some()
        });
        self.note_served(&records);
        wait_in_force(
            &self.run.sentinels,
            self.run.cluster.host_access(),
            &self.waiter,
            &records,
            &[],
        )
        .await
    }

    /// Deletes pods, and before them what would make new ones. It frees the node; what stays goes
    /// with its namespace. The kubelet says when it is done where pods may hold what the node has
    /// once, and is not asked otherwise.
    async fn end_pods(&self, is_wide: bool) {
        let wrote = |kind: &str| self.barrier.wrote_kind(kind);
        let has_made = |maker: &&PodMaker| match maker.kind {
            // Deployments make them.
            "ReplicaSet" => wrote("ReplicaSet") || wrote("Deployment"),
            kind => wrote(kind),
        };
        let makers: Vec<&PodMaker> = POD_MAKERS.iter().filter(has_made).collect();
        if makers.is_empty() && !wrote("Pod") {
            return;
        }
        for namespace in self.namespaces.all() {
            let pods = format!("/api/v1/namespaces/{namespace}/pods");
            let of_makers = makers.iter().map(|maker| maker.collection_path(namespace));
            for path in of_makers.chain([pods.clone()]) {
                let grace = if is_wide { "1" } else { "0" };
                let call = ApiCall::delete(path).with_query("gracePeriodSeconds", grace);
                self.run
                    .own
                    .send_call(call.with_query("propagationPolicy", "Background"))
                    .await;
            }
            if is_wide && self.case.places_pods() {
                self.end_homeless_pods(&pods).await;
            }
        }
    }

    /// Deletes the pods whose node is not there: no kubelet ever says that they are done, and the
    /// collector of pods comes round to them only after most of a minute (kubernetes 1.36
    /// `pkg/controller/podgc`). What cannot be listed stays, and is told as left.
    async fn end_homeless_pods(&self, pods: &str) {
        let own = &self.run.own;
        let (Ok(list), Ok(nodes)) = (own.fetch_body(pods).await, own.fetch_body(NODES_PATH).await)
        else {
            return;
        };
        let (Some(pods_there), Some(nodes)) = (list["items"].as_array(), nodes["items"].as_array())
        else {
            return;
        };
        for pod in pods_there {
            let node = &pod["spec"]["nodeName"];
            let is_there = nodes.iter().any(|one| one["metadata"]["name"] == *node);
            if let Some(name) = pod["metadata"]["name"].as_str()
                && node.is_string()
                && !is_there
            {
                let path = format!("{pods}/{}", percent_encode(name));
                let call = ApiCall::delete(path).with_query("gracePeriodSeconds", "0");
                own.send_call(call).await;
            }
        }
    }

    /// Deletes what an addon acts on, in a namespace that stays: it would act on it for all worlds to
    /// come, as Kyverno does with webhooks for each policy, and External Secrets Operator with looks at
    /// each store. Returns what could not be deleted, and why.
    async fn end_addon_objects(&self) -> Vec<(String, String)> {
        let written = self.barrier.all_written();
        let paths: Vec<String> = written
            .filter(|record| self.namespaces.has(&record.namespace) && is_of_addon(record))
            .map(WriteRecord::path)
            .collect();
        self.end_objects(paths.iter().rev()).await
    }

    /// Gives back what the node and the cluster have once, in a namespace that stays: ports,
    /// addresses and volumes. Whether they are free is waited for where a world reached for what
    /// others could notice.
    async fn free_claims(&self, is_wide: bool) -> Vec<String> {
        let mut left = Vec::new();
        for namespace in self.namespaces.all() {
            if is_wide {
                // Pods first: they hold on to the claims that they use.
                let pods = format!("/api/v1/namespaces/{namespace}/pods");
                left.extend(self.empties(&pods).await);
            }
            for (kind, plural) in CLAIM_KINDS {
                if self.barrier.wrote_kind(kind) {
                    let path = format!("/api/v1/namespaces/{namespace}/{plural}");
                    self.run.own.send_call(ApiCall::delete(path.as_str())).await;
                    if is_wide {
                        left.extend(self.empties(&path).await);
                    }
                }
            }
        }
        left
    }

    /// What is left of a collection whose objects were deleted, if they do not go.
    async fn empties(&self, path: &str) -> Option<String> {
        let what = format!("{path} to go");
        let wait = ConditionWait {
            what: &what,
            within: DELETED_WITHIN,
            every: Duration::from_millis(20),
        };
        let gone = self
            .waiter
            .wait_until(wait, async || match self.run.own.fetch_body(path).await {
                Ok(list) => match list["items"].as_array().map(Vec::as_slice) {
                    Some([]) => WaitLook::Ready(()),
                    Some([first, ..]) => WaitLook::NotYet(format!("{}", first["metadata"]["name"])),
                    None => WaitLook::NotYet("not a list".to_owned()),
                },
                Err(why) => WaitLook::from(Error::from(why)),
            })
            .await;
        gone.err().map(|why| why.in_one_line())
    }

    /// What is left of a namespace, if it does not go.
    async fn end_namespace(&self, name: &str) -> Option<String> {
        let path = format!("/api/v1/namespaces/{name}");
        self.run.own.send_call(ApiCall::delete(path.as_str())).await;
        let what = format!("namespace {name} to go");
        let wait = ConditionWait {
            what: &what,
            within: NAMESPACE_GOES_WITHIN,
            every: Duration::from_millis(200),
        };
        let gone = self
            .waiter
            .wait_until(wait, async || {
                match status_code(
                    &self
                        .run
                        .own
                        .send_call(ApiCall::get(path.as_str()))
                        .await
                        .reply,
                ) {
                    Some(404) => WaitLook::Ready(()),
                    other => WaitLook::NotYet(format!("{other:?}")),
                }
            })
            .await;
        gone.err().map(|why| why.in_one_line())
    }
}
