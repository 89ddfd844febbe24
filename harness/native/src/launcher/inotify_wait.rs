//! The wait for the inotify instances that a box needs.

use std::time::Duration;

use wait::{ConditionWait, WaitLook};

use crate::Error;
use crate::inotify::{InotifyLook, InotifyReservation, instances_of_box};

/// Other boxes may hold them for as long as their worlds take.
const FREE_WITHIN: Duration = Duration::from_secs(600);
const POLL_INTERVAL: Duration = Duration::from_millis(250);

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
    let mut told = false;
    let end = wait.wait_until(|| match InotifyReservation::try_reserve(name, wanted) {
        Ok(InotifyLook::Reserved(reservation)) => WaitLook::Ready(WaitEnd::Reserved(reservation)),
        Ok(InotifyLook::Held(_)) if is_told_to_end() => WaitLook::Ready(WaitEnd::ToldToEnd),
        Ok(InotifyLook::Held(seen)) => {
            if !std::mem::replace(&mut told, true) {
                tell(format!("{what}; {seen}"));
            }
            WaitLook::NotYet(seen)
        }
        Ok(InotifyLook::BeyondLimit(seen)) => {
            WaitLook::Ready(WaitEnd::Failed(failed(format!("it needs {what}; {seen}"))))
        }
        Err(source) => WaitLook::Ready(WaitEnd::Failed(Error::System {
            doing: "reserve inotify instances".into(),
            source,
        })),
    });
    match end.map_err(|late| failed(late.to_string()))? {
        WaitEnd::Reserved(reservation) => Ok(reservation),
        WaitEnd::ToldToEnd => Err(failed(format!(
            "it was told to end while it waited for {what}"
        ))),
        WaitEnd::Failed(error) => Err(error),
    }
}
