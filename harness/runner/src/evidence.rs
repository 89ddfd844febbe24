//! What failures leave to look at.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use components::BoxCache;

/// The evidence of this many runs is kept.
const RUNS_KEPT: usize = 20;

/// A folder of one run's own, among those of the runs before it. It need not exist.
#[derive(Clone, Debug)]
pub struct EvidenceFolder {
    path: PathBuf,
}

impl EvidenceFolder {
    /// The folder of a run that begins now.
    #[must_use]
    pub fn in_cache(cache: &BoxCache) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            path: cache
                .root
                .join("evidence")
                .join(format!("{now}-{}", std::process::id())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the folder away if nothing is in it, and those of runs long past.
    pub fn tidy(&self) {
        // Only an empty folder goes.
        let _ = fs::remove_dir(&self.path);
        let Some(all) = self.path.parent() else {
            return;
        };
        let names = fs::read_dir(all).into_iter().flatten().flatten();
        let mut runs: Vec<String> = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        runs.retain(|name| is_run(name));
        runs.sort();
        for old in runs.iter().rev().skip(RUNS_KEPT) {
            let _ = fs::remove_dir_all(all.join(old));
        }
    }
}

/// `SECONDS-PID`, as every run names its evidence.
fn is_run(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.split_once('-')
        .is_some_and(|(seconds, pid)| digits(seconds) && digits(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_of_the_latest_runs_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let cache = BoxCache {
            root: root.path().to_owned(),
        };
        let evidence = EvidenceFolder::in_cache(&cache);
        for second in 100..130 {
            fs::create_dir_all(root.path().join(format!("evidence/{second}-7"))).unwrap();
        }
        fs::create_dir_all(root.path().join("evidence/notes")).unwrap();
        fs::create_dir_all(evidence.path()).unwrap();
        evidence.tidy();
        assert!(!evidence.path().exists(), "it is empty");
        assert_eq!(
            fs::read_dir(root.path().join("evidence")).unwrap().count(),
            RUNS_KEPT + 1
        );
        assert!(root.path().join("evidence/notes").exists());
        assert!(
            !root.path().join("evidence/109-7").exists()
                && root.path().join("evidence/110-7").exists()
        );
    }
}
