//! The count of messages: what a sender numbers them with, and how a receiver knows one that it has
//! seen.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Error;

/// The local count starts over after this.
const LAST_COUNT: u32 = 9997;

/// A message's number. The later one is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageCounter {
    /// Grows each time the local count starts over.
    pub global: u32,
    /// At most four digits.
    pub local: u32,
}

impl MessageCounter {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        if self.local >= LAST_COUNT {
            Self {
                global: self.global.wrapping_add(1),
                local: 0,
            }
        } else {
            Self {
                local: self.local + 1,
                ..self
            }
        }
    }

    /// Reads `GLOBAL:LOCAL:`, as it is kept in a file.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        Some(Self {
            global: parts.next()?.trim().parse().ok()?,
            local: parts.next()?.trim().parse().ok()?,
        })
    }
}

/// The numbers of a sender, kept in a file so that they go on where they were after a restart.
#[derive(Debug)]
pub struct SentCounter {
    last: MessageCounter,
    file: File,
    path: std::path::PathBuf,
}

impl SentCounter {
    /// Goes on from what the file holds; from the beginning where there is none.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = file.map_err(Error::file("open", path))?;
        let text = std::io::read_to_string(&file).map_err(Error::file("read", path))?;
        let last = MessageCounter::parse(&text).unwrap_or(MessageCounter {
            global: 1,
            local: 0,
        });
        Ok(Self {
            last,
            file,
            path: path.into(),
        })
    }

    /// The next number, which is kept before it is used.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn take_next(&mut self) -> Result<MessageCounter, Error> {
        self.last = self.last.next();
        let text = format!("{}:{}:   ", self.last.global, self.last.local);
        self.file
            .write_all_at(text.as_bytes(), 0)
            .map_err(Error::file("write", &self.path))?;
        Ok(self.last)
    }
}

/// The last number that was taken from a sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceivedCounter(Option<MessageCounter>);

impl ReceivedCounter {
    /// Whether this is later than everything before; it is then the last one.
    pub fn accepts(&mut self, counter: MessageCounter) -> bool {
        let later = self.0.is_none_or(|last| counter > last);
        if later {
            self.0 = Some(counter);
        }
        later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_count_starts_over_and_the_global_one_grows() {
        let last = MessageCounter {
            global: 4,
            local: 9997,
        };
        assert_eq!(
            last.next(),
            MessageCounter {
                global: 5,
                local: 0
            }
        );
        assert!(last.next() > last);
        assert_eq!(
            last.next().next(),
            MessageCounter {
                global: 5,
                local: 1
            }
        );
    }

    #[test]
    fn a_sender_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sender_counter");
        let mut sender = SentCounter::open(&path).unwrap();
        let taken: Vec<MessageCounter> = (0..20_000).map(|_| sender.take_next().unwrap()).collect();
        assert!(taken.is_sorted_by(|a, b| a < b));
        drop(sender);
        assert_eq!(
            SentCounter::open(&path).unwrap().take_next().unwrap(),
            taken.last().unwrap().next()
        );
    }

    #[test]
    fn a_number_is_taken_once() {
        let mut receiver = ReceivedCounter::default();
        let (one, two) = (
            MessageCounter {
                global: 1,
                local: 1,
            },
            MessageCounter {
                global: 1,
                local: 2,
            },
        );
        assert!(receiver.accepts(one) && receiver.accepts(two));
        assert!(!receiver.accepts(two) && !receiver.accepts(one));
        assert!(receiver.accepts(MessageCounter {
            global: 2,
            local: 0
        }));
    }

    #[test]
    fn a_file_that_holds_something_else_is_a_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sender_counter");
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(
            SentCounter::open(&path).unwrap().take_next().unwrap(),
            MessageCounter {
                global: 1,
                local: 1
            }
        );
    }
}
