//! Whose turn it is: only a limited number of worlds do something at a time, and those that wait
//! for something to come about let others do it meanwhile.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of one run, whichever clusters its worlds are on.
#[derive(Clone, Debug)]
pub struct WorldTurns {
    semaphore: Arc<Semaphore>,
    number: usize,
}

/// A world's turn; none while it rests, and none for a world outside the schedule.
#[derive(Default)]
pub(crate) struct WorldTurn(Option<OwnedSemaphorePermit>);

impl WorldTurns {
    /// `at_once` at a time; at least one.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        let number = at_once.max(1);
        Self {
            semaphore: Arc::new(Semaphore::new(number)),
            number,
        }
    }

    /// How many worlds of one cluster have begun at most: as many again as have a turn may rest.
    /// One alone is alone.
    pub(crate) fn begun_at_once(&self) -> usize {
        match self.number {
            1 => 1,
            several => several.saturating_mul(2),
        }
    }

    /// Waits for a turn.
    pub(crate) async fn begin_turn(&self) -> WorldTurn {
        WorldTurn(Arc::clone(&self.semaphore).acquire_owned().await.ok()) // never closed
    }
}

impl WorldTurn {
    /// Lets another world have it while `work` waits, and takes the next one after that.
    pub(crate) async fn rest_while<T>(
        &mut self,
        turns: &WorldTurns,
        work: impl Future<Output = T>,
    ) -> T {
        self.0 = None;
        let done = work.await;
        *self = turns.begin_turn().await;
        done
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_rests_lets_another_one_in_and_waits_for_the_next_turn() {
        let turns = WorldTurns::new(1);
        let mut first = turns.begin_turn().await;
        let no_other = tokio::time::timeout(Duration::from_millis(20), turns.begin_turn()).await;
        assert!(no_other.is_err());
        let second = first.rest_while(&turns, turns.begin_turn());
        // The other one has it now, and keeps it: the first never gets on.
        assert!(
            tokio::time::timeout(Duration::from_millis(20), second)
                .await
                .is_err()
        );
        assert!(first.0.is_none());
        let another = first
            .rest_while(&turns, async { turns.begin_turn().await.0.is_some() })
            .await;
        assert!(another && first.0.is_some());
    }
}
