//! Building a component into the cache: into a folder beside its place, which gets the place's name when it is whole.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::feed::Feed;
use super::{Component, Data, Step, contain, stamp};
use crate::cache::{self, Cache};
use crate::lock::Lock;
use crate::{Error, Progress};

/// The build's own scratch room, beside the source: a killed build leaves nothing elsewhere.
const SCRATCH: &str = "scratch";

impl Cache {
    /// Builds those that are not there, one after the other. Two programs that want the same one do not build it
    /// twice. `launcher` is as in [`crate::Spec`].
    ///
    /// # Errors
    /// A missing tool, a failed build (with the end of its output), a full disk, a cache that is read-only.
    pub fn ensure(
        &self,
        components: &[&Component],
        launcher: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        for component in components {
            if !self.built(component) {
                self.build(component, launcher, progress)?;
            }
        }
        Ok(())
    }

    fn build(&self, component: &Component, launcher: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let components = self.components();
        fs::create_dir_all(&components).map_err(Error::file("create", &components))?;
        let lock_path = components.join(format!("{}.lock", component.id()));
        let lock = match Lock::try_take(&lock_path)? {
            Some(lock) => lock,
            None => {
                progress(Progress::WaitingForBuild { component: component.title() });
                Lock::take(&lock_path)?
            }
        };
        let outcome = if self.built(component) { Ok(()) } else { self.build_alone(component, launcher, progress) };
        lock.remove();
        outcome
    }

    /// What a killed build left; only called by the holder of the component's lock.
    fn remove_half_built(&self, component: &Component) -> Result<(), Error> {
        let components = self.components();
        let prefix = half_built_prefix(component);
        for entry in fs::read_dir(&components).map_err(Error::file("list", &components))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                cache::remove_dir(&entry.path())?;
            }
        }
        Ok(())
    }

    fn build_alone(
        &self,
        component: &Component,
        launcher: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        need_tools(component)?;
        self.remove_half_built(component)?;
        let components = self.components();
        let temp = tempfile::Builder::new()
            .prefix(&half_built_prefix(component))
            .tempdir_in(&components)
            .map_err(Error::file("create", &components))?;
        let mut feed = Feed::new(component.title(), progress);
        compile(component, launcher, temp.path(), &mut feed)?;
        let elapsed = feed.elapsed();
        let whole = temp.path().join("out");
        stamp::write(&whole, component)?;
        put_in_place(&whole, &self.component_dir(component))?;
        progress(Progress::Built { component: component.title(), elapsed });
        Ok(())
    }
}

fn half_built_prefix(component: &Component) -> String {
    format!(".build-{}-", component.id())
}

/// Renames a whole component into its place; an incomplete one that is there makes room.
pub(super) fn put_in_place(whole: &Path, place: &Path) -> Result<(), Error> {
    cache::remove_dir(place)?;
    fs::rename(whole, place).map_err(Error::file("create", place))
}

fn need_tools(component: &Component) -> Result<(), Error> {
    let title = component.title();
    if !crate::doctor::on_path("go") {
        return Err(Error::MissingTool { tool: "go", purpose: format!("build `{title}`") });
    }
    if component.steps.iter().any(|step| step.cgo) && !crate::doctor::on_path("gcc") {
        return Err(Error::MissingTool { tool: "gcc", purpose: format!("build `{title}`") });
    }
    Ok(())
}

fn compile(component: &Component, launcher: &Path, temp: &Path, feed: &mut Feed) -> Result<(), Error> {
    let (source, bin) = (temp.join("src"), temp.join("out/bin"));
    for dir in [&source, &bin, &temp.join(SCRATCH)] {
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    }
    for (name, text) in [("go.mod", component.go_mod), ("go.sum", component.go_sum)] {
        fs::write(source.join(name), text).map_err(Error::file("write", source.join(name)))?;
    }
    let total = count_packages(component, launcher, &source, feed)?;
    feed.set_total(total);
    for step in component.steps {
        run(component, feed, go_build(component, step, launcher, &source, &bin))?;
        for (package, program) in step.renames {
            fs::rename(bin.join(package), bin.join(program)).map_err(Error::file("create", bin.join(program)))?;
        }
    }
    let copy = |data| copy_data(component, data, launcher, &source, &temp.join("out"), feed);
    component.data.iter().try_for_each(copy)
}

