//! Finds the folders of scenarios and of golden outcomes.

use std::path::{Path, PathBuf};

use golden::GoldenStore;
use model::{FileReach, ScenarioLibrary, SharedRoot};

use crate::args::FolderArguments;
use crate::fault::CommandFault;

/// The folders of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandFolders {
    pub(crate) scenarios: PathBuf,
    pub(crate) golden: PathBuf,
    /// Which files scenarios may name beside those of their own folders.
    pub(crate) reach: FileReach,
}

/// The folders that were asked for, or the ones found here or above.
pub(crate) fn find_folders(folders: &FolderArguments) -> Result<CommandFolders, CommandFault> {
    let scenarios = match &folders.scenarios {
        Some(dir) => dir.clone(),
        None => search_upward()?,
    };
    let beside = || {
        scenarios
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default()
            .join("golden/outcomes")
    };
    let golden = folders.golden.clone().unwrap_or_else(beside);
    Ok(CommandFolders {
        scenarios,
        golden,
        reach: find_reach(folders.root.as_deref())?,
    })
}

fn find_reach(root: Option<&Path>) -> Result<FileReach, CommandFault> {
    let Some(root) = root else {
        return Ok(FileReach::OwnFolder);
    };
    let opened = SharedRoot::open(root).map_err(|error| {
        CommandFault::from(error)
            .hint("`--root DIR` names the folder that files of scenarios may be below")
    })?;
    Ok(FileReach::Below(opened))
}

/// The options that name these folders, as a shell reads them, each with a space before it.
pub(crate) fn folder_options(folders: &FolderArguments) -> String {
    let all = [
        ("--scenarios", &folders.scenarios),
        ("--golden", &folders.golden),
        ("--root", &folders.root),
    ];
    let given = all
        .into_iter()
        .filter_map(|(option, dir)| dir.as_ref().map(|dir| (option, dir.to_string_lossy())));
    given
        .map(|(option, dir)| format!(" {option} {}", shell_quoted(&dir)))
        .collect()
}

/// `text` as one word of a shell.
pub(crate) fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn search_upward() -> Result<PathBuf, CommandFault> {
    let here = std::env::current_dir()
        .map_err(|error| CommandFault::machine("the current folder is gone").because_of(&error))?;
    let found = here
        .ancestors()
        .map(|dir| dir.join("scenarios"))
        .find(|dir| dir.is_dir());
    let found = found.ok_or_else(|| {
        CommandFault::usage(format!(
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

impl CommandFolders {
    /// Reads the scenarios.
    pub(crate) fn open_library(&self) -> Result<ScenarioLibrary, CommandFault> {
        ScenarioLibrary::open_reaching(&self.scenarios, &self.reach).map_err(|error| {
            let missing = !self.scenarios.exists();
            let fault = CommandFault::from(error);
            if missing {
                fault.hint("name the folder of scenarios with `--scenarios DIR`")
            } else {
                fault
            }
        })
    }

    /// Opens the golden outcomes.
    pub(crate) fn open_store(&self) -> Result<GoldenStore, CommandFault> {
        Ok(GoldenStore::open(&self.golden)?)
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
        let named = FolderArguments {
            scenarios: Some("a/b".into()),
            golden: Some("it's".into()),
            root: Some("policies".into()),
        };
        assert_eq!(
            folder_options(&named),
            r" --scenarios a/b --golden 'it'\''s' --root policies"
        );
        assert_eq!(folder_options(&FolderArguments::default()), "");
    }
}
