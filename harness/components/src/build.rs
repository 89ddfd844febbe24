//! Building a component into the cache: into a folder beside its place, which gets the place's name
//! when it is whole.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cache::{self, BoxCache};
use crate::component::{ComponentSource, PinnedComponent};
use crate::feed::BuildFeed;
use crate::lock::FileLock;
use crate::{BuildProgress, Error, cargo, find_program, go, stamp};

/// Where one component is built.
pub(crate) struct BuildFolder<'a> {
    pub(crate) component: &'a PinnedComponent,
    pub(crate) launcher: &'a Path,
    /// A temporary folder, which goes when the build ends: what comes out of it is put into
    /// [`BuildFolder::output_folder`].
    pub(crate) temp: &'a Path,
    pub(crate) cache: &'a BoxCache,
}

impl BuildFolder<'_> {
    /// The folder that becomes the component's.
    pub(crate) fn output_folder(&self) -> PathBuf {
        self.temp.join(OUTPUT_FOLDER)
    }
}

/// What is built comes here first.
const OUTPUT_FOLDER: &str = "out";

impl BoxCache {
    /// Builds those that are not there, one after the other. Two programs that want the same one do
    /// not build it twice. `launcher` is the program that builds are run by: this one, or another
    /// that hands [`crate::CONTAIN_ARGUMENT`] on.
    ///
    /// # Errors
    /// A missing tool, a failed build (with the end of its output), a full disk, a cache that is
    /// read-only.
    pub fn ensure_built(
        &self,
        components: &[&PinnedComponent],
        launcher: &Path,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<(), Error> {
        for component in components {
            if !self.is_built(component) {
                self.build_component(component, launcher, progress)?;
            }
        }
        Ok(())
    }

    /// Fetches the modules of a component that is not built, so that its build, which comes later,
    /// need not wait for them.
    ///
    /// # Errors
    /// Those of [`BoxCache::ensure_built`]. The build tries again, so that they may be passed over.
    pub fn fetch_modules(&self, component: &PinnedComponent, launcher: &Path) -> Result<(), Error> {
        match &component.source {
            ComponentSource::Cargo { .. } => Ok(()),
            ComponentSource::Go { .. } if self.is_built(component) => Ok(()),
            ComponentSource::Go {
                go_mod,
                go_sum,
                steps,
            } => {
                need_tools(component)?;
                let components = self.components_folder();
                fs::create_dir_all(&components).map_err(Error::file("create", &components))?;
                let folder = tempfile::Builder::new()
                    .prefix(&fetch_prefix(component))
                    .tempdir_in(&components)
                    .map_err(Error::file("create", &components))?;
                go::fetch_modules(component, (go_mod, go_sum), steps, launcher, folder.path())
            }
        }
    }

    fn build_component(
        &self,
        component: &PinnedComponent,
        launcher: &Path,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<(), Error> {
        let components = self.components_folder();
        fs::create_dir_all(&components).map_err(Error::file("create", &components))?;
        let lock_path = components.join(format!("{}.lock", component.id()));
        let lock = match FileLock::try_take(&lock_path)? {
            Some(lock) => lock,
            None => {
                progress(BuildProgress::WaitingForBuild {
                    component: component.title(),
                });
                FileLock::take_lock(&lock_path)?
            }
        };
        let outcome = if self.is_built(component) {
            Ok(())
        } else {
            self.build_alone(component, launcher, progress)
        };
        lock.remove_file();
        outcome
    }

    /// What a killed build left; only called by the holder of the component's lock.
    fn remove_half_built(&self, component: &PinnedComponent) -> Result<(), Error> {
        let components = self.components_folder();
        let (half_built, fetch) = (half_built_prefix(component), fetch_prefix(component));
        for entry in fs::read_dir(&components)
            .map_err(Error::file("list", &components))?
            .flatten()
        {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&half_built) {
                cache::remove_dir(&entry.path())?;
            } else if name.starts_with(&fetch) {
                // Another build may still use it, which then fails for nothing: the build fetches
                // what is missing.
                let _ = cache::remove_dir(&entry.path());
            }
        }
        Ok(())
    }

    fn build_alone(
        &self,
        component: &PinnedComponent,
        launcher: &Path,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<(), Error> {
        need_tools(component)?;
        self.remove_half_built(component)?;
        let components = self.components_folder();
        let temp = tempfile::Builder::new()
            .prefix(&half_built_prefix(component))
            .tempdir_in(&components)
            .map_err(Error::file("create", &components))?;
        let mut feed = BuildFeed::new(component.title(), progress);
        let workshop = BuildFolder {
            component,
            launcher,
            temp: temp.path(),
            cache: self,
        };
        match &component.source {
            ComponentSource::Go {
                go_mod,
                go_sum,
                steps,
            } => go::compile_go(&workshop, (go_mod, go_sum), steps, &mut feed)?,
            ComponentSource::Cargo { files } => cargo::compile_rust(&workshop, files, &mut feed)?,
        }
        let elapsed = feed.elapsed();
        let whole = temp.path().join(OUTPUT_FOLDER);
        stamp::write_stamp(&whole, component)?;
        put_in_place(&whole, &self.component_dir(component))?;
        progress(BuildProgress::Built {
            component: component.title(),
            elapsed,
        });
        Ok(())
    }
}

fn fetch_prefix(component: &PinnedComponent) -> String {
    format!(".fetch-{}-", component.id())
}

fn half_built_prefix(component: &PinnedComponent) -> String {
    format!(".build-{}-", component.id())
}

/// Renames a whole component into its place; an incomplete one that is there makes room.
pub(crate) fn put_in_place(whole: &Path, place: &Path) -> Result<(), Error> {
    cache::remove_dir(place)?;
    fs::rename(whole, place).map_err(Error::file("create", place))
}

fn need_tools(component: &PinnedComponent) -> Result<(), Error> {
    let purpose = || format!("build `{}`", component.title());
    let needed: &[&'static str] = match &component.source {
        ComponentSource::Go { steps, .. } if steps.iter().any(|step| step.cgo) => &["go", "gcc"],
        ComponentSource::Go { .. } => &["go"],
        ComponentSource::Cargo { .. } => &["cargo", "gcc"],
    };
    match needed.iter().find(|tool| find_program(tool).is_none()) {
        Some(tool) => Err(Error::MissingTool {
            tool,
            purpose: purpose(),
        }),
        None => Ok(()),
    }
}

/// Runs one command to its end, feeding on its standard error; returns its standard output.
pub(crate) fn run_fed(
    component: &PinnedComponent,
    feed: &mut BuildFeed,
    mut command: Command,
) -> Result<String, Error> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::system("start the build"))?;
    let lifeline = child.stdin.take();
    let output = follow_output(&mut child, feed);
    let status = child.wait().map_err(Error::system("wait for the build"))?;
    drop(lifeline);
    if status.success() {
        return Ok(output);
    }
    let tail = feed.last_lines();
    if tail.contains("no space left on device") {
        let source = command.get_current_dir().unwrap_or(Path::new("/"));
        return Err(Error::DiskFull {
            path: source.ancestors().nth(2).unwrap_or(source).to_owned(),
        });
    }
    Err(Error::Build {
        component: component.title(),
        status: status.to_string(),
        tail,
    })
}

fn follow_output(child: &mut Child, feed: &mut BuildFeed) -> String {
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut stdout) = stdout {
            let _ = stdout.read_to_string(&mut text);
        }
        text
    });
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            feed.take_line(&String::from_utf8_lossy(&line));
        }
    }
    reader.join().unwrap_or_default()
}
