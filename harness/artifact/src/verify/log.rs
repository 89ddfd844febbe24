//! The entries in transparency logs: that they are in there, or are promised to be, and that they
//! are ours. A log of Rekor's first version signs a promise, with the time, and gives a proof; one of
//! its second version gives a proof alone.

mod checkpoint;
mod promise;
mod proof;

use model::RejectionReason;

use super::bundle::{InclusionProof, LogEntry, SigstoreBundle};
use super::key::PublicKey;
use super::record::LogRecord;
use super::root::TransparencyLog;
use super::{TrustedRoot, VerifyRejection};
use checkpoint::SignedCheckpoint;

/// When a log says that it took a signature.
#[derive(Debug)]
pub(super) struct LoggedTime {
    /// In seconds since 1970.
    pub(super) time: u64,
    /// Whether the log signed that.
    pub(super) is_signed: bool,
}

/// When the logs that the root knows took the signature; those of Rekor's second version do not say. As in sigstore-go 1.3.0, an entry of a log
/// that is not known, or whose promise is wrong, counts for nothing, and any other fault is fatal.
///
/// `stamped` is when authorities say that it was signed, and `holder` is the signer's key.
pub(super) fn check_log_entries(
    bundle: &SigstoreBundle,
    holder: &PublicKey,
    root: &TrustedRoot,
    stamped: &[u64],
) -> Result<Vec<LoggedTime>, VerifyRejection> {
    let mut ignored: Vec<String> = Vec::new();
    let (mut times, mut found) = (Vec::new(), false);
    check_places(bundle)?;
    for (entry, record) in &bundle.entries {
        let context = EntryContext {
            entry,
            record,
            bundle,
            holder,
            stamped,
        };
        match context.check_entry(root) {
            Ok(time) => {
                found = true;
                times.extend(time);
            }
            Err(EntryFault::Ignored(said)) => ignored.push(said),
            Err(EntryFault::Fatal(said)) => return Err(untrusted_log(said)),
        }
    }
    if found {
        Ok(times)
    } else {
        // Whatever order the entries have, the same one is named.
        Err(ignored.into_iter().max().map_or_else(
            || VerifyRejection::new(RejectionReason::NoLogEntry, "it has no entry of a log"),
            untrusted_log,
        ))
    }
}

/// One place in a log cannot count twice.
fn check_places(bundle: &SigstoreBundle) -> Result<(), VerifyRejection> {
    let mut places: Vec<_> = bundle
        .entries
        .iter()
        .map(|(entry, _)| (&entry.log_id.key_id.0, entry.log_index))
        .collect();
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0] == pair[1]) {
        Err(untrusted_log("it has the same log entry twice"))
    } else {
        Ok(())
    }
}

fn untrusted_log(said: impl ToString) -> VerifyRejection {
    VerifyRejection::new(RejectionReason::UntrustedLog, said)
}

/// Why an entry does not count.
enum EntryFault {
    /// Another one may.
    Ignored(String),
    Fatal(String),
}

impl From<&str> for EntryFault {
    fn from(said: &str) -> Self {
        Self::Fatal(said.into())
    }
}

/// An entry, and what it has to be the entry of.
struct EntryContext<'a> {
    entry: &'a LogEntry,
    record: &'a LogRecord,
    bundle: &'a SigstoreBundle,
    holder: &'a PublicKey,
    stamped: &'a [u64],
}

impl EntryContext<'_> {
    /// When the log took it, if it says so.
    fn check_entry(&self, root: &TrustedRoot) -> Result<Option<LoggedTime>, EntryFault> {
        let Self { entry, record, .. } = self;
        let log = root
            .tlogs
            .iter()
            .find(|log| log.log_id.key_id == entry.log_id.key_id);
        let Some(log) = log else {
            let said = "the entry is of a log that is not known";
            return Err(EntryFault::Ignored(said.into()));
        };
        // Stricter than sigstore-go 1.3.0, which looks at this period only where the log gives a
        // time.
        if self.stamped.iter().any(|time| !log.was_trusted(*time)) {
            return Err("the trusted root does not trust the log at that time".into());
        }
        let promise = entry.promise();
        if record.is_second_version() && promise.is_some() {
            let said = "a log of Rekor's second version makes no promises";
            return Err(EntryFault::Ignored(said.into()));
        }
        if let Some(promise) = promise {
            promise::check_promise(entry, promise, log).map_err(EntryFault::Ignored)?;
        }
        match &entry.inclusion_proof {
            Some(proof) => self.check_proof(proof, log)?,
            None if record.is_second_version() || promise.is_none() => {
                return Err("the entry has no proof of inclusion".into());
            }
            None => {}
        }
        let certificate = self.bundle.certificate().ok();
        if !record.concerns(&self.bundle.content, certificate, self.holder) {
            return Err("the entry is of something else".into());
        }
        Ok((entry.integrated_time != 0).then_some(LoggedTime {
            time: entry.integrated_time,
            is_signed: promise.is_some(),
        }))
    }

    fn check_proof(&self, proof: &InclusionProof, log: &TransparencyLog) -> Result<(), EntryFault> {
        let body = &self.entry.canonicalized_body.0;
        let checkpoint = SignedCheckpoint::read(&proof.checkpoint.envelope)
            .ok_or("the checkpoint cannot be read")?;
        if !checkpoint.is_by(log) {
            return Err("the log did not sign this checkpoint".into());
        }
        let reached = if checkpoint.names_tree() {
            (proof.root_hash.0 == checkpoint.hash)
                .then(|| proof::root_of(body, proof.log_index, proof.tree_size, &proof.hashes))
        } else {
            // The place is that in the log, and the size is the checkpoint's: what the proof says
            // of either is not looked at.
            Some(proof::root_of(
                body,
                self.entry.log_index,
                checkpoint.size,
                &proof.hashes,
            ))
        };
        match reached.flatten() {
            Some(hash) if hash.as_slice() == checkpoint.hash => Ok(()),
            Some(_) | None => Err("the proof does not lead to the checkpoint".into()),
        }
    }
}
