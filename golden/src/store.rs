//! The folder of golden files: `AREA/NAME.snap`, and `AREA/NAME.snap.new` for what waits to be
//! accepted.

mod files;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::{CellStatus, RecordedOutcome, WorldOutcome};

use crate::{Error, GoldenFile, OutcomeTable, diff, render_outcome};
use files::{read_text, write_whole};

/// The folder of golden files. It need not exist before something is written.
#[derive(Clone, Debug)]
pub struct GoldenStore {
    root: PathBuf,
}

/// How an outcome compares with what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutcomeComparison {
    /// Nothing changed.
    Same,
    /// Nothing was recorded before.
    New,
    /// The detail changed.
    Differs {
        /// A unified diff, from what was recorded to what was seen.
        diff: String,
    },
}

/// Where an outcome comes from, for the header of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeSource {
    /// The command that recorded it.
    pub command: String,
    /// The scenario's `why`; its first sentence is kept.
    pub why: String,
    /// The scenario file, relative to the folder that holds the folder of scenarios.
    pub file: String,
}

/// A file that waits to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingFile {
    /// The scenario.
    pub id: String,
    /// Whether nothing was recorded before.
    pub new: bool,
    /// A unified diff from what was recorded.
    pub diff: String,
}

impl GoldenStore {
    /// The golden files in `dir`.
    ///
    /// # Errors
    /// When something else than a folder is there.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        match fs::metadata(dir) {
            Ok(facts) if !facts.is_dir() => Err(Error::Format {
                path: dir.to_owned(),
                what: "it is a file, not a folder of them".into(),
            }),
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Read {
                path: dir.to_owned(),
                source,
            }),
            _ => Ok(Self {
                root: dir.to_owned(),
            }),
        }
    }

    /// The golden file of a scenario.
    ///
    /// # Errors
    /// When `id` is not `AREA/NAME`.
    pub fn path(&self, id: &str) -> Result<PathBuf, Error> {
        self.file(id, "snap")
    }

    fn file(&self, id: &str, ending: &str) -> Result<PathBuf, Error> {
        let plain = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '\0'])
        };
        match id.split_once('/') {
            Some((area, name)) if plain(area) && plain(name) => {
                Ok(self.root.join(area).join(format!("{name}.{ending}")))
            }
            _ => Err(Error::Id { id: id.to_owned() }),
        }
    }

    /// What is recorded of a scenario.
    ///
    /// # Errors
    /// When its file cannot be read, or is not one of ours.
    pub fn read_recorded(&self, id: &str) -> Result<Option<GoldenFile>, Error> {
        self.snapshot(&self.path(id)?)
    }

    fn snapshot(&self, path: &Path) -> Result<Option<GoldenFile>, Error> {
        read_text(&self.root, path)?
            .map(|text| GoldenFile::parse(path, &text))
            .transpose()
    }

    /// Compares `outcome`, and what the scenario's `why` begins with, with what is recorded. Worlds
    /// that were not tried are not compared.
    ///
    /// # Errors
    /// When the recorded file cannot be read, or is not one of ours.
    pub fn compare(
        &self,
        outcome: &RecordedOutcome,
        why: &str,
    ) -> Result<OutcomeComparison, Error> {
        let path = self.path(&outcome.id)?;
        let Some(recorded) = self.snapshot(&path)? else {
            return Ok(OutcomeComparison::New);
        };
        let mut old = recorded.body;
        if let Some(tried) = partial(outcome) {
            let table = OutcomeTable::parse(&old).map_err(|fault| Error::Format {
                path,
                what: fault.to_string(),
            })?;
            old = table.only_worlds(&tried).body();
        }
        let mut new = render_outcome(outcome);
        let (described, description) = (recorded.description, first_sentence(why));
        if described != description {
            old = format!("description: {described}\n{old}");
            new = format!("description: {description}\n{new}");
        }
        Ok(if old == new {
            OutcomeComparison::Same
        } else {
            OutcomeComparison::Differs {
                diff: diff::unified_diff(&old, &new),
            }
        })
    }

    /// Writes what was seen beside the golden file, to be accepted. A pending file of an earlier
    /// run is replaced.
    ///
    /// # Errors
    /// When a cell is not as intended or a world was not tried: such an outcome is never recorded.
    /// When the file cannot be written.
    pub fn write_pending(
        &self,
        outcome: &RecordedOutcome,
        source: &OutcomeSource,
    ) -> Result<PathBuf, Error> {
        check_fit(outcome)?;
        let path = self.file(&outcome.id, "snap.new")?;
        let snapshot = GoldenFile {
            source: source.command.clone(),
            description: first_sentence(&source.why),
            input_file: source.file.clone(),
            body: render_outcome(outcome),
        };
        write_whole(&self.root, &path, &snapshot.text())?;
        Ok(path)
    }

    /// Takes away what was pending for a scenario: a later run agrees with the golden file.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn drop_pending(&self, id: &str) -> Result<(), Error> {
        let path = self.file(id, "snap.new")?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Everything that waits to be accepted, by id.
    ///
    /// # Errors
    /// When the folder or a file cannot be read, or is not one of ours.
    pub fn pending(&self) -> Result<Vec<PendingFile>, Error> {
        self.ids(".snap.new")?
            .iter()
            .map(|id| self.pending_of(id))
            .collect()
    }

    fn pending_of(&self, id: &str) -> Result<PendingFile, Error> {
        let not_there = || Error::NotPending { id: id.to_owned() };
        let seen = self
            .snapshot(&self.file(id, "snap.new")?)?
            .ok_or_else(not_there)?;
        let recorded = self.read_recorded(id)?;
        let old = recorded
            .as_ref()
            .map(|snapshot| snapshot.body.as_str())
            .unwrap_or_default();
        Ok(PendingFile {
            id: id.to_owned(),
            new: recorded.is_none(),
            diff: diff::unified_diff(old, &seen.body),
        })
    }

    /// Makes what is pending for a scenario its golden file.
    ///
    /// # Errors
    /// When nothing is pending, or the file cannot be moved.
    pub fn accept(&self, id: &str) -> Result<(), Error> {
        let (from, to) = (self.file(id, "snap.new")?, self.path(id)?);
        self.snapshot(&from)?
            .ok_or_else(|| Error::NotPending { id: id.to_owned() })?;
        files::refuse_symlinks(&self.root, &to)?;
        fs::rename(&from, &to).map_err(|source| Error::Write { path: to, source })
    }

    /// The ids of every golden file, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn recorded_ids(&self) -> Result<Vec<String>, Error> {
        self.ids(".snap")
    }

    /// Golden files that none of `ids`, all scenarios there are, uses.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn orphans(&self, ids: &[&str]) -> Result<Vec<PathBuf>, Error> {
        let lost = self
            .recorded_ids()?
            .into_iter()
            .filter(|id| !ids.contains(&id.as_str()));
        lost.map(|id| self.path(&id)).collect()
    }

    /// Those of `ids` that have no golden file.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn missing<'a>(&self, ids: &[&'a str]) -> Result<Vec<&'a str>, Error> {
        let have = self.recorded_ids()?;
        Ok(ids
            .iter()
            .copied()
            .filter(|id| !have.iter().any(|one| one == id))
            .collect())
    }

    fn ids(&self, ending: &str) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        for area in files::sorted_names(&self.root)? {
            let folder = self.root.join(&area);
            if !folder.is_dir() {
                continue;
            }
            let names = files::sorted_names(&folder)?;
            ids.extend(
                names
                    .iter()
                    .filter_map(|name| name.strip_suffix(ending))
                    .map(|name| format!("{area}/{name}")),
            );
        }
        Ok(ids)
    }
}

