//! The entry in a transparency log of Rekor's second version: the proof that it is in there, and
//! that it is ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::RejectionReason;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::bundle::{Base64Bytes, InclusionProof, LogEntry, SigstoreBundle};
use super::root::TransparencyLog;
use super::{TrustedRoot, VerifyRejection};

type Sha256Hash = [u8; 32];

/// Whether one of the bundle's entries is in a log that the root knows, and trusted at `time`, in
/// seconds since 1970, where a timestamp says when that was: such a log gives no time itself.
pub(super) fn check_log_entry(
    bundle: &SigstoreBundle,
    root: &TrustedRoot,
    time: Option<u64>,
) -> Result<(), VerifyRejection> {
    let mut rejection =
        VerifyRejection::new(RejectionReason::NoLogEntry, "it has no entry of a log");
    for entry in bundle.entries() {
        match known_log(entry, bundle, root, time) {
            Ok(()) => return Ok(()),
            Err(said) => rejection = VerifyRejection::new(RejectionReason::UntrustedLog, said),
        }
    }
    Err(rejection)
}

fn known_log(
    entry: &LogEntry,
    bundle: &SigstoreBundle,
    root: &TrustedRoot,
    time: Option<u64>,
) -> Result<(), String> {
    let log = root
        .tlogs
        .iter()
        .find(|log| log.log_id.key_id == entry.log_id.key_id);
    let log = log.ok_or("the entry is of a log that is not known")?;
    // Stricter than sigstore-go 1.3.0, which looks at this period only where the log gives a time.
    if time.is_some_and(|time| !log.was_trusted(time)) {
        return Err("the trusted root does not trust the log at that time".into());
    }
    let proof = entry
        .inclusion_proof
        .as_ref()
        .ok_or("the entry has no proof of inclusion")?;
    let (size, wanted) = read_checkpoint(&proof.checkpoint.envelope, log)
        .ok_or("the log did not sign this checkpoint")?;
    if size != proof.tree_size
        || root_of(&entry.canonicalized_body.0, proof).as_ref() != Some(&wanted)
    {
        return Err("the proof does not lead to the checkpoint".into());
    }
    if concerns_bundle(&entry.canonicalized_body.0, bundle) {
        Ok(())
    } else {
        Err("the entry is of something else".into())
    }
}

/// The size and the root hash of a checkpoint, if `log` signed it.
fn read_checkpoint(note: &str, log: &TransparencyLog) -> Option<(u64, Sha256Hash)> {
    let (text, signatures) = note.split_once("\n\n")?;
    let text = format!("{text}\n");
    let key = log.key()?;
    let origin = log.origin();
    let by_log = signatures.lines().filter_map(|line| {
        line.strip_prefix("— ")?
            .strip_prefix(origin)?
            .strip_prefix(' ')
    });
    let is_good = |encoded: &str| {
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        bytes.len() > 4
            && bytes[..4] == log.log_id.key_id.0[..4]
            && key.has_signed(&bytes[4..], text.as_bytes())
    };
    if log.log_id.key_id.0.len() < 4 || !by_log.into_iter().any(is_good) {
        return None;
    }
    let mut lines = text.lines();
    let (name, size, hash) = (lines.next()?, lines.next()?, lines.next()?);
    let hash = STANDARD.decode(hash).ok()?.try_into().ok()?;
    (name == origin).then_some((size.parse().ok()?, hash))
}

/// The root of the tree that the proof leads to from an entry (RFC 6962, section 2.1.1).
fn root_of(body: &[u8], proof: &InclusionProof) -> Option<Sha256Hash> {
    let InclusionProof {
        log_index,
        tree_size,
        hashes,
        ..
    } = proof;
    if log_index >= tree_size {
        return None;
    }
    let mut hash = entry_hash(&[&[0], body]);
    let (mut place, mut last) = (*log_index, tree_size - 1);
    for Base64Bytes(other) in hashes {
        if last == 0 {
            return None;
        }
        if place % 2 == 1 || place == last {
            hash = entry_hash(&[&[1], other, &hash]);
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            hash = entry_hash(&[&[1], &hash, other]);
        }
        place /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

fn entry_hash(parts: &[&[u8]]) -> Sha256Hash {
    let mut state = Sha256::new();
    parts.iter().for_each(|part| state.update(part));
    state.finalize().into()
}

/// Whether an entry is of this bundle's signature over this bundle's statement.
fn concerns_bundle(body: &[u8], bundle: &SigstoreBundle) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let record = &body["spec"]["hashedRekordV002"];
    let is =
        |value: &Value, wanted: &[u8]| value.as_str() == Some(STANDARD.encode(wanted).as_str());
    body["kind"] == "hashedrekord"
        && body["apiVersion"] == "0.0.2"
        && record["data"]["algorithm"] == "SHA2_256"
        && is(
            &record["data"]["digest"],
            &entry_hash(&[&bundle.signed_bytes()]),
        )
        && is(&record["signature"]["content"], bundle.signature())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::bundle::LogCheckpoint;

    /// The root of a tree of these leaves, as the RFC defines it.
    fn tree(leaves: &[Vec<u8>]) -> Sha256Hash {
        match leaves {
            [one] => entry_hash(&[&[0], one]),
            many => {
                let half = many.len().next_power_of_two() / 2;
                entry_hash(&[&[1], &tree(&many[..half]), &tree(&many[half..])])
            }
        }
    }

    fn path(index: usize, leaves: &[Vec<u8>]) -> Vec<Base64Bytes> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (mut path, other) = if index < half {
            (path(index, &leaves[..half]), tree(&leaves[half..]))
        } else {
            (path(index - half, &leaves[half..]), tree(&leaves[..half]))
        };
        path.push(Base64Bytes(other.to_vec()));
        path
    }

    #[test]
    fn every_leaf_of_every_small_tree_leads_to_its_root() {
        for size in 1..=17_u64 {
            let leaves: Vec<Vec<u8>> = (0..size).map(|leaf| leaf.to_be_bytes().to_vec()).collect();
            for (index, leaf) in leaves.iter().enumerate() {
                let hashes = path(index, &leaves);
                let checkpoint = LogCheckpoint {
                    envelope: String::new(),
                };
                let proof = InclusionProof {
                    log_index: index as u64,
                    tree_size: size,
                    hashes,
                    checkpoint,
                };
                assert_eq!(
                    root_of(leaf, &proof),
                    Some(tree(&leaves)),
                    "leaf {index} of {size}"
                );
                assert_ne!(root_of(b"other", &proof), Some(tree(&leaves)));
            }
        }
    }
}
