//! Reads folders of scenarios: `AREA/NAME/scenario.yaml` and the manifests beside it.

mod file_reach;
mod plain_text;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::FilePlace;
use crate::parse_words::{PlainWords, describe_fault};
use crate::{AuditShape, ClusterShape, Error, ObjectManifest, Scenario, first_format};

use file_reach::is_plain_name;
pub use file_reach::{FileReach, OutsideFault, SharedRoot};
pub(crate) use plain_text::read_text;

/// The file that makes a folder a scenario.
pub(crate) const SCENARIO_FILE: &str = "scenario.yaml";

/// That name, and how it is misspelt.
const SCENARIO_FILE_NAMES: [&str; 2] = [SCENARIO_FILE, "scenario.yml"];

/// How many folders below its place a scenario is still noticed.
const DEEPEST_LOOK: u8 = 4;

/// Every scenario below one folder.
#[derive(Debug, Default)]
pub struct ScenarioLibrary {
    /// Those that could be read, by id.
    pub scenarios: Vec<LoadedScenario>,
    /// Those that could not, by id, and why.
    pub faults: Vec<(String, Error)>,
}

/// A scenario with everything it refers to.
#[derive(Clone, Debug)]
pub struct LoadedScenario {
    /// `AREA/NAME`.
    pub id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// The text of its `scenario.yaml`, for places in messages.
    pub text: String,
    /// What the file says.
    pub scenario: Scenario,
    /// Its manifests by file name; a file that does not exist is not in here.
    pub manifests: BTreeMap<String, Vec<ObjectManifest>>,
    /// Every other file in its folder.
    pub files: Vec<String>,
    /// Which other files it may name.
    pub reach: FileReach,
}

impl ScenarioLibrary {
    /// Reads every scenario below `dir`, in the order of their ids.
    ///
    /// # Errors
    /// When the folder cannot be read or holds no scenario; a fault within one scenario lands in
    /// [`ScenarioLibrary::faults`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_reaching(dir, &FileReach::OwnFolder)
    }

    /// The same where scenarios may name files outside their own folders.
    ///
    /// # Errors
    /// Those of [`ScenarioLibrary::open`].
    pub fn open_reaching(dir: &Path, reach: &FileReach) -> Result<Self, Error> {
        let mut library = Self::default();
        for area in scenario_folders(dir)? {
            let area_folder = dir.join(&area);
            library.note_fault(&area, find_misplaced(&area_folder, 0));
            for name in scenario_folders(&area_folder)? {
                let (id, folder) = (format!("{area}/{name}"), area_folder.join(&name));
                let is_there = folder.join(SCENARIO_FILE).symlink_metadata().is_ok();
                if !is_there {
                    library.note_fault(&id, find_misplaced(&folder, DEEPEST_LOOK));
                } else if let Err(link) = refuse_links(&area_folder, &[name]) {
                    library.faults.push((id, link));
                } else {
                    match LoadedScenario::read_reaching(id.clone(), folder, reach.clone()) {
                        Ok(loaded) => library.scenarios.push(loaded),
                        Err(error) => library.faults.push((id, error)),
                    }
                }
            }
        }
        if library.scenarios.is_empty() && library.faults.is_empty() {
            return Err(Error::NoScenario {
                path: dir.to_owned(),
            });
        }
        Ok(library)
    }

    fn note_fault(&mut self, id: &str, misplaced: Option<Error>) {
        self.faults
            .extend(misplaced.map(|error| (id.to_owned(), error)));
    }
}

impl LoadedScenario {
    /// What the world of this name applies, and what its steps send: objects, patches and containers.
    pub fn world_manifests(&self, world: &str) -> impl Iterator<Item = &ObjectManifest> {
        let own = self.scenario.worlds.get(world).into_iter();
        let applied = own.flat_map(|own| own.apply.iter().map(String::as_str));
        let steps = self.scenario.steps_in(world);
        let sent = steps.flat_map(|step| step.action.facts().reads);
        let files: Vec<&str> = applied.chain(sent).collect();
        let manifests = files
            .into_iter()
            .filter_map(|file| self.manifests.get(file));
        manifests.flatten()
    }

