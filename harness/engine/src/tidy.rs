//! A world's end: nothing that it made is met by another.

use std::time::Duration;

use futures::future::join_all;
use model::Reach;

use crate::reach;
use crate::request::{Call, code};
use crate::settle::settle;
use crate::wait::{Look, Wait};
use crate::world::World;

/// Kinds that make pods, by the path of their collection.
const WORKLOADS: [(&str, &str); 7] = [
    ("CronJob", "/apis/batch/v1/namespaces/{}/cronjobs"),
    ("Job", "/apis/batch/v1/namespaces/{}/jobs"),
    ("Deployment", "/apis/apps/v1/namespaces/{}/deployments"),
    ("Deployment", "/apis/apps/v1/namespaces/{}/replicasets"),
    ("ReplicaSet", "/apis/apps/v1/namespaces/{}/replicasets"),
    ("StatefulSet", "/apis/apps/v1/namespaces/{}/statefulsets"),
    ("DaemonSet", "/apis/apps/v1/namespaces/{}/daemonsets"),
];

impl World<'_> {
    /// What tools read and wrote for this world.
    fn forget_files(&self) {
        if let Ok(toolbox) = self.toolbox() {
            let _ = std::fs::remove_dir_all(toolbox.work().join(self.namespace()));
        }
    }

    /// Takes the world away, unless it is kept: cluster-scoped objects and what runs always; namespaces where the
    /// cluster outlives us.
    pub(crate) async fn tidy(&mut self) {
        if self.lab.options.keep {
            return;
        }
        join_all(self.made.iter().rev().map(|path| self.lab.own.send(Call::delete(path.as_str())))).await;
        self.end_pods().await;
        self.forget_files();
        if !self.lab.cluster.facts().ephemeral {
            join_all(self.namespaces.iter().map(|name| self.end_namespace(name))).await;
        }
        if reach::of(self.scenario, self.name) == Reach::Cluster {
            self.forget().await;
        }
    }

    /// Waits until the cluster has forgotten what reached beyond this world, so that the next one does not meet it.
    async fn forget(&mut self) {
        let gone = |path: &String| self.history.iter().chain(&self.fresh).find(|touch| touch.path() == *path).cloned();
        let mut touches: Vec<_> = self.made.iter().filter_map(gone).collect();
        touches.iter_mut().for_each(|touch| touch.object = None);
        let _ = settle(&self.lab.canaries, self.lab.cluster.toolbox(), &self.waiter, &touches, &[]).await;
    }

    /// Deletes pods at once, and before them what would make them anew.
    async fn end_pods(&self) {
        let wrote = |kind: &str| self.history.iter().chain(&self.fresh).any(|touch| touch.resource.kind == kind);
        let makers: Vec<&str> = WORKLOADS.iter().filter(|(kind, _)| wrote(kind)).map(|(_, path)| *path).collect();
        if makers.is_empty() && !wrote("Pod") {
            return;
        }
        for namespace in &self.namespaces {
            for path in makers.iter().copied().chain(["/api/v1/namespaces/{}/pods"]) {
                let call = Call::delete(path.replace("{}", namespace));
                self.lab.own.send(call.query("gracePeriodSeconds", "0").query("propagationPolicy", "Background")).await;
            }
        }
    }

    async fn end_namespace(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{name}");
        self.lab.own.send(Call::delete(path.as_str())).await;
        let what = format!("namespace {name} to go");
        let wait = Wait { what: &what, within: Duration::from_secs(120), every: Duration::from_millis(200) };
        let _ = self
            .waiter
            .until(wait, async || match code(&self.lab.own.send(Call::get(path.as_str())).await.reply) {
                Some(404) => Look::Found(()),
                other => Look::Not(format!("{other:?}")),
            })
            .await;
    }
}
