//! Waiting: for a named condition, with a deadline, and a word on what was last seen.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::Event;
use crate::canaries::Planted;

/// After this long, and then again each time, the caller is told what is being waited for.
const MOMENT: Duration = Duration::from_secs(2);

/// One look at a condition.
pub(crate) enum Look<T> {
    /// It holds.
    Found(T),
    /// It does not, and this was seen instead.
    Not(String),
}

/// A condition to wait for.
pub(crate) struct Wait<'a> {
    /// What is waited for, as in "waited for …".
    pub(crate) what: &'a str,
    /// At most this long.
    pub(crate) within: Duration,
    /// From the end of one look to the next.
    pub(crate) every: Duration,
}

/// Who waits, for the notes that a long wait sends.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) id: String,
    pub(crate) world: String,
    pub(crate) events: UnboundedSender<Event>,
    /// What must not be shown of what was last seen.
    pub(crate) planted: Planted,
}

impl Waiter {
    /// Looks until the condition holds.
    ///
    /// # Errors
    /// After the deadline: what was waited for, for how long, and what was last seen.
    pub(crate) async fn until<T>(&self, wait: Wait<'_>, mut look: impl AsyncFnMut() -> Look<T>) -> Result<T, String> {
        let start = Instant::now();
        let mut said = start;
        loop {
            let seen = match look().await {
                Look::Found(found) => return Ok(found),
                Look::Not(seen) => seen,
            };
            if start.elapsed() >= wait.within {
                let seen = self.planted.conceal(&seen);
                return Err(format!("waited {} for {}; last seen: {seen}", seconds(wait.within), wait.what));
            }
            if said.elapsed() >= MOMENT {
                said = Instant::now();
                let seen = self.planted.conceal(&seen);
                self.tell(format!("{} (last seen: {seen})", wait.what), start.elapsed());
            }
            pause(wait.every).await;
        }
    }

    fn tell(&self, what: String, elapsed: Duration) {
        let (id, world) = (self.id.clone(), self.world.clone());
        let _ = self.events.send(Event::Waiting { id, world, what, elapsed });
    }
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

#[expect(clippy::disallowed_methods, reason = "the one place that sleeps, between two looks at a named condition")]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter() -> Waiter {
        let (events, _) = tokio::sync::mpsc::unbounded_channel();
        Waiter { id: "a/b".into(), world: "bare".into(), events, planted: Planted::default() }
    }

    const SOON: Wait<'static> =
        Wait { what: "the door", within: Duration::from_millis(5), every: Duration::from_millis(1) };

    #[tokio::test]
    async fn says_what_was_last_seen() {
        let mut looks = 0;
        let waited: Result<(), _> = waiter()
            .until(SOON, async || {
                looks += 1;
                Look::Not(format!("look {looks}"))
            })
            .await;
        let looks = looks;
        assert_eq!(waited, Err(format!("waited 5 ms for the door; last seen: look {looks}")));
        assert!(looks > 1);
    }

    #[tokio::test]
    async fn returns_what_was_found() {
        let mut looks = 0;
        let found = waiter()
            .until(SOON, async || {
                looks += 1;
                if looks == 2 { Look::Found("open") } else { Look::Not("shut".into()) }
            })
            .await;
        assert_eq!(found, Ok("open"));
    }
}
