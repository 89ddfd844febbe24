//! Processes of the box: ended, frozen, and started again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::{ApiCall, reply_message};
use cluster::HostAccess;
use model::{
    API_SERVER, Answer, ApiReply, FigureName, ProcessChange, ProcessState, ProcessStatus, Refuser,
    ReplyBody, Verdict,
};

use super::kms::KMS_CALLS;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::observe::MetricScrape;
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;

pub(crate) const ETCD_PROCESS: &str = "etcd";

/// The fact with the checks that an API server fails for good.
pub(crate) const NOT_READY: &str = "not-ready";

/// How long a process may take to end, or to be of use.
const USABLE_WITHIN: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Fails where a KMS plugin does not answer.
const KMS_CHECK: &str = "kms-providers";

/// Checks that fail for good where something stored cannot be opened, or a KMS plugin does not
/// answer: an API server that fails no others is of use, and its state is told.
const TOLERATED_CHECKS: [&str; 2] = ["informer-sync", KMS_CHECK];

/// Fails meanwhile, too, but for a minute only: then the API server goes on without
/// (`--storage-initialization-timeout`).
const TOLERATED_FOR_A_MINUTE: &str = "poststarthook/storage-readiness";

/// How long those may take before they count as failed, if something else says so too.
const OPEN_FOR: Duration = Duration::from_secs(3);

/// Counts what was read from etcd and opened, by status (kubernetes/apiserver,
/// `storage/value/metrics.go`).
const OPENED_METRIC: &str = "apiserver_storage_transformation_operations_total";

pub(in crate::actions) async fn command_process(
    cx: &StepContext<'_, '_>,
    process: &ProcessChange,
) -> Result<Observation, Error> {
    match process {
        ProcessChange::Stop(_) | ProcessChange::Kill(_) => cx.world.wait_until_ended(process).await,
        ProcessChange::Freeze(name) => {
            cx.world.control_process(process)?;
            cx.world
                .wait_for_life(name, "to be frozen", |life| {
                    life.state == ProcessState::Frozen
                })
                .await?;
            Ok(Observation::from_answer(Answer::Stopped))
        }
        ProcessChange::Thaw(name) => {
            cx.world.control_process(process)?;
            cx.world
                .wait_for_life(name, "to go on", |life| life.state == ProcessState::Alive)
                .await?;
            cx.world.of_use(name).await
        }
        ProcessChange::Start(name) => cx.world.begin_process(name).await,
        ProcessChange::Restart(name) => cx.world.restart_process(name).await,
    }
}

