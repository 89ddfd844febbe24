//! A stop signal that interrupts waits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A signal that is given once, and that all can see.
#[derive(Debug, Default)]
pub struct StopSignal {
    told: Mutex<bool>,
    changed: Condvar,
}

impl StopSignal {
    /// Tells everybody to end.
    pub fn signal_stop(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn is_told(&self) -> bool {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `time` pass; `true` as soon as it is told.
    pub fn stopped_within(&self, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(told, time, |told| !*told);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The same until a moment.
    pub fn stopped_until(&self, moment: Instant) -> bool {
        self.stopped_within(moment.saturating_duration_since(Instant::now()))
    }
}
