//! Backups: what etcd holds is saved, and put back under a stopped API server.

use std::path::PathBuf;

use cluster::HostAccess;
use model::{API_SERVER, Answer};

use super::process::ETCD_PROCESS;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::world::LiveWorld;

/// etcd's data, inside the box.
const DATA_FOLDER: &str = HostAccess::ETCD_DATA;

/// Revisions go on far behind those that clients have seen, so that no watch goes on from before
/// the restore.
const BUMP_REVISION: &str = "--bump-revision=1000000000";

pub(in crate::actions) async fn save_snapshot(
    cx: &StepContext<'_, '_>,
    name: &str,
) -> Result<Observation, Error> {
    let file = cx.world.snapshot_file(name)?;
    let inside = cx.world.host_access()?.path_inside(&file);
    cx.world
        .run_etcdctl(&["snapshot", "save", &inside.to_string_lossy()], None)
        .await?;
    Ok(Observation::from_answer(Answer::Done))
}

pub(in crate::actions) async fn restore_snapshot(
    cx: &StepContext<'_, '_>,
    name: &str,
) -> Result<Observation, Error> {
    let host_access: HostAccess<'_> = cx.world.host_access()?;
    let inside = host_access.path_inside(&cx.world.snapshot_file(name)?);
    cx.world.end_process(API_SERVER).await?;
    cx.world.end_process(ETCD_PROCESS).await?;
    let fresh = format!("{DATA_FOLDER}.new");
    let (file, data) = (inside.to_string_lossy(), format!("--data-dir={fresh}"));
    cx.world
        .in_the_box(
            "etcdutl",
            &[
                "snapshot",
                "restore",
                &file,
                &data,
                BUMP_REVISION,
                "--mark-compacted",
            ],
            None,
        )
        .await?;
    cx.world
        .in_the_box("rm", &["-r", DATA_FOLDER], None)
        .await?;
    cx.world
        .in_the_box("mv", &[&fresh, DATA_FOLDER], None)
        .await?;
    match cx.world.begin_process(ETCD_PROCESS).await?.start_refusal() {
        None => cx.world.begin_process(API_SERVER).await,
        Some(refused) => Ok(refused),
    }
}

impl LiveWorld<'_> {
    /// Where a snapshot of this name is, on this side.
    pub(crate) fn snapshot_file(&self, name: &str) -> Result<PathBuf, Error> {
        Ok(self.world_folder()?.join(format!("{name}.snapshot")))
    }
}
