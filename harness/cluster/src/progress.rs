//! What a caller is told while a cluster starts, whatever provides it.

use components::BuildProgress;
use native::BoxProgress;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterProgress {
    /// A component of the cluster is built.
    Build(BuildProgress),
    /// What it does now takes longer than usual: worth a line of its own.
    Waiting(String),
    /// It has come further.
    Reached(String),
}

impl From<BoxProgress> for ClusterProgress {
    fn from(step: BoxProgress) -> Self {
        match step {
            BoxProgress::Build(step) => Self::Build(step),
            BoxProgress::MakingTemplate { kubernetes } => Self::Waiting(format!(
                "making a template of Kubernetes {kubernetes}, once for each set of addons"
            )),
            BoxProgress::Waiting { what } => Self::Waiting(format!("waiting for {what}")),
            BoxProgress::Started { process } => Self::Reached(format!("started {process}")),
            BoxProgress::Milestone { name, at } => {
                Self::Reached(format!("{name} after {:.1} s", at.as_secs_f64()))
            }
        }
    }
}
