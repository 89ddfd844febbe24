//! Which files a scenario may name: those of its own folder, and those below a root that is given.

use std::path::{Component, Path, PathBuf};

use crate::Error;

/// How far the names of files in a scenario lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FileReach {
    /// To the scenario's own folder, by plain names.
    #[default]
    OwnFolder,
    /// Beside that to every file below this root, by paths with a `/`.
    Below(SharedRoot),
    /// Anywhere: the file that names them is one that a person names, and nobody's scenario.
    Anywhere,
}

/// A folder whose files scenarios may name beside their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRoot {
    /// As it was given, for messages.
    given: PathBuf,
    /// Without links.
    real: PathBuf,
}

impl SharedRoot {
    /// The root of this name.
    ///
    /// # Errors
    /// When it is not there, or is not a folder.
    pub fn open(given: &Path) -> Result<Self, Error> {
        let real = real_folder(given)?;
        if !real.is_dir() {
            return Err(Error::Not {
                path: given.to_owned(),
                found: "a file",
                wanted: "a folder",
            });
        }
        Ok(Self {
            given: given.to_owned(),
            real,
        })
    }

    /// The file that a scenario in `folder` names, from this root on; it need not be there.
    fn find_inside(&self, folder: &Path, name: &str) -> Result<PathBuf, Error> {
        let own = real_folder(folder)?;
        let real = follow_name(&own, name)?;
        let refused = |fault| {
            Err(Error::Outside {
                name: name.to_owned(),
                fault,
            })
        };
        if real.starts_with(&own) {
            return refused(OutsideFault::OwnFolder);
        }
        match real.strip_prefix(&self.real) {
            Ok(inside) => Ok(inside.to_owned()),
            Err(_) => refused(OutsideFault::Root(self.given.clone())),
        }
    }
}

/// Why a path in a scenario is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideFault {
    /// No root was given.
    #[error("is not a plain file name")]
    NoRoot,
    /// It begins at the machine's root.
    #[error("is an absolute path")]
    Absolute,
    /// It leads to a file of the scenario's own folder, or below it.
    #[error("leads into the scenario's own folder")]
    OwnFolder,
    /// It leaves this root.
    #[error("leads out of the root `{}`", .0.display())]
    Root(PathBuf),
}

impl OutsideFault {
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NoRoot => {
                "keep a scenario's files in its own folder, or name with `--root DIR` the folder \
                 that this one is below"
            }
            Self::Absolute => "paths are relative to the scenario's own folder",
            Self::OwnFolder => "files of a scenario's own folder have plain names",
            Self::Root(_) => "name a folder with `--root DIR` that the file is below",
        }
    }
}

impl FileReach {
    /// The file that a scenario in `folder` names; it need not be there.
    ///
    /// # Errors
    /// [`Error::Outside`] where the name leads too far, [`Error::Link`] where a link is on the way.
    pub(super) fn locate(&self, folder: &Path, name: &str) -> Result<PathBuf, Error> {
        let refused = |fault| Error::Outside {
            name: name.to_owned(),
            fault,
        };
        match self {
            Self::Anywhere => Ok(folder.join(name)),
            _ if is_plain_name(name) => Ok(folder.join(name)),
            Self::OwnFolder => Err(refused(OutsideFault::NoRoot)),
            Self::Below(_) if Path::new(name).is_absolute() => Err(refused(OutsideFault::Absolute)),
            Self::Below(root) => Ok(root.given.join(root.find_inside(folder, name)?)),
        }
    }

    /// The same without links.
    pub(super) fn locate_real(&self, folder: &Path, name: &str) -> Result<PathBuf, Error> {
        match self {
            Self::Below(root) if !is_plain_name(name) => {
                let shown = self.locate(folder, name)?;
                Ok(root
                    .real
                    .join(shown.strip_prefix(&root.given).unwrap_or(&shown)))
            }
            _ => self.locate(folder, name),
        }
    }
}

/// Whether this names a file in the scenario's own folder.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.contains('/') && name != ".." && name != "."
}

