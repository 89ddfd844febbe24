//! Running a program inside a box that is up: in its namespaces and its control group, so that it
//! ends with the box, and dies with its caller.
//!
//! ```text
//! the caller ── spawn ──▶ __enter   joins the box; dies with the caller
//!                         └ __joined   becomes the program, process of the box; dies with the one before
//! ```

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use error_chain::error_chain;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{chdir, getppid};

use crate::cgroup::HostCgroups;
use crate::places::{BOX_HOME, OWN_PROGRAM, WORK_FOLDER};

/// The hidden words; see [`crate::hidden_main`].
pub(crate) const ENTER_ARGUMENT: &str = "__enter";
pub(crate) const JOINED_ARGUMENT: &str = "__joined";

/// The namespaces of a box: the mounts last, because the others are found in the host's `/proc`.
const ENTERED_NAMESPACES: [(&str, CloneFlags); 5] = [
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// A command that runs its first argument in the box `name`, whose first process is `init`.
pub(crate) fn enter_command(launcher: &Path, name: &str, init: u32, path: &str) -> Command {
    let mut command = Command::new(launcher);
    command
        .args([ENTER_ARGUMENT, name])
        .arg(init.to_string())
        .arg(std::process::id().to_string());
    command.env_clear().env("PATH", path);
    command
        .env("HOME", format!("{BOX_HOME}/{WORK_FOLDER}"))
        .env("TMPDIR", format!("{BOX_HOME}/tmp"));
    command
}

/// `__enter NAME INIT CALLER PROGRAM ARG…`.
pub(crate) fn run_enter(words: &[OsString]) -> io::Result<ExitCode> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let [name, init, caller, program @ ..] = words else {
        return Err(io::Error::other("too few arguments"));
    };
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    if getppid().to_string() != text(caller) {
        return Err(io::Error::other("the caller is gone"));
    }
    join_box(&text(name), &text(init))?;
    let alive = format!("gauntlet-enter-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&alive)?)?;
    let status = Command::new(format!("{BOX_HOME}/{OWN_PROGRAM}"))
        .arg(JOINED_ARGUMENT)
        .arg(alive)
        .args(program)
        .status()?;
    Ok(ExitCode::from(exit_code(status)))
}

fn join_box(name: &str, init: &str) -> io::Result<()> {
    let spaces = ENTERED_NAMESPACES
        .map(|(space, flag)| (File::open(format!("/proc/{init}/ns/{space}")), flag));
    let group = HostCgroups::detect()
        .map_err(|error| io::Error::other(error_chain(&error)))?
        .box_group(name);
    if !is_in(
        &fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap_or_default(),
        &group.kubelet_root,
    ) {
        return Err(io::Error::other(format!("the box `{name}` is not up")));
    }
    group
        .join_leaf()
        .map_err(|error| io::Error::other(error_chain(&error)))?;
    for (space, flag) in spaces {
        setns(space?, flag)?;
    }
    Ok(chdir(&Path::new(BOX_HOME).join(WORK_FOLDER))?)
}

/// Whether a process with these control groups belongs to the box: its id may be another process's
/// by now.
fn is_in(groups: &str, root: &str) -> bool {
    let end = format!("{root}/system");
    groups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .any(|path| path.ends_with(&end))
}

/// `__joined ALIVE PROGRAM ARG…`. The parent is outside, where no process of the box has an id, and
/// so is the process that takes its children when it dies: only the socket `ALIVE`, which it holds,
/// tells whether it died before this one asked to die with it.
pub(crate) fn run_joined(words: &[OsString]) -> io::Result<ExitCode> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let (alive, words) = words
        .split_first()
        .ok_or_else(|| io::Error::other("no caller"))?;
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(alive.as_bytes())?)
        .map_err(|_| io::Error::other("the caller is gone"))?;
    let (program, args) = words
        .split_first()
        .ok_or_else(|| io::Error::other("no program"))?;
    let why = Command::new(program).args(args).exec();
    Err(io::Error::other(format!(
        "failed to run `{}`: {why}",
        program.display()
    )))
}

/// A status as an exit code, as shells have it.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_boxs_own_first_process_is_joined() {
        assert!(is_in("3:pids:/gauntlet-a/system\n0::/x\n", "/gauntlet-a"));
        assert!(is_in("0::/outer/gauntlet-a/system\n", "/gauntlet-a"));
        for other in [
            "",
            "0::/\n",
            "0::/gauntlet-ab/system\n",
            "0::/gauntlet-a\n",
            "0::/gauntlet-a/kubepods/x\n",
        ] {
            assert!(!is_in(other, "/gauntlet-a"), "{other}");
        }
    }
}
