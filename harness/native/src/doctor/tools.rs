//! Programs and headers.

use std::process::Command;

use components::{PinnedComponent, find_program};

use super::DoctorFinding;

/// The Go release that the pinned modules ask for; an older one, from 1.21, fetches it by itself.
const OLDEST_GO: (u32, u32) = (1, 26);
const GO_THAT_FETCHES: (u32, u32) = (1, 21);

pub(super) fn check_tools(built: bool) -> Vec<DoctorFinding> {
    let mut findings = vec![
        check_program("ip", "a box's network is made with it", "iproute2"),
        check_program("nft", "kube-proxy makes Services with it", "nftables"),
        check_program("mount", "the kubelet mounts volumes with it", "mount"),
    ];
    if !built {
        findings.push(check_go());
        findings.push(check_cargo());
        findings.extend(check_runc_tools());
    }
    findings
}

/// Looks at the programs and headers that these components are built with.
#[must_use]
pub fn check_builders(wanted: &[&PinnedComponent]) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    if wanted.iter().any(|component| component.is_cargo()) {
        findings.push(check_cargo());
    }
    if wanted.iter().any(|component| !component.is_cargo()) {
        findings.push(check_go());
    }
    if wanted
        .iter()
        .any(|component| component.binaries.contains(&RUNC_PROGRAM))
    {
        findings.extend(check_runc_tools());
    }
    findings
}

/// The one program that is linked with a C library.
const RUNC_PROGRAM: &str = "runc";

fn check_runc_tools() -> [DoctorFinding; 3] {
    [
        check_program("gcc", "runc is built with it", "gcc"),
        check_program(
            "pkg-config",
            "runc's build finds libseccomp with it",
            "pkg-config",
        ),
        check_seccomp(),
    ]
}

fn check_program(name: &str, purpose: &str, package: &'static str) -> DoctorFinding {
    match find_program(name) {
        Some(path) => DoctorFinding::good(name, path.display().to_string()),
        None => DoctorFinding::bad(name, format!("not found: {purpose}")).installed_by(&[package]),
    }
}

fn check_go() -> DoctorFinding {
    let output = Command::new("go")
        .arg("version")
        .env("GOTOOLCHAIN", "local")
        .current_dir("/")
        .output();
    let said = output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    judge_go(&said)
}

/// No package fixes it: Debian's Rust is older than what the sources ask for.
fn check_cargo() -> DoctorFinding {
    match find_program("cargo") {
        Some(path) => DoctorFinding::good("cargo", path.display().to_string()),
        None => DoctorFinding::bad("cargo", "not found: the probe is built with it").fixed_by(
            "install Rust from https://rustup.rs, or import built components: gauntlet components import FILE",
        ),
    }
}

fn judge_go(said: &str) -> DoctorFinding {
    let install = &["golang-go"];
    match go_version(said) {
        Some(version) if version >= OLDEST_GO => DoctorFinding::good("go", said),
        Some(version) if version >= GO_THAT_FETCHES => {
            DoctorFinding::good("go", format!("{said}: it fetches the newer release that the components ask for"))
        }
        Some(_) => DoctorFinding::bad("go", format!("{said}: the components ask for 1.26")).fixed_by(
            "install Go 1.26 from https://go.dev/dl, or import built components: gauntlet components import FILE",
        ),
        None => DoctorFinding::bad("go", "not found: the components are built with it").installed_by(install),
    }
}

/// `go version go1.26.8 linux/amd64`.
fn go_version(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.strip_prefix("go version go")?.split(['.', ' ', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn check_seccomp() -> DoctorFinding {
    let what = "libseccomp's headers";
    let asked = Command::new("pkg-config")
        .args(["--exists", "libseccomp"])
        .status();
    if asked.is_ok_and(|status| status.success()) {
        return DoctorFinding::good(what, "pkg-config finds them");
    }
    DoctorFinding::bad(
        what,
        "pkg-config does not find them: runc is built with them",
    )
    .installed_by(&["libseccomp-dev"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_is_judged_by_its_release() {
        assert!(judge_go("go version go1.26.8 linux/amd64").ok);
        assert!(judge_go("go version go1.27-rc1 linux/arm64").ok);
        assert!(
            judge_go("go version go1.24.4 linux/amd64")
                .why
                .contains("fetches")
        );
        assert!(!judge_go("go version go1.19.8 linux/amd64").ok);
        assert_eq!(judge_go("").packages, ["golang-go"]);
    }
}
