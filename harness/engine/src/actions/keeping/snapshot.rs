//! Backups: what etcd holds is saved, and put back under a stopped API server.

use std::path::PathBuf;

use cluster::HostAccess;
use model::Answer;

use super::process::{API_SERVER, ETCD};
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::world::World;

/// etcd's data, inside the box.
const DATA: &str = HostAccess::ETCD_DATA;

/// Revisions go on far behind those that clients have seen, so that no watch goes on from before the restore.
const BUMP: &str = "--bump-revision=1000000000";

pub(in crate::actions) async fn snapshot(
    cx: &StepContext<'_, '_>,
    name: &str,
) -> Result<Observation, Error> {
    let file = cx.world.snapshot_file(name)?;
    let inside = cx.world.host_access()?.inside(&file);
    cx.world
        .etcdctl(&["snapshot", "save", &inside.to_string_lossy()], None)
        .await?;
    Ok(Observation::answer(Answer::Done))
}

pub(in crate::actions) async fn restore(
    cx: &StepContext<'_, '_>,
    name: &str,
) -> Result<Observation, Error> {
    let host_access: HostAccess<'_> = cx.world.host_access()?;
    let inside = host_access.inside(&cx.world.snapshot_file(name)?);
    cx.world.end_process(API_SERVER).await?;
    cx.world.end_process(ETCD).await?;
    let fresh = format!("{DATA}.new");
    let (file, data) = (inside.to_string_lossy(), format!("--data-dir={fresh}"));
    cx.world
        .in_the_box(
            "etcdutl",
            &[
                "snapshot",
                "restore",
                &file,
                &data,
                BUMP,
                "--mark-compacted",
            ],
            None,
        )
        .await?;
    cx.world.in_the_box("rm", &["-r", DATA], None).await?;
    cx.world.in_the_box("mv", &[&fresh, DATA], None).await?;
    match cx.world.begin_process(ETCD).await?.refused() {
        None => cx.world.begin_process(API_SERVER).await,
        Some(refused) => Ok(refused),
    }
}

impl World<'_> {
    /// Where a snapshot of this name is, on this side.
    pub(crate) fn snapshot_file(&self, name: &str) -> Result<PathBuf, Error> {
        Ok(self.folder()?.join(format!("{name}.snapshot")))
    }
}
