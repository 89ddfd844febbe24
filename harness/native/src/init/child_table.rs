//! The processes that the first process started, and all the others that became its children.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::ProcessChange;
use nix::sys::signal::kill;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use wait::WaitLook;

use crate::Error;
use crate::control::signal_of;
use crate::process::BoxProcess;
use crate::protocol::InitReport;
use crate::rootfs::at_home;

/// Started processes by their id. The lock is held while one is started, so that the reaper never
/// meets a child whose name it cannot know yet.
#[derive(Default)]
pub(super) struct ChildTable {
    names: Mutex<HashMap<i32, String>>,
    born: Condvar,
}

impl ChildTable {
    /// Starts a process, once the socket that it needs takes connections. Its start is told before
    /// its end can be.
    pub(super) fn spawn_child(
        &self,
        process: &BoxProcess,
        tell: impl FnOnce(InitReport),
    ) -> Result<(), Error> {
        if let Some(socket) = &process.after_socket {
            wait_for(socket)?;
        }
        let log = at_home(Path::new("logs")).join(format!("{}.log", process.name));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::file("create", &log))?;
        let again = file.try_clone().map_err(Error::file("open", &log))?;
        let log_from = file.metadata().map_err(Error::file("read", &log))?.len();
        let mut command = Command::new(&process.program);
        command
            .args(&process.args)
            .env_clear()
            .envs(process.env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .current_dir("/");
        let mut names = self.lock();
        let child = command
            .spawn()
            .map_err(Error::system(format!("start `{}`", process.name)))?;
        names.insert(child.id().cast_signed(), process.name.clone());
        tell(InitReport::Started {
            process: process.name.clone(),
            log_from,
        });
        self.born.notify_all();
        Ok(())
    }

    pub(super) fn signal_child(&self, change: &ProcessChange) {
        let children = self.lock();
        for (pid, _) in children.iter().filter(|(_, known)| *known == change.name()) {
            let _ = kill(Pid::from_raw(*pid), signal_of(change));
        }
    }

    /// Waits for one child to end, to be stopped by a signal, or to go on; says so if it was
    /// started here.
    pub(super) fn reap_child(&self) -> Option<InitReport> {
        let changes = WaitPidFlag::WSTOPPED | WaitPidFlag::WCONTINUED;
        let seen = match waitid(
            Id::All,
            changes | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
        ) {
            Ok(status) => status.pid()?,
            Err(_) => {
                let names = self.lock();
                if names.is_empty() {
                    drop(
                        self.born
                            .wait(names)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                }
                return None;
            }
        };
        let mut names = self.lock();
        let (status, success) = match waitpid(seen, Some(changes | WaitPidFlag::WNOHANG)).ok()? {
            WaitStatus::Exited(_, code) => (format!("exit code {code}"), code == 0),
            WaitStatus::Signaled(_, signal, _) => (format!("killed by {signal}"), false),
            WaitStatus::Stopped(..) => return is_frozen(&names, seen, true),
            WaitStatus::Continued(_) => return is_frozen(&names, seen, false),
            _ => return None,
        };
        let process = names.remove(&seen.as_raw())?;
        Some(InitReport::Exited {
            process,
            status,
            success,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_frozen(names: &HashMap<i32, String>, pid: Pid, frozen: bool) -> Option<InitReport> {
    names.get(&pid.as_raw()).map(|process| InitReport::Froze {
        process: process.clone(),
        frozen,
    })
}

fn wait_for(socket: &Path) -> Result<(), Error> {
    let name = format!("`{}` to take connections", socket.display());
    wait::wait_until(
        &name,
        Duration::from_secs(60),
        Duration::from_millis(5),
        || match UnixStream::connect(socket) {
            Ok(_) => WaitLook::Ready(()),
            Err(why) => WaitLook::NotYet(why.to_string()),
        },
    )?;
    Ok(())
}
