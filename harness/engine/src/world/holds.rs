//! How long a step waits before it believes an answer.
//!
//! A step waits for the answer that is expected, up to a deadline: a Service takes a moment until every node knows it, a
//! block may need the seconds that `within` grants it. That is decided here, before the step is taken, and an action gets
//! two plain times: how long an absence has to last (nobody answers, no such field), and how long a presence has to. It
//! does not learn which of them is hoped for, looks in the same way and order, and tells whatever lasts.
//!
//! What this cannot give: an absence that is expected is believed sooner than one that is not. So a Service that no node
//! knows yet may pass for blocked for a second; the same step has to be `reached` in another world, and a pod that is
//! the target has to answer itself.

use std::time::Duration;

use model::{Action, Answer, Record, Wire};

/// How long a block has to last.
const BLOCK: Duration = Duration::from_secs(1);

/// How long an absence has to last where something is waited for: a Service, or a controller that looks only every few
/// seconds.
const LATE: Duration = Duration::from_secs(10);

/// How long an answer has to stay the same until it is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    /// That nobody answers, or that nothing is there.
    pub(crate) absence: Duration,
    /// That somebody answers.
    pub(crate) presence: Duration,
}

impl Holds {
    /// The times that let `answer` come about.
    pub(super) fn until(action: &Action, answer: &Answer) -> Self {
        if let Action::Reach(wire) = action {
            return Self::on_the_wire(wire, answer);
        }
        let waits_for_field =
            matches!(action, Action::LookFor(Record::Field(_))) && *answer == Answer::Found;
        Self {
            absence: if waits_for_field {
                LATE
            } else {
                Duration::ZERO
            },
            presence: Duration::ZERO,
        }
    }

    fn on_the_wire(wire: &Wire, answer: &Answer) -> Self {
        let within = wire
            .within
            .map(|seconds| Duration::from_secs(seconds.into()));
        match answer {
            Answer::Reached => Self {
                absence: within.unwrap_or(LATE),
                presence: Duration::ZERO,
            },
            Answer::Blocked { .. } => Self {
                absence: BLOCK,
                presence: within.unwrap_or_default(),
            },
            _ => Self {
                absence: within.unwrap_or(BLOCK),
                presence: Duration::ZERO,
            },
        }
    }

    pub(crate) fn longest(self) -> Duration {
        self.absence.max(self.presence)
    }
}

#[cfg(test)]
mod tests {
    use model::At;

    use super::*;

    #[test]
    fn what_is_not_expected_has_to_last_longer() {
        let wire = |within| {
            Action::Reach(Wire {
                from: "a".into(),
                to: "tcp://$(service-ip:b):80".into(),
                no_listener: false,
                within,
            })
        };
        let (at_once, later) = (wire(None), wire(Some(60)));
        let blocked = Answer::Blocked { at: At::Connect };
        let of = |action: &Action, answer: &Answer| {
            let holds = Holds::until(action, answer);
            (holds.absence.as_secs(), holds.presence.as_secs())
        };
        assert_eq!(
            (of(&at_once, &blocked), of(&later, &blocked)),
            ((1, 0), (1, 60))
        );
        assert_eq!(
            (of(&at_once, &Answer::Reached), of(&later, &Answer::Reached)),
            ((10, 0), (60, 0))
        );
        assert_eq!(
            Holds::until(&later, &blocked).longest(),
            Duration::from_secs(60)
        );
        assert_eq!(of(&Action::CheckSecrets, &Answer::Found), (0, 0));
    }
}
