//! Waiting in a world: a long wait is told to the caller, and what must not be shown of what was
//! seen is concealed.

use std::cell::RefCell;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use wait::TimedOut;
pub(crate) use wait::{ConditionWait, WaitLook};

use crate::EngineEvent;
use crate::Error;
use crate::secret_markers::SecretMarkers;

/// After this long, and then again each time, the caller is told what is being waited for.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

/// One look that failed shows that the condition does not hold yet.
impl<T> From<Error> for WaitLook<T> {
    fn from(fault: Error) -> Self {
        Self::NotYet(fault.in_one_line())
    }
}

/// The reporter of a long wait.
#[derive(Clone, Debug)]
pub(crate) struct WaitReporter {
    pub(crate) id: String,
    pub(crate) world: String,
    pub(crate) events: UnboundedSender<EngineEvent>,
    /// What must not be shown of what was last seen.
    pub(crate) planted: SecretMarkers,
    /// The deadline that a step sets for all of its waits.
    pub(crate) granted: Option<Duration>,
}

impl WaitReporter {
    /// Who waits for as long as a step grants; for the usual times where it grants none.
    pub(crate) fn granting(&self, granted: Option<Duration>) -> Self {
        Self {
            granted,
            ..self.clone()
        }
    }

    /// Looks until the condition holds.
    ///
    /// # Errors
    /// After the deadline: what was waited for, for how long, and what was last seen.
    pub(crate) async fn wait_until<T>(
        &self,
        wait: ConditionWait<'_>,
        look: impl AsyncFnMut() -> WaitLook<T>,
    ) -> Result<T, Error> {
        Ok(self.until_late(wait, look).await?)
    }

    /// The same, for whom nothing but the deadline is an error.
    pub(crate) async fn until_late<T>(
        &self,
        wait: ConditionWait<'_>,
        mut look: impl AsyncFnMut() -> WaitLook<T>,
    ) -> Result<T, TimedOut> {
        let start = Instant::now();
        let mut said = start;
        let wait = ConditionWait {
            within: self.granted.unwrap_or(wait.within),
            ..wait
        };
        let noted = async || {
            let looked = look().await;
            if let WaitLook::NotYet(seen) = &looked
                && said.elapsed() >= NOTE_INTERVAL
            {
                said = Instant::now();
                self.note(wait.what, seen, start.elapsed());
            }
            looked
        };
        let found = wait.until_async(noted).await;
        found.map_err(|late| self.conceal_values(late))
    }

    /// Waits for a condition that another task looks at, and returns what comes of it. That task
    /// says in `seen` what they saw last, and keep the deadline themselves.
    pub(crate) async fn wait_for_other<T>(
        &self,
        what: &str,
        seen: &RefCell<String>,
        work: impl Future<Output = T>,
    ) -> T {
        self.told_each(NOTE_INTERVAL, what, seen, work).await
    }

    async fn told_each<T>(
        &self,
        moment: Duration,
        what: &str,
        seen: &RefCell<String>,
        work: impl Future<Output = T>,
    ) -> T {
        let start = Instant::now();
        let mut work = pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(moment, &mut work).await {
                return done;
            }
            self.note(what, &seen.borrow(), start.elapsed());
        }
    }

    /// What a wait that was in vain says.
    pub(crate) fn in_vain(&self, wait: ConditionWait<'_>, seen: &str) -> Error {
        self.conceal_values(wait.in_vain(seen)).into()
    }

    fn conceal_values(&self, late: TimedOut) -> TimedOut {
        let last_seen = late
            .last_seen
            .map(|seen| self.planted.conceal_values(&seen));
        TimedOut { last_seen, ..late }
    }

    fn note(&self, what: &str, seen: &str, elapsed: Duration) {
        let seen = self.planted.conceal_values(seen);
        let _ = self.events.send(EngineEvent::Waiting {
            id: self.id.clone(),
            world: self.world.clone(),
            what: format!("{what} (last seen: {seen})"),
            elapsed,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter() -> WaitReporter {
        let (events, _) = tokio::sync::mpsc::unbounded_channel();
        WaitReporter {
            id: "a/b".into(),
            world: "bare".into(),
            events,
            planted: SecretMarkers::default(),
            granted: None,
        }
    }

    const SOON: ConditionWait<'static> = ConditionWait {
        what: "the door",
        within: Duration::from_millis(5),
        every: Duration::from_millis(1),
    };

    #[tokio::test]
    async fn says_what_was_last_seen() {
        let mut looks = 0;
        let waited: Result<(), _> = waiter()
            .wait_until(SOON, async || {
                looks += 1;
                WaitLook::NotYet(format!("look {looks}"))
            })
            .await;
        let looks = looks;
        assert_eq!(
            waited.unwrap_err().to_string(),
            format!("waited 5 ms for the door; last seen: look {looks}")
        );
        assert!(looks > 1);
    }

    #[tokio::test]
    async fn a_step_sets_the_deadline() {
        let waiter = waiter().granting(Some(Duration::from_millis(7)));
        let waited: Result<(), _> = waiter
            .wait_until(SOON, async || WaitLook::NotYet("shut".into()))
            .await;
        assert_eq!(
            waited.unwrap_err().to_string(),
            "waited 7 ms for the door; last seen: shut"
        );
    }

    #[tokio::test]
    async fn a_long_wait_tells_what_somebody_else_sees() {
        let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
        let seen = RefCell::new("shut".to_owned());
        let work = async {
            let mut note = async || match told.recv().await {
                Some(EngineEvent::Waiting { what, .. }) => what,
                other => format!("{other:?}"),
            };
            let first = note().await;
            "ajar".clone_into(&mut seen.borrow_mut());
            (first, note().await)
        };
        let waiter = WaitReporter { events, ..waiter() };
        let notes = waiter
            .told_each(Duration::from_millis(20), "the door", &seen, work)
            .await;
        assert_eq!(
            notes,
            (
                "the door (last seen: shut)".into(),
                "the door (last seen: ajar)".into()
            )
        );
    }

    #[tokio::test]
    async fn returns_what_was_found() {
        let mut looks = 0;
        let found = waiter()
            .wait_until(SOON, async || {
                looks += 1;
                if looks == 2 {
                    WaitLook::Ready("open")
                } else {
                    WaitLook::NotYet("shut".into())
                }
            })
            .await;
        assert_eq!(found.unwrap(), "open");
    }
}
