//! How a run can end: a number for scripts, a word for reports, a sentence for people.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitReason {
    Passed,
    Failed,
    Usage,
    Machine,
    Nothing,
    Leaked,
    Differs,
    Slower,
    Noisy,
    Broken,
    Interrupted,
}

impl ExitReason {
    /// Every way, by number.
    pub(crate) const ALL_REASONS: [Self; 11] = [
        Self::Passed,
        Self::Failed,
        Self::Usage,
        Self::Machine,
        Self::Nothing,
        Self::Leaked,
        Self::Differs,
        Self::Slower,
        Self::Noisy,
        Self::Broken,
        Self::Interrupted,
    ];

    /// Of several at once, the first of these is the answer.
    const WORST_FIRST: [Self; 7] = [
        Self::Machine,
        Self::Broken,
        Self::Leaked,
        Self::Failed,
        Self::Differs,
        Self::Noisy,
        Self::Slower,
    ];

    /// The process's exit status.
    pub(crate) fn number(self) -> u8 {
        self.table_row().0
    }

    /// The word in reports.
    pub(crate) fn word(self) -> &'static str {
        self.table_row().1
    }

    /// What it means.
    pub(crate) fn sentence(self) -> &'static str {
        self.table_row().2
    }

    fn table_row(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Passed => (0, "passed", "every cell as intended, detail as recorded"),
            Self::Failed => (
                1,
                "failed",
                "a cell is not what was intended, a control is idle, or a decision differs (`compare --gate`)",
            ),
            Self::Usage => (2, "usage", "bad usage, or a scenario that does not lint"),
            Self::Machine => (
                3,
                "machine",
                "the machine cannot run it: a missing tool, no cluster, no rights",
            ),
            Self::Nothing => (4, "nothing", "nothing ran: no scenario matched"),
            Self::Leaked => (5, "leaked", "something was left behind"),
            Self::Differs => (
                6,
                "differs",
                "intents met; recorded detail changed, or nothing is recorded yet",
            ),
            Self::Slower => (
                7,
                "slower",
                "reserved for measurements: a gated figure regressed",
            ),
            Self::Noisy => (8, "noisy", "reserved for measurements: it is not valid"),
            Self::Broken => (9, "broken", "it could not be tried"),
            Self::Interrupted => (
                130,
                "interrupted",
                "interrupted: everything was taken down first",
            ),
        }
    }

    /// What several things at once come to: the worst of them, or [`ExitReason::Passed`] where
    /// there are none.
    ///
    /// An interruption, bad usage and an empty run end a run at once, so they outrank all others.
    pub(crate) fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: Self| match exit {
            Self::Interrupted | Self::Usage | Self::Nothing => 0,
            other => Self::WORST_FIRST
                .iter()
                .position(|one| *one == other)
                .map_or(usize::MAX, |at| at + 1),
        };
        all.into_iter()
            .min_by_key(|exit| rank(*exit))
            .unwrap_or(Self::Passed)
    }

    /// The table for `--help`.
    pub(crate) fn table() -> String {
        let rows = Self::ALL_REASONS.iter().map(|exit| {
            format!(
                "  {:>3}  {:<11}  {}",
                exit.number(),
                exit.word(),
                exit.sentence()
            )
        });
        let rows: Vec<String> = rows.collect();
        format!(
            "Exit codes:\n{}\nSeveral at once: the first of 3, 9, 5, 1, 6, 8, 7 that applies.",
            rows.join("\n")
        )
    }
}

impl From<ExitReason> for ExitCode {
    fn from(exit: ExitReason) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_those_of_the_design() {
        let table: Vec<_> = ExitReason::ALL_REASONS
            .iter()
            .map(|exit| (exit.number(), exit.word()))
            .collect();
        let wanted = [
            (0, "passed"),
            (1, "failed"),
            (2, "usage"),
            (3, "machine"),
            (4, "nothing"),
            (5, "leaked"),
            (6, "differs"),
            (7, "slower"),
            (8, "noisy"),
            (9, "broken"),
            (130, "interrupted"),
        ];
        assert_eq!(table, wanted);
    }

    #[test]
    fn every_pair_comes_to_the_first_of_the_order() {
        let order = [3, 9, 5, 1, 6, 8, 7, 0];
        let exit = |number: u8| {
            *ExitReason::ALL_REASONS
                .iter()
                .find(|exit| exit.number() == number)
                .unwrap()
        };
        for (at, first) in order.iter().enumerate() {
            for second in &order[at..] {
                assert_eq!(
                    ExitReason::worst([exit(*first), exit(*second)]).number(),
                    *first
                );
                assert_eq!(
                    ExitReason::worst([exit(*second), exit(*first)]).number(),
                    *first
                );
            }
        }
        assert_eq!(ExitReason::worst([]), ExitReason::Passed);
        assert_eq!(
            ExitReason::worst([ExitReason::Machine, ExitReason::Interrupted]),
            ExitReason::Interrupted
        );
    }

    #[test]
    fn the_help_shows_every_one() {
        let table = ExitReason::table();
        for exit in ExitReason::ALL_REASONS {
            assert!(
                table.contains(&format!("{:>3}  {}", exit.number(), exit.word())),
                "{table}"
            );
            assert!(table.contains(exit.sentence()), "{table}");
        }
    }
}
