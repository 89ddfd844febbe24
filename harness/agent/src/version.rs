//! Versions of agent and manager, which are compared.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A version such as `v4.14.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentVersion([u16; 3]);

impl AgentVersion {
    /// The release whose protocol this is.
    pub const KNOWN: Self = Self::new(4, 14, 7);

    /// Whether an agent of this version is too new for a manager of version `other`: the last
    /// number does not count.
    #[must_use]
    pub fn is_newer_than(self, other: Self) -> bool {
        self.0[..2] > other.0[..2]
    }

    /// `vMAJOR.MINOR.PATCH`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self([major, minor, patch])
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "v{major}.{minor}.{patch}")
    }
}

impl FromStr for AgentVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::unknown_word(text, "a version", "vMAJOR.MINOR.PATCH");
        let numbers = text
            .strip_prefix('v')
            .unwrap_or(text)
            .split('.')
            .map(str::parse);
        let numbers: Vec<u16> = numbers.collect::<Result<_, _>>().map_err(|_| fault())?;
        numbers.try_into().map(Self).map_err(|_| fault())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<AgentVersion>().unwrap();
        assert!(version("v4.9.0") < version("v4.14.7") && version("4.14.7") == AgentVersion::KNOWN);
        assert_eq!(version("v4.9.0").to_string(), "v4.9.0");
        assert!(
            "v4.9".parse::<AgentVersion>().is_err() && "v4.9.x".parse::<AgentVersion>().is_err()
        );
    }
}
