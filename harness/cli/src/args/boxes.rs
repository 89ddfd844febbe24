//! The words for boxes to work in: `up`, `enter` and `down` name them alike.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValue, TypedValueParser};
use model::AddonInstall;

/// What a box is called where nobody says.
const USUAL_NAME: &str = "box";

/// A box, by its place on the command line or by an option.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct BoxName {
    /// The box's name; `box` where none is given
    #[arg(value_name = "NAME", conflicts_with = "name")]
    place: Option<String>,
    /// The same as NAME
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl BoxName {
    /// The box that is meant.
    pub(crate) fn find_name(&self) -> &str {
        let given = self.place.as_deref().or(self.name.as_deref());
        given.unwrap_or(USUAL_NAME)
    }
}

#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    pub(crate) name: BoxName,
    /// What the cluster looks like, in a file with the words that stand below `cluster` in a
    /// scenario (docs/scenario.md): encryption, audit policy, admission, feature gates and the rest.
    /// Files that it names are beside it. The options below decide where both say something
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster: Option<PathBuf>,
    /// The Kubernetes release; 1.36 where nothing says it
    #[arg(long, value_name = "1.N")]
    pub(crate) kubernetes: Option<String>,
    /// How many nodes it has; 1 where nothing says it, 0 is an API server alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=i64::from(native::MOST_NODES)))]
    pub(crate) nodes: Option<u8>,
    /// Enforce NetworkPolicies. Without it the API server takes them, and nothing enforces them
    #[arg(long)]
    pub(crate) enforce_network_policy: bool,
    /// Give nodes, pods, and Services that ask for it an IPv6 address beside their IPv4 one
    #[arg(long)]
    pub(crate) dual_stack: bool,
    /// Addons to install, separated by commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = InstallParser)]
    pub(crate) install: Vec<AddonInstall>,
    /// An archive of images that every node gets, under the names that it has for them (OCI, or of
    /// `docker save`); may be given several times
    #[arg(long = "image", value_name = "FILE")]
    pub(crate) images: Vec<PathBuf>,
    /// Install what the machine lacks, after saying so, and build what is pinned
    #[arg(long)]
    pub(crate) setup: bool,
}

/// Reads the words for what can stand beside Kubernetes: those of scenario files.
#[derive(Clone)]
struct InstallParser;

impl TypedValueParser for InstallParser {
    type Value = AddonInstall;

    fn parse_ref(
        &self,
        cmd: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<AddonInstall, clap::Error> {
        AddonInstall::from_str.parse_ref(cmd, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            model::ADDONS
                .iter()
                .map(|addon| PossibleValue::new(addon.name)),
        ))
    }
}

#[derive(Debug, Args)]
pub(crate) struct EnterArguments {
    #[command(flatten)]
    pub(crate) name: BoxName,
    /// The node to run it on, from 1. The first is where the API server and etcd are
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=i64::from(native::MOST_NODES)))]
    pub(crate) node: u8,
    /// The command and its arguments, behind `--`: `kubectl`, `ctr` and `etcdctl` know their way,
    /// and every program of this machine is there
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct DownArguments {
    #[command(flatten)]
    pub(crate) name: BoxName,
    /// Every box of this cache
    #[arg(long, conflicts_with_all = ["place", "name"])]
    pub(crate) all: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Cli, Command};

    fn parse(words: &[&str]) -> Option<Command> {
        let words = ["gauntlet"].iter().chain(words);
        Cli::try_parse_from(words).ok().map(|cli| cli.command)
    }

    #[test]
    fn a_box_is_named_alike_by_every_command() {
        let named = |words: &[&str]| {
            let name = match parse(words)? {
                Command::Up(up) => up.name,
                Command::Down(down) => down.name,
                Command::Enter(enter) => enter.name,
                _ => return None,
            };
            Some(name.find_name().to_owned())
        };
        for (command, behind) in [
            ("up", [].as_slice()),
            ("down", &[]),
            ("enter", &["--", "true"]),
        ] {
            let words = |names: &[&'static str]| [&[command][..], names, behind].concat();
            assert_eq!(named(&words(&[])).as_deref(), Some("box"), "{command}");
            assert_eq!(named(&words(&["lab"])).as_deref(), Some("lab"), "{command}");
            let option = words(&["--name", "lab"]);
            assert_eq!(named(&option).as_deref(), Some("lab"), "{command}");
            assert_eq!(named(&words(&["lab", "--name", "lab"])), None, "{command}");
        }
        assert!(parse(&["down", "--all"]).is_some());
        assert!(parse(&["down", "--all", "lab"]).is_none());
        assert!(parse(&["down", "--all", "--name", "lab"]).is_none());
    }

    #[test]
    fn a_command_is_entered_with_all_its_words_on_a_node_that_can_be() {
        let entered = |words: &[&str]| match parse(words)? {
            Command::Enter(enter) => Some((enter.node, enter.command)),
            _ => None,
        };
        let words = [
            "enter", "--node", "2", "lab", "--", "ls", "--all", "--", "-x",
        ];
        let command = ["ls", "--all", "--", "-x"].map(Into::into);
        assert_eq!(entered(&words), Some((2, command.into())));
        assert_eq!(
            entered(&["enter", "--", "true"]),
            Some((1, vec!["true".into()]))
        );
        for bad in [
            ["enter"].as_slice(),
            &["enter", "lab"],
            &["enter", "lab", "--"],
            &["enter", "lab", "ls"],
            &["enter", "--node", "0", "--", "ls"],
            &["enter", "--node", "4", "--", "ls"],
        ] {
            assert_eq!(entered(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_installed_is_separated_by_commas() {
        let up = |what: &str| match parse(&["up", "--install", what]) {
            Some(Command::Up(up)) => Some(up.install.len()),
            _ => None,
        };
        let names: Vec<&str> = model::ADDONS.iter().map(|addon| addon.name).collect();
        assert_eq!(up(&names.join(",")), Some(names.len()));
        assert_eq!(up("registry,kyverno@1.19"), Some(2));
        assert_eq!(up("kyverno@1.0"), None);
        assert_eq!(up("registry,docker"), None);
    }
}