/// The worlds that were tried, if that is not all of them.
fn partial(outcome: &RecordedOutcome) -> Option<Vec<&str>> {
    let tried = outcome
        .worlds
        .iter()
        .filter(|(_, world)| matches!(world, WorldOutcome::Tried(_)));
    let names: Vec<&str> = tried.map(|(name, _)| name.as_str()).collect();
    (names.len() != outcome.worlds.len()).then_some(names)
}

fn check_fit(outcome: &RecordedOutcome) -> Result<(), Error> {
    let unfit = |why: String| {
        Err(Error::Unfit {
            id: outcome.id.clone(),
            why,
        })
    };
    if outcome.worlds.is_empty() {
        return unfit("it has no worlds".into());
    }
    for (world, seen) in &outcome.worlds {
        match seen {
            WorldOutcome::Tried(cells) => {
                if let Some((step, _)) = cells
                    .iter()
                    .find(|(_, cell)| cell.status() != CellStatus::Passed)
                {
                    return unfit(format!("`{step}` in `{world}` is not as intended"));
                }
            }
            WorldOutcome::Broken { .. } | WorldOutcome::Skipped { .. } => {
                return unfit(format!("world `{world}` was not tried"));
            }
        }
    }
    Ok(())
}

/// The first sentence of a `why`, on one line.
pub fn first_sentence(why: &str) -> String {
    let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    line[..end].to_owned()
}
