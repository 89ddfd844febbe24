//! Trying one target until it is known how it is: reached, at once or for long enough, or blocked for long enough.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::Fault;
use super::attempt::{Outcome, attempt};
use super::target::Target;

/// How long an answer has to hold, and how that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// For a block: from the beginning of the first attempt that ended so to that of the last, at least.
    pub(crate) holds: Duration,
    /// The same for an answer; without any time, the first one is believed.
    pub(crate) reached_holds: Duration,
    /// From the beginning of one attempt to that of the next, however long either takes.
    pub(crate) every: Duration,
    /// For each stage of an attempt.
    pub(crate) patience: Duration,
    /// When nothing has held by then, nothing does.
    pub(crate) within: Duration,
}

/// Tries a target until attempts get through, or have ended at the same stage for the same reason, for long enough. Gives the line of the attempt that decided; `lasts` in it is whether one did. `seen` is told whenever
/// attempts end otherwise than those before. Once `ended`, it stops.
///
/// # Errors
/// A text that is no target.
pub(crate) fn lasting(
    text: &str,
    pace: Holding,
    ended: &AtomicBool,
    mut seen: impl FnMut(&str),
) -> Result<String, String> {
    let target = Target::read(text)?;
    let (start, mut due) = (Instant::now(), Duration::ZERO);
    let (tell, told) = mpsc::channel::<(u64, Duration, Outcome)>();
    let (mut begun, mut early, mut streak) = (0, BTreeMap::new(), Streak::default());
    let mut last: Option<Outcome> = None;
    while start.elapsed() < pace.within && !ended.load(Ordering::Relaxed) {
        if start.elapsed() >= due {
            let (index, began, tell, target) =
                (begun, start.elapsed(), tell.clone(), target.clone());
            let work = move || _ = tell.send((index, began, attempt(&target, pace.patience)));
            // One that cannot begin now is tried at the next beat.
            if thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(work)
                .is_ok()
            {
                begun += 1;
            }
            due += pace.every.max(Duration::from_millis(1));
        }
        let (index, began, outcome) = match told.recv_timeout(due.saturating_sub(start.elapsed())) {
            Ok(tried) => tried,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if outcome.end.is_ok() && pace.reached_holds.is_zero() {
            return Ok(outcome.lasting_line(&target, true));
        }
        // In the order in which they began: one that is refused ends before an earlier one that runs into its time-out.
        early.insert(index, (began, outcome));
        while let Some((began, outcome)) = early.remove(&streak.noted) {
            let holds = if outcome.end.is_ok() {
                pace.reached_holds
            } else {
                pace.holds
            };
            match streak.note(outcome.end, began, holds) {
                Noted::Lasts => return Ok(outcome.lasting_line(&target, true)),
                Noted::Changed => seen(&outcome.line(&target)),
                Noted::Same => {}
            }
            last = Some(outcome);
        }
    }
    last.map(|outcome| outcome.lasting_line(&target, false))
        .ok_or_else(|| format!("no attempt at `{text}` came to an end"))
}

/// What an attempt has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noted {
    /// It ended otherwise than the one before.
    Changed,
    /// It ended alike.
    Same,
    /// It ended alike, and so did all for long enough.
    Lasts,
}

/// Attempts that ended alike.
#[derive(Debug, Default)]
struct Streak {
    /// How they ended, and when the first of them began.
    first: Option<(Result<(), Fault>, Duration)>,
    /// How many attempts there were in all.
    noted: u64,
}

