//! Backups: what etcd holds is saved, and put back under a stopped API server.

use std::path::PathBuf;

use cluster::Toolbox;
use model::Answer;

use super::process::{API_SERVER, ETCD};
use crate::Error;
use crate::actions::Tried;
use crate::world::World;

/// etcd's data, inside the box.
pub(crate) const DATA: &str = "/run/gauntlet/etcd";

/// Revisions go on far behind those that clients have seen, so that no watch goes on from before the restore.
const BUMP: &str = "--bump-revision=1000000000";

impl World<'_> {
    pub(in crate::actions) async fn snapshot(&self, name: &str) -> Result<Tried, Error> {
        let file = self.snapshot_file(name)?;
        let inside = self.toolbox()?.inside(&file);
        self.etcdctl(&["snapshot", "save", &inside.to_string_lossy()], None).await?;
        Ok(Tried::answer(Answer::Made))
    }

    pub(in crate::actions) async fn restore(&self, name: &str) -> Result<Tried, Error> {
        let toolbox: Toolbox<'_> = self.toolbox()?;
        let inside = toolbox.inside(&self.snapshot_file(name)?);
        self.end_process(API_SERVER).await?;
        self.end_process(ETCD).await?;
        let fresh = format!("{DATA}.new");
        let (file, data) = (inside.to_string_lossy(), format!("--data-dir={fresh}"));
        self.in_the_box("etcdutl", &["snapshot", "restore", &file, &data, BUMP, "--mark-compacted"], None).await?;
        self.in_the_box("rm", &["-r", DATA], None).await?;
        self.in_the_box("mv", &[&fresh, DATA], None).await?;
        match self.begin_process(ETCD).await?.refused() {
            None => self.begin_process(API_SERVER).await,
            Some(refused) => Ok(refused),
        }
    }

    /// Where a snapshot of this name is, on this side.
    pub(crate) fn snapshot_file(&self, name: &str) -> Result<PathBuf, Error> {
        Ok(self.folder()?.join(format!("{name}.snapshot")))
    }
}
