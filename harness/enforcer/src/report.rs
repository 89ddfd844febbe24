//! What an enforcer tells of itself: a file for each node in the folder that a box shares with the
//! host.

use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use components::cache;

use crate::Error;

/// The folder with the files, below the one that a box shares with the host.
pub const REPORT_FOLDER: &str = "network-policy";

/// What a node enforces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnforcerReport {
    /// The node's name.
    pub node: String,
    /// How far its table speaks of what the API server has.
    pub seen: SeenVersions,
    /// How many tables it has put in force. One that would be the same as the last is not put in
    /// force again.
    pub tables: u64,
    /// How many of the node's pods are isolated, for ingress, egress or both.
    pub isolated: usize,
    /// How long the last table took from the first change that it knows to its being in force, in
    /// microseconds.
    pub took: u64,
}

/// The newest `resourceVersion` of each kind that a table was made with: that table has all that
/// the API server had written of the kind up to then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SeenVersions {
    /// Pods.
    pub pods: u64,
    /// Namespaces.
    pub namespaces: u64,
    /// NetworkPolicies.
    pub network_policies: u64,
}

impl SeenVersions {
    /// For the kind of this name, where it is one of them.
    #[must_use]
    pub fn of_kind(&self, kind: &str) -> Option<u64> {
        match kind {
            "Pod" => Some(self.pods),
            "Namespace" => Some(self.namespaces),
            "NetworkPolicy" => Some(self.network_policies),
            _ => None,
        }
    }
}

impl EnforcerReport {
    /// Writes it into the folder, for readers.
    pub(crate) fn publish_file(&self, folder: &Path) -> Result<(), Error> {
        let malformed = |why: serde_json::Error| malformed_file(&why);
        let text = serde_json::to_vec(self).map_err(malformed)?;
        let path = folder.join(format!("{}.json", self.node));
        Ok(cache::write_atomically(&path, &text)?)
    }
}

/// What this node tells; nothing, where it has not told anything yet. `work` is the folder that the
/// box shares with the host.
///
/// Files are opened by their names. A list of the folder can miss one that is replaced at that
/// moment, and a node that is missed would count as one without a wait.
///
/// # Errors
/// A file that cannot be read, or says something else.
pub fn read_report(work: &Path, node: &str) -> Result<Option<EnforcerReport>, Error> {
    let path = work.join(REPORT_FOLDER).join(format!("{node}.json"));
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|why| malformed_file(&why)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(Error::file("read", &path)(why)),
    }
}

fn malformed_file(why: &serde_json::Error) -> Error {
    Error::Malformed {
        what: "what a node enforces of NetworkPolicy".into(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_again_and_nothing_is_told_where_nothing_is_enforced() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(read_report(work.path(), "node-1").unwrap(), None);
        let folder = work.path().join(REPORT_FOLDER);
        fs::create_dir(&folder).unwrap();
        let seen = SeenVersions {
            pods: 7,
            namespaces: 8,
            network_policies: 9,
        };
        let told = |node: &str| EnforcerReport {
            node: node.into(),
            seen,
            tables: 3,
            isolated: 2,
            took: 100,
        };
        told("node-1").publish_file(&folder).unwrap();
        assert_eq!(
            read_report(work.path(), "node-1").unwrap(),
            Some(told("node-1"))
        );
        assert_eq!(read_report(work.path(), "node-2").unwrap(), None);
        assert_eq!(
            (
                seen.of_kind("Pod"),
                seen.of_kind("Namespace"),
                seen.of_kind("NetworkPolicy")
            ),
            (Some(7), Some(8), Some(9))
        );
        assert_eq!(seen.of_kind("Service"), None);
        fs::write(folder.join("node-3.json"), "{").unwrap();
        assert!(matches!(
            read_report(work.path(), "node-3"),
            Err(Error::Malformed { .. })
        ));
    }

    #[test]
    fn what_is_told_is_found_while_it_is_replaced() {
        let work = tempfile::tempdir().unwrap();
        let folder = work.path().join(REPORT_FOLDER);
        fs::create_dir(&folder).unwrap();
        let told = EnforcerReport {
            node: "node-1".into(),
            ..EnforcerReport::default()
        };
        told.publish_file(&folder).unwrap();
        std::thread::scope(|threads| {
            let replacing =
                threads.spawn(|| (0..2000).for_each(|_| told.publish_file(&folder).unwrap()));
            while !replacing.is_finished() {
                assert!(read_report(work.path(), "node-1").unwrap().is_some());
            }
        });
    }
}
