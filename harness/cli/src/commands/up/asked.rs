//! The cluster that `gauntlet up` was asked for, by a file and by options.

use std::path::Path;

use model::{ClusterFile, ClusterSpec};

use crate::args::UpArguments;
use crate::commands::lint::lint_one;
use crate::fault::CommandFault;

/// What the options say is asked for, and the rest is the file's, or a box's own.
pub(super) fn asked_cluster(args: &UpArguments) -> Result<ClusterSpec, CommandFault> {
    let of_file = match &args.cluster {
        Some(path) => read_cluster(path)?,
        None => ClusterSpec::default(),
    };
    Ok(ClusterSpec {
        kubernetes: args.kubernetes.clone().unwrap_or(of_file.kubernetes),
        nodes: args.nodes.unwrap_or(of_file.nodes),
        enforce_network_policy: args.enforce_network_policy || of_file.enforce_network_policy,
        dual_stack: args.dual_stack || of_file.dual_stack,
        install: model::align_parts(args.install.iter().copied().collect()),
        ..of_file
    })
}

/// The first thing that is wrong with it is said: a person asked for one cluster.
fn read_cluster(path: &Path) -> Result<ClusterSpec, CommandFault> {
    let file = ClusterFile::read(path)?;
    match file.lint().first() {
        Some(finding) => Err(lint_one(finding)),
        None => Ok(file.spec()?),
    }
}
