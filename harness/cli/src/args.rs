//! The command line.

mod boxes;
mod compare;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit::ExitReason;
pub(crate) use boxes::{DownArguments, EnterArguments, UpArguments};
pub(crate) use compare::{CompareArguments, ComparedThing};

/// Starts a real Kubernetes cluster in a box, attacks its controls, and records what it answered.
#[derive(Debug, Parser)]
#[command(name = "gauntlet", version, after_help = ExitReason::table(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try scenarios: start what is needed, try every cell, compare, report, take everything down
    Run(RunArguments),
    /// Take out one control at a time: a step then has to be answered differently
    Prove(ProveArguments),
    /// Say what another release, or another folder of policies, decides differently
    Compare(CompareArguments),
    /// Start a box to work in, and say how to use kubectl with it
    Up(UpArguments),
    /// Run a command within a box that is up; the exit code is the command's
    Enter(EnterArguments),
    /// Take a box down
    Down(DownArguments),
    /// List the scenarios, or the boxes that are up
    List(ListArguments),
    /// Print what a scenario tries and the manifests as they will be sent
    Show(ShowArguments),
    /// Check scenarios without running them
    Lint(LintArguments),
    /// Make what the last run recorded the new golden, after showing the diff
    Accept(AcceptArguments),
    /// Check this machine, and print the command that fixes what is missing
    Doctor,
    /// What is pinned and built: Kubernetes, etcd, containerd and the rest
    Components(ComponentsArguments),
    /// Print the JSON schema of a scenario file
    Schema(SchemaArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FolderArguments {
    /// The folder of scenarios; by default `scenarios` in this folder or one above it
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) scenarios: Option<PathBuf>,
    /// The folder of golden outcomes; by default `golden/outcomes` beside the scenarios
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) golden: Option<PathBuf>,
    /// The folder that scenarios may name files below beside those of their own folders, such as
    /// the policies that are tested; by default there is none
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) root: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ScenarioFilter {
    /// Scenarios by id (`rbac/pod-reader`) or glob (`rbac/*`); all where none is named
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Only scenarios of this area; can be given several times
    #[arg(long, value_name = "AREA")]
    pub(crate) area: Vec<String>,
    /// Leave out scenarios by id or glob; can be given several times
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
}

/// Which scenarios: by name, by what changed, in turns.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ScenarioChoice {
    #[command(flatten)]
    pub(crate) filter: ScenarioFilter,
    /// Only what a change touches: whatever is not as it was at this revision of git, untracked
    /// files included. A scenario is touched by its own files, its components, what it installs,
    /// and the code of its actions. It is not an error if nothing is touched
    #[arg(long, value_name = "REV")]
    pub(crate) changed: Option<String>,
    /// Only the scenarios whose turn it is, the I-th of N: a scenario keeps its turn whatever is
    /// added. Beside `--changed`: what is touched, and of the others those whose turn it is; what
    /// touches more than half of all scenarios, such as the engine's common code, is then left to
    /// the turns
    #[arg(long, value_name = "I/N")]
    pub(crate) rotate: Option<ShardPart>,
    /// Only the scenarios whose components are built; lists the others with the component that each
    /// lacks
    #[arg(long)]
    pub(crate) built: bool,
}

impl ScenarioChoice {
    /// Whether it chooses anything less than all.
    pub(crate) fn narrows(&self) -> bool {
        let Self {
            filter: ScenarioFilter { ids, area, exclude },
            changed,
            rotate,
            built,
        } = self;
        [ids, area, exclude].iter().any(|words| !words.is_empty())
            || changed.is_some()
            || rotate.is_some()
            || *built
    }

    /// Whether it may choose none without a fault.
    pub(crate) fn may_be_empty(&self) -> bool {
        self.changed.is_some() || self.rotate.is_some()
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) choice: ScenarioChoice,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
    /// Only the I-th of N equal parts, as in `2/4`
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<ShardPart>,
    /// Keep the namespaces, and the boxes, of worlds that did not pass
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print the full table of every scenario, not only of those that did not pass
    #[arg(long)]
    pub(crate) tables: bool,
    /// Write a JUnit report; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a JSON report; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Give every box that has a node at least N nodes: what is true of one node is not always true
    /// of two
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(native::MOST_NODES)),
          conflicts_with_all = ["kubeconfig", "context", "disposable"])]
    pub(crate) nodes: Option<u8>,
    /// Try everything N times, and count how often each cell gave which verdict. A cell that does not
    /// always give the same one is flaky (exit 1)
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = clap::value_parser!(u16).range(1..=1000), conflicts_with = "keep")]
    pub(crate) repeat: u16,
    /// Begin no further world once one is not as intended; those that have begun are finished, and
    /// the rest is skipped
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Try at most N worlds at a time, on all clusters together; 10 by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: Option<u16>,
    /// Hold a world that is not as intended before anything of it is taken away, until Enter is
    /// pressed; for a terminal
    #[arg(long)]
    pub(crate) pause_on_failure: bool,
    /// Print a line for each request that a step sends, and one for each step: what was asked, and
    /// what came of it
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Install what the machine lacks (Debian packages), after saying so, and build what is pinned
    #[arg(long)]
    pub(crate) setup: bool,
    #[command(flatten)]
    pub(crate) existing: ExistingCluster,
}

