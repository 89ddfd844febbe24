//! The wait for the inotify instances that a box needs.

use std::time::{Duration, Instant};

use wait::{ConditionWait, WaitLook};

use crate::Error;
use crate::inotify::{InotifyLook, InotifyReservation, instances_of_box};

/// Other boxes may hold them for as long as their worlds take.
const FREE_WITHIN: Duration = Duration::from_secs(600);

/// Between two looks at who holds them, which go through all processes.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Until a program has its own that reserves some at the same moment.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How a wait for instances ends, if not with them.
enum WaitEnd {
    Reserved(Option<InotifyReservation>),
    ToldToEnd,
    Failed(Error),
}

/// Waits until a box with this many nodes has its instances. `is_told_to_end` is asked from time
/// to time, and `tell` is called once, with what is in the way.
pub(super) fn wait_for_instances(
    name: &str,
    nodes: u8,
    mut is_told_to_end: impl FnMut() -> bool,
    mut tell: impl FnMut(String),
) -> Result<Option<InotifyReservation>, Error> {
    let wanted = instances_of_box(nodes);
    let failed = |why: String| Error::NoInotify {
        name: name.to_owned(),
        why,
    };
    let what = format!("{wanted} inotify instances");
    let wait = ConditionWait {
        what: &what,
        within: FREE_WITHIN,
        every: POLL_INTERVAL,
    };
    let (mut seen, mut look_after) = (None::<String>, Instant::now());
    let end = wait.wait_until(|| {
        if is_told_to_end() {
            return WaitLook::Ready(WaitEnd::ToldToEnd);
        }
        let not_yet = |seen: &Option<String>| {
            WaitLook::NotYet(
                seen.clone()
                    .unwrap_or_else(|| "others reserve theirs".into()),
            )
        };
        if Instant::now() < look_after {
            return not_yet(&seen);
        }
        match InotifyReservation::try_reserve(name, wanted) {
            Ok(InotifyLook::Reserved(reservation)) => {
                WaitLook::Ready(WaitEnd::Reserved(reservation))
            }
            Ok(InotifyLook::Busy) => not_yet(&seen),
            Ok(InotifyLook::Held(holders)) => {
                if seen.is_none() {
                    tell(format!("{what}; {holders}"));
                }
                look_after = Instant::now() + LOOK_INTERVAL;
                seen = Some(holders);
                not_yet(&seen)
            }
            Ok(InotifyLook::BeyondLimit(holders)) => WaitLook::Ready(WaitEnd::Failed(failed(
                format!("it needs {what}; {holders}"),
            ))),
            Err(source) => WaitLook::Ready(WaitEnd::Failed(Error::System {
                doing: "reserve inotify instances".into(),
                source,
            })),
        }
    });
    match end.map_err(|late| failed(late.to_string()))? {
        WaitEnd::Reserved(reservation) => Ok(reservation),
        WaitEnd::ToldToEnd => Err(failed(format!(
            "it was told to end while it waited for {what}"
        ))),
        WaitEnd::Failed(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::inotify::InotifyUse;

    /// What another box holds is named, once; the box gets its own when that one is gone.
    #[test]
    fn a_start_waits_for_what_another_box_holds_and_says_so() {
        let other = format!("test-holder-{}", std::process::id());
        let all = InotifyUse::read_machine().unwrap().free_instances();
        let Ok(InotifyLook::Reserved(held)) = InotifyReservation::try_reserve(&other, all) else {
            panic!("other boxes start at this moment");
        };
        let (held, told) = (RefCell::new(held), RefCell::new(Vec::new()));
        let reservation = wait_for_instances(
            "test-waits",
            1,
            || {
                // The other box ends once this one has said that it waits.
                if !told.borrow().is_empty() {
                    held.borrow_mut().take();
                }
                false
            },
            |what| told.borrow_mut().push(what),
        );
        assert!(reservation.unwrap().is_some());
        let told = told.into_inner();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("20 inotify instances; ") && told[0].contains(&other),
            "{told:?}"
        );
    }

    #[test]
    fn a_wait_ends_when_its_caller_is_gone() {
        let ended = wait_for_instances("test-ended", 1, || true, |_| {});
        assert!(matches!(ended, Err(Error::NoInotify { .. })), "{ended:?}");
    }
}
