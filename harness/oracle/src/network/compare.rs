//! A table of what was seen, beside what the oracle says.

use std::fmt;

use super::{Network, Probe, Verdict};
use crate::Error;

/// A cell in which a cluster did something else than the oracle says.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// The attempt.
    pub probe: Probe,
    /// What the oracle says.
    pub says: Verdict,
    /// Whether it reached its destination.
    pub reached: bool,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = if self.reached { "reached" } else { "blocked" };
        write!(
            f,
            "{}: was {seen}; the oracle says {}",
            self.probe, self.says
        )
    }
}

/// The cells of `seen` (attempts, and whether each reached its destination) with which the oracle disagrees.
///
/// # Errors
/// When an attempt was between ends that the world does not have.
pub fn compare<'a>(
    network: &Network,
    seen: impl IntoIterator<Item = (&'a Probe, bool)>,
) -> Result<Vec<Disagreement>, Error> {
    let mut found = Vec::new();
    for (probe, reached) in seen {
        let says = network.decide(probe)?;
        if says.reached() != reached {
            found.push(Disagreement {
                probe: probe.clone(),
                says,
                reached,
            });
        }
    }
    Ok(found)
}
