//! The commands of the security agent and its manager: `agent`, `agent-state`, `agent-forge`, `manager`,
//! `manager-state`, and `emit`, which writes what an agent can follow.

mod client;
mod emit;
mod forge;
mod options;
mod server;

use options::Options;

/// The words that this module answers to.
pub(crate) const WORDS: [&str; 6] = ["agent", "agent-state", "agent-forge", "manager", "manager-state", "emit"];

/// Does one command; `Ok` holds what it says.
pub(crate) fn run(word: &str, rest: &[&str]) -> Result<String, String> {
    match word {
        "agent" => client::run(Options::read(rest)?),
        "agent-state" => client::state(Options::read(rest)?),
        "agent-forge" => forge::run(rest),
        "manager" => server::run(Options::read(rest)?),
        "manager-state" => server::state(Options::read(rest)?),
        _ => emit::run(rest),
    }
}

/// A fault with all that it came from.
fn chain(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(fault), |fault| fault.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
            assert!(run(word, rest).is_err(), "{word} {rest:?}");
        }
    }

    #[test]
    fn a_fault_is_told_with_its_causes() {
        let fault = std::io::Error::other(std::io::Error::other("inner"));
        assert_eq!(chain(&fault), "inner");
    }
}