/// A cluster that exists, instead of a box.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ExistingCluster {
    /// Use the cluster of this kubeconfig instead of a box
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Use the cluster of this context instead of a box
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The name of that context again: yes, everything in it may be lost
    #[arg(long, value_name = "NAME")]
    pub(crate) disposable: Option<String>,
}

impl ExistingCluster {
    /// Whether a cluster that exists was asked for at all.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some() || self.disposable.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProveArguments {
    #[command(flatten)]
    pub(crate) choice: ScenarioChoice,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
    /// Skip the worlds with all their controls: every scenario was just seen to pass
    #[arg(long)]
    pub(crate) whole_passed: bool,
    /// Install what the machine lacks, after saying so, and build what is pinned
    #[arg(long)]
    pub(crate) setup: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) choice: ScenarioChoice,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
    /// List the boxes that are up instead
    #[arg(long, conflicts_with_all = ["ids", "area", "exclude", "changed", "rotate", "built"])]
    pub(crate) boxes: bool,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The scenario
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
}

#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    #[command(flatten)]
    pub(crate) choice: ScenarioChoice,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptArguments {
    #[command(flatten)]
    pub(crate) filter: ScenarioFilter,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ComponentsArguments {
    #[command(subcommand)]
    pub(crate) what: Option<ComponentsWhat>,
    #[command(flatten)]
    pub(crate) list: ComponentsListArguments,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ComponentsListArguments {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ComponentsWhat {
    /// List them, with what is changed of the release that an addon is installed by (the default)
    List(ComponentsListArguments),
    /// Build those that are not built, or only these
    Build {
        /// `NAME-VERSION`
        names: Vec<String>,
    },
    /// Write the built ones into one archive, with checksums
    Export {
        /// The archive
        file: PathBuf,
    },
    /// Take the built ones out of such an archive
    Import {
        /// The archive
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// The reference for people instead, as Markdown
    #[arg(long)]
    pub(crate) reference: bool,
    /// Write it to this file instead
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

/// One of N parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardPart {
    /// Which, from 1.
    pub(crate) index: usize,
    /// Of how many.
    pub(crate) of: usize,
}

impl ShardPart {
    /// Whether the scenario of this id belongs to this part: by its id alone, so that others
    /// neither bring nor take it.
    pub(crate) fn contains_id(self, id: &str) -> bool {
        // FNV-1a, of 64 bits: it is the same in every build.
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash % (self.of as u64) == (self.index - 1) as u64
    }
}

impl std::fmt::Display for ShardPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// What was given is not a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAShard;

impl std::fmt::Display for NotAShard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a part is I/N with I from 1 to N, as in `2/4`")
    }
}

impl std::error::Error for NotAShard {}

impl std::str::FromStr for ShardPart {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let parts = text
            .split_once('/')
            .map(|(index, of)| (index.parse(), of.parse()));
        match parts {
            Some((Ok(index), Ok(of))) if 1 <= index && index <= of => Ok(Self { index, of }),
            _ => Err(NotAShard),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_repeated_is_not_kept_and_every_number_has_its_range() {
        let run = |options: &[&str]| {
            let words = ["gauntlet", "run"].iter().chain(options);
            match Cli::try_parse_from(words).map(|cli| cli.command) {
                Ok(Command::Run(run)) => Some((run.repeat, run.parallel, run.verbose)),
                _ => None,
            }
        };
        assert_eq!(run(&["--keep"]), Some((1, None, false)));
        let all = ["--repeat", "3", "--parallel", "2", "-v"];
        assert_eq!(run(&all), Some((3, Some(2), true)));
        for bad in [
            ["--repeat", "3", "--keep"].as_slice(),
            &["--repeat", "0"],
            &["--parallel", "0"],
            &["--parallel", "65"],
        ] {
            assert_eq!(run(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn parts_begin_at_one() {
        assert_eq!("2/4".parse(), Ok(ShardPart { index: 2, of: 4 }));
        for bad in ["0/4", "5/4", "1", "a/b", "1/0", "-1/2", ""] {
            assert!(bad.parse::<ShardPart>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_id_has_one_turn_of_each_number_and_keeps_it() {
        let turn = |id: &str, of| {
            (1..=of)
                .filter(|index| ShardPart { index: *index, of }.contains_id(id))
                .collect::<Vec<_>>()
        };
        for of in [1, 2, 10, 97] {
            for id in ["audit/exec", "rbac/pod-reader", "", "é"] {
                assert_eq!(turn(id, of).len(), 1, "{id} of {of}");
            }
        }
        assert_eq!(turn("pod-security/privileged", 10), [2]);
        assert_eq!(turn("rbac/pod-reader", 10), [6]);
    }
}
