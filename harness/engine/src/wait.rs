//! Waiting in a world: a long wait is told to the caller, and what must not be shown of what was seen is concealed.

use std::cell::RefCell;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use wait::TimedOut;
pub(crate) use wait::{Look, Wait};

use crate::Error;
use crate::Event;
use crate::canaries::SecretMarkers;

/// After this long, and then again each time, the caller is told what is being waited for.
const MOMENT: Duration = Duration::from_secs(2);

/// One look that failed shows that the condition does not hold yet.
impl<T> From<Error> for Look<T> {
    fn from(fault: Error) -> Self {
        Self::NotYet(fault.in_one_line())
    }
}

/// Who waits, for the notes that a long wait sends.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) id: String,
    pub(crate) world: String,
    pub(crate) events: UnboundedSender<Event>,
    /// What must not be shown of what was last seen.
    pub(crate) planted: SecretMarkers,
}

impl Waiter {
    /// Looks until the condition holds.
    ///
    /// # Errors
    /// After the deadline: what was waited for, for how long, and what was last seen.
    pub(crate) async fn until<T>(
        &self,
        wait: Wait<'_>,
        look: impl AsyncFnMut() -> Look<T>,
    ) -> Result<T, Error> {
        Ok(self.until_late(wait, look).await?)
    }

    /// The same, for whom nothing but the deadline is an error.
    pub(crate) async fn until_late<T>(
        &self,
        wait: Wait<'_>,
        mut look: impl AsyncFnMut() -> Look<T>,
    ) -> Result<T, TimedOut> {
        let start = Instant::now();
        let mut said = start;
        let noted = async || {
            let looked = look().await;
            if let Look::NotYet(seen) = &looked
                && said.elapsed() >= MOMENT
            {
                said = Instant::now();
                self.note(wait.what, seen, start.elapsed());
            }
            looked
        };
        let found = wait.until_async(noted).await;
        found.map_err(|late| self.concealed(late))
    }

    /// Waits for what somebody else looks at until the condition holds, and gives what comes of it. They say in `seen`
    /// what they saw last, and keep the deadline themselves.
    pub(crate) async fn told<T>(
        &self,
        what: &str,
        seen: &RefCell<String>,
        work: impl Future<Output = T>,
    ) -> T {
        self.told_each(MOMENT, what, seen, work).await
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
    pub(crate) fn in_vain(&self, wait: Wait<'_>, seen: &str) -> Error {
        self.concealed(wait.in_vain(seen)).into()
    }

    fn concealed(&self, late: TimedOut) -> TimedOut {
        let last_seen = late.last_seen.map(|seen| self.planted.conceal(&seen));
        TimedOut { last_seen, ..late }
    }

    fn note(&self, what: &str, seen: &str, elapsed: Duration) {
        let seen = self.planted.conceal(seen);
        let _ = self.events.send(Event::Waiting {
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

    fn waiter() -> Waiter {
        let (events, _) = tokio::sync::mpsc::unbounded_channel();
        Waiter {
            id: "a/b".into(),
            world: "bare".into(),
            events,
            planted: SecretMarkers::default(),
        }
    }

    const SOON: Wait<'static> = Wait {
        what: "the door",
        within: Duration::from_millis(5),
        every: Duration::from_millis(1),
    };

    #[tokio::test]
    async fn says_what_was_last_seen() {
        let mut looks = 0;
        let waited: Result<(), _> = waiter()
            .until(SOON, async || {
                looks += 1;
                Look::NotYet(format!("look {looks}"))
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
    async fn a_long_wait_tells_what_somebody_else_sees() {
        let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
        let seen = RefCell::new("shut".to_owned());
        let work = async {
            let mut note = async || match told.recv().await {
                Some(Event::Waiting { what, .. }) => what,
                other => format!("{other:?}"),
            };
            let first = note().await;
            "ajar".clone_into(&mut seen.borrow_mut());
            (first, note().await)
        };
        let waiter = Waiter { events, ..waiter() };
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
            .until(SOON, async || {
                looks += 1;
                if looks == 2 {
                    Look::Ready("open")
                } else {
                    Look::NotYet("shut".into())
                }
            })
            .await;
        assert_eq!(found.unwrap(), "open");
    }
}
