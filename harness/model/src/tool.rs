//! Reading what a tool left: as with replies, a rejection is only believed when its words are
//! known, and when they came with the exit code that belongs to them.
//!
//! The words are those of cosign 3.1.3, as it printed them. Sources: sigstore/cosign
//! `cmd/cosign/main.go` (every error is printed twice), `cmd/cosign/cli/verify` and
//! `pkg/cosign/verify.go`, `cmd/cosign/errors/exit_code_lookup.go` (exit codes), `internal/key` and
//! `pkg/cosign/bundle` (signing); sigstore/sigstore-go `pkg/verify`; and
//! google/go-containerregistry `pkg/v1/remote/transport/error.go`. syft 1.42.1 and grype 0.109.0
//! say theirs in one line that begins with `[SECONDS] ERROR`.

use serde_json::Value;

use crate::{Answer, RejectionReason, Verdict};

mod messages;

/// A call of a tool, by what it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolTask {
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
pub fn read_tool(tool: ToolTask, exit: Option<i32>, stdout: &str, stderr: &str) -> Verdict {
    let Some(exit) = exit else {
        return Verdict::broken("a signal ended the tool");
    };
    if exit == 0 {
        return read_success(tool, stdout, stderr);
    }
    let not_done = |why| Answer::NotDone { why };
    let not_verified = |why| Answer::VerificationFailed { why };
    let answer = match tool {
        ToolTask::CosignSign | ToolTask::CosignAttest => cosign_complaint(stderr)
            .and_then(|text| messages::read_sign(text, exit))
            .map(not_done),
        ToolTask::CosignVerify => cosign_complaint(stderr)
            .and_then(|text| messages::read_verify(text, exit, RejectionReason::NoSignature))
            .map(not_verified),
        ToolTask::CosignVerifyAttestation => cosign_complaint(stderr)
            .and_then(|text| messages::read_verify(text, exit, RejectionReason::NoAttestation))
            .map(not_verified),
        ToolTask::Syft => error_line(stderr)
            .and_then(|_| messages::read_syft(stderr, exit))
            .map(not_done),
        ToolTask::Grype => messages::read_grype(error_line(stderr), exit),
    };
    answer.map_or_else(|| unknown_output(exit, stderr), Verdict::from)
}

/// Exit code 0 is a success only with what belongs to it.
fn read_success(tool: ToolTask, stdout: &str, stderr: &str) -> Verdict {
    let said = |line: &str| stderr.lines().any(|one| one.starts_with(line));
    let (shown, answer) = match tool {
        ToolTask::CosignSign => (said("Pushing signature to: "), Answer::Done),
        ToolTask::CosignAttest => (said("Signing artifact..."), Answer::Done),
        ToolTask::CosignVerify => (names_digests(stdout), Answer::Verified),
        ToolTask::CosignVerifyAttestation => (holds_statements(stdout), Answer::Verified),
        ToolTask::Syft => (true, Answer::Done),
        ToolTask::Grype => (!stdout.trim().is_empty(), Answer::Clean),
    };
    if shown {
        answer.into()
    } else {
        unknown_output(0, stderr)
    }
}

/// Whether this is the list of verified signatures, each with the digest that it speaks of.
fn names_digests(stdout: &str) -> bool {
    let digest = |one: &Value| {
        one["critical"]["image"]["docker-manifest-digest"]
            .as_str()
            .is_some()
    };
    match serde_json::from_str::<Value>(stdout) {
        Ok(Value::Array(list)) => !list.is_empty() && list.iter().all(digest),
        _ => false,
    }
}

/// Whether these are verified attestations, an envelope a line.
fn holds_statements(stdout: &str) -> bool {
    let envelope = |line: &str| {
        serde_json::from_str::<Value>(line).is_ok_and(|one| {
            one["payload"].is_string() && one["payloadType"] == "application/vnd.in-toto+json"
        })
    };
    let mut lines = stdout
        .lines()
        .filter(|line| !line.trim().is_empty())
        .peekable();
    lines.peek().is_some() && lines.all(envelope)
}

/// cosign's own error: printed by its command library as `Error: TEXT`, and once more by its main
/// function. That both are the same, to the end of the output, is what keeps a text within a text
/// from being taken for it.
fn cosign_complaint(stderr: &str) -> Option<&str> {
    const ERROR_BEGINS: &str = "Error: ";
    const ERROR_AGAIN: &str = "\nerror during command execution: ";
    let start = if stderr.starts_with(ERROR_BEGINS) {
        0
    } else {
        stderr.find("\nError: ")? + 1
    };
    let both = stderr.get(start + ERROR_BEGINS.len()..)?;
    let both = both.strip_suffix('\n').unwrap_or(both);
    let length = both.len().checked_sub(ERROR_AGAIN.len())? / 2;
    let text = both.get(..length)?;
    (both.get(length..)?.strip_prefix(ERROR_AGAIN)? == text).then_some(text)
}

/// What follows `[SECONDS] ERROR ` at the beginning of a line.
fn error_line(stderr: &str) -> Option<&str> {
    stderr.lines().find_map(|line| {
        let (seconds, text) = line.strip_prefix('[')?.split_once("] ERROR ")?;
        seconds.chars().all(|c| c.is_ascii_digit()).then_some(text)
    })
}

fn unknown_output(exit: i32, stderr: &str) -> Verdict {
    let last = stderr.trim().lines().last().unwrap_or("nothing");
    Verdict::broken(format!(
        "the tool ended with exit code {exit} and words that are not known: {last}"
    ))
}
