//! Finds the folders of scenarios and of golden outcomes.

use std::path::{Path, PathBuf};

use golden::Store;
use model::Library;

use crate::args::Folders;
use crate::fault::Fault;

/// The folders of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) scenarios: PathBuf,
    pub(crate) golden: PathBuf,
}

/// The folders that were asked for, or the ones found here or above.
pub(crate) fn find(folders: &Folders) -> Result<Found, Fault> {
    let scenarios = match &folders.scenarios {
        Some(dir) => dir.clone(),
        None => upward()?,
    };
    let beside = || {
        scenarios
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default()
            .join("golden/outcomes")
    };
    let golden = folders.golden.clone().unwrap_or_else(beside);
    Ok(Found { scenarios, golden })
}

/// The options that name these folders, as a shell reads them, each with a space before it.
pub(crate) fn options(folders: &Folders) -> String {
    let both = [
        ("--scenarios", &folders.scenarios),
        ("--golden", &folders.golden),
    ];
    let given = both
        .into_iter()
        .filter_map(|(option, dir)| dir.as_ref().map(|dir| (option, dir.to_string_lossy())));
    given
        .map(|(option, dir)| format!(" {option} {}", quoted(&dir)))
        .collect()
}

/// `text` as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn upward() -> Result<PathBuf, Fault> {
    let here = std::env::current_dir()
        .map_err(|error| Fault::machine("the current folder is gone").because(&error))?;
    let found = here
        .ancestors()
        .map(|dir| dir.join("scenarios"))
        .find(|dir| dir.is_dir());
    let found = found.ok_or_else(|| {
        Fault::usage(format!(
            "there is no folder `scenarios` in `{}` or above it",
            here.display()
        ))
        .hint("go to a checkout, or name one with `--scenarios DIR`")
    })?;
    Ok(found
        .strip_prefix(&here)
        .map(Path::to_owned)
        .unwrap_or(found))
}

impl Found {
    /// Reads the scenarios.
    pub(crate) fn library(&self) -> Result<Library, Fault> {
        Library::open(&self.scenarios).map_err(|error| {
            let missing = !self.scenarios.exists();
            let fault = Fault::from(error);
            if missing {
                fault.hint("name the folder of scenarios with `--scenarios DIR`")
            } else {
                fault
            }
        })
    }

    /// Opens the golden outcomes.
    pub(crate) fn store(&self) -> Result<Store, Fault> {
        Ok(Store::open(&self.golden)?)
    }

    /// Where a scenario's file is, for the header of its golden file.
    pub(crate) fn input_file(&self, id: &str) -> String {
        let name = self
            .scenarios
            .file_name()
            .map_or("scenarios".into(), |name| name.to_string_lossy());
        format!("{name}/{id}/scenario.yaml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_a_shell_reads_them() {
        let named = Folders {
            scenarios: Some("a/b".into()),
            golden: Some("it's".into()),
        };
        assert_eq!(options(&named), r" --scenarios a/b --golden 'it'\''s'");
        assert_eq!(
            options(&Folders {
                scenarios: None,
                golden: None
            }),
            ""
        );
    }
}
