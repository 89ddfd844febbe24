//! What of a box can be seen on the host.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use native::{BoxCache, RunningBox};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait::WaitLook;

/// Everything of a box that is on the host: processes, mounts, interface, control groups, files.
pub(crate) fn traces(cache: &BoxCache, name: &str) -> Vec<String> {
    let group = format!("gauntlet-{name}");
    let mut found = groups(Path::new("/sys/fs/cgroup"), &group);
    found.extend(processes(&group));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&format!("/{name}/")))
            .map(|line| format!("mount {line}")),
    );
    let links = Command::new("ip").args(["-o", "link"]).output().unwrap();
    let links = String::from_utf8_lossy(&links.stdout).into_owned();
    let alias = format!("alias {group}");
    found.extend(
        links
            .lines()
            .filter(|line| line.trim_end().ends_with(&alias))
            .map(|line| format!("link {line}")),
    );
    for path in [
        cache.boxes_folder().join(name),
        cache.boxes_folder().join(format!("{name}.lock")),
    ] {
        if path.exists() {
            found.push(format!("file {}", path.display()));
        }
    }
    found
}

/// The processes whose control group is the box's.
pub(crate) fn processes(group: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let is_in = |entry: &fs::DirEntry| {
        fs::read_to_string(entry.path().join("cgroup")).is_ok_and(|text| {
            text.lines()
                .any(|line| line.split('/').any(|part| part == group))
        })
    };
    entries
        .filter(|entry| is_in(entry) && !has_ended(entry))
        .map(|entry| format!("process {}", entry.file_name().to_string_lossy()))
        .collect()
}

/// Sends SIGKILL, without the command `kill`: not every machine has it.
pub(crate) fn kill_process(pid: &str) {
    let pid = Pid::from_raw(pid.parse().unwrap());
    kill(pid, Signal::SIGKILL).unwrap();
}

/// Whether only its exit code is left: a first process that reaps nobody else's children, such as a
/// container's without an init, keeps it.
fn has_ended(entry: &fs::DirEntry) -> bool {
    fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
    })
}

fn groups(dir: &Path, group: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let dirs: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    let named = |path: &&std::path::PathBuf| path.file_name().is_some_and(|name| name == group);
    let inner = dirs.iter().flat_map(|dir| {
        fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    });
    let all: Vec<_> = dirs.iter().cloned().chain(inner).collect();
    all.iter()
        .filter(named)
        .map(|path| format!("group {}", path.display()))
        .collect()
}

pub(crate) fn expect_nothing(cache: &BoxCache, name: &str) {
    assert_eq!(traces(cache, name), Vec::<String>::new());
}

/// Waits, since the kernel and the launcher take a moment after a SIGKILL.
pub(crate) fn wait_for_nothing(cache: &BoxCache, name: &str) {
    let waited = wait::wait_until(
        "nothing to be left",
        Duration::from_secs(30),
        Duration::from_millis(20),
        || {
            let left = traces(cache, name);
            if left.is_empty() {
                WaitLook::Ready(())
            } else {
                WaitLook::NotYet(left.join("; "))
            }
        },
    );
    waited.unwrap();
}

/// Runs `kubectl` on a box; returns what it printed, or what it complained of.
pub(crate) fn kubectl(
    cache: &BoxCache,
    running: &RunningBox,
    args: &[&str],
) -> Result<String, String> {
    let kubernetes = components::kubernetes_node(&running.kubernetes).unwrap();
    let output = Command::new(cache.binary_path(kubernetes, "kubectl"))
        .args(args)
        .env("KUBECONFIG", &running.kubeconfig)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}
