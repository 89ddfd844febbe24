//! Processes of the box: ended, frozen, and started again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::{Call, said};
use cluster::{HostAccess, ProcessCommand, ProcessStatus, State};
use model::{Answer, Body, By, Process, Reply, Verdict};

use super::kms::KMS_CALLS;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::seen::Metrics;
use crate::wait::{Look, Wait};
use crate::world::World;

pub(crate) const API_SERVER: &str = "kube-apiserver";
pub(crate) const ETCD: &str = "etcd";

/// The fact with the checks that an API server fails for good.
pub(crate) const NOT_READY: &str = "not ready";

/// How long a process may take to end, or to be of use.
const PATIENCE: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(20);

/// Fails where a KMS plugin does not answer.
const KMS: &str = "kms-providers";

/// Checks that fail for good where something stored cannot be opened, or a KMS plugin does not answer: an API server
/// that fails no others is of use, and its state is told.
const OPEN: [&str; 3] = ["informer-sync", KMS, "storage-readiness"];

/// How long those may take before it is believed that they fail, if something else says so too.
const OPEN_FOR: Duration = Duration::from_secs(3);

/// Counts what was read from etcd and opened, by status (kubernetes/apiserver, `storage/value/metrics.go`).
const OPENED: &str = "apiserver_storage_transformation_operations_total";

pub(in crate::actions) async fn process(
    cx: &StepContext<'_, '_>,
    process: &Process,
) -> Result<Observation, Error> {
    match process {
        Process::Stop(name) => cx.world.ended(name, ProcessCommand::Stop).await,
        Process::Kill(name) => cx.world.ended(name, ProcessCommand::Kill).await,
        Process::Freeze(name) => {
            cx.world.control(name, ProcessCommand::Freeze)?;
            cx.world
                .until(name, "to be frozen", |life| life.state == State::Frozen)
                .await?;
            Ok(Observation::answer(Answer::Stopped))
        }
        Process::Thaw(name) => {
            cx.world.control(name, ProcessCommand::Thaw)?;
            cx.world
                .until(name, "to go on", |life| life.state == State::Alive)
                .await?;
            cx.world.of_use(name).await
        }
        Process::Start(name) => cx.world.begin_process(name).await,
        Process::Restart(name) => cx.world.restart(name).await,
    }
}

