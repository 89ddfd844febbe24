//! Installs addons in a box that is up.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cluster::{Cluster, HostAccess};
use components::{BoxCache, PinnedComponent};
use futures::future::try_join_all;
use serde_json::Value;

use crate::admin::Admin;
use crate::first_state::{AddonWorkload, ObjectInputs, is_secret};
use crate::start::ChosenAddon;
use crate::{Error, PodAddon, definitions};

/// Where an addon is installed.
pub(crate) struct InstallSite<'a> {
    pub(crate) admin: &'a Admin,
    pub(crate) host_access: HostAccess<'a>,
    /// What it is made from.
    pub(crate) material: ObjectInputs,
    /// Whether the cluster began with it, without its pods.
    begun: bool,
}

impl InstallSite<'_> {
    /// Makes the addon's definitions, and has its pods start.
    pub(crate) async fn put_objects(&self, workload: &AddonWorkload) -> Result<(), Error> {
        self.make_definitions(workload).await?;
        self.run_pods(workload).await
    }

    /// Makes the addon's definitions, unless they are there.
    pub(crate) async fn make_definitions(&self, workload: &AddonWorkload) -> Result<(), Error> {
        if self.begun {
            return Ok(());
        }
        let (read, material) = (workload.definitions, self.material.clone());
        let found = tokio::task::spawn_blocking(move || read(&material)).await??;
        definitions::install_definitions(self.admin, &found).await
    }

    /// Has the addon's pods start.
    pub(crate) async fn run_pods(&self, workload: &AddonWorkload) -> Result<(), Error> {
        self.run_objects(&(workload.objects)(&self.material)?).await
    }

    /// Has the pods among these objects start. A first state has no Secrets: how they are sealed is
    /// for each box to say.
    pub(crate) async fn run_objects(&self, objects: &[Value]) -> Result<(), Error> {
        if !self.begun {
            return self.admin.apply_all(objects).await;
        }
        self.admin.wait_for_roles(objects).await?;
        let secrets: Vec<Value> = objects
            .iter()
            .filter(|one| is_secret(one))
            .cloned()
            .collect();
        self.admin.apply_all(&secrets).await?;
        self.admin.start_pods(objects).await
    }
}

/// Installs addons side by side, and says when each was ready, counted from `start`.
pub(crate) async fn install_all(
    cluster: &Cluster,
    cache: &BoxCache,
    chosen: &[ChosenAddon],
    beside: &BTreeSet<&'static str>,
    start: Instant,
) -> Result<Vec<(String, Duration)>, Error> {
    let Some(host_access) = cluster.host_access() else {
        return Ok(Vec::new());
    };
    let admin = Admin::new(cluster.admin_client().clone());
    let in_pods = chosen
        .iter()
        .filter_map(|chosen| Some((chosen, chosen.live.pods.as_ref()?)));
    let works = in_pods.map(async |(chosen, pods): (&ChosenAddon, &PodAddon)| {
        let addon = chosen.live.addon;
        let site = InstallSite {
            admin: &admin,
            host_access,
            material: ObjectInputs {
                data: data_folder(cache, chosen.component),
                beside: beside.clone(),
            },
            begun: cluster.has_begun() && pods.workload.in_first_state,
        };
        (pods.install)(&site)
            .await
            .map_err(|source| Error::Install {
                addon: addon.name,
                source: Box::new(source),
            })?;
        Ok((addon.name.to_owned(), start.elapsed()))
    });
    try_join_all(works).await
}

/// The folder with a component's data.
pub(crate) fn data_folder(cache: &BoxCache, component: &PinnedComponent) -> PathBuf {
    cache.data_path(component, "")
}
