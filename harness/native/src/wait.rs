//! Waiting for conditions. Every wait has a name, a deadline, and remembers what it saw last; this is the only place
//! of the crate that sleeps.

use std::thread;
use std::time::{Duration, Instant};

/// A wait that ran past its deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waited {:.1} s for {name}; last seen: {last_seen}", .within.as_secs_f32())]
pub struct TimedOut {
    /// What was waited for, as a noun.
    pub name: String,
    /// For how long.
    pub within: Duration,
    /// What the last look showed.
    pub last_seen: String,
}

/// One look at a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look<T> {
    /// It holds.
    Ready(T),
    /// Not yet; this is what there was instead.
    NotYet(String),
}

/// Looks every `every` until the condition holds.
///
/// # Errors
/// [`TimedOut`] once `within` has passed.
pub fn until<T>(
    name: &str,
    within: Duration,
    every: Duration,
    mut look: impl FnMut() -> Look<T>,
) -> Result<T, TimedOut> {
    let start = Instant::now();
    loop {
        match look() {
            Look::Ready(value) => return Ok(value),
            Look::NotYet(last_seen) if start.elapsed() >= within => {
                return Err(TimedOut {
                    name: name.to_owned(),
                    within,
                    last_seen,
                });
            }
            Look::NotYet(_) => pause(every),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one sleep, inside a wait with a name and a deadline"
)]
fn pause(every: Duration) {
    thread::sleep(every);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_what_the_last_look_found() {
        let mut looks = 0;
        let found = until(
            "three looks",
            Duration::from_secs(60),
            Duration::ZERO,
            || {
                looks += 1;
                if looks == 3 {
                    Look::Ready(looks)
                } else {
                    Look::NotYet(looks.to_string())
                }
            },
        );
        assert_eq!(found, Ok(3));
    }

    #[test]
    fn running_late_says_what_was_seen() {
        let late = until::<()>("the moon", Duration::ZERO, Duration::ZERO, || {
            Look::NotYet("clouds".into())
        });
        assert_eq!(
            late.unwrap_err().to_string(),
            "waited 0.0 s for the moon; last seen: clouds"
        );
    }
}
