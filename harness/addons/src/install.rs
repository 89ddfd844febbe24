//! Installs addons in a box that is up.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cluster::{Cluster, HostAccess};
use futures::future::try_join_all;
use native::Cache;
use native::components::Component;

use crate::admin::Admin;
use crate::first_state::{Material, Workload, is_secret};
use crate::start::Chosen;
use crate::{Error, Pods, definitions};

/// Where an addon is installed.
pub(crate) struct InstallSite<'a> {
    pub(crate) admin: &'a Admin,
    pub(crate) host_access: HostAccess<'a>,
    /// What it is made from.
    pub(crate) material: Material,
    /// Whether the cluster began with it, its pods held back.
    begun: bool,
}

impl InstallSite<'_> {
    /// Makes the addon's definitions, and has its pods start.
    pub(crate) async fn put(&self, workload: &Workload) -> Result<(), Error> {
        self.define(workload).await?;
        self.run(workload).await
    }

    /// Makes the addon's definitions, unless they are there.
    pub(crate) async fn define(&self, workload: &Workload) -> Result<(), Error> {
        if self.begun {
            return Ok(());
        }
        let (read, material) = (workload.definitions, self.material.clone());
        let found = tokio::task::spawn_blocking(move || read(&material)).await??;
        definitions::install(self.admin, &found).await
    }

    /// Has the addon's pods start. A first state has no Secrets: how they are sealed is for each box to say.
    pub(crate) async fn run(&self, workload: &Workload) -> Result<(), Error> {
        let mut objects = (workload.objects)(&self.material)?;
        if self.begun {
            objects.retain(is_secret);
        }
        self.admin.apply_all(&objects).await?;
        if self.begun {
            let held = workload.pods.iter();
            try_join_all(held.map(|pods| self.admin.release(pods))).await?;
        }
        Ok(())
    }
}

/// Installs addons side by side, and says when each was ready, counted from `start`.
pub(crate) async fn install_all(
    cluster: &Cluster,
    cache: &Cache,
    chosen: &[Chosen],
    sigstore: bool,
    start: Instant,
) -> Result<Vec<(String, Duration)>, Error> {
    let Some(host_access) = cluster.host_access() else {
        return Ok(Vec::new());
    };
    let admin = Admin::new(cluster.admin().clone());
    let in_pods = chosen
        .iter()
        .filter_map(|chosen| Some((chosen, chosen.live.pods.as_ref()?)));
    let works = in_pods.map(async |(chosen, pods): (&Chosen, &Pods)| {
        let addon = chosen.live.addon;
        let site = InstallSite {
            admin: &admin,
            host_access,
            material: Material {
                data: data(cache, chosen.component),
                sigstore,
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
pub(crate) fn data(cache: &Cache, component: &Component) -> PathBuf {
    cache.data(component, "")
}
