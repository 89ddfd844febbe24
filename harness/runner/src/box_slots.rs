//! How many boxes are up at a time, and which ones. Boxes with many worlds have one lane, those
//! with few another one: the former keep the processors busy, the latter mostly wait for processes
//! of theirs to start. When a lane has had all of its boxes, its slots go to the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cluster::{free_memory, instances_for_boxes, instances_of_box};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// As many worlds are few.
const FEW_WORLDS: usize = 4;

/// What a box takes in memory while worlds are tried in it, with what it has installed, in bytes.
const MEMORY_OF_BOX: u64 = 1536 << 20;

/// Boxes at a time where there is memory for them: in the lane of those with many worlds, in the
/// other one.
const MANY_AT_ONCE: usize = 2;
const FEW_AT_ONCE: usize = 4;

/// The slots of one run.
pub(crate) struct BoxSlots {
    many: SlotLane,
    few: SlotLane,
    /// Boxes of both lanes that will want a slot.
    to_come: watch::Sender<usize>,
    watches: Arc<Semaphore>,
    /// All of them: a box that wants more gets along with these, and says itself what it lacks.
    watches_at_most: u32,
}

/// A slot for a box; it is free again once this is dropped.
pub(crate) struct BoxSlot(#[expect(dead_code)] [Option<OwnedSemaphorePermit>; 2]);

struct SlotLane {
    slots: Arc<Semaphore>,
    number: usize,
    /// Boxes that will want a slot.
    left: AtomicUsize,
}

impl BoxSlots {
    /// Slots for boxes with these numbers of worlds, as many as this machine has memory and inotify
    /// instances for. Within a runtime.
    pub(crate) fn new(worlds: impl Iterator<Item = usize>) -> Self {
        let (few, many): (Vec<usize>, Vec<usize>) =
            worlds.partition(|worlds| *worlds <= FEW_WORLDS);
        let boxes = usize::try_from(free_memory() / MEMORY_OF_BOX).unwrap_or(usize::MAX);
        let boxes = boxes.clamp(2, MANY_AT_ONCE + FEW_AT_ONCE);
        let watches = instances_for_boxes()
            .unwrap_or(Semaphore::MAX_PERMITS)
            .max(instances_of_box(0));
        let many_at_once = MANY_AT_ONCE.min(boxes / 2);
        let to_come = watch::Sender::new(many.len() + few.len());
        let (many, few) = (
            SlotLane::new(many_at_once, many.len()),
            SlotLane::new(boxes - many_at_once, few.len()),
        );
        many.hand_over_to(&few);
        few.hand_over_to(&many);
        let watches_at_most = u32::try_from(watches).unwrap_or(u32::MAX);
        Self {
            many,
            few,
            to_come,
            watches: Arc::new(Semaphore::new(watches.min(Semaphore::MAX_PERMITS))),
            watches_at_most,
        }
    }

    /// Waits for a slot for a box with this many worlds and nodes.
    pub(crate) async fn wait_for(&self, worlds: usize, nodes: u8) -> BoxSlot {
        let own = if worlds <= FEW_WORLDS {
            &self.few
        } else {
            &self.many
        };
        let slot = Arc::clone(&own.slots).acquire_owned().await.ok(); // never closed
        self.expect_one_less(worlds);
        BoxSlot([slot, self.take_watches(nodes).await])
    }

    /// Waits for a slot that no other box waits for, for one that is not expected.
    pub(crate) async fn wait_for_spare(&self, nodes: u8) -> BoxSlot {
        let mut to_come = self.to_come.subscribe();
        let _ = to_come.wait_for(|to_come| *to_come == 0).await; // its sender is ours
        let slot = tokio::select! {
            slot = Arc::clone(&self.many.slots).acquire_owned() => slot,
            slot = Arc::clone(&self.few.slots).acquire_owned() => slot,
        };
        BoxSlot([slot.ok(), self.take_watches(nodes).await])
    }

    async fn take_watches(&self, nodes: u8) -> Option<OwnedSemaphorePermit> {
        let watches = u32::try_from(instances_of_box(nodes)).unwrap_or(u32::MAX);
        Arc::clone(&self.watches)
            .acquire_many_owned(watches.min(self.watches_at_most))
            .await
            .ok()
    }

    /// A box with this many worlds waits for no slot any more: it has one, or it never comes.
    pub(crate) fn expect_one_less(&self, worlds: usize) {
        let (own, other) = if worlds <= FEW_WORLDS {
            (&self.few, &self.many)
        } else {
            (&self.many, &self.few)
        };
        if own.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            own.hand_over_to(other);
        }
        self.to_come.send_modify(|to_come| *to_come -= 1);
    }
}

