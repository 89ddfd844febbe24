//! The caller's side of a start.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use model::{AuditShape, ClusterSpec, FirstObject};

use crate::node::MOST_NODES;
use crate::protocol::{
    self, CallerCommand, LauncherReport, LauncherRequest, StartFailure, StartPurpose,
};
use crate::running::{LaterEvents, RunningBox};
use crate::spec::BoxSpec;
use crate::template::ClusterTemplate;
use components::{BoxCache, PinnedComponent};

use crate::{BoxProgress, Error, names, needed_components, running_boxes};

/// Starts a box, after building what it needs. Returns when the API server is ready, the `default`
/// ServiceAccount exists, and the nodes that the cluster has are Ready.
///
/// An `attached` box dies with this process, or when [`RunningBox`] is dropped. One that is not
/// lives on until [`crate::take_down`]; while it starts, it dies with this process as well.
///
/// # Errors
/// Those of [`BoxCache::ensure_built`]; a name that is not valid or is taken; missing rights; a
/// start that failed, with the end of the log of the process that failed.
pub fn start_box(
    cache: &BoxCache,
    spec: &BoxSpec,
    attached: bool,
    progress: &mut dyn FnMut(BoxProgress),
) -> Result<RunningBox, Error> {
    names::check_name(&spec.name)?;
    if spec.cluster.nodes > MOST_NODES {
        return Err(Error::BadCluster(format!(
            "{} nodes; a box has {MOST_NODES} at the most",
            spec.cluster.nodes
        )));
    }
    if let Some(name) = spec
        .cluster
        .kms
        .iter()
        .find(|name| names::check_name(name).is_err())
    {
        return Err(Error::BadCluster(format!(
            "`{name}` is not a name for a key management plugin"
        )));
    }
    if spec.cluster.dual_stack && !Path::new("/proc/sys/net/ipv6").exists() {
        return Err(Error::BadCluster(
            "this kernel has no IPv6, or has it disabled".into(),
        ));
    }
    let needed = needed_components(&spec.cluster)?;
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    running_boxes::sweep_dead(cache);
    build_missing(cache, &needed, spec, progress)?;
    let first_state = spec
        .first_state
        .clone()
        .filter(|_| is_prepared(cache, spec));
    if ClusterTemplate::find_template(cache, needed[0], &spec.cluster, first_state.as_deref())
        .is_none()
    {
        make_template(cache, spec, Vec::new(), progress)?;
    }
    let request = LauncherRequest {
        cache: cache.root.clone(),
        name: spec.name.clone(),
        cluster: spec.cluster.clone(),
        first_state,
        purpose: StartPurpose::Use,
    };
    launch_box(&request, &spec.launcher, attached, progress)
}

/// Whether the first state that a box names is there, so that such boxes begin with it.
#[must_use]
pub fn is_prepared(cache: &BoxCache, spec: &BoxSpec) -> bool {
    let first_state = spec.first_state.as_deref();
    components::kubernetes_component(&spec.cluster.kubernetes).is_ok_and(|kubernetes| {
        ClusterTemplate::find_template(cache, kubernetes, &spec.cluster, first_state).is_some()
    })
}

/// Makes the first state that the box names, with these objects in it. Where another program is at
/// it, nothing is made.
///
/// # Errors
/// Those of [`start()`].
pub fn prepare_template(
    cache: &BoxCache,
    spec: &BoxSpec,
    objects: Vec<FirstObject>,
    progress: &mut dyn FnMut(BoxProgress),
) -> Result<(), Error> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    build_missing(cache, &needed_components(&spec.cluster)?, spec, progress)?;
    make_template(cache, spec, objects, progress)
}

/// Builds what is missing of a box.
fn build_missing(
    cache: &BoxCache,
    needed: &[&PinnedComponent],
    spec: &BoxSpec,
    progress: &mut dyn FnMut(BoxProgress),
) -> Result<(), Error> {
    let mut tell = |step| progress(BoxProgress::Build(step));
    Ok(cache.ensure_built(needed, &spec.launcher, &mut tell)?)
}

