//! A log's signed state: a note with the log's name, its size and the root of its tree.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::verify::root::TransparencyLog;

/// A checkpoint, with the signatures on it.
pub(super) struct SignedCheckpoint<'a> {
    /// The text that is signed.
    text: &'a str,
    origin: &'a str,
    pub(super) size: u64,
    pub(super) hash: Vec<u8>,
    /// Who signed, and the key's number before the signature.
    signatures: Vec<(&'a str, Vec<u8>)>,
}

impl<'a> SignedCheckpoint<'a> {
    pub(super) fn read(note: &'a str) -> Option<Self> {
        let end = note.rfind("\n\n")? + 1;
        let (text, signed) = (&note[..end], &note[end + 1..]);
        let mut lines = text.lines();
        let (origin, size, hash) = (lines.next()?, lines.next()?, lines.next()?);
        let signatures = signed.strip_suffix('\n')?.lines().map(|line| {
            let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
            let bytes = STANDARD.decode(encoded).ok()?;
            (bytes.len() > 4).then_some((name, bytes))
        });
        Some(Self {
            text,
            origin,
            size: size.parse().ok()?,
            hash: STANDARD.decode(hash).ok()?,
            signatures: signatures.collect::<Option<_>>()?,
        })
    }

    /// Whether its origin ends in a tree's number, as that of Rekor's first version does.
    pub(super) fn names_tree(&self) -> bool {
        self.origin.rsplit_once(" - ").is_some_and(|(_, tree)| {
            !tree.is_empty() && tree.bytes().all(|byte| byte.is_ascii_digit())
        })
    }

    /// Whether `log` signed it. Witnesses may sign beside a log of Rekor's second version; in the
    /// first one every signature is the log's.
    pub(super) fn is_by(&self, log: &TransparencyLog) -> bool {
        let (Some(key), Some(number)) = (log.key(), log.log_id.key_id.0.get(..4)) else {
            return false;
        };
        let is_good = |bytes: &[u8]| {
            bytes.starts_with(number) && key.has_signed(&bytes[4..], self.text.as_bytes())
        };
        if self.names_tree() {
            !self.signatures.is_empty() && self.signatures.iter().all(|(_, bytes)| is_good(bytes))
        } else {
            let origin = log.origin();
            let mut by_log = self.signatures.iter().filter(|(name, _)| *name == origin);
            self.origin == origin && by_log.any(|(_, bytes)| is_good(bytes))
        }
    }
}
