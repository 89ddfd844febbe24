//! The prerequisites of a box on this machine, and how to fix what is missing.

mod kernel;
mod setup;
mod tools;

pub use setup::set_up_packages;

use std::fs;
use std::path::Path;

use model::ClusterSpec;
use nix::sys::statvfs::statvfs;

use crate::needed_components;
use components::BoxCache;
pub use tools::check_builders;

const ONE_GIB: u64 = 1 << 30;

/// One thing that a box needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorFinding {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen, and where it is not as it should be, what it is needed for.
    pub why: String,
    /// The command that fixes it, if there is one.
    pub fix: Option<String>,
    /// The Debian packages that fix it.
    pub packages: Vec<&'static str>,
}

impl DoctorFinding {
    fn good(what: &str, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ok: true,
            why: why.into(),
            fix: None,
            packages: Vec::new(),
        }
    }

    fn bad(what: &str, why: impl Into<String>) -> Self {
        Self {
            ok: false,
            ..Self::good(what, why)
        }
    }

    fn fixed_by(self, command: &str) -> Self {
        Self {
            fix: Some(command.into()),
            ..self
        }
    }

    fn installed_by(self, packages: &[&'static str]) -> Self {
        let command = format!(
            "apt-get install -y --no-install-recommends {}",
            packages.join(" ")
        );
        Self {
            packages: packages.to_vec(),
            ..self.fixed_by(&command)
        }
    }
}

/// Looks at everything a box of the newest release needs. What only a build needs is not asked for
/// once everything is built.
#[must_use]
pub fn check_machine(cache: &BoxCache) -> Vec<DoctorFinding> {
    let built = needed_components(&ClusterSpec::default())
        .is_ok_and(|all| all.into_iter().all(|component| cache.is_built(component)));
    let mut findings = vec![kernel::check_rights()];
    findings.extend(tools::check_tools(built));
    findings.extend(kernel::check_kernel());
    findings.push(check_memory());
    findings.extend(check_place(&cache.root, built));
    findings
}

/// The bytes of memory that programs can still take; 0 where the kernel does not say.
#[must_use]
pub fn free_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        .saturating_mul(1024)
}

fn check_memory() -> DoctorFinding {
    check_enough(
        "free memory",
        free_memory(),
        2 * ONE_GIB,
        "a box keeps its data in memory",
    )
}

/// The cache's disk, and the right to write there.
fn check_place(root: &Path, built: bool) -> Vec<DoctorFinding> {
    let what = format!("cache at `{}`", root.display());
    let tried = fs::create_dir_all(root).and_then(|()| tempfile::tempfile_in(root));
    let writable = match tried {
        Ok(_) => DoctorFinding::good(&what, "writable"),
        Err(why) => DoctorFinding::bad(&what, why.to_string())
            .fixed_by("export GAUNTLET_CACHE=/a/folder/that/is/writable"),
    };
    let free = statvfs(root)
        .map(|disk| disk.blocks_available() * disk.fragment_size())
        .unwrap_or(0);
    let wanted = if built { ONE_GIB / 4 } else { 6 * ONE_GIB };
    vec![
        writable,
        check_enough(
            "free disk for the cache",
            free,
            wanted,
            "components are built there",
        ),
    ]
}

fn check_enough(what: &str, free: u64, wanted: u64, purpose: &str) -> DoctorFinding {
    let tenths = |bytes: u64| format!("{:.1} GiB", bytes as f64 / ONE_GIB as f64);
    if free >= wanted {
        return DoctorFinding::good(what, tenths(free));
    }
    DoctorFinding::bad(
        what,
        format!("{} of {}: {purpose}", tenths(free), tenths(wanted)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_packages_mend_shows_the_whole_command() {
        let finding = DoctorFinding::bad("nft", "missing").installed_by(&["nftables"]);
        assert_eq!(
            finding.fix.as_deref(),
            Some("apt-get install -y --no-install-recommends nftables")
        );
    }

    #[test]
    fn too_little_is_told_with_both_figures() {
        let finding = check_enough("free memory", ONE_GIB / 2, 2 * ONE_GIB, "it is needed");
        assert!(!finding.ok);
        assert_eq!(finding.why, "0.5 GiB of 2.0 GiB: it is needed");
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_found() {
        let found = check_place(Path::new("/proc/nowhere"), true);
        assert!(!found[0].ok && found[0].fix.is_some());
    }
}