/// Makes a first state that later starts of this release begin with. A box that cannot keep one
/// starts without it.
fn make_template(
    cache: &BoxCache,
    spec: &BoxSpec,
    objects: Vec<FirstObject>,
    progress: &mut dyn FnMut(BoxProgress),
) -> Result<(), Error> {
    let first_state = spec.first_state.clone().filter(|_| !objects.is_empty());
    let kubernetes = components::kubernetes_component(&spec.cluster.kubernetes)?;
    progress(BoxProgress::MakingTemplate {
        kubernetes: kubernetes.version.to_owned(),
    });
    let cluster = ClusterSpec {
        kubernetes: kubernetes.version.to_owned(),
        nodes: spec.cluster.nodes,
        dual_stack: spec.cluster.dual_stack,
        audit: AuditShape::None,
        ..Default::default()
    };
    let place = ClusterTemplate::template_path(cache, kubernetes, &cluster, first_state.as_deref());
    let name = format!(
        "template-{}",
        &names::sha256_hex(place.as_os_str().as_encoded_bytes())[..12]
    );
    let request = LauncherRequest {
        cache: cache.root.clone(),
        name,
        cluster,
        first_state,
        purpose: StartPurpose::MakeTemplate(objects),
    };
    match launch_box(&request, &spec.launcher, true, &mut |_| {}) {
        Ok(template_box) => template_box.take_down(),
        Err(Error::NameTaken(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn launch_box(
    request: &LauncherRequest,
    launcher: &Path,
    attached: bool,
    progress: &mut dyn FnMut(BoxProgress),
) -> Result<RunningBox, Error> {
    let failed = |why: String| Error::Launcher(why);
    let mut child = Command::new(launcher)
        .arg(crate::launcher::LAUNCHER_ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::system(format!("run `{}`", launcher.display())))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("it has no pipes".into()));
    };
    let complaints = gather_complaints(&mut child);
    if let Err(why) = protocol::send_message(&mut stdin, request) {
        let _ = child.wait();
        return Err(failed(format!("{why}; {}", complaint_text(&complaints))));
    }
    let later = LaterEvents::default();
    let mut lines = BufReader::new(stdout).lines();
    while let Some(Ok(line)) = lines.next() {
        match protocol::parse_message(&line).map_err(|why| failed(why.to_string()))? {
            LauncherReport::Progress(step) => progress(step),
            LauncherReport::ProcessStatus { process, life } => later.note_status(process, life),
            LauncherReport::Died(_) => {}
            LauncherReport::Failed(failure) => {
                let _ = child.wait();
                return Err(failure.into_error(&request.name));
            }
            LauncherReport::Ready(ready) => {
                if !attached {
                    protocol::send_message(&mut stdin, &CallerCommand::Keep)
                        .map_err(|why| failed(why.to_string()))?;
                }
                ready
                    .milestones
                    .iter()
                    .for_each(|(name, at)| later.note_milestone(name.clone(), *at));
                listen_reports(lines, later.clone());
                let attached = attached.then_some((child, stdin));
                return Ok(RunningBox::new(
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
    Err(failed(complaint_text(&complaints)))
}

impl StartFailure {
    fn into_error(self, name: &str) -> Error {
        match self {
            Self::NameTaken => Error::NameTaken(name.to_owned()),
            Self::NotRoot => Error::NotRoot,
            Self::NoInotify(why) => Error::NoInotify {
                name: name.to_owned(),
                why,
            },
            Self::Other(why) => Error::Start {
                name: name.to_owned(),
                why,
            },
        }
    }
}

/// Keeps reading what the launcher reports once the box is up.
fn listen_reports(
    lines: impl Iterator<Item = std::io::Result<String>> + Send + 'static,
    later: LaterEvents,
) {
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            match protocol::parse_message(&line) {
                Ok(LauncherReport::ProcessStatus { process, life }) => {
                    later.note_status(process, life)
                }
                Ok(LauncherReport::Died(death)) => later.note_death(death),
                Ok(LauncherReport::Progress(BoxProgress::Milestone { name, at })) => {
                    later.note_milestone(name, at)
                }
                _ => {}
            }
        }
    });
}

type LauncherComplaints = Arc<Mutex<String>>;

/// Reads the launcher's standard error: it says something there only if it is itself at fault.
fn gather_complaints(child: &mut Child) -> LauncherComplaints {
    let complaints = LauncherComplaints::default();
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

fn complaint_text(complaints: &LauncherComplaints) -> String {
    let text = complaints.lock().unwrap_or_else(PoisonError::into_inner);
    if text.trim().is_empty() {
        "it ended while the box was starting: taken down, or killed".into()
    } else {
        text.trim().to_owned()
    }
}
