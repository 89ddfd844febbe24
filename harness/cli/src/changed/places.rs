//! What a changed path is to scenarios, by where it is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::code::{self, ScenarioUses};
use super::git;
use crate::fault::CommandFault;
use crate::folders::CommandFolders;

/// Where things are in a repository; the folders end in a slash, but the top one, which is nothing.
pub(super) struct RepositoryLayout {
    /// The repository's top folder.
    pub(super) root: PathBuf,
    scenarios: String,
    golden: String,
    /// What the paths of [`code`] begin at.
    project: String,
}

/// A path that changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChangedPath {
    /// A file in the folder of this scenario.
    File { id: String, file: String },
    /// A file outside their folders that scenarios name, and where it is.
    Shared { path: String, real: PathBuf },
    /// The golden outcome of this scenario.
    Golden { id: String },
    /// A component's modules.
    Component { title: String },
    /// Code that some scenarios use and others do not.
    Code { path: String },
    /// Code, or what nothing is known of: in doubt, everything.
    Everything { path: String },
    /// What no scenario depends on.
    Nothing,
}

impl RepositoryLayout {
    /// The layout of the repository that the folder of scenarios is in.
    pub(super) fn from_folder(found: &CommandFolders) -> Result<Self, CommandFault> {
        Self::in_root(
            found,
            git::repository_top(&canonical_folder(&found.scenarios))?,
        )
    }

    /// The layout of a repository with this top folder.
    pub(super) fn in_root(found: &CommandFolders, root: PathBuf) -> Result<Self, CommandFault> {
        let scenarios = canonical_folder(&found.scenarios);
        let within = |dir: &Path| {
            let inside = dir.strip_prefix(&root).ok()?.to_string_lossy().into_owned();
            Some(if inside.is_empty() {
                inside
            } else {
                inside + "/"
            })
        };
        let elsewhere = || {
            CommandFault::usage(format!(
                "`{}` is not below `{}`",
                scenarios.display(),
                root.display()
            ))
        };
        Ok(Self {
            scenarios: within(&scenarios).ok_or_else(elsewhere)?,
            // Where golden outcomes are kept elsewhere, no change of this repository is one of
            // them.
            golden: within(&canonical_folder(&found.golden)).unwrap_or_else(|| "\0".into()),
            project: scenarios.parent().and_then(within).unwrap_or_default(),
            root,
        })
    }

    /// What a path is, where scenarios name files outside their folders. One that they name is no
    /// longer what nothing is known of, unless it is code of this project.
    pub(super) fn changed_for(
        &self,
        path: &str,
        names_it: impl Fn(&Path) -> bool,
    ) -> Vec<ChangedPath> {
        let (real, own) = (self.root.join(path), self.changed(path));
        if !names_it(&real) {
            return vec![own];
        }
        let shared = ChangedPath::Shared {
            path: path.to_owned(),
            real,
        };
        let inside = path.strip_prefix(&self.project);
        match &own {
            ChangedPath::Everything { .. } if !inside.is_some_and(code::is_program) => {
                vec![shared]
            }
            _ => vec![shared, own],
        }
    }

    pub(super) fn changed(&self, path: &str) -> ChangedPath {
        if let Some(inside) = path.strip_prefix(&self.scenarios) {
            return match inside.splitn(3, '/').collect::<Vec<_>>().as_slice() {
                [area, name, file] => ChangedPath::File {
                    id: format!("{area}/{name}"),
                    file: (*file).to_owned(),
                },
                _ => ChangedPath::Nothing,
            };
        }
        if let Some(inside) = path.strip_prefix(&self.golden) {
            return inside
                .strip_suffix(".snap")
                .map_or(ChangedPath::Nothing, |id| ChangedPath::Golden {
                    id: id.to_owned(),
                });
        }
        match path.strip_prefix(&self.project) {
            Some(path) => classify_code(path),
            None => ChangedPath::Everything {
                path: path.to_owned(),
            },
        }
    }
}

fn classify_code(path: &str) -> ChangedPath {
    if let Some((title, _)) = path
        .strip_prefix(code::COMPONENT_MODULES)
        .and_then(|rest| rest.split_once('/'))
    {
        return ChangedPath::Component {
            title: title.to_owned(),
        };
    }
    let path = path.to_owned();
    if code::is_claimed(&path) {
        ChangedPath::Code { path }
    } else if code::touches_nothing(&path) {
        ChangedPath::Nothing
    } else {
        ChangedPath::Everything { path }
    }
}

/// The folder without links and dots, where it is there.
fn canonical_folder(dir: &Path) -> PathBuf {
    dir.canonicalize()
        .or_else(|_| std::path::absolute(dir))
        .unwrap_or_else(|_| dir.to_owned())
}

impl ChangedPath {
    /// Whether the scenario of this id, which uses these things, is touched.
    pub(super) fn touches(&self, id: &str, uses: &ScenarioUses) -> bool {
        match self {
            Self::File { id: its, .. } | Self::Golden { id: its } => id == its,
            Self::Shared { real, .. } => uses.names_file(real),
            Self::Component { title } => uses.uses_component(title),
            Self::Code { path } => uses.uses_code(path),
            Self::Everything { .. } => true,
            Self::Nothing => false,
        }
    }

    /// The same for a scenario of which nothing is known.
    pub(super) fn may_touch(&self, id: &str) -> bool {
        match self {
            Self::File { id: its, .. } | Self::Golden { id: its } => id == its,
            Self::Shared { .. }
            | Self::Component { .. }
            | Self::Code { .. }
            | Self::Everything { .. } => true,
            Self::Nothing => false,
        }
    }

    /// Whether more than one scenario can be touched by it.
    pub(super) fn is_shared(&self) -> bool {
        match self {
            Self::File { .. } | Self::Golden { .. } | Self::Nothing => false,
            Self::Shared { .. }
            | Self::Component { .. }
            | Self::Code { .. }
            | Self::Everything { .. } => true,
        }
    }
}

impl fmt::Display for ChangedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, .. } => f.write_str(file),
            Self::Shared { path, .. } => f.write_str(path),
            Self::Golden { .. } => f.write_str("its golden outcome"),
            Self::Component { title } => write!(f, "component {title}"),
            Self::Code { path } => f.write_str(path),
            Self::Everything { path } => write!(f, "everything: {path}"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}
