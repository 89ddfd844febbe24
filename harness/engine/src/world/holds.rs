//! How long a step waits before it believes an answer.
//!
//! A step waits for the answer that is expected, up to a deadline: a Service takes a moment until
//! every node knows it, a block may need the seconds that `within` grants it. That is decided here,
//! before the step is taken, and an action gets two plain times: how long an absence has to last
//! (no answer, no such field), and how long a presence has to. It does not learn which of them is
//! hoped for, looks in the same way and order, and tells whatever lasts.
//!
//! An absence that is expected is believed sooner than one that is not. So that a Service that a node
//! does not know yet does not pass for blocked, its being known is waited for in a box; where nobody
//! tells that, the absence has to last as long as one that is not expected.

use std::time::Duration;

use model::{Answer, AnswerSettling, ScenarioStep};

/// How long a block has to last.
const BLOCKED_FOR: Duration = Duration::from_secs(1);

/// How long an absence has to last where something is waited for: a Service, or a controller that
/// looks only every few seconds.
const ABSENT_FOR: Duration = Duration::from_secs(10);

/// How long a refusal to start has to last that can pass: a node that gets room, a Secret that
/// comes.
const REFUSED_FOR: Duration = Duration::from_secs(2);

/// The same where the pods are to run.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How long an answer has to stay the same until it is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HoldTimes {
    /// That there is no answer, or nothing there.
    pub(crate) absence: Duration,
    /// That there is an answer.
    pub(crate) presence: Duration,
}

impl HoldTimes {
    /// The times that let `answer` come about.
    pub(super) fn until(step: &ScenarioStep, answer: &Answer) -> Self {
        let within = step.seconds();
        match step.action.facts().settles {
            AnswerSettling::OnTheWire(own) => {
                let own = own.map(|own| Duration::from_secs(own.into()));
                Self::on_the_wire(own.or(within), answer)
            }
            AnswerSettling::AsPodsStart => Self::of_start(within, answer),
            AnswerSettling::AsObjectsChange => Self::of_presence(within, answer),
            AnswerSettling::AtOnce => Self::default(),
        }
    }

    /// What is to come has some time to come, and what is to go has some time to go.
    fn of_presence(within: Option<Duration>, answer: &Answer) -> Self {
        let late = within.unwrap_or(ABSENT_FOR);
        match answer {
            Answer::Found => Self {
                absence: late,
                presence: Duration::ZERO,
            },
            Answer::Absent => Self {
                absence: Duration::ZERO,
                presence: late,
            },
            _ => Self::default(),
        }
    }

    /// A refusal that can pass by itself has to last.
    fn of_start(within: Option<Duration>, answer: &Answer) -> Self {
        let absence = if *answer == Answer::Running {
            within.unwrap_or(STARTS_WITHIN)
        } else {
            REFUSED_FOR
        };
        Self {
            absence,
            presence: Duration::ZERO,
        }
    }

    fn on_the_wire(within: Option<Duration>, answer: &Answer) -> Self {
        match answer {
            Answer::Reached => Self {
                absence: within.unwrap_or(ABSENT_FOR),
                presence: Duration::ZERO,
            },
            Answer::Blocked { .. } => Self {
                absence: BLOCKED_FOR,
                presence: within.unwrap_or_default(),
            },
            _ => Self {
                absence: within.unwrap_or(BLOCKED_FOR),
                presence: Duration::ZERO,
            },
        }
    }

    /// The same where a Service is met, and nobody tells when the nodes know it.
    pub(crate) fn until_services_are_known(self) -> Self {
        Self {
            absence: self.absence.max(ABSENT_FOR),
            ..self
        }
    }

    pub(crate) fn longest(self) -> Duration {
        self.absence.max(self.presence)
    }
}

#[cfg(test)]
mod tests {
    use model::ConnectionStage;

    use super::*;

    /// The times, in seconds, of a step that is written so.
    fn of(step: &str, answer: &Answer) -> (u64, u64) {
        let text = format!(
            "scenario: v2\nwhy: it waits\nworlds: {{bare: {{}}}}\nsteps: [{{id: a, {step}}}]\n"
        );
        let loaded = crate::world::testing::parse_scenario(&text, &[]);
        let holds = HoldTimes::until(&loaded.scenario.steps[0], answer);
        (holds.absence.as_secs(), holds.presence.as_secs())
    }

    const BLOCKED: Answer = Answer::Blocked {
        at: ConnectionStage::Connect,
    };

    #[test]
    fn what_is_not_expected_has_to_last_longer() {
        let at_once = "do: {reach: {from: a, to: 'tcp://$(service-ip:b):80'}}";
        let later = "do: {reach: {from: a, to: 'tcp://$(service-ip:b):80', within: 60}}";
        assert_eq!(
            (of(at_once, &BLOCKED), of(later, &BLOCKED)),
            ((1, 0), (1, 60))
        );
        assert_eq!(
            (of(at_once, &Answer::Reached), of(later, &Answer::Reached)),
            ((10, 0), (60, 0))
        );
        assert_eq!(of("do: check-secrets", &Answer::Found), (0, 0));
    }

    #[test]
    fn a_step_says_within_what_time() {
        let within = |rest: &str, answer: &Answer| of(&format!("within: 40, do: {rest}"), answer);
        assert_eq!(
            within("{reach: {from: a, to: 'tcp://b:80'}}", &Answer::Reached),
            (40, 0)
        );
        assert_eq!(within("{wait-running: pod/a}", &Answer::Running), (40, 0));
        assert_eq!(
            within("{look-for: {object: pod/a}}", &Answer::Found),
            (40, 0)
        );
        assert_eq!(
            within("{look-for: {pods: job/a}}", &Answer::Absent),
            (0, 40)
        );
    }

    #[test]
    fn a_refusal_that_can_pass_and_what_comes_or_goes_have_their_usual_times() {
        assert_eq!(of("do: {wait-running: pod/a}", &Answer::Running), (20, 0));
        assert_eq!(of("do: {wait-running: pod/a}", &Answer::Absent), (2, 0));
        let field = "do: {look-for: {field: {of: pod/a, at: /spec}}}";
        assert_eq!(
            (of(field, &Answer::Found), of(field, &Answer::Absent)),
            ((10, 0), (0, 10))
        );
        let longest = HoldTimes {
            absence: BLOCKED_FOR,
            presence: ABSENT_FOR,
        };
        assert_eq!(longest.longest(), ABSENT_FOR);
    }
}