impl SlotLane {
    fn new(number: usize, boxes: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(number)),
            number,
            left: AtomicUsize::new(boxes),
        }
    }

    /// Once no box waits for its slots, gives them to the other lane: the free ones, and the others
    /// as they get free.
    fn hand_over_to(&self, other: &Self) {
        if self.left.load(Ordering::Relaxed) > 0 {
            return;
        }
        let (number, own, other) = (
            self.number,
            Arc::clone(&self.slots),
            Arc::clone(&other.slots),
        );
        tokio::spawn(async move {
            for _ in 0..number {
                let Ok(slot) = own.acquire().await else {
                    return;
                };
                slot.forget();
                other.add_permits(1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn slots(many: (usize, usize), few: (usize, usize)) -> BoxSlots {
        let to_come = watch::Sender::new(many.1 + few.1);
        let (many, few) = (SlotLane::new(many.0, many.1), SlotLane::new(few.0, few.1));
        BoxSlots {
            many,
            few,
            to_come,
            watches: Arc::new(Semaphore::new(100)),
            watches_at_most: 100,
        }
    }

    async fn is_refused(slots: &BoxSlots, worlds: usize, nodes: u8) -> bool {
        tokio::time::timeout(Duration::from_millis(20), slots.wait_for(worlds, nodes))
            .await
            .is_err()
    }

    #[tokio::test]
    async fn a_lane_that_is_done_gives_its_slots_to_the_other() {
        let slots = slots((1, 1), (1, 3));
        let first = slots.wait_for(1, 0).await;
        assert!(is_refused(&slots, 1, 0).await);
        let big = slots.wait_for(FEW_WORLDS + 1, 0).await;
        assert!(is_refused(&slots, 1, 0).await);
        drop(big);
        let second = slots.wait_for(1, 0).await;
        assert!(is_refused(&slots, 1, 0).await);
        drop((first, second));
    }

    #[tokio::test]
    async fn a_box_that_never_comes_keeps_no_slot() {
        let slots = slots((1, 1), (1, 2));
        let _first = slots.wait_for(1, 0).await;
        assert!(is_refused(&slots, 1, 0).await);
        slots.expect_one_less(FEW_WORLDS + 1);
        let _second = slots.wait_for(1, 0).await;
    }

    #[tokio::test]
    async fn a_spare_box_comes_after_all_that_are_expected() {
        let slots = slots((2, 1), (1, 1));
        let spare =
            async || tokio::time::timeout(Duration::from_millis(20), slots.wait_for_spare(1)).await;
        let _big = slots.wait_for(FEW_WORLDS + 1, 1).await;
        assert!(spare().await.is_err());
        let _small = slots.wait_for(1, 1).await;
        let _first = spare().await.unwrap();
        assert!(spare().await.is_err());
    }

    #[tokio::test]
    async fn more_nodes_than_there_are_inotify_instances_for_wait() {
        let slots = slots((2, 2), (2, 2));
        let first = slots.wait_for(1, 9).await;
        assert!(is_refused(&slots, FEW_WORLDS + 1, 1).await);
        drop(first);
        let _all = slots.wait_for(1, 200).await;
    }
}
