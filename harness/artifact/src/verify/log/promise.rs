//! The promise of a log of Rekor's first version: its signature over an entry, with the time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::verify::bundle::LogEntry;
use crate::verify::encoding::encode_hex;
use crate::verify::root::TransparencyLog;

/// Whether `log` promised to include the entry, and was trusted when it says that it did.
pub(super) fn check_promise(
    entry: &LogEntry,
    promise: &[u8],
    log: &TransparencyLog,
) -> Result<(), String> {
    if !log.was_trusted(entry.integrated_time) {
        return Err("the trusted root does not trust the log at the time of its promise".into());
    }
    let key = log.key().ok_or("the log's key cannot be read")?;
    if key.is_elliptic() && key.has_signed(promise, promised_text(entry).as_bytes()) {
        Ok(())
    } else {
        Err("the log did not sign this promise".into())
    }
}

/// What is signed, in canonical JSON (RFC 8785): keys in order, and no space.
fn promised_text(entry: &LogEntry) -> String {
    format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        STANDARD.encode(&entry.canonicalized_body.0),
        entry.integrated_time,
        encode_hex(&entry.log_id.key_id.0),
        entry.log_index,
    )
}
