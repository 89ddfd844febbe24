//! A security agent and its managers: what is asked of them, and what they say.

use std::time::Duration;

use probe_protocol::{AgentReport, AgentStage, EventCount, ManagerReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Answer, ConnectionStage};

/// A failure counts once it happened this many times in a row, at one stage and for one reason.
const IN_A_ROW: u64 = 3;

/// And it has to last this long: a pod that is being replaced may hold its key a moment longer.
const FAILURE_LASTS_FOR: Duration = Duration::from_secs(5);

/// This many answers of a manager that lets an agent in, and takes none of its events, are enough.
const ENOUGH_ANSWERS: u64 = 5;

/// An agent to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgentLook {
    /// Its pod, which runs `probe agent`, or `KIND/NAME` of a workload of such pods: they have to
    /// agree.
    pub pod: String,
    /// The pods, or workloads, that run `probe manager`: one of them has to have taken an event of
    /// this very connection.
    pub managers: Vec<String>,
}

/// Events to count at the managers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeliveredEvents {
    /// The source of the events: `--source` of `probe agent`, or the word after `probe emit`.
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

/// What came of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrivedEvents {
    /// How many different ones.
    pub received: u64,
    /// Events more than once.
    pub duplicates: u64,
    /// Events after a later one.
    pub late: u64,
    /// Numbers that did not come, as ranges.
    pub missing: Vec<(u64, u64)>,
}

/// What an agent comes to, if that can be told already: `first` is what it said when it was first
/// looked at, so long ago, and `taken` whether a manager has an event of this connection.
#[must_use]
pub fn read_agent(
    now: &AgentReport,
    first: &AgentReport,
    ago: Duration,
    taken: bool,
) -> Option<Answer> {
    let is_same_run = now.session == first.session;
    let is_same_connection = is_same_run && now.connections == first.connections;
    if now.connected {
        let answers = if is_same_connection {
            now.acks - first.acks.min(now.acks)
        } else {
            now.acks
        };
        return match taken {
            true if answers > 0 => Some(Answer::Reached),
            false if answers >= ENOUGH_ANSWERS => Some(Answer::Blocked {
                at: ConnectionStage::Event,
            }),
            _ => None,
        };
    }
    let fresh = if is_same_run {
        now.attempts - first.attempts.min(now.attempts)
    } else {
        0
    };
    let stage = now
        .stage
        .filter(|_| ago >= FAILURE_LASTS_FOR && now.streak >= IN_A_ROW && fresh >= IN_A_ROW)?;
    Some(Answer::Blocked { at: stage.into() })
}

impl From<AgentStage> for ConnectionStage {
    fn from(stage: AgentStage) -> Self {
        match stage {
            AgentStage::Dns => Self::Dns,
            AgentStage::Connect => Self::Connect,
            AgentStage::Tls => Self::Tls,
            AgentStage::Enrol => Self::Enrol,
            AgentStage::Key => Self::Key,
        }
    }
}

/// Whether this very event came to a manager.
#[must_use]
pub fn has_event(manager: &ManagerReport, source: &str, number: u64) -> bool {
    let within = |count: &EventCount| {
        count
            .ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
    };
    manager
        .counts
        .iter()
        .any(|count| count.source == source && within(count))
}

impl ArrivedEvents {
    /// What came of the `of` events of a source, at all these managers together.
    #[must_use]
    pub fn from_counts<'a>(
        wanted: &DeliveredEvents,
        managers: impl IntoIterator<Item = &'a ManagerReport>,
    ) -> Self {
        let ours = |count: &&EventCount| {
            count.source == wanted.source
                && wanted
                    .agent
                    .as_ref()
                    .is_none_or(|agent| *agent == count.name)
        };
        let mut arrived = Self::default();
        let mut ranges = Vec::new();
        for count in managers
            .into_iter()
            .flat_map(|manager| &manager.counts)
            .filter(ours)
        {
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
    pub fn missing_numbers(&self) -> String {
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

    fn connected(acks: u64) -> AgentReport {
        AgentReport {
            connected: true,
            acks,
            session: "session-1".into(),
            connections: 1,
            ..AgentReport::default()
        }
    }

    #[test]
    fn an_answer_is_fresh_and_an_event_was_taken() {
        let first = connected(7);
        let read = |now: &AgentReport, taken| read_agent(now, &first, FAILURE_LASTS_FOR, taken);
        assert_eq!(read(&first, true), None);
        assert_eq!(read(&connected(8), true), Some(Answer::Reached));
        assert_eq!(read(&connected(8), false), None);
        assert_eq!(
            read(&connected(12), false),
            Some(Answer::Blocked {
                at: ConnectionStage::Event
            })
        );
        let reconnected = AgentReport {
            connections: 2,
            ..connected(1)
        };
        assert_eq!(read(&reconnected, true), Some(Answer::Reached));
    }

    #[test]
    fn failures_count_from_the_first_look_on() {
        let failed = |attempts, streak| AgentReport {
            attempts,
            streak,
            stage: Some(AgentStage::Tls),
            ..AgentReport::default()
        };
        let read = |now: &AgentReport, ago| read_agent(now, &failed(10, 10), ago, false);
        assert_eq!(read(&failed(12, 12), FAILURE_LASTS_FOR), None);
        assert_eq!(read(&failed(13, 2), FAILURE_LASTS_FOR), None);
        assert_eq!(read(&failed(13, 3), Duration::ZERO), None);
        assert_eq!(
            read(&failed(13, 3), FAILURE_LASTS_FOR),
            Some(Answer::Blocked {
                at: ConnectionStage::Tls
            })
        );
    }

    fn count(ranges: &[(u64, u64)]) -> EventCount {
        EventCount {
            name: "a".into(),
            source: "live".into(),
            ranges: ranges.to_vec(),
            ..EventCount::default()
        }
    }

    #[test]
    fn what_several_managers_have_is_one_count() {
        let wanted = DeliveredEvents {
            source: "live".into(),
            of: 20,
            agent: None,
            managers: vec![],
            unrecorded: false,
        };
        let one = ManagerReport {
            counts: vec![count(&[(1, 4), (9, 12)])],
            ..ManagerReport::default()
        };
        let two = ManagerReport {
            counts: vec![
                count(&[(4, 6)]),
                EventCount {
                    source: "other".into(),
                    ..count(&[(7, 7)])
                },
            ],
            ..ManagerReport::default()
        };
        let arrived = ArrivedEvents::from_counts(&wanted, [&one, &two]);
        assert_eq!(
            (
                arrived.received,
                arrived.duplicates,
                arrived.missing_numbers().as_str()
            ),
            (10, 1, "7-8, 13-20")
        );
        assert!(
            has_event(&one, "live", 9)
                && !has_event(&one, "live", 5)
                && !has_event(&one, "other", 9)
        );
        let none = ArrivedEvents::from_counts(
            &DeliveredEvents {
                of: 1,
                ..wanted.clone()
            },
            [],
        );
        assert_eq!((none.received, none.missing_numbers().as_str()), (0, "1"));
        let all = ManagerReport {
            counts: vec![count(&[(1, 20)])],
            ..ManagerReport::default()
        };
        assert_eq!(
            ArrivedEvents::from_counts(&wanted, [&all]).missing_numbers(),
            "none"
        );
        let other = DeliveredEvents {
            agent: Some("b".into()),
            ..wanted
        };
        assert_eq!(ArrivedEvents::from_counts(&other, [&all]).received, 0);
    }
}
