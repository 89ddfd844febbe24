//! Tools that run in the box as processes: cosign, syft, grype.

mod authority;
mod material;
pub(crate) mod token;

use crate::Error;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cluster::HostAccess;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use wait::TimedOut;

pub(crate) use authority::LeafKey;
pub(crate) use material::SigningMaterial;

/// No tool needs longer.
const TOOL_ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Tools compute; more of them than processors would only keep each other, and the box, waiting.
static TOOL_TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(2, NonZeroUsize::get))
});

/// What a tool left.
#[derive(Clone, Debug)]
pub(crate) struct ToolOutput {
    /// Its exit code, unless a signal ended it.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A call of a tool.
pub(crate) struct ToolCall<'a> {
    pub(crate) program: &'a str,
    pub(crate) args: Vec<String>,
    /// A separate folder, on this side: its home, where it may write.
    pub(crate) home: &'a Path,
    /// What it finds in its environment beside what every tool does.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// Runs a tool in the box.
///
/// # Errors
/// When it cannot be started, or does not end in time.
pub(crate) async fn run_tool(
    host_access: HostAccess<'_>,
    call: &ToolCall<'_>,
) -> Result<ToolOutput, Error> {
    run_with(host_access, call, None).await
}

/// The same, with something to read on its standard input.
async fn run_with(
    host_access: HostAccess<'_>,
    call: &ToolCall<'_>,
    input: Option<&[u8]>,
) -> Result<ToolOutput, Error> {
    let lost = |problem: &str, fault| {
        let (name, problem) = (call.program.to_owned(), problem.to_owned());
        Error::Tool {
            name,
            problem,
            source: Some(Arc::new(fault)),
        }
    };
    let mut command = host_access.enter_command();
    let home = host_access.path_inside(call.home);
    command
        .arg(call.program)
        .args(&call.args)
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .env("SSL_CERT_FILE", HostAccess::CA_FILE)
        .env("COSIGN_PASSWORD", "")
        .env("SYFT_CHECK_FOR_APP_UPDATE", "false")
        .env("GRYPE_CHECK_FOR_APP_UPDATE", "false")
        .env("GRYPE_DB_AUTO_UPDATE", "false")
        .env("GRYPE_DB_VALIDATE_AGE", "false")
        .envs(call.variables.iter().map(|(name, value)| (name, value)))
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let _turn = TOOL_TURNS
        .acquire()
        .await
        .map_err(|fault| Error::tool_failed(call.program, fault.to_string()))?;
    let mut child = Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|fault| lost("cannot be started", fault))?;
    let stdin = child.stdin.take();
    let talk = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            stdin.write_all(input).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(TOOL_ENDS_WITHIN, talk)
        .await
        .map_err(|_| TimedOut::unseen(format!("{} to end", call.program), TOOL_ENDS_WITHIN))?
        .map_err(|fault| lost("was lost", fault))?;
    Ok(ToolOutput {
        exit: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a tool that has to do its work: everything but exit code 0 is a fault of ours.
pub(crate) async fn run_or_fail(
    host_access: HostAccess<'_>,
    call: &ToolCall<'_>,
) -> Result<ToolOutput, Error> {
    must_with(host_access, call, None).await
}

/// The same, with something to read on its standard input.
pub(crate) async fn must_with(
    host_access: HostAccess<'_>,
    call: &ToolCall<'_>,
    input: Option<&[u8]>,
) -> Result<ToolOutput, Error> {
    let output = run_with(host_access, call, input).await?;
    if output.exit == Some(0) {
        return Ok(output);
    }
    let verb = call.args.first().map(String::as_str).unwrap_or_default();
    Err(Error::tool_failed(
        call.program,
        format!("{verb} failed: {}", output.stderr.trim()),
    ))
}

/// A folder below the box's work folder, on this side.
pub(crate) fn work_folder(host_access: HostAccess<'_>, name: &str) -> Result<PathBuf, Error> {
    let folder = host_access.work_folder().join(name);
    std::fs::create_dir_all(&folder)
        .map_err(|fault| Error::io(format!("cannot create `{}`", folder.display()), fault))?;
    Ok(folder)
}

/// Writes a file for a tool.
pub(crate) fn write_file(path: &Path, text: impl AsRef<[u8]>) -> Result<(), Error> {
    std::fs::write(path, text)
        .map_err(|fault| Error::io(format!("cannot write `{}`", path.display()), fault))
}

/// Writes a file that only its owner reads.
fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|fault| Error::io(format!("cannot write `{}`", path.display()), fault))
}

/// Reads a file that a tool wrote.
pub(crate) fn read_file(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|fault| Error::io(format!("cannot read `{}`", path.display()), fault))
}