    /// Reads one scenario's folder.
    ///
    /// # Errors
    /// Whatever is wrong with one of its files, with the place.
    pub fn read(id: String, dir: PathBuf) -> Result<Self, Error> {
        Self::read_reaching(id, dir, FileReach::OwnFolder)
    }

    /// The same where it may name files outside its folder.
    ///
    /// # Errors
    /// Those of [`LoadedScenario::read`].
    pub fn read_reaching(id: String, dir: PathBuf, reach: FileReach) -> Result<Self, Error> {
        let file = dir.join(SCENARIO_FILE);
        let files = sorted_entries(&dir)?;
        refuse_links(&dir, &files)?;
        let text = read_text(&file)?;
        let scenario = parse_scenario(&file, &text)?;
        let mut loaded = Self {
            id,
            files,
            dir,
            text,
            scenario,
            manifests: BTreeMap::new(),
            reach,
        };
        loaded.files.retain(|name| name != SCENARIO_FILE);
        let texts: Vec<String> = loaded.texts().map(str::to_owned).collect();
        for name in loaded
            .list_referenced()
            .into_iter()
            .filter(|name| !texts.contains(name))
        {
            let Ok(path) = loaded.locate_file(&name) else {
                continue; // the lint says so, with the place
            };
            if path.symlink_metadata().is_err() && !loaded.files.contains(&name) {
                continue; // and so here
            }
            loaded.manifests.insert(name, read_manifests(&path)?);
        }
        Ok(loaded)
    }

