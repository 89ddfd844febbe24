//! The anti-flooding buffer: what is produced too fast waits here; what does not fit is gone, the
//! newest first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How the buffer is set up; the defaults are the shipped ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BufferLimits {
    /// How many events it holds.
    pub size: usize,
    /// How many leave it in a second, at most.
    pub per_second: u32,
    /// A warning is given from this share on, in per cent.
    pub warn: usize,
    /// All is well again from this share down, in per cent.
    pub normal: usize,
    /// Full for this long is flooded.
    pub tolerance: Duration,
}

impl Default for BufferLimits {
    fn default() -> Self {
        Self {
            size: 5000,
            per_second: 500,
            warn: 90,
            normal: 70,
            tolerance: Duration::from_secs(15),
        }
    }
}

/// How full it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BufferLevel {
    /// Not very.
    #[default]
    Normal,
    /// Nearly.
    Warning,
    /// Nothing more fits.
    Full,
    /// Nothing more has fitted for a while.
    Flooded,
}

impl BufferLevel {
    /// The line in the agent's log.
    #[must_use]
    pub fn log_line(self, limits: &BufferLimits) -> String {
        match self {
            Self::Normal => format!(
                "Agent buffer is under {} %. Working properly again.",
                limits.normal
            ),
            Self::Warning => format!("Agent buffer at {} %.", limits.warn),
            Self::Full => "Agent buffer is full: Events may be lost.".into(),
            Self::Flooded => "Agent buffer is flooded: Producing too many events.".into(),
        }
    }

    /// The event that reports it to the manager.
    #[must_use]
    pub fn level_event(self, limits: &BufferLimits) -> String {
        let word = match self {
            Self::Normal => "normal".into(),
            Self::Warning => format!("{}%", limits.warn),
            Self::Full => "full".into(),
            Self::Flooded => "flooded".into(),
        };
        format!("wazuh: Agent buffer: '{word}'.")
    }
}

/// The buffer itself. Each call says which level was entered, if one was.
#[derive(Debug)]
pub struct EventBuffer<T> {
    limits: BufferLimits,
    queue: VecDeque<T>,
    level: BufferLevel,
    full_since: Option<Instant>,
    dropped: u64,
}

impl<T> EventBuffer<T> {
    /// An empty one.
    #[must_use]
    pub fn new(limits: BufferLimits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            level: BufferLevel::Normal,
            full_since: None,
            dropped: 0,
        }
    }

    /// Takes an event in, or drops it.
    pub fn push(&mut self, event: T, now: Instant) -> Option<BufferLevel> {
        let size = self.limits.size;
        if self.queue.len() >= size {
            self.dropped += 1;
        } else {
            self.queue.push_back(event);
        }
        let have = self.queue.len();
        let level = match self.level {
            BufferLevel::Normal | BufferLevel::Warning if have >= size => BufferLevel::Full,
            BufferLevel::Normal if have * 100 >= size * self.limits.warn => BufferLevel::Warning,
            BufferLevel::Full
                if self
                    .full_since
                    .is_some_and(|since| now - since >= self.limits.tolerance) =>
            {
                BufferLevel::Flooded
            }
            same => same,
        };
        self.enter_level(level, now)
    }

    /// The oldest event.
    pub fn pop(&mut self, now: Instant) -> (Option<T>, Option<BufferLevel>) {
        let event = self.queue.pop_front();
        let well = self.queue.len() * 100 <= self.limits.size * self.limits.normal;
        let level = if well {
            BufferLevel::Normal
        } else {
            self.level
        };
        let entered = self.enter_level(level, now);
        (event, entered)
    }

    fn enter_level(&mut self, level: BufferLevel, now: Instant) -> Option<BufferLevel> {
        if level == self.level {
            return None;
        }
        if level == BufferLevel::Full {
            self.full_since = Some(now);
        }
        self.level = level;
        Some(level)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ten() -> BufferLimits {
        BufferLimits {
            size: 10,
            ..BufferLimits::default()
        }
    }

    #[test]
    fn the_levels_come_in_order_and_the_newest_is_dropped() {
        let (start, mut buffer) = (Instant::now(), EventBuffer::new(ten()));
        let entered: Vec<_> = (0..12).map(|event| buffer.push(event, start)).collect();
        let mut wanted = vec![None; 12];
        wanted[8] = Some(BufferLevel::Warning);
        wanted[9] = Some(BufferLevel::Full);
        assert_eq!(entered, wanted);
        assert_eq!((buffer.len(), buffer.dropped()), (10, 2));
        assert_eq!(buffer.push(12, start + Duration::from_secs(14)), None);
        assert_eq!(
            buffer.push(13, start + Duration::from_secs(15)),
            Some(BufferLevel::Flooded)
        );
        let left: Vec<_> = (0..10).map(|_| buffer.pop(start)).collect();
        assert_eq!(
            left.iter()
                .filter_map(|(event, _)| *event)
                .collect::<Vec<_>>(),
            (0..10).collect::<Vec<_>>()
        );
        assert_eq!(left[1].1, None);
        assert_eq!(left[2].1, Some(BufferLevel::Normal));
    }

    #[test]
    fn the_lines_are_those_of_the_real_agent() {
        let limits = BufferLimits::default();
        assert_eq!(
            BufferLevel::Warning.log_line(&limits),
            "Agent buffer at 90 %."
        );
        assert_eq!(
            BufferLevel::Normal.log_line(&limits),
            "Agent buffer is under 70 %. Working properly again."
        );
        assert_eq!(
            BufferLevel::Warning.level_event(&limits),
            "wazuh: Agent buffer: '90%'."
        );
    }

    proptest! {
        #[test]
        fn nothing_is_both_kept_and_dropped(steps in prop::collection::vec(any::<bool>(), 0..200)) {
            let (now, mut buffer) = (Instant::now(), EventBuffer::new(ten()));
            let (mut pushed, mut popped) = (0_u64, Vec::new());
            for push in steps {
                if push { buffer.push(pushed, now); pushed += 1 } else { popped.extend(buffer.pop(now).0) }
            }
            prop_assert!(popped.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(popped.len() as u64 + buffer.len() as u64 + buffer.dropped(), pushed);
        }
    }
}
