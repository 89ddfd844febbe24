//! Running a build so that nothing of it outlives this program: in a separate namespace of process
//! ids, whose first process is killed with its parent.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::lifeline;

/// The hidden word of the namespace's maker; see the head of this crate.
pub const CONTAIN_ARGUMENT: &str = "__contain";
/// The other one: the program itself, in the namespace.
pub const ARMED_ARGUMENT: &str = "__armed";

/// The lowest priority (`nice(2)`).
const LOWEST_PRIORITY: i32 = 19;

/// A command that dies with the thread that spawns it, and takes all its descendants with it. The
/// caller must leave standard input as it is set here, and keep the child's end of it for as long
/// as the command may run.
pub(crate) fn contained_command(launcher: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(launcher);
    command
        .arg(CONTAIN_ARGUMENT)
        .arg(program)
        .stdin(Stdio::piped());
    command
}

/// `__contain PROGRAM ARG…`: makes the namespace. Without the right to, the program itself still
/// dies with this one.
pub fn run_contain(words: &[OsString]) -> io::Result<ExitCode> {
    lifeline::arm_lifeline()?;
    match unshare(CloneFlags::CLONE_NEWPID) {
        Ok(()) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut child = Command::new("/proc/self/exe")
        .arg0("gauntlet")
        .arg(ARMED_ARGUMENT)
        .args(words)
        .stdin(Stdio::piped())
        .spawn()?;
    let lifeline = child.stdin.take();
    let status = child.wait()?;
    drop(lifeline);
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// `__armed PROGRAM ARG…`: becomes the program, once its death is tied to the parent's.
pub fn run_armed(words: &[OsString]) -> io::Result<ExitCode> {
    lifeline::arm_lifeline()?;
    yield_to_others();
    let (program, args) = words
        .split_first()
        .ok_or_else(|| io::Error::other("no program"))?;
    Err(Command::new(program).args(args).exec())
}

/// Lets everything else on this machine go first: boxes run beside builds, and what is timed in
/// them must not wait for a compiler. Where the kernel groups processes by session, it is the
/// group's niceness that counts. A failure does no harm.
fn yield_to_others() {
    // Outside such a namespace, descendants need the terminal's signals to end with this program.
    if nix::unistd::getpid().as_raw() == 1 {
        let _ = nix::unistd::setsid();
    }
    let _ = rustix::process::setpriority_process(None, LOWEST_PRIORITY);
    let _ = std::fs::write("/proc/self/autogroup", LOWEST_PRIORITY.to_string());
}
