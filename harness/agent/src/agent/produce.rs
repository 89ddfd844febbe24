//! Where events come from, and how they leave: the agent's own, log files, and the buffer before
//! the connection.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::session::SendPace;
use super::{
    AttemptStage, ConnectionStatus, ProduceFrom, STOP_POLL_INTERVAL, WaitingEvents, WazuhAgent,
    lock_content,
};
use crate::{AgentEvent, EventMark};

/// The longest line that is taken from a file; the rest of it is the next one.
const LONGEST_LINE: u64 = 32 << 10;

/// How deep below a folder log files are looked for.
const DEEPEST: usize = 6;

impl WazuhAgent {
    /// Makes the agent's own events.
    pub(super) fn produce_events(&self) {
        let Some(live) = &self.config.live else {
            return;
        };
        if !self.has_come_to(live.begin) {
            return;
        }
        let event = |number| AgentEvent {
            queue: '1',
            location: "gauntlet".into(),
            text: EventMark {
                source: live.source.clone(),
                number,
            }
            .to_string(),
        };
        if live.rate <= 0.0 {
            self.push_events((1..=live.events).map(event));
            return;
        }
        // Missed slots are caught up: an event that was due is sent.
        let start = Instant::now();
        for number in 1..=live.events {
            let due = std::time::Duration::from_secs_f64((number - 1) as f64 / live.rate);
            if self.stop.stopped_until(start + due) {
                return;
            }
            self.push_events([event(number)]);
        }
    }

    /// Waits until it is time to begin; `false` where the agent is told to end first.
    fn has_come_to(&self, begin: ProduceFrom) -> bool {
        if begin != ProduceFrom::AtOnce && !self.is_linked() {
            return false;
        }
        let is_away = || {
            let state = lock_content(&self.state);
            state.status == ConnectionStatus::Disconnected
                && state.stage == Some(AttemptStage::Connect)
        };
        while begin == ProduceFrom::Away && !is_away() {
            if self.stop.stopped_within(STOP_POLL_INTERVAL) {
                return false;
            }
        }
        true
    }

    /// Takes events in, those of one call at one moment.
    fn push_events(&self, events: impl IntoIterator<Item = AgentEvent>) {
        let (now, mut count) = (Instant::now(), 0);
        let mut waiting = lock_content(&self.waiting);
        for event in events {
            count += 1;
            if let Some(level) = waiting.buffer.push(event, now) {
                self.note_level(&mut waiting, level);
            }
        }
        drop(waiting);
        self.note_state(|state| state.msg_count += count);
        self.arrived.notify_all();
    }

    fn note_level(&self, waiting: &mut WaitingEvents, level: crate::BufferLevel) {
        let line = level.log_line(&self.config.limits);
        match level {
            crate::BufferLevel::Normal => self.log.info(line),
            _ => self.log.warning(line),
        }
        waiting.levels.push(level);
    }

    /// Sends what waits, not faster than it may. While there is no connection everything waits.
    pub(super) fn drain_buffer(&self) {
        let mut pace = SendPace::per_second(f64::from(self.config.limits.per_second));
        while self.is_linked() {
            let Some((levels, event)) = self.next_event() else {
                continue;
            };
            for level in levels {
                let _ = self
                    .send(&AgentEvent::of_agent(level.level_event(&self.config.limits)).payload());
            }
            let Some(event) = event else { continue };
            // What cannot be sent is gone: nothing in the protocol says that an event has arrived.
            let _ = self.send(&event.payload());
            if self.stop.stopped_until(pace.take_slot()) {
                return;
            }
        }
    }

    /// What is next to be sent, if it comes soon.
    fn next_event(&self) -> Option<(Vec<crate::BufferLevel>, Option<AgentEvent>)> {
        let waiting = lock_content(&self.waiting);
        let nothing =
            |waiting: &mut WaitingEvents| waiting.buffer.is_empty() && waiting.levels.is_empty();
        let waited = self
            .arrived
            .wait_timeout_while(waiting, STOP_POLL_INTERVAL, nothing);
        let mut waiting = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        // What waits while the connection ends waits for the next one.
        if nothing(&mut waiting) || lock_content(&self.link).is_none() {
            return None;
        }
        let levels = std::mem::take(&mut waiting.levels);
        let (event, entered) = waiting.buffer.pop(Instant::now());
        if let Some(level) = entered {
            self.note_level(&mut waiting, level);
        }
        Some((levels, event))
    }

    /// Follows log files from their beginning. While there is no connection they are not read: they
    /// keep what they hold.
    pub(super) fn follow_files(&self) {
        let Some(place) = &self.config.logs else {
            return;
        };
        let mut read: HashMap<PathBuf, u64> = HashMap::new();
        while self.is_linked() {
            for path in log_files(place) {
                let from = read.entry(path.clone()).or_default();
                let (lines, end) = whole_lines(&path, *from);
                *from = end;
                let location = path.display().to_string();
                self.push_events(lines.into_iter().map(|text| AgentEvent {
                    queue: '1',
                    location: location.clone(),
                    text,
                }));
            }
            if self.stop.stopped_within(self.config.times.poll) {
                return;
            }
        }
    }
}

/// The file itself, or the log files below a folder.
fn log_files(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_owned()];
    }
    let (mut files, mut folders) = (Vec::new(), vec![(place.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if path.extension().is_some_and(|end| end == "log") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The whole lines of a file from a place on, and where they end. A file that cannot be read has
/// none; one that became shorter is read from its beginning.
fn whole_lines(path: &Path, from: u64) -> (Vec<String>, u64) {
    let opened = File::open(path).and_then(|mut file| {
        let from = if file.metadata()?.len() < from {
            0
        } else {
            from
        };
        file.seek(SeekFrom::Start(from)).map(|_| (file, from))
    });
    let Ok((file, mut at)) = opened else {
        return (Vec::new(), from);
    };
    let (mut reader, mut all) = (BufReader::new(file), Vec::new());
    loop {
        let mut line = Vec::new();
        match std::io::Read::take(&mut reader, LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(length) if line.ends_with(b"\n") || length as u64 == LONGEST_LINE => {
                at += length as u64;
                all.push(
                    String::from_utf8_lossy(&line)
                        .trim_end_matches(['\r', '\n'])
                        .to_owned(),
                );
            }
            _ => return (all, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_whole_lines_are_read_and_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        let (first, at) = whole_lines(&path, 0);
        assert_eq!((first, at), (vec!["one".to_owned(), "two".to_owned()], 8));
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"ee\n")
            .unwrap();
        assert_eq!(whole_lines(&path, at), (vec!["three".to_owned()], 14));
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(whole_lines(&path, 14), (vec!["new".to_owned()], 4));
        assert_eq!(whole_lines(&dir.path().join("none"), 3), (Vec::new(), 3));
    }

    #[test]
    fn log_files_are_found_below_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("ns_pod_uid/app")).unwrap();
        std::fs::write(dir.path().join("ns_pod_uid/app/0.log"), "").unwrap();
        std::fs::write(dir.path().join("other.txt"), "").unwrap();
        assert_eq!(
            log_files(dir.path()),
            [dir.path().join("ns_pod_uid/app/0.log")]
        );
        let one = dir.path().join("other.txt");
        assert_eq!(log_files(&one), [one]);
    }
}
