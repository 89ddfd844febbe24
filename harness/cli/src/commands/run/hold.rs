//! `--keep`: the clusters stay up until somebody says so.

use std::io::{self, IsTerminal};

use cluster::Cluster;
use native::Cache;

use crate::report::Report;
use crate::ui;

/// Says what was kept and how to look at it, and returns once Enter is pressed. A signal ends it as well, as always.
pub(crate) fn until_told(cache: &Cache, clusters: &[(String, Cluster)], report: &Report) {
    let boxes = native::list(cache);
    for one in boxes.iter().filter(|one| clusters.iter().any(|(name, _)| *name == one.name)) {
        ui::note(&format!("kept: box {}; export KUBECONFIG={}", one.name, one.kubeconfig.display()));
    }
    for (id, world, namespace) in &report.kept {
        ui::note(&format!("kept: namespace {namespace} of {id} in {world}"));
    }
    if io::stdin().is_terminal() {
        ui::note("press Enter to take everything down");
        let _ = io::stdin().read_line(&mut String::new());
    } else {
        ui::note("send SIGTERM to take everything down");
        std::thread::park();
    }
}
