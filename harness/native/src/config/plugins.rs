//! The key management plugins.

use super::{Blueprint, HOME, OURSELVES, Process, process};
use crate::places::WORK;
use crate::plugin::{FOLDER, KMS};

pub(super) fn processes(blueprint: &Blueprint) -> Vec<Process> {
    blueprint
        .cluster
        .kms
        .iter()
        .map(|name| plugin(name))
        .collect()
}

fn plugin(name: &str) -> Process {
    let folder = format!("{HOME}/{WORK}/{FOLDER}/{name}");
    let args = vec![KMS.to_owned(), format!("{folder}/kms.sock"), folder];
    process(&format!("kms-{name}"), &format!("{HOME}/{OURSELVES}"), args)
}
