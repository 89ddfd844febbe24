//! A security agent and its managers: what is asked of them, and what they say.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Answer, At};

/// A failure counts once it happened this many times in a row, at one stage and for one reason.
const IN_A_ROW: u64 = 3;

/// And it has to last this long: a pod that is being replaced may hold its key a moment longer.
const LASTING: Duration = Duration::from_secs(5);

/// So many answers of a manager that lets an agent in, and takes none of its events, are enough.
const ANSWERS: u64 = 5;

/// An agent to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgentLook {
    /// Its pod, which runs `probe agent`, or `KIND/NAME` of a workload of such pods: they have to agree.
    pub pod: String,
    /// The pods, or workloads, that run `probe manager`: one of them has to have taken an event of this very connection.
    pub managers: Vec<String>,
}

/// Events to count at the managers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Delivered {
    /// Who made them: `--source` of `probe agent`, or the word after `probe emit`.
    pub source: String,
    /// How many were made.
    pub of: u64,
    /// Only those of the agent of this name; of all together where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The pods, or workloads, that run `probe manager`. What several have is counted together.
    pub managers: Vec<String>,
    /// Keeps the counts out of the record, where they are another each time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
}

/// What an agent says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentState {
    /// Whether it is connected.
    pub connected: bool,
    /// Answers of the manager.
    pub acks: u64,
    /// Attempts that failed, in all.
    pub attempts: u64,
    /// Of these, the last ones that failed alike.
    pub streak: u64,
    /// Where they failed.
    pub stage: Option<At>,
    /// Why.
    pub reason: String,
    /// The source of the marks that tell its connections apart, and the number of this one.
    pub session: (String, u64),
    /// The manager that it is connected to.
    pub server: String,
}

/// What managers counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Counts {
    /// By agent and source.
    pub counts: Vec<Count>,
}

/// The events of one source of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Count {
    /// The agent.
    pub name: String,
    /// The source.
    pub source: String,
    /// How many events came with a number that had come before.
    pub duplicates: u64,
    /// How many came after one with a higher number.
    pub late: u64,
    /// The numbers that came.
    pub ranges: Vec<(u64, u64)>,
}

/// What came of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// How many different ones.
    pub received: u64,
    /// Events more than once.
    pub duplicates: u64,
    /// Events after a later one.
    pub late: u64,
    /// Numbers that did not come, as ranges.
    pub missing: Vec<(u64, u64)>,
}

impl AgentState {
    /// Reads the state file.
    ///
    /// # Errors
    /// When it is not one of an agent of ours.
    pub fn read(text: &str) -> Result<Self, String> {
        let pairs = text.lines().filter_map(|line| line.split_once("='"));
        let values: BTreeMap<&str, &str> = pairs
            .filter_map(|(key, value)| Some((key, value.strip_suffix('\'')?)))
            .collect();
        let value = |key: &str| {
            values
                .get(key)
                .copied()
                .ok_or(format!("the agent's state has no `{key}`"))
        };
        let number = |key: &str| {
            value(key)?
                .parse()
                .map_err(|_| format!("`{key}` of the agent's state is not a number"))
        };
        let stage = match value("stage")? {
            "" => None,
            "dns" => Some(At::Dns),
            "connect" => Some(At::Connect),
            "tls" => Some(At::Tls),
            "enrol" => Some(At::Enrol),
            "key" => Some(At::Key),
            other => return Err(format!("`{other}` is not a stage of an agent")),
        };
        Ok(Self {
            connected: value("status")? == "connected",
            acks: number("acks")?,
            attempts: number("attempts")?,
            streak: number("streak")?,
            stage,
            reason: value("reason")?.to_owned(),
            session: (value("session")?.to_owned(), number("connections")?),
            server: value("server")?.to_owned(),
        })
    }

    /// What it comes to, if that can be told already: `first` is what the agent said when it was first looked at, so
    /// long ago, and `taken` whether a manager has an event of this connection.
    #[must_use]
    pub fn judge(&self, first: &Self, ago: Duration, taken: bool) -> Option<Answer> {
        if self.connected {
            let answers = if self.session == first.session {
                self.acks - first.acks.min(self.acks)
            } else {
                self.acks
            };
            return match taken {
                true if answers > 0 => Some(Answer::Reached),
                false if answers >= ANSWERS => Some(Answer::Blocked { at: At::Event }),
                _ => None,
            };
        }
        let fresh = if self.session.0 == first.session.0 {
            self.attempts - first.attempts.min(self.attempts)
        } else {
            0
        };
        let at = self
            .stage
            .filter(|_| ago >= LASTING && self.streak >= IN_A_ROW && fresh >= IN_A_ROW)?;
        Some(Answer::Blocked { at })
    }
}

impl Counts {
    /// Whether this very event came.
    #[must_use]
    pub fn has(&self, source: &str, number: u64) -> bool {
        let within = |count: &Count| {
            count
                .ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&number))
        };
        self.counts
            .iter()
            .any(|count| count.source == source && within(count))
    }
}

