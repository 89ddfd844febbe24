//! `--keep`: the clusters stay up until Enter is pressed.

use std::io::{self, IsTerminal};

use native::BoxCache;
use runner::LiveCluster;

use crate::report::RunReport;
use crate::{interrupt, ui};

/// Says what was kept and how to look at it, and holds boxes until Enter is pressed; without a
/// terminal, until a signal comes, which ends it as well, as always. On a cluster that stays, there
/// is nothing to hold.
pub(crate) fn until_told(cache: &BoxCache, clusters: &[LiveCluster], report: &RunReport) {
    let mut boxes = native::list_boxes(cache);
    boxes.retain(|one| clusters.iter().any(|cluster| cluster.name() == one.name));
    for one in &boxes {
        ui::print_note(&format!(
            "kept: box {}; export KUBECONFIG={}",
            one.name,
            one.kubeconfig.display()
        ));
    }
    for runner::KeptNamespace {
        id,
        world,
        namespace,
    } in &report.kept
    {
        ui::print_note(&format!("kept: namespace {namespace} of {id} in {world}"));
    }
    if boxes.is_empty() {
        return;
    }
    if io::stdin().is_terminal() {
        ui::print_note("press Enter to take everything down");
        if io::stdin()
            .read_line(&mut String::new())
            .is_ok_and(|read| read > 0)
        {
            return;
        }
    }
    ui::print_note("send SIGTERM to take everything down");
    interrupt::wait_for_signal();
}
