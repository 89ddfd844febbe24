//! What the faulty registry proxy does with answers.

use serde::{Deserialize, Serialize};

/// What the registry's front does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Fault")
)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryFault {
    /// Nothing.
    None,
    /// Says 401 instead.
    #[serde(rename = "answer-401")]
    Answer401,
    /// Says 404 instead.
    #[serde(rename = "answer-404")]
    Answer404,
    /// Says 429 instead.
    #[serde(rename = "answer-429")]
    Answer429,
    /// Says 500 instead.
    #[serde(rename = "answer-500")]
    Answer500,
    /// Sends half of the body.
    Truncate,
}

impl RegistryFault {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Answer401,
        Self::Answer404,
        Self::Answer429,
        Self::Answer500,
        Self::Truncate,
    ];

    /// Its word, which is also the first part of the path at the front.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Answer401 => "answer-401",
            Self::Answer404 => "answer-404",
            Self::Answer429 => "answer-429",
            Self::Answer500 => "answer-500",
            Self::Truncate => "truncate",
        }
    }

    /// The fault of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_one_word_for_paths_and_for_files() {
        for fault in RegistryFault::ALL {
            let text = serde_json::to_value(fault).unwrap();
            assert_eq!(text, fault.word());
            assert_eq!(RegistryFault::of_word(fault.word()), Some(fault));
        }
        assert_eq!(RegistryFault::of_word("answer-418"), None);
    }
}
