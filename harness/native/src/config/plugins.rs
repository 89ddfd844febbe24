//! The key management plugins.

use super::{BOX_HOME, BoxBlueprint, BoxProcess, OWN_PROGRAM, box_process};
use crate::kms_process::{KMS_ARGUMENT, KMS_FOLDER};
use crate::places::WORK_FOLDER;

pub(super) fn plugin_processes(blueprint: &BoxBlueprint) -> Vec<BoxProcess> {
    blueprint
        .cluster
        .kms
        .iter()
        .map(|name| plugin_process(name))
        .collect()
}

fn plugin_process(name: &str) -> BoxProcess {
    let folder = format!("{BOX_HOME}/{WORK_FOLDER}/{KMS_FOLDER}/{name}");
    let args = vec![
        KMS_ARGUMENT.to_owned(),
        format!("{folder}/kms.sock"),
        folder,
    ];
    box_process(
        &format!("kms-{name}"),
        &format!("{BOX_HOME}/{OWN_PROGRAM}"),
        args,
    )
}
