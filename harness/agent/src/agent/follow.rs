//! Log files that are followed, as wazuh-logcollector 4.14.7 was seen to do it: from the end at first
//! sight, looking for new ones now and then, and with a short queue while there is no connection.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{AgentEvent, AgentLog};

/// The longest line that is taken from a file; the rest of it is the next one.
const LONGEST_LINE: u64 = 32 << 10;

/// How deep below a folder log files are looked for.
const DEEPEST_FOLDER: usize = 6;

/// The log files below a place, and the lines that wait for a connection.
pub(super) struct FollowedFiles {
    place: PathBuf,
    /// Up to where each has been read.
    read: HashMap<PathBuf, u64>,
    rescan: Duration,
    next_look: Instant,
    queue: VecDeque<AgentEvent>,
    longest_queue: usize,
    has_said_full: bool,
    log: AgentLog,
}

impl FollowedFiles {
    /// The file `place`, or every `.log` file below it, looked at for the first time; new ones are
    /// looked for every `rescan`.
    pub(super) fn new(
        place: PathBuf,
        longest_queue: usize,
        rescan: Duration,
        log: AgentLog,
    ) -> Self {
        let now = Instant::now();
        let mut followed = Self {
            place,
            read: HashMap::new(),
            rescan,
            next_look: now,
            queue: VecDeque::new(),
            longest_queue,
            has_said_full: false,
            log,
        };
        followed.find_new(now);
        followed
    }

    /// Takes in files that were not known, if it is time to look for them. What one holds at that
    /// moment is never read.
    pub(super) fn find_new(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + self.rescan;
        for path in log_files(&self.place) {
            let Ok(length) = std::fs::metadata(&path).map(|found| found.len()) else {
                continue;
            };
            self.read.entry(path).or_insert(length);
        }
    }

    /// What was written to the known files since the last look.
    pub(super) fn read_lines(&mut self) -> Vec<AgentEvent> {
        let mut all = Vec::new();
        let mut paths: Vec<PathBuf> = self.read.keys().cloned().collect();
        paths.sort();
        for path in paths {
            let from = self.read.entry(path.clone()).or_default();
            let (lines, end) = whole_lines(&path, *from);
            *from = end;
            let location = path.display().to_string();
            all.extend(lines.into_iter().map(|text| AgentEvent {
                queue: '1',
                location: location.clone(),
                text,
            }));
        }
        all
    }

    /// Keeps lines for the next connection, as many as there is room for: the newest are lost.
    pub(super) fn queue_lines(&mut self, lines: Vec<AgentEvent>) {
        for line in lines {
            if self.queue.len() < self.longest_queue {
                self.queue.push_back(line);
            } else if !self.has_said_full {
                self.has_said_full = true;
                self.log.warning(format!(
                    "Target 'agent' message queue is full ({}). Log lines may be lost.",
                    self.longest_queue
                ));
            }
        }
    }

    /// The lines that were kept.
    pub(super) fn take_queue(&mut self) -> impl Iterator<Item = AgentEvent> {
        self.has_said_full = false;
        std::mem::take(&mut self.queue).into_iter()
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
            if path.is_dir() && depth < DEEPEST_FOLDER {
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
    use std::time::Duration;

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

    fn append(path: &Path, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn texts(events: Vec<AgentEvent>) -> Vec<String> {
        events.into_iter().map(|event| event.text).collect()
    }

    #[test]
    fn what_stands_in_a_file_at_first_sight_is_never_read() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("1.log"), dir.path().join("2.log"));
        append(&first, "old\n");
        let log = AgentLog::new("wazuh-logcollector", None);
        let mut followed = FollowedFiles::new(dir.path().into(), 10, Duration::from_secs(64), log);
        let start = Instant::now();
        append(&first, "new\n");
        append(&second, "there before the next look\n");
        followed.find_new(start + Duration::from_secs(63));
        assert_eq!(texts(followed.read_lines()), ["new"]);
        followed.find_new(start + Duration::from_secs(65));
        append(&second, "after it\n");
        assert_eq!(texts(followed.read_lines()), ["after it"]);
    }

    #[test]
    fn without_a_connection_the_newest_lines_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let (path, own) = (dir.path().join("a.log"), dir.path().join("ossec.log"));
        append(&path, "");
        let log = AgentLog::new("wazuh-logcollector", Some(own.clone()));
        let mut followed = FollowedFiles::new(path.clone(), 2, Duration::from_secs(64), log);
        for _ in 0..2 {
            append(&path, "one\ntwo\n");
            let lines = followed.read_lines();
            followed.queue_lines(lines);
        }
        assert_eq!(texts(followed.take_queue().collect()), ["one", "two"]);
        let said = std::fs::read_to_string(own).unwrap();
        let line = "WARNING: Target 'agent' message queue is full (2). Log lines may be lost.";
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
}
