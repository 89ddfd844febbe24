//! The caller's side of a start.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use model::{Audit, ClusterSpec};

use crate::node::MOST;
use crate::protocol::{self, CallerCommand, Failure, Purpose, Report, Request};
use crate::running::{Later, Running};
use crate::seed::Seed;
use crate::spec::{FirstObject, Spec};
use components::{Cache, Component};

use crate::{Error, Progress, names, needed, registry};

/// Starts a box, after building what it needs. Returns when the API server is ready, the `default` ServiceAccount
/// exists, and the nodes that the cluster has are Ready.
///
/// An `attached` box dies with this process, or when [`Running`] is dropped. One that is not lives on until
/// [`crate::down`]; while it starts, it dies with this process as well.
///
/// # Errors
/// Those of [`Cache::ensure`]; a name that is no name or is taken; missing rights; a start that failed, with the end of
/// the log of the process that failed.
pub fn start(
    cache: &Cache,
    spec: &Spec,
    attached: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Running, Error> {
    names::check(&spec.name)?;
    if spec.cluster.nodes > MOST {
        return Err(Error::BadCluster(format!(
            "{} nodes; a box has {MOST} at the most",
            spec.cluster.nodes
        )));
    }
    if let Some(name) = spec
        .cluster
        .kms
        .iter()
        .find(|name| names::check(name).is_err())
    {
        return Err(Error::BadCluster(format!(
            "`{name}` is not a name for a key management plugin"
        )));
    }
    if spec.cluster.dual_stack && !Path::new("/proc/sys/net/ipv6").exists() {
        return Err(Error::BadCluster(
            "this kernel has no IPv6, or was told to do without".into(),
        ));
    }
    let needed = needed(&spec.cluster)?;
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    registry::sweep(cache);
    build(cache, &needed, spec, progress)?;
    let first_state = spec
        .first_state
        .clone()
        .filter(|_| is_prepared(cache, spec));
    if Seed::find(cache, needed[0], &spec.cluster, first_state.as_deref()).is_none() {
        make_seed(cache, spec, Vec::new(), progress)?;
    }
    let request = Request {
        cache: cache.root.clone(),
        name: spec.name.clone(),
        cluster: spec.cluster.clone(),
        first_state,
        purpose: Purpose::Use,
    };
    launch(&request, &spec.launcher, attached, progress)
}

/// Whether the first state that a box names is there, so that such boxes begin with it.
#[must_use]
pub fn is_prepared(cache: &Cache, spec: &Spec) -> bool {
    let first_state = spec.first_state.as_deref();
    components::kubernetes(&spec.cluster.kubernetes)
        .is_ok_and(|kubernetes| Seed::find(cache, kubernetes, &spec.cluster, first_state).is_some())
}

/// Makes the first state that the box names, with these objects in it. Where another program is at it, nothing is made.
///
/// # Errors
/// Those of [`start()`].
pub fn prepare(
    cache: &Cache,
    spec: &Spec,
    objects: Vec<FirstObject>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    build(cache, &needed(&spec.cluster)?, spec, progress)?;
    make_seed(cache, spec, objects, progress)
}

/// Builds what is missing of a box.
fn build(
    cache: &Cache,
    needed: &[&Component],
    spec: &Spec,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let mut tell = |step| progress(Progress::Build(step));
    Ok(cache.ensure(needed, &spec.launcher, &mut tell)?)
}

/// Makes a first state that later starts of this release begin with. A box that cannot keep one starts without it.
fn make_seed(
    cache: &Cache,
    spec: &Spec,
    objects: Vec<FirstObject>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let first_state = spec.first_state.clone().filter(|_| !objects.is_empty());
    let kubernetes = components::kubernetes(&spec.cluster.kubernetes)?;
    progress(Progress::MakingSeed {
        kubernetes: kubernetes.version.to_owned(),
    });
    let cluster = ClusterSpec {
        kubernetes: kubernetes.version.to_owned(),
        nodes: spec.cluster.nodes,
        dual_stack: spec.cluster.dual_stack,
        audit: Audit::None,
        ..Default::default()
    };
    let place = Seed::place(cache, kubernetes, &cluster, first_state.as_deref());
    let name = format!(
        "seed-{}",
        &names::sha256(place.as_os_str().as_encoded_bytes())[..12]
    );
    let request = Request {
        cache: cache.root.clone(),
        name,
        cluster,
        first_state,
        purpose: Purpose::Seed(objects),
    };
    match launch(&request, &spec.launcher, true, &mut |_| {}) {
        Ok(seeding) => seeding.down(),
        Err(Error::NameTaken(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn launch(
    request: &Request,
    launcher: &Path,
    attached: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Running, Error> {
    let failed = |why: String| Error::Launcher(why);
    let mut child = Command::new(launcher)
        .arg(crate::launcher::LAUNCHER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::system(format!("run `{}`", launcher.display())))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("it has no pipes".into()));
    };
    let complaints = gather(&mut child);
    if let Err(why) = protocol::send(&mut stdin, request) {
        let _ = child.wait();
        return Err(failed(format!("{why}; {}", said(&complaints))));
    }
    let later = Later::default();
    let mut lines = BufReader::new(stdout).lines();
    while let Some(Ok(line)) = lines.next() {
        match protocol::parse(&line).map_err(|why| failed(why.to_string()))? {
            Report::Progress(step) => progress(step),
            Report::ProcessStatus { process, life } => later.lives(process, life),
            Report::Died(_) => {}
            Report::Failed(failure) => {
                let _ = child.wait();
                return Err(failure.named(&request.name));
            }
            Report::Ready(ready) => {
                if !attached {
                    protocol::send(&mut stdin, &CallerCommand::Keep)
                        .map_err(|why| failed(why.to_string()))?;
                }
                ready
                    .milestones
                    .iter()
                    .for_each(|(name, at)| later.reached(name.clone(), *at));
                listen(lines, later.clone());
                let attached = attached.then_some((child, stdin));
                return Ok(Running::new(
                    &request.cache,
                    &request.name,
                    launcher,
                    *ready,
                    later,
                    attached,
                ));
            }
        }
    }
    let _ = child.wait();
    Err(failed(said(&complaints)))
}

impl Failure {
    fn named(self, name: &str) -> Error {
        match self {
            Self::NameTaken => Error::NameTaken(name.to_owned()),
            Self::NotRoot => Error::NotRoot,
            Self::Other(why) => Error::Start {
                name: name.to_owned(),
                why,
            },
        }
    }
}

/// Keeps reading what the launcher reports once the box is up.
fn listen(lines: impl Iterator<Item = std::io::Result<String>> + Send + 'static, later: Later) {
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            match protocol::parse(&line) {
                Ok(Report::ProcessStatus { process, life }) => later.lives(process, life),
                Ok(Report::Died(death)) => later.died(death),
                Ok(Report::Progress(Progress::Milestone { name, at })) => later.reached(name, at),
                _ => {}
            }
        }
    });
}

type Complaints = Arc<Mutex<String>>;

/// Reads the launcher's standard error: it says something there only if it is itself at fault.
fn gather(child: &mut Child) -> Complaints {
    let complaints = Complaints::default();
    if let Some(mut stderr) = child.stderr.take() {
        let complaints = Arc::clone(&complaints);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                let mut text = complaints.lock().unwrap_or_else(PoisonError::into_inner);
                *text += &String::from_utf8_lossy(&buffer[..read]);
            }
        });
    }
    complaints
}

fn said(complaints: &Complaints) -> String {
    let text = complaints.lock().unwrap_or_else(PoisonError::into_inner);
    if text.trim().is_empty() {
        "it ended while the box was starting: taken down, or killed".into()
    } else {
        text.trim().to_owned()
    }
}
