//! The key management plugins.

use super::{BoxBlueprint, BoxProcess, HOME, OURSELVES, box_process};
use crate::kms_process::{FOLDER, KMS};
use crate::places::WORK;

pub(super) fn plugin_processes(blueprint: &BoxBlueprint) -> Vec<BoxProcess> {
    blueprint
        .cluster
        .kms
        .iter()
        .map(|name| plugin_process(name))
        .collect()
}

fn plugin_process(name: &str) -> BoxProcess {
    let folder = format!("{HOME}/{WORK}/{FOLDER}/{name}");
    let args = vec![KMS.to_owned(), format!("{folder}/kms.sock"), folder];
    box_process(&format!("kms-{name}"), &format!("{HOME}/{OURSELVES}"), args)
}