impl Streak {
    fn note(&mut self, end: Result<(), Fault>, began: Duration, holds: Duration) -> Noted {
        self.noted += 1;
        match self.first {
            Some((same, since)) if same == end => {
                if began.saturating_sub(since) >= holds {
                    Noted::Lasts
                } else {
                    Noted::Same
                }
            }
            _ => {
                self.first = Some((end, began));
                Noted::Changed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::Value;

    use super::*;
    use crate::listen;
    use crate::wire::{At, Reason};

    const PACE: Holding = Holding {
        holds: Duration::from_millis(300),
        reached_holds: Duration::ZERO,
        every: Duration::from_millis(40),
        patience: Duration::from_millis(150),
        within: Duration::from_secs(5),
    };

    fn on_time(text: &str, pace: Holding) -> (Value, Vec<Value>, Duration) {
        let (start, mut changes) = (Instant::now(), Vec::new());
        let seen = |line: &str| changes.push(serde_json::from_str(line).unwrap());
        let line = lasting(text, pace, &AtomicBool::new(false), seen).unwrap();
        (
            serde_json::from_str(&line).unwrap(),
            changes,
            start.elapsed(),
        )
    }

    fn free() -> u16 {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    }

    #[test]
    fn another_reason_begins_anew() {
        let refused = Err(Fault::new(At::Connect, Reason::Refused));
        let silent = Err(Fault::new(At::Connect, Reason::TimedOut));
        let later = Err(Fault::new(At::Reply, Reason::TimedOut));
        let at = |seconds| Duration::from_secs(seconds);
        let mut streak = Streak::default();
        let mut note = |end, began| streak.note(end, at(began), at(3));
        assert_eq!(note(refused, 0), Noted::Changed);
        assert_eq!(note(refused, 2), Noted::Same);
        assert_eq!(note(silent, 3), Noted::Changed);
        assert_eq!(note(refused, 4), Noted::Changed);
        assert_eq!(note(refused, 6), Noted::Same);
        assert_eq!(note(later, 7), Noted::Changed);
        assert_eq!(note(later, 9), Noted::Same);
        assert_eq!(note(Ok(()), 9), Noted::Changed);
        assert_eq!(note(later, 10), Noted::Changed);
        assert_eq!(note(later, 13), Noted::Lasts);
        // One attempt alone holds for no time at all.
        assert_eq!(
            Streak::default().note(refused, at(0), at(0)),
            Noted::Changed
        );
    }

    #[test]
    fn a_block_is_believed_when_it_has_held() {
        let (line, changes, took) = on_time(&format!("tcp://127.0.0.1:{}", free()), PACE);
        assert_eq!(
            (&line["reason"], &line["lasts"]),
            (&"refused".into(), &true.into()),
            "{line}"
        );
        assert!(took >= PACE.holds, "{took:?}");
        assert_eq!(changes.len(), 1, "{changes:?}");
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let (line, _, took) = on_time(&format!("tcp://{}", silent.local_addr().unwrap()), PACE);
        assert_eq!(
            (&line["at"], &line["lasts"]),
            (&"reply".into(), &true.into()),
            "{line}"
        );
        // The last attempt began when the block had held, and came to its own end.
        assert!(took >= PACE.holds + PACE.patience, "{took:?}");
    }

    #[test]
    fn a_door_that_opens_is_gone_through_at_once() {
        let port = free();
        let target = format!("tcp://127.0.0.1:{port}");
        let open = || _ = listen::start(&[&format!("tcp:{port}")]).unwrap();
        let (mut first, mut opener) = (true, Some(open));
        let line = lasting(
            &target,
            Holding {
                holds: Duration::from_secs(4),
                ..PACE
            },
            &AtomicBool::new(false),
            |_| {
                first = false;
                if let Some(open) = opener.take() {
                    open();
                }
            },
        );
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert!(line["reached"] == true && !first, "{line}");
    }

    #[test]
    fn an_answer_can_be_asked_to_hold_too() {
        let port = listen::start(&["tcp:0"]).unwrap()[0];
        let pace = Holding {
            reached_holds: Duration::from_millis(250),
            ..PACE
        };
        let (line, changes, took) = on_time(&format!("tcp://127.0.0.1:{port}"), pace);
        assert_eq!(
            (&line["reached"], &line["lasts"]),
            (&true.into(), &true.into()),
            "{line}"
        );
        assert!(
            took >= pace.reached_holds && changes.len() == 1,
            "{took:?} {changes:?}"
        );
    }

    #[test]
    fn what_does_not_hold_in_time_does_not_last() {
        let pace = Holding {
            holds: Duration::from_secs(9),
            within: Duration::from_millis(200),
            ..PACE
        };
        let (line, _, _) = on_time(&format!("tcp://127.0.0.1:{}", free()), pace);
        assert_eq!(
            (&line["reached"], &line["lasts"]),
            (&false.into(), &false.into()),
            "{line}"
        );
        let ended = AtomicBool::new(true);
        assert!(lasting("tcp://127.0.0.1:1", PACE, &ended, |_| {}).is_err());
        assert!(lasting("no target", PACE, &ended, |_| {}).is_err());
    }
}
