//! Opens connections to a target at a fixed rate, and says when it changes whether they get
//! through.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use probe_protocol::{BlockedAttempt, WatchChange, WatchCount, WatchLine};

use super::attempt::{attempt_once, millis};
use super::target::WireTarget;

/// How a watch goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchPace {
    /// From the beginning of one connection to that of the next, however long either takes.
    pub(crate) every: Duration,
    /// For each stage of a connection.
    pub(crate) patience: Duration,
    /// For how long.
    pub(crate) lasting: Duration,
}

/// One connection: which one, when it began, since the watch's beginning, and how it ended.
struct WatchedAttempt {
    index: u64,
    began: Duration,
    end: Result<(), BlockedAttempt>,
}

/// Watches until its time has passed. Each line tells of a change by the time at which the first
/// connection of the new kind *began*; the last line counts.
///
/// # Errors
/// A text that is not a target.
pub(crate) fn watch_target(
    text: &str,
    pace: WatchPace,
    mut say: impl FnMut(&WatchLine),
) -> Result<(), String> {
    let target = WireTarget::read(text)?;
    let (start, clock) = (Instant::now(), SystemTime::now());
    let (tell, told) = mpsc::channel::<WatchedAttempt>();
    let beat = target.clone();
    thread::spawn(move || open_all(&beat, pace, start, &tell));
    let mut tally = AttemptTally::default();
    // One that is let through ends sooner than one before it that runs into its time-out.
    let mut early = BTreeMap::new();
    for tried in told {
        early.insert(tried.index, tried);
        while let Some(tried) = early.remove(&tally.tried) {
            if let Some(change) = tally.note_attempt(&tried) {
                say(&WatchLine::Change(change_line(
                    &target,
                    clock,
                    tried.began,
                    &change,
                )));
            }
        }
    }
    say(&WatchLine::Count(WatchCount {
        target: target.text,
        tried: tally.tried,
        reached: tally.reached,
        ms: millis(start.elapsed()),
    }));
    Ok(())
}

/// Begins a connection at each beat, on time, in a background thread.
fn open_all(target: &WireTarget, pace: WatchPace, start: Instant, tell: &Sender<WatchedAttempt>) {
    let (_keep, never) = mpsc::channel::<()>();
    let (mut index, mut due) = (0, Duration::ZERO);
    while due < pace.lasting {
        if let Some(left) = due
            .checked_sub(start.elapsed())
            .filter(|left| !left.is_zero())
            && never.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
        {
            return;
        }
        let (target, tell) = (target.clone(), tell.clone());
        let began = start.elapsed();
        let connection = move || {
            _ = tell.send(WatchedAttempt {
                index,
                began,
                end: attempt_once(&target, pace.patience).end,
            });
        };
        if thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(connection)
            .is_err()
        {
            return;
        }
        index += 1;
        due += pace.every.max(Duration::from_millis(1));
    }
}

#[derive(Debug, Default)]
struct AttemptTally {
    tried: u64,
    reached: u64,
    last: Option<Option<BlockedAttempt>>,
    /// Connections that were let through since the last change, or blocked.
    since: u64,
}

/// A change, and how many connections went the other way before it.
struct ObservedChange {
    end: Result<(), BlockedAttempt>,
    before: u64,
}

impl AttemptTally {
    fn note_attempt(&mut self, tried: &WatchedAttempt) -> Option<ObservedChange> {
        self.tried += 1;
        self.reached += u64::from(tried.end.is_ok());
        let now = tried.end.err();
        let changed = self.last.is_none_or(|last| last.is_some() != now.is_some());
        self.last = Some(now);
        self.since += 1;
        changed.then(|| ObservedChange {
            end: tried.end,
            before: std::mem::replace(&mut self.since, 1) - 1,
        })
    }
}

fn change_line(
    target: &WireTarget,
    clock: SystemTime,
    began: Duration,
    change: &ObservedChange,
) -> WatchChange {
    let at = clock.duration_since(UNIX_EPOCH).unwrap_or_default() + began;
    WatchChange {
        target: target.text.clone(),
        time: at.as_micros() as f64 / 1_000_000.0,
        ms: millis(began),
        end: change.end,
        before: change.before,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::listen;

    #[test]
    fn a_door_that_opens_is_seen_once() {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let opener = thread::spawn(move || {
            let (_keep, never) = mpsc::channel::<()>();
            _ = never.recv_timeout(Duration::from_millis(150));
            listen::start_listening(&[&format!("tcp:{port}")]).unwrap();
        });
        let pace = WatchPace {
            every: Duration::from_millis(10),
            patience: Duration::from_millis(200),
            lasting: Duration::from_millis(400),
        };
        let mut lines = Vec::new();
        let target = format!("tcp://127.0.0.1:{port}");
        watch_target(&target, pace, |line| lines.push(line.clone())).unwrap();
        opener.join().unwrap();
        let [
            WatchLine::Change(shut),
            WatchLine::Change(open),
            WatchLine::Count(count),
        ] = &lines[..]
        else {
            panic!("{lines:?}");
        };
        assert!(shut.end.is_err() && open.end.is_ok(), "{lines:?}");
        assert!(open.before > 5, "{lines:?}");
        assert_eq!(count.tried, 40);
    }
}
