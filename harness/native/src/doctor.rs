//! What this machine lacks to run a box, and the command that mends it.

use std::path::Path;

use crate::cache::Cache;

/// One thing that a box needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen, or what it is needed for.
    pub why: String,
    /// The command that mends it.
    pub mend: Option<String>,
    /// Debian packages that mend it.
    pub packages: Vec<&'static str>,
}

/// Whether a program can be found.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| is_program(&dir.join(program)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Looks at everything.
#[must_use]
pub fn check(_cache: &Cache) -> Vec<Finding> {
    Vec::new()
}

/// Installs the Debian packages that the findings ask for, saying each command before it runs.
///
/// # Errors
/// [`crate::Error::Command`] when a command fails.
pub fn setup(_findings: &[Finding], _say: &mut dyn FnMut(&str)) -> Result<(), crate::Error> {
    Ok(())
}