    /// The path of its `scenario.yaml`.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.dir.join(SCENARIO_FILE)
    }

    /// Every file name that the scenario refers to, in the file's order, each once.
    #[must_use]
    pub fn list_referenced(&self) -> Vec<String> {
        let worlds = self.scenario.worlds.values();
        let shapes = worlds
            .clone()
            .filter_map(|world| world.cluster.as_ref())
            .chain(&self.scenario.cluster);
        let names = worlds
            .flat_map(|world| world.apply.iter().map(String::as_str))
            .chain(
                self.scenario
                    .steps
                    .iter()
                    .flat_map(|step| step.action.facts().reads),
            )
            .chain(self.texts())
            .chain(shapes.flat_map(shape_files));
        let mut seen = Vec::new();
        for name in names {
            if !seen.iter().any(|have| have == name) {
                seen.push(name.to_owned());
            }
        }
        seen
    }

    /// The files that steps take as they are, whatever they hold.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.scenario
            .steps
            .iter()
            .flat_map(|step| step.action.facts().texts)
    }

    /// The text of one of its files, as it was written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn file_text(&self, name: &str) -> Result<String, Error> {
        read_text(&self.locate_file(name)?)
    }

    /// Where a file that it names is, or would be.
    ///
    /// # Errors
    /// [`Error::Outside`] and [`Error::Link`] where it may not be read.
    pub fn locate_file(&self, name: &str) -> Result<PathBuf, Error> {
        self.reach.locate(&self.dir, name)
    }

    /// Whether a file that it names is there and may be read.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        if is_plain_name(name) {
            self.files.iter().any(|have| have == name)
        } else {
            self.locate_file(name).is_ok_and(|path| path.is_file())
        }
    }

    /// The files outside its folder that it names, where they are or would be, without links.
    #[must_use]
    pub fn list_shared(&self) -> Vec<PathBuf> {
        let names = self.list_referenced().into_iter();
        let shared = names.filter(|name| !is_plain_name(name));
        shared
            .filter_map(|name| self.reach.locate_real(&self.dir, &name).ok())
            .collect()
    }

    /// The only object of the manifest file `name`, if it holds just one.
    #[must_use]
    pub fn single(&self, name: &str) -> Option<&ObjectManifest> {
        match self.manifests.get(name)?.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

fn shape_files(shape: &ClusterShape) -> Vec<&str> {
    let audit = match &shape.audit {
        AuditShape::Policy(file) | AuditShape::PolicyWithoutLog(file) => Some(file.as_str()),
        AuditShape::None | AuditShape::Metadata => None,
    };
    audit
        .into_iter()
        .chain(shape.admission.as_deref())
        .chain(shape.authentication.as_deref())
        .chain(shape.encryption.file().map(String::as_str))
        .collect()
}

/// A scenario's file where none is read from: in this folder, or at most so much deeper.
fn find_misplaced(folder: &Path, deeper: u8) -> Option<Error> {
    let here = SCENARIO_FILE_NAMES.map(|name| folder.join(name));
    if let Some(path) = here.into_iter().find(|path| path.exists()) {
        return Some(Error::Misplaced { path });
    }
    let deeper = deeper.checked_sub(1)?;
    let inner = scenario_folders(folder).ok()?;
    inner
        .iter()
        .find_map(|name| find_misplaced(&folder.join(name), deeper))
}

/// # Errors
/// [`Error::Link`] for the first of these that is one.
fn refuse_links(folder: &Path, names: &[String]) -> Result<(), Error> {
    let is_link = |path: &PathBuf| {
        path.symlink_metadata()
            .is_ok_and(|facts| facts.is_symlink())
    };
    let link = names.iter().map(|name| folder.join(name)).find(is_link);
    link.map_or(Ok(()), |path| Err(Error::Link { path }))
}

fn scenario_folders(dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = sorted_entries(dir)?;
    names.retain(|name| dir.join(name).is_dir());
    Ok(names)
}

/// The names in a folder, sorted; hidden ones are left out.
pub(crate) fn sorted_entries(dir: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Read {
        path: dir.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry
            .map_err(failed)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reads every document of a manifest file.
///
/// # Errors
/// Everything [`Error`] has, with place and caret for what does not parse.
pub(crate) fn read_manifests(path: &Path) -> Result<Vec<ObjectManifest>, Error> {
    let text = read_text(path)?;
    let documents: Vec<Value> = parse_documents(path, &text)?;
    let manifests: Vec<_> = documents
        .into_iter()
        .filter(|object| !object.is_null())
        .map(|object| ObjectManifest {
            file: path.to_owned(),
            object,
        })
        .collect();
    if manifests.is_empty() {
        Err(Error::Empty {
            path: path.to_owned(),
        })
    } else {
        Ok(manifests)
    }
}

/// A scenario of either format.
fn parse_scenario(path: &Path, text: &str) -> Result<Scenario, Error> {
    match first_format::convert_scenario(text) {
        Some(now) => parse_document(path, &now),
        None => parse_document(path, text),
    }
}

/// Parses one document into a type of ours.
///
/// # Errors
/// [`Error::Parse`] with the place and the lines around it.
pub fn parse_document<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|fault| parse_error(path, &fault))
}

fn parse_documents<T: DeserializeOwned>(path: &Path, text: &str) -> Result<Vec<T>, Error> {
    serde_saphyr::from_multiple_with_options(text, object_yaml())
        .map_err(|fault| parse_error(path, &fault))
}

/// YAML as Kubernetes' own tools read objects, by version 1.1: `0444` is octal.
#[must_use]
pub fn object_yaml() -> serde_saphyr::Options {
    serde_saphyr::options! { legacy_octal_numbers: true }
}

fn parse_error(path: &Path, fault: &serde_saphyr::Error) -> Error {
    let location = fault.location();
    let place = FilePlace {
        file: path.to_owned(),
        line: location.map_or(1, |at| at.line().max(1)),
        column: location.map_or(1, |at| at.column().max(1)),
    };
    let what = describe_fault(fault);
    let snippet = fault_snippet(&fault.render_with_formatter(&PlainWords), &what);
    Error::Parse {
        place,
        what,
        snippet,
    }
}

/// The lines around a fault, without the parser's own words above them. What is wrong with an alias
/// is shown where the alias is, and not where its anchor is as well.
fn fault_snippet(rendered: &str, complaint: &str) -> String {
    let lines = rendered
        .lines()
        .skip_while(|line| !line.trim_end().ends_with('|'))
        .take_while(|line| !line.contains("| This value comes indirectly from the anchor"))
        .map(|line| line.replace("^ the value is used here", &format!("^ {complaint}")));
    lines.collect::<Vec<_>>().join("\n")
}