/// Copies a file out of its module, which the build has fetched.
fn copy_data(
    component: &Component,
    data: &Data,
    launcher: &Path,
    source: &Path,
    out: &Path,
    feed: &mut Feed,
) -> Result<(), Error> {
    let mut command = go(launcher, source, false);
    command.args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", data.module]);
    let module = run(component, feed, command)?;
    let (from, to) = (Path::new(module.trim()).join(data.path), out.join(data.part()));
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    }
    let bytes = fs::read(&from).map_err(Error::file("read", &from))?;
    fs::write(&to, bytes).map_err(Error::file("write", to))
}

/// How many packages there are to compile; fetches the modules on its way.
fn count_packages(component: &Component, launcher: &Path, source: &Path, feed: &mut Feed) -> Result<usize, Error> {
    let mut command = go(launcher, source, component.steps.iter().any(|step| step.cgo));
    command.args(["list", "-mod=readonly", "-deps"]);
    command.args(component.steps.iter().flat_map(|step| step.packages));
    let listed = run(component, feed, command)?;
    Ok(listed.lines().count())
}

fn go_build(component: &Component, step: &Step, launcher: &Path, source: &Path, bin: &Path) -> Command {
    let mut command = go(launcher, source, step.cgo);
    command.args(["build", "-v", "-mod=readonly", "-trimpath", "-tags", step.tags, "-ldflags"]);
    command.arg(ldflags(component, step)).arg("-o").arg(bin).args(step.packages);
    command
}

fn go(launcher: &Path, source: &Path, cgo: bool) -> Command {
    let mut command = contain::command(launcher, "go");
    command.current_dir(source).env("CGO_ENABLED", if cgo { "1" } else { "0" });
    for variable in ["GOTMPDIR", "TMPDIR"] {
        command.env(variable, source.join("..").join(SCRATCH));
    }
    command.env("GOWORK", "off").env("GOFLAGS", "").env_remove("GOOS").env_remove("GOARCH");
    command
}

fn ldflags(component: &Component, step: &Step) -> String {
    let mut flags = "-s -w".to_owned();
    if step.stamped {
        let mut parts = component.version.split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
            flags += &format!(" -X {package}.gitVersion=v{} -X {package}.gitMajor={major}", component.version);
            flags += &format!(" -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean");
        }
    }
    flags
}

/// Runs one command to its end, feeding on its standard error; returns its standard output.
fn run(component: &Component, feed: &mut Feed, mut command: Command) -> Result<String, Error> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::system("start the build"))?;
    let lifeline = child.stdin.take();
    let output = follow(&mut child, feed);
    let status = child.wait().map_err(Error::system("wait for the build"))?;
    drop(lifeline);
    if status.success() {
        return Ok(output);
    }
    let tail = feed.tail();
    if tail.contains("no space left on device") {
        let source = command.get_current_dir().unwrap_or(Path::new("/"));
        return Err(Error::DiskFull { path: source.ancestors().nth(2).unwrap_or(source).to_owned() });
    }
    Err(Error::Build { component: component.title(), status: status.to_string(), tail })
}

fn follow(child: &mut Child, feed: &mut Feed) -> String {
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
            feed.line(&String::from_utf8_lossy(&line));
        }
    }
    reader.join().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_is_stamped_with_its_version_and_the_runtime_is_not() {
        let kubernetes = crate::components::kubernetes("1.36").unwrap();
        let flags = ldflags(kubernetes, &kubernetes.steps[0]);
        assert!(flags.contains("-X k8s.io/component-base/version.gitVersion=v1.36.3"));
        assert!(flags.contains("-X k8s.io/client-go/pkg/version.gitMinor=36"));
        let runtime = crate::components::runtime();
        assert_eq!(ldflags(runtime, &runtime.steps[0]), "-s -w");
    }
}
