//! Proofs of inclusion: from an entry to the root of the log's tree (RFC 6962).

use sha2::{Digest, Sha256};

use crate::verify::encoding::Base64Bytes;

pub(super) type Sha256Hash = [u8; 32];

/// The root of the tree that the proof leads to from an entry (RFC 6962, section 2.1.1).
pub(super) fn root_of(
    body: &[u8],
    log_index: u64,
    tree_size: u64,
    hashes: &[Base64Bytes],
) -> Option<Sha256Hash> {
    if log_index >= tree_size {
        return None;
    }
    let mut hash = entry_hash(&[&[0], body]);
    let (mut place, mut last) = (log_index, tree_size - 1);
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

#[cfg(test)]
mod tests {
    use super::*;

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
                assert_eq!(
                    root_of(leaf, index as u64, size, &hashes),
                    Some(tree(&leaves)),
                    "leaf {index} of {size}"
                );
                assert_ne!(
                    root_of(b"other", index as u64, size, &hashes),
                    Some(tree(&leaves))
                );
            }
        }
    }
}
