//! A table of what was seen, beside what the oracle says.

use std::fmt;

use super::{ConnectionProbe, NetworkRules, NetworkVerdict};
use crate::Error;

/// A cell in which a cluster did something else than the oracle says.
#[derive(Clone, Debug)]
pub struct NetworkDisagreement {
    /// The attempt.
    pub probe: ConnectionProbe,
    /// What the oracle says.
    pub says: NetworkVerdict,
    /// Whether it reached its destination.
    pub reached: bool,
}

impl fmt::Display for NetworkDisagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = if self.reached { "reached" } else { "blocked" };
        write!(
            f,
            "{}: was {seen}; the oracle says {}",
            self.probe, self.says
        )
    }
}

/// The cells of `seen` (attempts, and whether each reached its destination) with which the oracle
/// disagrees.
///
/// # Errors
/// When an attempt was between ends that the world does not have.
pub fn compare_cells<'a>(
    network: &NetworkRules,
    seen: impl IntoIterator<Item = (&'a ConnectionProbe, bool)>,
) -> Result<Vec<NetworkDisagreement>, Error> {
    let mut found = Vec::new();
    for (probe, reached) in seen {
        let says = network.decide(probe)?;
        if says.reached() != reached {
            found.push(NetworkDisagreement {
                probe: probe.clone(),
                says,
                reached,
            });
        }
    }
    Ok(found)
}
