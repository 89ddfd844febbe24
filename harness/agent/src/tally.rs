//! Counting the events that came, by their marks: what is missing, what came twice, what came late.
//! A journal on disk is the count, so that a manager that ends and starts again loses none of it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::event::EventMark;

/// Where a manager notes each event that it takes.
#[derive(Debug)]
pub struct EventJournal {
    file: File,
    path: PathBuf,
}

/// The events of one source of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTally {
    /// Ranges of numbers that came, both ends included, in order and apart.
    pub ranges: Vec<(u64, u64)>,
    /// How many events came with a number that had come before.
    pub duplicates: u64,
    /// How many came for the first time after one with a higher number.
    pub late: u64,
}

/// Tallies by the agent's id and name, and the source.
pub type EventTallies = BTreeMap<(String, String, String), EventTally>;

impl EventJournal {
    /// Goes on with the journal at `path`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(Error::file("open", path))?;
        Ok(Self {
            file,
            path: path.into(),
        })
    }

    /// Notes an event of an agent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_event(&mut self, id: &str, name: &str, mark: &EventMark) -> Result<(), Error> {
        let line = format!("{id} {name} {} {}\n", mark.source, mark.number);
        self.file
            .write_all(line.as_bytes())
            .map_err(Error::file("write", &self.path))
    }

    /// What a journal comes to; nothing where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_tallies(path: &Path) -> Result<EventTallies, Error> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
                return Ok(EventTallies::new());
            }
            Err(fault) => return Err(Error::file("read", path)(fault)),
        };
        let mut tallies = EventTallies::new();
        // A line without its end is still being written.
        for line in text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
        {
            let mut words = line.split(' ');
            if let (Some(id), Some(name), Some(source), Some(Ok(number))) = (
                words.next(),
                words.next(),
                words.next(),
                words.next().map(str::parse),
            ) {
                tallies
                    .entry((id.into(), name.into(), source.into()))
                    .or_default()
                    .add(number);
            }
        }
        Ok(tallies)
    }
}

impl EventTally {
    /// Counts one more.
    pub fn add(&mut self, number: u64) {
        let at = self.ranges.partition_point(|(_, last)| *last < number);
        if self
            .ranges
            .get(at)
            .is_some_and(|(first, _)| *first <= number)
        {
            self.duplicates += 1;
            return;
        }
        self.late += u64::from(at < self.ranges.len());
        let joins_before = at > 0 && self.ranges[at - 1].1 + 1 == number;
        let joins_after = self
            .ranges
            .get(at)
            .is_some_and(|(first, _)| number + 1 == *first);
        match (joins_before, joins_after) {
            (true, true) => {
                self.ranges[at - 1].1 = self.ranges[at].1;
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at - 1].1 = number,
            (false, true) => self.ranges[at].0 = number,
            (false, false) => self.ranges.insert(at, (number, number)),
        }
    }

    /// How many different ones came.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.ranges
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_journal_counts_over_a_restart_and_leaves_out_half_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        assert_eq!(
            EventJournal::read_tallies(&path).unwrap(),
            EventTallies::new()
        );
        let mark = |number| EventMark {
            source: "live".into(),
            number,
        };
        EventJournal::open(&path)
            .unwrap()
            .note_event("001", "agent1", &mark(1))
            .unwrap();
        EventJournal::open(&path)
            .unwrap()
            .note_event("001", "agent1", &mark(3))
            .unwrap();
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"001 agent1 live 4")
            .unwrap();
        let tallies = EventJournal::read_tallies(&path).unwrap();
        let key = ("001".to_owned(), "agent1".to_owned(), "live".to_owned());
        assert_eq!(tallies[&key].ranges, [(1, 1), (3, 3)]);
    }

    #[test]
    fn what_comes_twice_and_late_is_told() {
        let mut tally = EventTally::default();
        for number in [1, 2, 4, 3, 4, 9] {
            tally.add(number);
        }
        assert_eq!(
            (tally.ranges.clone(), tally.duplicates, tally.late),
            (vec![(1, 4), (9, 9)], 1, 1)
        );
        assert_eq!(tally.received(), 5);
    }

    proptest! {
        #[test]
        fn ranges_are_the_set_of_what_came(numbers in prop::collection::vec(1..60_u64, 0..120)) {
            let mut tally = EventTally::default();
            for number in &numbers {
                tally.add(*number);
            }
            let set: BTreeSet<u64> = numbers.iter().copied().collect();
            let told: Vec<u64> = tally.ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(told, set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(tally.received() + tally.duplicates, numbers.len() as u64);
            prop_assert!(tally.ranges.windows(2).all(|two| two[0].1 + 1 < two[1].0));
        }
    }
}
