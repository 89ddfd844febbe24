//! Rights, and what the kernel has to offer. What cannot be read off is tried, in namespaces that
//! vanish at once.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use error_chain::error_chain;
use nix::sys::inotify::{InitFlags, Inotify};

use super::DoctorFinding;
use crate::cgroup::HostCgroups;
use crate::inotify::{InotifyUse, RAISE_LIMIT, instances_of_box};
use crate::runc;

/// What a box cannot do without.
const NEEDED_CAPABILITIES: [(&str, u32); 4] = [
    ("CAP_NET_ADMIN", 12),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_MKNOD", 27),
];
const NAMESPACE_KINDS: [&str; 5] = ["ipc", "mnt", "net", "pid", "uts"];

pub(super) fn check_rights() -> DoctorFinding {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    judge_rights(&status, runc::is_needed())
}

fn judge_rights(status: &str, confined: bool) -> DoctorFinding {
    let value = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
            .trim()
    };
    let mask = u64::from_str_radix(value("CapEff:"), 16).unwrap_or(0);
    let missing: Vec<&str> = NEEDED_CAPABILITIES
        .iter()
        .filter(|(_, bit)| mask & (1 << bit) == 0)
        .map(|(name, _)| *name)
        .collect();
    let is_root = value("Uid:").split_whitespace().nth(1) == Some("0");
    match (is_root, missing.as_slice()) {
        (false, _) => DoctorFinding::bad(
            "rights",
            "not root: a box makes namespaces, mounts and control groups",
        )
        .fixed_by("sudo --preserve-env=PATH,GAUNTLET_CACHE gauntlet …"),
        (true, []) if confined => DoctorFinding::good(
            "rights",
            "root, without CAP_SYS_RESOURCE: containers get everything else, and no score below zero",
        ),
        (true, []) => DoctorFinding::good("rights", "root"),
        (true, missing) => {
            DoctorFinding::bad("rights", format!("root without {}", missing.join(", ")))
                .fixed_by("in a container: run it with --privileged")
        }
    }
}

pub(super) fn check_kernel() -> Vec<DoctorFinding> {
    vec![
        check_namespaces(),
        check_overlay(),
        check_cgroups(),
        check_inotify(),
        check_veth(),
        check_nftables(),
    ]
}

fn check_namespaces() -> DoctorFinding {
    let missing: Vec<&str> = NAMESPACE_KINDS
        .into_iter()
        .filter(|space| !Path::new("/proc/self/ns").join(space).exists())
        .collect();
    if missing.is_empty() {
        return DoctorFinding::good("namespaces", NAMESPACE_KINDS.join(", "));
    }
    DoctorFinding::bad(
        "namespaces",
        format!("this kernel lacks {}", missing.join(", ")),
    )
}

fn check_overlay() -> DoctorFinding {
    let listed =
        || fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("\toverlay\n"));
    if listed() || (run_quietly("modprobe", &["overlay"]).is_ok() && listed()) {
        return DoctorFinding::good("overlayfs", "there");
    }
    DoctorFinding::bad(
        "overlayfs",
        "this kernel lacks it: the box's root and every container's is one",
    )
    .fixed_by("modprobe overlay")
}

fn check_cgroups() -> DoctorFinding {
    match HostCgroups::detect() {
        Ok(host) if host.is_unified() => DoctorFinding::good("control groups", "version 2"),
        Ok(_) => DoctorFinding::good("control groups", "version 1"),
        Err(error) => DoctorFinding::bad("control groups", error_chain(&error))
            .fixed_by("mount -t cgroup2 none /sys/fs/cgroup"),
    }
}

/// The limit is one of a user on the whole machine, so that other boxes count.
fn check_inotify() -> DoctorFinding {
    let wanted = instances_of_box(1);
    let opened: Result<Vec<_>, _> = (0..wanted)
        .map(|_| Inotify::init(InitFlags::empty()))
        .collect();
    match opened {
        Ok(_) => DoctorFinding::good(
            "file watches",
            format!("{wanted} inotify instances are free"),
        ),
        Err(why) => match InotifyUse::read_machine() {
            Some(held) if held.could_ever_hold(wanted) => DoctorFinding::good(
                "file watches",
                format!("a start waits for {wanted} inotify instances; {held}"),
            ),
            held => DoctorFinding::bad(
                "file watches",
                format!(
                    "{why}: a box of one node takes {wanted} inotify instances{}",
                    held.map_or_else(String::new, |held| format!("; {held}"))
                ),
            )
            .fixed_by(RAISE_LIMIT),
        },
    }
}

fn check_veth() -> DoctorFinding {
    let ip =
        "ip link add name tried0 type veth peer name tried1 && ip link add name tried2 type bridge";
    try_in_namespace(
        "veth and bridge",
        ip,
        "the host reaches a box over them",
        "modprobe -a veth bridge",
    )
}

fn check_nftables() -> DoctorFinding {
    let nft = "nft add table ip probe && nft 'add chain ip probe c { type nat hook prerouting priority 0; }'";
    try_in_namespace(
        "nftables with NAT",
        nft,
        "Services are made of them",
        "modprobe -a nf_tables nft_chain_nat",
    )
}

/// Tries a line of shell in separate network namespaces.
fn try_in_namespace(what: &str, line: &str, purpose: &str, fix: &str) -> DoctorFinding {
    match run_quietly("unshare", &["--net", "--mount", "sh", "-c", line]) {
        Ok(()) => DoctorFinding::good(what, "tried"),
        Err(why) => DoctorFinding::bad(what, format!("{why}: {purpose}")).fixed_by(fix),
    }
}

/// Runs a command; a failure is the first line it said.
fn run_quietly(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{program}: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said
        .lines()
        .next()
        .unwrap_or("it failed without output")
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_from_the_kernels_own_words() {
        let root = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n";
        assert!(judge_rights(root, false).ok);
        assert!(judge_rights(root, true).why.contains("CAP_SYS_RESOURCE"));
        let contained = "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n";
        assert_eq!(
            judge_rights(contained, true).why,
            "root without CAP_NET_ADMIN, CAP_SYS_ADMIN"
        );
        let user = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n";
        assert!(
            judge_rights(user, true)
                .fix
                .is_some_and(|fix| fix.starts_with("sudo"))
        );
    }
}
