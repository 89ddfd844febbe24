//! The commands of the security agent and its manager: `agent`, `agent-state`, `agent-forge`,
//! `manager`, `manager-state`, and `emit`, which writes what an agent can follow.

mod client;
mod emit;
mod forge;
mod options;
mod server;

use std::path::{Path, PathBuf};

use ::agent::TlsFiles;
use options::CommandOptions;
use probe_protocol::{AgentReport, ManagerReport};

use crate::tls;

/// The words that this module answers to.
pub(crate) const AGENT_WORDS: [&str; 6] = [
    "agent",
    "agent-state",
    "agent-forge",
    "manager",
    "manager-state",
    "emit",
];

/// Does one command; `Ok` holds what it says.
pub(crate) fn run_agent_command(word: &str, rest: &[&str]) -> Result<String, String> {
    match word {
        "agent" => client::run_agent(CommandOptions::read(rest)?),
        "agent-state" => {
            client::print_state(CommandOptions::read(rest)?).map(|report| report.line())
        }
        "agent-forge" => forge::run_forge(rest),
        "manager" => server::run_manager(CommandOptions::read(rest)?),
        "manager-state" => {
            server::print_agents(CommandOptions::read(rest)?).map(|report| report.line())
        }
        _ => emit::run_emit(rest),
    }
}

/// What the agent of this container says of itself.
pub(crate) fn own_state() -> Result<AgentReport, String> {
    client::print_state(CommandOptions::read(&[])?)
}

/// What the manager of this container knows.
pub(crate) fn own_manager_state() -> Result<ManagerReport, String> {
    server::print_agents(CommandOptions::read(&[])?)
}

/// The file with the authority of a word, which the other end is given too.
fn authority_file(
    options: &mut CommandOptions,
    option: &str,
    dir: &Path,
) -> Result<Option<PathBuf>, String> {
    let Some(word) = options.text(option) else {
        return Ok(None);
    };
    let path = dir.join(format!("{option}.pem"));
    write_file(dir, &path, &tls::authority_pem(&word)?)?;
    Ok(Some(path))
}

/// A certificate and its key, made and put into files of this name.
fn save_certificate(
    identity: &tls::ServerIdentity,
    dir: &Path,
    name: &str,
) -> Result<TlsFiles, String> {
    let (cert, key) = tls::certificate_pem(identity)?;
    let files = (
        dir.join(format!("{name}.cert")),
        dir.join(format!("{name}.key")),
    );
    write_file(dir, &files.0, &cert)?;
    write_file(dir, &files.1, &key)?;
    Ok(files)
}

fn write_file(dir: &Path, path: &Path, text: &str) -> Result<(), String> {
    let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(path, text));
    written.map_err(|why| format!("failed to write `{}`: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_option_is_refused() {
        for (word, rest) in [
            ("agent", &["--manager"][..]),
            ("agent", &["--dir", "/nowhere"]),
            ("agent", &["--manager", "a", "--rate", "x"]),
            ("agent", &["--manager", "a", "--dance", "x"]),
            ("manager", &["--port", "70000"]),
            ("manager", &["--protocol", "sctp"]),
            ("agent-forge", &["dance", "--manager", "a"]),
            ("emit", &[]),
        ] {
            assert!(run_agent_command(word, rest).is_err(), "{word} {rest:?}");
        }
    }
}
