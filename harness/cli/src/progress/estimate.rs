//! How far the builds of several components are, and about how long the rest will take.

use std::fmt;
use std::time::Duration;

use components::{BuildProgress, PinnedComponent};

use super::format_seconds;

/// Before so much is done, the machine's speed is not known.
const ENOUGH_DONE: f64 = 20.0;

/// Builds that are done one after the other.
#[derive(Default)]
pub(crate) struct BuildEstimate {
    /// Title, and the time on a quiet machine.
    builds: Vec<(String, f64)>,
    /// How many are done.
    done: usize,
    /// How much of the next one is done, from 0 to 1, and for how long it has been at it.
    current: (f64, Duration),
    /// What those took that are done.
    took: Duration,
}

impl BuildEstimate {
    pub(crate) fn from_components(components: &[&'static PinnedComponent]) -> Self {
        let usual = |component: &&'static PinnedComponent| {
            (component.title(), f64::from(component.build_seconds()))
        };
        Self {
            builds: components.iter().map(usual).collect(),
            done: 0,
            current: (0.0, Duration::ZERO),
            took: Duration::ZERO,
        }
    }

    /// Takes in what a build says of itself.
    pub(crate) fn note_progress(&mut self, step: &BuildProgress) {
        match step {
            BuildProgress::Building {
                compiled,
                total,
                elapsed,
                ..
            } => {
                self.current = (*compiled as f64 / (*total).max(1) as f64, *elapsed);
            }
            BuildProgress::Built { component, elapsed } => {
                self.took += *elapsed;
                self.done = self
                    .builds
                    .iter()
                    .position(|(title, _)| title == component)
                    .map_or(self.done, |at| at + 1);
                self.current = (0.0, Duration::ZERO);
            }
            BuildProgress::Fetching { .. } | BuildProgress::WaitingForBuild { .. } => {}
        }
    }

    /// How much longer: the usual times of what is left, by what this machine took for what is
    /// done.
    fn time_left(&self) -> Option<Duration> {
        let usual =
            |builds: &[(String, f64)]| builds.iter().map(|(_, seconds)| seconds).sum::<f64>();
        let part = self
            .builds
            .get(self.done)
            .map_or(0.0, |(_, seconds)| seconds * self.current.0);
        let done = usual(&self.builds[..self.done]) + part;
        let took = (self.took + self.current.1).as_secs_f64();
        let left = usual(&self.builds[self.done..]) - part;
        (done >= ENOUGH_DONE).then(|| Duration::from_secs_f64(left * took / done))
    }
}

impl fmt::Display for BuildEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} components", self.done, self.builds.len())?;
        match self.time_left() {
            Some(left) if self.done < self.builds.len() => {
                write!(f, ", about {} left", round_seconds(left))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// An estimate is not exact to the second.
fn round_seconds(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    if minutes > 1 {
        format!("{minutes} min")
    } else {
        format_seconds(Duration::from_secs(time.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> BuildEstimate {
        let builds = vec![("a-1".to_owned(), 100.0), ("b-1".to_owned(), 300.0)];
        BuildEstimate {
            builds,
            done: 0,
            current: (0.0, Duration::ZERO),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn what_is_left_goes_by_the_speed_so_far() {
        let mut estimate = two();
        assert_eq!(estimate.to_string(), "0 of 2 components");
        let elapsed = Duration::from_secs(100);
        estimate.note_progress(&BuildProgress::Building {
            component: "a-1".into(),
            compiled: 5,
            total: 10,
            elapsed,
        });
        assert_eq!(
            estimate.to_string(),
            "0 of 2 components, about 12 min left",
            "50 of 400 took 100 s"
        );
        estimate.note_progress(&BuildProgress::Built {
            component: "a-1".into(),
            elapsed: Duration::from_secs(200),
        });
        assert_eq!(estimate.to_string(), "1 of 2 components, about 10 min left");
        estimate.note_progress(&BuildProgress::Built {
            component: "b-1".into(),
            elapsed,
        });
        assert_eq!(estimate.to_string(), "2 of 2 components");
    }
}
