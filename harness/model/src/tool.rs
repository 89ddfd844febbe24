//! Reading what a tool left: as with replies, a rejection is only believed when its words are known.

use crate::{Answer, Verdict};

/// A call of a tool, by what it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `cosign sign`.
    CosignSign,
    /// `cosign attest`.
    CosignAttest,
    /// `cosign verify`.
    CosignVerify,
    /// `cosign verify-attestation`.
    CosignVerifyAttestation,
    /// `syft`.
    Syft,
    /// `grype`.
    Grype,
}

/// What this outcome means. `exit` is the exit code, unless a signal ended the tool.
#[must_use]
pub fn read_tool(tool: Tool, exit: Option<i32>, stdout: &str, stderr: &str) -> Verdict {
    let _ = stdout;
    match (tool, exit) {
        (Tool::CosignSign | Tool::CosignAttest | Tool::Syft, Some(0)) => Answer::Made.into(),
        (Tool::CosignVerify | Tool::CosignVerifyAttestation | Tool::Grype, Some(0)) => Answer::Verified.into(),
        _ => Verdict::broken(format!(
            "the tool's words are not known: {}",
            stderr.trim().lines().last().unwrap_or_default()
        )),
    }
}
