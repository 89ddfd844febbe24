//! Trying one target until it is known how it is: reached, at once or for long enough, or blocked
//! for long enough.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use probe_protocol::{BlockedAttempt, HoldRule, ProbeReport};

use super::attempt::attempt_once;
use super::target::WireTarget;

/// Tries a target until attempts get through, or have ended at the same stage for the same reason,
/// for long enough. Gives the report of the attempt that decided; `lasts` in it is whether one did.
/// `seen` is told whenever attempts end otherwise than those before. Once `ended`, it stops.
///
/// # Errors
/// A text that is not a target.
pub(crate) fn try_until_lasting(
    text: &str,
    patience: Duration,
    pace: HoldRule,
    ended: &AtomicBool,
    mut seen: impl FnMut(ProbeReport),
) -> Result<ProbeReport, String> {
    let target = WireTarget::read(text)?;
    let (start, mut due) = (Instant::now(), Duration::ZERO);
    let (tell, told) = mpsc::channel::<(u64, Duration, ProbeReport)>();
    let (mut begun, mut early, mut streak) = (0, BTreeMap::new(), EqualStreak::default());
    let mut last: Option<ProbeReport> = None;
    while start.elapsed() < pace.within && !ended.load(Ordering::Relaxed) {
        if start.elapsed() >= due {
            let (index, began, tell, target) =
                (begun, start.elapsed(), tell.clone(), target.clone());
            let work = move || _ = tell.send((index, began, attempt_once(&target, patience)));
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
        let (index, began, report) = match told.recv_timeout(due.saturating_sub(start.elapsed())) {
            Ok(tried) => tried,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if report.is_reached() && pace.reached_holds.is_zero() {
            return Ok(that_lasts(report, true));
        }
        // In the order in which they began: one that is refused ends before an earlier one that
        // runs into its time-out.
        early.insert(index, (began, report));
        while let Some((began, report)) = early.remove(&streak.noted) {
            let holds = if report.is_reached() {
                pace.reached_holds
            } else {
                pace.holds
            };
            match streak.note_attempt(report.end, began, holds) {
                NotedChange::Lasts => return Ok(that_lasts(report, true)),
                NotedChange::Changed => seen(report.clone()),
                NotedChange::Same => {}
            }
            last = Some(report);
        }
    }
    last.map(|report| that_lasts(report, false))
        .ok_or_else(|| format!("no attempt at `{text}` ended"))
}

/// The same report, and whether it stays so.
fn that_lasts(report: ProbeReport, lasts: bool) -> ProbeReport {
    ProbeReport {
        lasts: Some(lasts),
        ..report
    }
}

/// What an attempt has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotedChange {
    /// It ended otherwise than the one before.
    Changed,
    /// It ended alike.
    Same,
    /// It ended alike, and so did all for long enough.
    Lasts,
}

/// Attempts that ended alike.
#[derive(Debug, Default)]
struct EqualStreak {
    /// How they ended, and when the first of them began.
    first: Option<(Result<(), BlockedAttempt>, Duration)>,
    /// How many attempts there were in all.
    noted: u64,
}

impl EqualStreak {
    fn note_attempt(
        &mut self,
        end: Result<(), BlockedAttempt>,
        began: Duration,
        holds: Duration,
    ) -> NotedChange {
        self.noted += 1;
        match self.first {
            Some((same, since)) if same == end => {
                if began.saturating_sub(since) >= holds {
                    NotedChange::Lasts
                } else {
                    NotedChange::Same
                }
            }
            _ => {
                self.first = Some((end, began));
                NotedChange::Changed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use probe_protocol::{AttemptStage, FaultReason};

    use super::*;
    use crate::listen;

    const ATTEMPT_WITHIN: Duration = Duration::from_millis(150);

    const PACE: HoldRule = HoldRule {
        holds: Duration::from_millis(300),
        reached_holds: Duration::ZERO,
        every: Duration::from_millis(40),
        within: Duration::from_secs(5),
    };

    fn on_time(text: &str, pace: HoldRule) -> (ProbeReport, Vec<ProbeReport>, Duration) {
        let (start, mut changes) = (Instant::now(), Vec::new());
        let seen = |report| changes.push(report);
        let report =
            try_until_lasting(text, ATTEMPT_WITHIN, pace, &AtomicBool::new(false), seen).unwrap();
        (report, changes, start.elapsed())
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
        let refused = Err(BlockedAttempt::new(
            AttemptStage::Connect,
            FaultReason::Refused,
        ));
        let silent = Err(BlockedAttempt::new(
            AttemptStage::Connect,
            FaultReason::TimedOut,
        ));
        let later = Err(BlockedAttempt::new(
            AttemptStage::Reply,
            FaultReason::TimedOut,
        ));
        let at = |seconds| Duration::from_secs(seconds);
        let mut streak = EqualStreak::default();
        let mut note = |end, began| streak.note_attempt(end, at(began), at(3));
        assert_eq!(note(refused, 0), NotedChange::Changed);
        assert_eq!(note(refused, 2), NotedChange::Same);
        assert_eq!(note(silent, 3), NotedChange::Changed);
        assert_eq!(note(refused, 4), NotedChange::Changed);
        assert_eq!(note(refused, 6), NotedChange::Same);
        assert_eq!(note(later, 7), NotedChange::Changed);
        assert_eq!(note(later, 9), NotedChange::Same);
        assert_eq!(note(Ok(()), 9), NotedChange::Changed);
        assert_eq!(note(later, 10), NotedChange::Changed);
        assert_eq!(note(later, 13), NotedChange::Lasts);
        // One attempt alone holds for no time at all.
        assert_eq!(
            EqualStreak::default().note_attempt(refused, at(0), at(0)),
            NotedChange::Changed
        );
    }

    #[test]
    fn a_block_is_believed_when_it_has_held() {
        let (report, changes, took) = on_time(&format!("tcp://127.0.0.1:{}", free()), PACE);
        assert_eq!(
            (report.reason(), report.lasts),
            (Some(FaultReason::Refused), Some(true)),
        );
        assert!(took >= PACE.holds, "{took:?}");
        assert_eq!(changes.len(), 1, "{changes:?}");
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let (report, _, took) = on_time(&format!("tcp://{}", silent.local_addr().unwrap()), PACE);
        assert_eq!(
            (report.end.unwrap_err().at, report.lasts),
            (AttemptStage::Reply, Some(true)),
        );
        // The last attempt began when the block had held, and came to its own end.
        assert!(took >= PACE.holds + ATTEMPT_WITHIN, "{took:?}");
    }

    #[test]
    fn a_door_that_opens_is_gone_through_at_once() {
        let port = free();
        let target = format!("tcp://127.0.0.1:{port}");
        let open = || _ = listen::start_listening(&[&format!("tcp:{port}")]).unwrap();
        let (mut first, mut opener) = (true, Some(open));
        let report = try_until_lasting(
            &target,
            ATTEMPT_WITHIN,
            HoldRule {
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
        assert!(report.unwrap().is_reached() && !first);
    }

    #[test]
    fn an_answer_can_be_asked_to_hold_too() {
        let port = listen::start_listening(&["tcp:0"]).unwrap()[0];
        let pace = HoldRule {
            reached_holds: Duration::from_millis(250),
            ..PACE
        };
        let (report, changes, took) = on_time(&format!("tcp://127.0.0.1:{port}"), pace);
        assert_eq!((report.is_reached(), report.lasts), (true, Some(true)));
        assert!(
            took >= pace.reached_holds && changes.len() == 1,
            "{took:?} {changes:?}"
        );
    }

    #[test]
    fn what_does_not_hold_in_time_does_not_last() {
        let pace = HoldRule {
            holds: Duration::from_secs(9),
            within: Duration::from_millis(200),
            ..PACE
        };
        let (report, _, _) = on_time(&format!("tcp://127.0.0.1:{}", free()), pace);
        assert_eq!((report.is_reached(), report.lasts), (false, Some(false)));
        let ended = AtomicBool::new(true);
        let lasting = |target| try_until_lasting(target, ATTEMPT_WITHIN, PACE, &ended, |_| {});
        assert!(lasting("tcp://127.0.0.1:1").is_err());
        assert!(lasting("no target").is_err());
    }
}