impl Arrived {
    /// What came of the `of` events of a source, at all these managers together.
    #[must_use]
    pub fn of<'a>(wanted: &Delivered, counts: impl IntoIterator<Item = &'a Counts>) -> Self {
        let ours = |count: &&Count| {
            count.source == wanted.source
                && wanted
                    .agent
                    .as_ref()
                    .is_none_or(|agent| *agent == count.name)
        };
        let mut arrived = Self::default();
        let mut ranges = Vec::new();
        for count in counts.into_iter().flat_map(|all| &all.counts).filter(ours) {
            arrived.duplicates += count.duplicates;
            arrived.late += count.late;
            ranges.extend(&count.ranges);
        }
        ranges.sort_unstable();
        let mut next = 1;
        for (first, last) in ranges {
            if first > next {
                arrived.missing.push((next, first - 1));
            }
            // What two have both is there once, and once too often.
            let twice = next.min(last + 1).saturating_sub(first);
            arrived.duplicates += twice;
            arrived.received += last + 1 - first - twice;
            next = next.max(last + 1);
        }
        if next <= wanted.of {
            arrived.missing.push((next, wanted.of));
        }
        arrived
    }

    /// The numbers that did not come, as text: `none`, or `5001-6000`.
    #[must_use]
    pub fn missing(&self) -> String {
        let range = |(first, last): &(u64, u64)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        };
        if self.missing.is_empty() {
            return "none".into();
        }
        self.missing
            .iter()
            .map(range)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "# State file\nstatus='connected'\nacks='7'\nattempts='2'\nstreak='0'\nstage=''\nreason=''\n\
                         session='session-1'\nconnections='1'\nserver='manager'\n";

    #[test]
    fn a_state_is_read_and_half_of_one_is_not() {
        let state = AgentState::read(STATE).unwrap();
        assert!(
            state.connected
                && state.session == ("session-1".into(), 1)
                && state.server == "manager"
        );
        for text in [
            "",
            "status='connected'\n",
            &STATE.replace("''\nreason", "'moon'\nreason"),
        ] {
            assert!(AgentState::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_is_fresh_and_an_event_was_taken() {
        let first = AgentState::read(STATE).unwrap();
        assert_eq!(first.judge(&first, LASTING, true), None);
        let later = AgentState {
            acks: 8,
            ..first.clone()
        };
        assert_eq!(later.judge(&first, LASTING, true), Some(Answer::Reached));
        assert_eq!(later.judge(&first, LASTING, false), None);
        let long = AgentState {
            acks: 12,
            ..first.clone()
        };
        assert_eq!(
            long.judge(&first, LASTING, false),
            Some(Answer::Blocked { at: At::Event })
        );
    }

    #[test]
    fn failures_count_from_the_first_look_on() {
        let failed = |attempts, streak| AgentState {
            attempts,
            streak,
            stage: Some(At::Tls),
            ..AgentState::default()
        };
        let first = failed(10, 10);
        assert_eq!(failed(12, 12).judge(&first, LASTING, false), None);
        assert_eq!(failed(13, 2).judge(&first, LASTING, false), None);
        assert_eq!(failed(13, 3).judge(&first, Duration::ZERO, false), None);
        assert_eq!(
            failed(13, 3).judge(&first, LASTING, false),
            Some(Answer::Blocked { at: At::Tls })
        );
    }

    fn count(ranges: &[(u64, u64)]) -> Count {
        Count {
            name: "a".into(),
            source: "live".into(),
            ranges: ranges.to_vec(),
            ..Count::default()
        }
    }

    #[test]
    fn what_several_managers_have_is_one_count() {
        let wanted = Delivered {
            source: "live".into(),
            of: 20,
            agent: None,
            managers: vec![],
            unrecorded: false,
        };
        let one = Counts {
            counts: vec![count(&[(1, 4), (9, 12)])],
        };
        let two = Counts {
            counts: vec![
                count(&[(4, 6)]),
                Count {
                    source: "other".into(),
                    ..count(&[(7, 7)])
                },
            ],
        };
        let arrived = Arrived::of(&wanted, [&one, &two]);
        assert_eq!(
            (
                arrived.received,
                arrived.duplicates,
                arrived.missing().as_str()
            ),
            (10, 1, "7-8, 13-20")
        );
        assert!(one.has("live", 9) && !one.has("live", 5) && !one.has("other", 9));
        let none = Arrived::of(
            &Delivered {
                of: 1,
                ..wanted.clone()
            },
            [],
        );
        assert_eq!((none.received, none.missing().as_str()), (0, "1"));
        let all = Counts {
            counts: vec![count(&[(1, 20)])],
        };
        assert_eq!(Arrived::of(&wanted, [&all]).missing(), "none");
        let other = Delivered {
            agent: Some("b".into()),
            ..wanted
        };
        assert_eq!(Arrived::of(&other, [&all]).received, 0);
    }
}