fn real_folder(folder: &Path) -> Result<PathBuf, Error> {
    folder.canonicalize().map_err(|source| Error::Read {
        path: folder.to_owned(),
        source,
    })
}

/// Where a relative path leads from a folder without links. A link on the way is a fault: what it
/// leads to can change without it.
fn follow_name(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let mut path = folder.to_owned();
    for part in Path::new(name).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(part) => path.push(part),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
        let is_link = path
            .symlink_metadata()
            .is_ok_and(|facts| facts.is_symlink());
        if is_link {
            return Err(Error::Link { path });
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root `policies` beside `scenarios/a/b`, with files in, beside and above it, and links.
    fn laid_out() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("scenarios/a/b")).unwrap();
        fs::create_dir_all(at("policies/inner")).unwrap();
        fs::write(at("policies/inner/x.yaml"), "x").unwrap();
        fs::write(at("secret.yaml"), "x").unwrap();
        symlink(at("secret.yaml"), at("policies/out.yaml")).unwrap();
        symlink(folder.path(), at("policies/up")).unwrap();
        symlink(at("policies"), at("linked")).unwrap();
        folder
    }

    fn located(root: &str, name: &str) -> Result<String, String> {
        let folder = laid_out();
        let reach = FileReach::Below(SharedRoot::open(&folder.path().join(root)).unwrap());
        let found = reach.locate(&folder.path().join("scenarios/a/b"), name);
        let shown = |text: String| text.replace(&*folder.path().to_string_lossy(), "");
        found
            .map(|path| shown(path.display().to_string()))
            .map_err(|error| shown(error.to_string()))
    }

    #[test]
    fn what_is_below_the_root_is_found_and_named_from_it() {
        for (root, name, path) in [
            (
                "policies",
                "../../../policies/inner/x.yaml",
                "/policies/inner/x.yaml",
            ),
            (
                "policies",
                "../../../policies/./inner/../gone.yaml",
                "/policies/gone.yaml",
            ),
            (
                "linked",
                "../../../policies/inner/x.yaml",
                "/linked/inner/x.yaml",
            ),
            (".", "../../../secret.yaml", "/./secret.yaml"),
            ("policies", "own.yaml", "/scenarios/a/b/own.yaml"),
        ] {
            assert_eq!(located(root, name), Ok(path.to_owned()), "{root} {name}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        let out = |name: &str| Err(format!("`{name}` leads out of the root `/policies`"));
        for name in [
            "../../../secret.yaml",
            "../../../policies/../secret.yaml",
            "../../../../../../../../../etc/passwd",
            "../c/x.yaml",
        ] {
            assert_eq!(located("policies", name), out(name));
        }
        for (name, link) in [
            ("../../../policies/out.yaml", "/policies/out.yaml"),
            ("../../../policies/up/secret.yaml", "/policies/up"),
            ("../../../policies/up/../inner/x.yaml", "/policies/up"),
        ] {
            let linked = Err(format!("`{link}` is a symbolic link"));
            assert_eq!(located("policies", name), linked);
        }
        assert_eq!(
            located(".", "/etc/passwd"),
            Err("`/etc/passwd` is an absolute path".to_owned())
        );
        for name in ["./own.yaml", "inner/own.yaml", "../b/own.yaml", "."] {
            let into = format!("`{name}` leads into the scenario's own folder");
            assert_eq!(located(".", name), Err(into));
        }
    }

    #[test]
    fn without_a_root_there_are_plain_names_alone() {
        let reach = FileReach::default();
        assert!(reach.locate(Path::new("a"), "x.yaml").is_ok());
        for name in ["../x.yaml", "./x.yaml", "/x.yaml", "..", "."] {
            let error = reach.locate(Path::new("a"), name).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{name}` is not a plain file name")
            );
            assert!(error.hint().unwrap().contains("--root DIR"));
        }
    }

    #[test]
    fn a_root_is_a_folder_that_is_there() {
        let folder = laid_out();
        for (name, what) in [
            ("gone", "cannot read"),
            ("secret.yaml", "is a file, not a folder"),
        ] {
            let error = SharedRoot::open(&folder.path().join(name)).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
