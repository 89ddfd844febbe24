//! Events, and the marks in our own by which they can be counted.

use std::fmt;

/// The word before a mark.
const EVENT_MARK: &str = "gauntlet-event ";

/// The highest number that is accepted.
const MOST_EVENTS: u64 = 1 << 40;

/// An event as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEvent {
    /// Which of the manager's queues it is for: `1` a log file, `2` syslog, ….
    pub queue: char,
    /// Where it is from: a file, or a component of the agent.
    pub location: String,
    /// The text itself.
    pub text: String,
}

/// What numbers an event of ours: nothing is counted by guess.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventMark {
    /// The signer.
    pub source: String,
    /// The how many-th it is, from 1.
    pub number: u64,
}

impl AgentEvent {
    /// Something that the agent says of itself.
    #[must_use]
    pub fn of_agent(text: impl Into<String>) -> Self {
        Self {
            queue: '1',
            location: "wazuh-agent".into(),
            text: text.into(),
        }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        format!("{}:{}:{}", self.queue, self.location, self.text).into_bytes()
    }

    /// Reads a payload. A location has no colon in it: the escape of the real protocol is not made
    /// by this agent.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(payload);
        let mut parts = text.splitn(3, ':');
        let (queue, location, text) = (parts.next()?, parts.next()?, parts.next()?);
        let mut queue = queue.chars();
        let letter = queue.next().filter(char::is_ascii_alphanumeric)?;
        queue.next().is_none().then(|| Self {
            queue: letter,
            location: location.into(),
            text: text.into(),
        })
    }
}

impl EventMark {
    /// The mark in a text, wherever in it.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        let (_, tail) = text.split_once(EVENT_MARK)?;
        let mut words = tail.split_ascii_whitespace();
        let source = words.next()?;
        let number = words
            .next()?
            .parse()
            .ok()
            .filter(|number| (1..=MOST_EVENTS).contains(number))?;
        Some(Self {
            source: source.into(),
            number,
        })
    }
}

impl fmt::Display for EventMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EVENT_MARK}{} {}", self.source, self.number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_comes_back_colons_included() {
        let event = AgentEvent {
            queue: '1',
            location: "/var/log/a.log".into(),
            text: "a: b: c".into(),
        };
        assert_eq!(event.payload(), b"1:/var/log/a.log:a: b: c");
        assert_eq!(AgentEvent::read(&event.payload()), Some(event));
        for payload in [&b""[..], b"1", b"1:a", b"11:a:b", b":a:b", b"#!-agent ack "] {
            assert_eq!(AgentEvent::read(payload), None);
        }
    }

    #[test]
    fn a_mark_is_found_within_a_line_of_a_container() {
        let mark = EventMark {
            source: "app".into(),
            number: 17,
        };
        assert_eq!(
            EventMark::find(&format!("2026-01-02T03:04:05Z stdout F {mark}")),
            Some(mark)
        );
        for text in [
            "gauntlet-event app",
            "gauntlet-event app 0",
            "gauntlet-event app x",
            "other app 1",
        ] {
            assert_eq!(EventMark::find(text), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "(gauntlet-event )?\\PC{0,30}") {
            let _ = (AgentEvent::read(&bytes), EventMark::find(&text));
        }
    }
}
