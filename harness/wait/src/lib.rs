//! Waiting for conditions. Every wait has a name and a deadline, and remembers what it saw last;
//! this is the only place of the project that sleeps while it waits. What is late on purpose, as an
//! answer of the KMS plugin is, sleeps where it is asked for.

use std::time::{Duration, Instant};

/// A condition to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionWait<'a> {
    /// What is waited for, as in "waited for …".
    pub what: &'a str,
    /// At most this long.
    pub within: Duration,
    /// From the end of one look to the next.
    pub every: Duration,
}

/// One look at a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitLook<T> {
    /// It holds.
    Ready(T),
    /// Not yet; this is what there was instead.
    NotYet(String),
}

impl WaitLook<()> {
    /// What a look shows that has nothing to give.
    pub fn when(holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        if holds {
            Self::Ready(())
        } else {
            Self::NotYet(otherwise())
        }
    }
}

/// A wait that ran past its deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waited {} for {what}{}", in_words(*.within), after(.last_seen.as_deref()))]
pub struct TimedOut {
    /// What was waited for, as in "waited for …".
    pub what: String,
    /// For how long.
    pub within: Duration,
    /// What the last look showed, where somebody looked.
    pub last_seen: Option<String>,
}

impl TimedOut {
    /// A wait for something that nobody can look at: it was to come by itself.
    #[must_use]
    pub fn unseen(what: impl Into<String>, within: Duration) -> Self {
        Self {
            what: what.into(),
            within,
            last_seen: None,
        }
    }
}

impl ConditionWait<'_> {
    /// Looks until the condition holds, and blocks this thread meanwhile.
    ///
    /// # Errors
    /// [`TimedOut`] when the first look after the deadline fails as well.
    pub fn wait_until<T>(self, mut look: impl FnMut() -> WaitLook<T>) -> Result<T, TimedOut> {
        let start = Instant::now();
        loop {
            match look() {
                WaitLook::Ready(found) => return Ok(found),
                WaitLook::NotYet(seen) if start.elapsed() >= self.within => {
                    return Err(self.in_vain(seen));
                }
                WaitLook::NotYet(_) => pause_thread(self.every),
            }
        }
    }

    /// The same for a task.
    ///
    /// # Errors
    /// [`TimedOut`] when the first look after the deadline fails as well.
    #[cfg(feature = "tokio")]
    pub async fn until_async<T>(
        self,
        mut look: impl AsyncFnMut() -> WaitLook<T>,
    ) -> Result<T, TimedOut> {
        let start = Instant::now();
        loop {
            match look().await {
                WaitLook::Ready(found) => return Ok(found),
                WaitLook::NotYet(seen) if start.elapsed() >= self.within => {
                    return Err(self.in_vain(seen));
                }
                WaitLook::NotYet(_) => pause_task(self.every).await,
            }
        }
    }

    /// The same for a task whose looks can fail: the first that does ends the wait.
    ///
    /// # Errors
    /// As the look, and [`TimedOut`] as [`Self::until_async`].
    #[cfg(feature = "tokio")]
    pub async fn try_until_async<T, E: From<TimedOut>>(
        self,
        mut look: impl AsyncFnMut() -> Result<WaitLook<T>, E>,
    ) -> Result<T, E> {
        self.until_async(async || match look().await {
            Ok(WaitLook::Ready(found)) => WaitLook::Ready(Ok(found)),
            Ok(WaitLook::NotYet(seen)) => WaitLook::NotYet(seen),
            Err(fault) => WaitLook::Ready(Err(fault)),
        })
        .await?
    }

    /// What this wait says when it ends in vain; `seen` is what was seen last.
    #[must_use]
    pub fn in_vain(self, seen: impl Into<String>) -> TimedOut {
        TimedOut {
            what: self.what.to_owned(),
            within: self.within,
            last_seen: Some(seen.into()),
        }
    }
}

/// Looks every `every` until the condition `what` holds, and blocks this thread meanwhile:
/// [`ConditionWait::wait_until`] in a line.
///
/// # Errors
/// [`TimedOut`] once `within` has passed.
pub fn wait_until<T>(
    what: &str,
    within: Duration,
    every: Duration,
    look: impl FnMut() -> WaitLook<T>,
) -> Result<T, TimedOut> {
    ConditionWait {
        what,
        within,
        every,
    }
    .wait_until(look)
}

fn in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

fn after(seen: Option<&str>) -> String {
    seen.map(|seen| format!("; last seen: {seen}"))
        .unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that sleeps, between two looks at a named condition"
)]
fn pause_thread(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(feature = "tokio")]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that sleeps, between two looks at a named condition"
)]
async fn pause_task(time: Duration) {
    tokio::time::sleep(time).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: ConditionWait<'static> = ConditionWait {
        what: "the door",
        within: Duration::from_millis(5),
        every: Duration::from_millis(1),
    };

    /// A condition that holds at the third look.
    fn third(looks: &mut u32) -> WaitLook<u32> {
        *looks += 1;
        if *looks == 3 {
            WaitLook::Ready(*looks)
        } else {
            WaitLook::NotYet(format!("look {looks}"))
        }
    }

    #[test]
    fn it_returns_what_the_last_look_found() {
        let (mut looks, patient) = (0, Duration::from_secs(60));
        let found = wait_until("three looks", patient, Duration::ZERO, || third(&mut looks));
        assert_eq!(found, Ok(3));
    }

    #[test]
    fn it_looks_once_where_no_time_is_given() {
        let (mut looks, none) = (0, Duration::ZERO);
        let late = wait_until("three looks", none, none, || third(&mut looks));
        assert_eq!(
            (late, looks),
            (
                Err(TimedOut {
                    what: "three looks".into(),
                    within: none,
                    last_seen: Some("look 1".into()),
                }),
                1
            )
        );
    }

    #[test]
    fn running_late_says_what_was_waited_for_how_long_and_what_was_seen() {
        let late = SOON
            .wait_until::<()>(|| WaitLook::NotYet("shut".into()))
            .unwrap_err();
        assert_eq!(
            late.to_string(),
            "waited 5 ms for the door; last seen: shut"
        );
        assert_eq!(
            TimedOut::unseen("the bell", Duration::from_secs(2)).to_string(),
            "waited 2 s for the bell"
        );
    }

    #[cfg(feature = "tokio")]
    #[tokio::test]
    async fn a_task_waits_as_a_thread_does() {
        let mut looks = 0;
        let patient = ConditionWait {
            within: Duration::from_secs(60),
            ..SOON
        };
        assert_eq!(patient.until_async(async || third(&mut looks)).await, Ok(3));
        let late = SOON
            .until_async::<()>(async || WaitLook::NotYet("shut".into()))
            .await;
        assert_eq!(late, Err(SOON.in_vain("shut")));
    }

    #[cfg(feature = "tokio")]
    #[tokio::test]
    async fn a_look_that_fails_ends_a_wait_that_can_fail() {
        let mut looks = 0;
        let fallible = async || {
            looks += 1;
            if looks == 2 {
                Err(SOON.in_vain("the door is gone"))
            } else {
                Ok(WaitLook::<()>::NotYet("shut".into()))
            }
        };
        let patient = ConditionWait {
            within: Duration::from_secs(60),
            ..SOON
        };
        let ended = patient.try_until_async(fallible).await;
        assert_eq!((ended, looks), (Err(SOON.in_vain("the door is gone")), 2));
    }
}
