//! Words for comparing two things.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use model::{ComparedRelease, ComparisonError};

use super::{FolderArguments, ScenarioChoice};

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// The first: a release (`kubernetes@1.N`, or an addon's, such as `kyverno@1.19`), or a folder of
    /// policies (`./policies`)
    #[arg(value_name = "OLD", value_parser = ComparedThing::from_str)]
    pub(crate) old: ComparedThing,
    /// The second: another release of the same thing, or another folder
    #[arg(value_name = "NEW", value_parser = ComparedThing::from_str)]
    pub(crate) new: ComparedThing,
    #[command(flatten)]
    pub(crate) choice: ScenarioChoice,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
    /// Of folders: try these objects too, a file or a folder of manifests; can be given several
    /// times
    #[arg(long, value_name = "PATH")]
    pub(crate) objects: Vec<PathBuf>,
    /// End with 1 where a cell is decided differently, and with 6 where only detail differs
    #[arg(long)]
    pub(crate) gate: bool,
    /// Write the comparison as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Install what the machine lacks, after saying so, and build what is pinned
    #[arg(long)]
    pub(crate) setup: bool,
}

/// One of two things to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ComparedThing {
    /// A release.
    Release(ComparedRelease),
    /// A folder of policies.
    Folder(PathBuf),
}

impl FromStr for ComparedThing {
    type Err = ComparisonError;

    /// What has a slash in it, or is there, is a folder.
    fn from_str(word: &str) -> Result<Self, ComparisonError> {
        if word.contains('/') || PathBuf::from(word).is_dir() {
            Ok(Self::Folder(word.into()))
        } else {
            ComparedRelease::from_str(word).map(Self::Release)
        }
    }
}
