//! Ctrl-C and SIGTERM: everything is taken down first, then the command ends with 130.
//!
//! The boxes and builds of this program die with it: each holds the other end of a pipe. So when a
//! signal comes, the program becomes another one by `exec`, in the same process: that closes every
//! pipe at one stroke, whatever was going on. What it becomes waits until the boxes are gone, and
//! sweeps. A second signal ends only the waiting; the boxes clear up after themselves all the same.
//! A hang-up counts as well, unless `nohup` or the like has it ignored.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use native::BoxCache;
use runner::{BoxStarter, LiveBoxes};
use tokio::signal::unix::{SignalKind, signal};
use wait::{WaitLook, wait_until};

use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::ui;

/// The hidden word, followed by the cache's folder and the names of boxes.
const TAKE_DOWN_WORD: &str = "__taken-down";

const TAKEN_DOWN_WITHIN: Duration = Duration::from_secs(45);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The boxes that are this program's to take down: a signal handler gets no argument.
static LIVE_BOXES: LazyLock<LiveBoxes> = LazyLock::new(LiveBoxes::default);

/// This program, which is run again: itself, even if its file was replaced meanwhile.
pub(crate) const LAUNCHER_PROGRAM: &str = "/proc/self/exe";

/// Boxes out of this cache, which a signal takes down.
pub(crate) fn boxes_of_cache(cache: &BoxCache) -> BoxStarter {
    BoxStarter::new(cache.clone(), LAUNCHER_PROGRAM, LIVE_BOXES.clone())
}

/// From here on signals take everything down. Returns once they do.
pub(crate) fn watch_signals(cache: &BoxCache) {
    watch_signals_and(cache, || {});
}

/// The same; what is to be said before that is said by `before`.
pub(crate) fn watch_signals_and(cache: &BoxCache, before: impl FnOnce() + Send + 'static) {
    let root = cache.root.clone();
    let (not_yet, watching) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return;
        };
        runtime.block_on(async {
            let signal = next_signal();
            drop(not_yet);
            signal.await;
        });
        ui::print_note("\ninterrupted: taking everything down");
        before();
        wait_for_boxes(&root);
    });
    let _ = watching.recv();
}

/// Waits for SIGINT, SIGTERM or SIGHUP. Signals count from this call on, not only once it is
/// polled.
pub(crate) fn next_signal() -> impl Future<Output = ()> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let hangup = (!hangups_are_ignored()).then(|| signal(SignalKind::hangup()));
    async {
        let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
            return std::future::pending().await;
        };
        let hung_up = async {
            match hangup {
                Some(Ok(mut hangup)) => hangup.recv().await,
                Some(Err(_)) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
    }
}

/// Waits for the signal that ends this program: it never comes back, for [`watch_signals`] replaces
/// the program.
pub(crate) fn wait_for_signal() -> ! {
    loop {
        // A park ends for no reason too, and at once where this thread was unparked before: by a
        // channel, say.
        std::thread::park();
    }
}

/// Whether this program was started with hang-ups ignored, as `nohup` does.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// Becomes the program that waits for the boxes to go.
fn wait_for_boxes(root: &std::path::Path) {
    let error = Command::new(LAUNCHER_PROGRAM)
        .arg(TAKE_DOWN_WORD)
        .arg(root)
        .args(LIVE_BOXES.names())
        .exec();
    ui::print_fault(
        &CommandFault::machine("cannot wait until everything is taken down").because_of(&error),
    );
    // Boxes and builds end by themselves once this process is gone.
    #[expect(
        clippy::exit,
        clippy::disallowed_methods,
        reason = "the other threads cannot be asked to end"
    )]
    std::process::exit(ExitReason::Leaked.number().into());
}

/// The hidden entry point: waits until the boxes that the command line names are gone.
pub(crate) fn hidden_main() -> Option<ExitReason> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != TAKE_DOWN_WORD {
        return None;
    }
    let cache = BoxCache {
        root: PathBuf::from(words.next()?),
    };
    let names: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let gone = names.iter().all(|name| wait_until_gone(&cache, name));
    Some(if gone {
        ExitReason::Interrupted
    } else {
        ExitReason::Leaked
    })
}

/// Waits until nothing of a box is left.
fn wait_until_gone(cache: &BoxCache, name: &str) -> bool {
    let waited = wait_until(
        &format!("the box `{name}` to go"),
        TAKEN_DOWN_WITHIN,
        LOOK_EVERY,
        || {
            let folder = cache.box_dir(name);
            if !folder.exists() {
                return WaitLook::Ready(());
            }
            native::sweep_dead(cache);
            WaitLook::NotYet(format!("`{}` is there", folder.display()))
        },
    );
    if let Err(late) = &waited {
        ui::print_fault(
            &CommandFault::new(ExitReason::Leaked, late.to_string())
                .hint(format!("try `gauntlet down {name}`")),
        );
    }
    waited.is_ok()
}