impl World<'_> {
    pub(super) async fn restart(&self, name: &str) -> Result<Observation, Error> {
        self.end_process(name).await?;
        self.begin_process(name).await
    }

    /// Ends a process that runs; one that has ended already stays so.
    pub(super) async fn end_process(&self, name: &str) -> Result<(), Error> {
        self.ended(name, ProcessCommand::Stop).await.map(drop)
    }

    async fn ended(&self, name: &str, how: ProcessCommand) -> Result<Observation, Error> {
        self.control(name, how)?;
        self.until(name, "to end", is_over).await?;
        Ok(Observation::answer(Answer::Stopped))
    }

    /// Starts a process that has ended, and waits until it is of use or gives up.
    pub(super) async fn begin_process(&self, name: &str) -> Result<Observation, Error> {
        let before = self.life(name)?.starts;
        // The calls of a start are counted from here: those of the process before are none of its own.
        let calls = if name == API_SERVER {
            self.answered_kms_calls()
        } else {
            None
        };
        self.control(name, ProcessCommand::Start)?;
        self.until(name, "to start", |life| {
            life.starts > before || never_started(life)
        })
        .await?;
        let tried = self.of_use(name).await?;
        let ready =
            tried.verdict == Answer::Running.into() && !tried.detail.facts.contains_key(NOT_READY);
        Ok(match (calls, self.answered_kms_calls()) {
            (Some(before), Some(now)) if ready => tried.fact(KMS_CALLS, now.since(before)),
            _ => tried,
        })
    }

    /// The API server is of use when it answers; of other processes it is enough that they live.
    async fn of_use(&self, name: &str) -> Result<Observation, Error> {
        let began = Instant::now();
        let what = format!("`{name}` to be of use");
        let wait = Wait {
            what: &what,
            within: PATIENCE,
            every: EVERY,
        };
        let mut open_since = None;
        let tried = self
            .waiter
            .until(wait, async || {
                match self.life(name) {
                    Ok(ProcessStatus {
                        state: State::Ended { status, tail },
                        ..
                    }) => {
                        return Look::Ready(gave_up(name, &status, &tail));
                    }
                    Ok(_) => {}
                    Err(why) => return Look::from(why),
                }
                if name != API_SERVER {
                    return Look::Ready(Observation::answer(Answer::Running));
                }
                let reply = self
                    .lab
                    .own
                    .send(Call::get(HostAccess::READYZ_SEEDED))
                    .await
                    .reply;
                match &reply {
                    Reply::Http { code: 200, .. } => {
                        return Look::Ready(Observation::answer(Answer::Running));
                    }
                    Reply::Http {
                        code: 500,
                        body: Body::Text(text),
                        ..
                    } => {
                        let failing = failing(text);
                        if !failing.is_empty()
                            && failing.iter().all(|check| OPEN.contains(&check.as_str()))
                        {
                            let since = open_since.get_or_insert_with(Instant::now);
                            if since.elapsed() >= OPEN_FOR && self.fail_for_good(&failing).await {
                                let tried = Observation::answer(Answer::Running);
                                return Look::Ready(tried.fact(NOT_READY, failing.join(", ")));
                            }
                        } else {
                            open_since = None;
                        }
                    }
                    _ => {}
                }
                Look::NotYet(said(&reply))
            })
            .await?;
        Ok(tried.figure("of use after", began.elapsed()))
    }

    /// Whether these checks do not only take their time on a busy machine: a plugin does not answer, or what was read from
    /// etcd could not be opened, which is tried once a second from then on.
    async fn fail_for_good(&self, checks: &[String]) -> bool {
        if checks.iter().any(|check| check == KMS) {
            return true;
        }
        let Ok(metrics) = Metrics::scrape(&self.lab.own).await else {
            return false;
        };
        let read = BTreeMap::from([("transformation_type".to_owned(), "from_storage".to_owned())]);
        let opened = read
            .clone()
            .into_iter()
            .chain([("status".to_owned(), "OK".to_owned())])
            .collect();
        metrics.sum(OPENED, &read) > metrics.sum(OPENED, &opened)
    }

    /// Waits until a process that was killed is known to have ended.
    pub(super) async fn is_gone(&self, name: &str) -> Result<(), Error> {
        self.until(name, "to end", is_over).await
    }

    async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&ProcessStatus) -> bool,
    ) -> Result<(), Error> {
        let what = format!("`{name}` {what}");
        let wait = Wait {
            what: &what,
            within: PATIENCE,
            every: EVERY,
        };
        self.waiter
            .until(wait, async || match self.life(name) {
                Ok(life) if holds(&life) => Look::Ready(()),
                Ok(life) => Look::NotYet(format!("{:?}", life.state)),
                Err(why) => Look::from(why),
            })
            .await
    }

    pub(super) fn control(&self, name: &str, what: ProcessCommand) -> Result<(), Error> {
        self.host_access()?.control(name, what).map_err(Error::from)
    }

    fn life(&self, name: &str) -> Result<ProcessStatus, Error> {
        self.host_access()?
            .life(name)
            .ok_or_else(|| Error::unsupported(format!("the box has no process `{name}`")))
    }
}

/// The checks that fail, from the text of `/readyz`: `[-]NAME failed: …`, one a line.
fn failing(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| {
        line.strip_prefix("[-]")?
            .split_once(" failed")
            .map(|(name, _)| name)
    });
    names.map(str::to_owned).collect()
}

/// Whether the last start came to nothing, as the box's first process says it.
fn never_started(life: &ProcessStatus) -> bool {
    matches!(&life.state, State::Ended { status, .. } if status.starts_with("not started"))
}

fn is_over(life: &ProcessStatus) -> bool {
    matches!(life.state, State::Ended { .. })
}

/// A process that ended by itself, with the last thing it said.
fn gave_up(name: &str, status: &str, tail: &str) -> Observation {
    let last = tail
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !is_trace(line));
    let by = By::Process(name.to_owned());
    let tried = Observation::answer(Answer::Refused { by }).fact("ended", status);
    match last {
        Some(line) => tried.fact("said", line),
        None => tried,
    }
}

/// Lines that Go prints below a fault.
fn is_trace(line: &str) -> bool {
    line.starts_with("goroutine ")
        || line.contains(".go:") && line.starts_with('/')
        || line.ends_with(')') && line.contains("(0x")
}

impl Observation {
    /// Why it did not run, if it did not.
    pub(super) fn refused(self) -> Option<Self> {
        matches!(self.verdict, Verdict::Answered(Answer::Refused { .. })).then_some(self)
    }
}