impl LiveWorld<'_> {
    pub(super) async fn restart_process(&self, name: &str) -> Result<Observation, Error> {
        self.end_process(name).await?;
        self.begin_process(name).await
    }

    /// Ends a process that runs; one that has ended already stays so.
    pub(super) async fn end_process(&self, name: &str) -> Result<(), Error> {
        self.wait_until_ended(&ProcessChange::Stop(name.to_owned()))
            .await
            .map(drop)
    }

    /// Ends a process in this way.
    async fn wait_until_ended(&self, end: &ProcessChange) -> Result<Observation, Error> {
        self.control_process(end)?;
        self.wait_for_life(end.name(), "to end", is_over).await?;
        Ok(Observation::from_answer(Answer::Stopped))
    }

    /// Starts a process that has ended, and waits until it is of use or gives up.
    pub(super) async fn begin_process(&self, name: &str) -> Result<Observation, Error> {
        let before = self.process_status(name)?.starts;
        // The calls of a start are counted from here: those of the process before do not count.
        let calls = if name == API_SERVER {
            self.answered_kms_calls()
        } else {
            None
        };
        self.control_process(&ProcessChange::Start(name.into()))?;
        self.wait_for_life(name, "to start", |life| {
            life.starts > before || never_started(life)
        })
        .await?;
        let tried = self.of_use(name).await?;
        let ready =
            tried.verdict == Answer::Running.into() && !tried.detail.facts.contains_key(NOT_READY);
        Ok(match (calls, self.answered_kms_calls()) {
            (Some(before), Some(now)) if ready => {
                tried.with_fact(KMS_CALLS, now.since_text(before))
            }
            _ => tried,
        })
    }

    /// The API server is of use when it answers; of other processes it is enough that they live.
    async fn of_use(&self, name: &str) -> Result<Observation, Error> {
        let began = Instant::now();
        let what = format!("`{name}` to be of use");
        let wait = ConditionWait {
            what: &what,
            within: self.within(USABLE_WITHIN),
            every: POLL_INTERVAL,
        };
        let mut open_since = None;
        let tried = self
            .waiter
            .wait_until(wait, async || {
                match self.process_status(name) {
                    Ok(ProcessStatus {
                        state: ProcessState::Ended { status, tail },
                        ..
                    }) => {
                        return WaitLook::Ready(gave_up(name, &status, &tail));
                    }
                    Ok(_) => {}
                    Err(why) => return WaitLook::from(why),
                }
                if name != API_SERVER {
                    return WaitLook::Ready(Observation::from_answer(Answer::Running));
                }
                let reply = self
                    .run
                    .own
                    .send_call(ApiCall::get(HostAccess::READYZ_FROM_TEMPLATE))
                    .await
                    .reply;
                match &reply {
                    ApiReply::Http { code: 200, .. } => {
                        return WaitLook::Ready(Observation::from_answer(Answer::Running));
                    }
                    ApiReply::Http {
                        code: 500,
                        body: ReplyBody::Text(text),
                        ..
                    } => {
                        let failing = failing_checks(text);
                        if !failing.is_empty()
                            && failing
                                .iter()
                                .all(|check| TOLERATED_CHECKS.contains(&check.as_str()))
                        {
                            let since = open_since.get_or_insert_with(Instant::now);
                            if since.elapsed() >= OPEN_FOR && self.fail_for_good(&failing).await {
                                let tried = Observation::from_answer(Answer::Running);
                                return WaitLook::Ready(
                                    tried.with_fact(NOT_READY, failing.join(", ")),
                                );
                            }
                        } else {
                            open_since = None;
                        }
                    }
                    _ => {}
                }
                WaitLook::NotYet(reply_message(&reply))
            })
            .await?;
        Ok(tried.time(FigureName::UsableAfter, began.elapsed()))
    }

    /// Whether these checks do not only take their time on a busy machine: a plugin does not
    /// answer, or what was read from etcd could not be opened, which is tried once a second from
    /// then on.
    async fn fail_for_good(&self, checks: &[String]) -> bool {
        if checks.iter().any(|check| check == KMS_CHECK) {
            return true;
        }
        let Ok(metrics) = MetricScrape::scrape_metrics(&self.run.own).await else {
            return false;
        };
        let read = BTreeMap::from([("transformation_type".to_owned(), "from_storage".to_owned())]);
        let opened = read
            .clone()
            .into_iter()
            .chain([("status".to_owned(), "OK".to_owned())])
            .collect();
        metrics.sum_series(OPENED_METRIC, &read) > metrics.sum_series(OPENED_METRIC, &opened)
    }

    /// Waits until a process that was killed is known to have ended.
    pub(super) async fn is_gone(&self, name: &str) -> Result<(), Error> {
        self.wait_for_life(name, "to end", is_over).await
    }

    async fn wait_for_life(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&ProcessStatus) -> bool,
    ) -> Result<(), Error> {
        let what = format!("`{name}` {what}");
        let wait = ConditionWait {
            what: &what,
            within: self.within(USABLE_WITHIN),
            every: POLL_INTERVAL,
        };
        self.waiter
            .wait_until(wait, async || match self.process_status(name) {
                Ok(life) if holds(&life) => WaitLook::Ready(()),
                Ok(life) => WaitLook::NotYet(format!("{:?}", life.state)),
                Err(why) => WaitLook::from(why),
            })
            .await
    }

    pub(super) fn control_process(&self, change: &ProcessChange) -> Result<(), Error> {
        self.host_access()?
            .control_process(change)
            .map_err(Error::from)
    }

    fn process_status(&self, name: &str) -> Result<ProcessStatus, Error> {
        self.host_access()?
            .process_status(name)
            .ok_or_else(|| Error::unsupported(format!("the box has no process `{name}`")))
    }
}

/// The checks that fail and may do so for good, from the text of `/readyz`: `[-]NAME failed: …`, one
/// a line.
fn failing_checks(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| {
        line.strip_prefix("[-]")?
            .split_once(" failed")
            .map(|(name, _)| name)
    });
    names
        .filter(|name| *name != TOLERATED_FOR_A_MINUTE)
        .map(str::to_owned)
        .collect()
}

/// Whether the last start failed, as the box's first process says it.
fn never_started(life: &ProcessStatus) -> bool {
    matches!(&life.state, ProcessState::Ended { status, .. } if status.starts_with("not started"))
}

fn is_over(life: &ProcessStatus) -> bool {
    matches!(life.state, ProcessState::Ended { .. })
}

/// A process that ended by itself, with the last thing it said.
fn gave_up(name: &str, status: &str, tail: &str) -> Observation {
    let last = tail
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !is_trace(line));
    let by = Refuser::Process(name.to_owned());
    let tried = Observation::from_answer(Answer::NotStarted { by }).with_fact("ended", status);
    match last {
        Some(line) => tried.with_fact("said", line),
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
    pub(super) fn start_refusal(self) -> Option<Self> {
        matches!(self.verdict, Verdict::Answered(Answer::NotStarted { .. })).then_some(self)
    }
}
