//! How many requests one admission costs: to the registry, from the registries' own logs; and to
//! the log and the authorities behind it, from the packets that pods send them.
//!
//! What counts at the registry names the world's namespace in its path, falls into the step, and is
//! neither the engine's nor containerd's. Packets do not say for which world they are sent, and no
//! verifier has sent any so far; if one does, the outcome differs and says so. Only single pods are
//! counted: a controller's pods come when they come.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifact::OciRegistry;
use cluster::HostAccess;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use model::Action;
use model::addons::{private_registry, sigstore};

use super::build::run_blocking;
use crate::Error;
use crate::actions::Observation;
use crate::meter::{MeterCount, StepMeter};
use crate::run_context::OWN_AGENT;
use crate::wait::{ConditionWait, WaitLook};
use crate::world::{LiveWorld, StepRequest};

/// The logs of the registry with TLS, and of the one without.
const REGISTRY_LOGS: [&str; 2] = ["registry.log", "registry-plain.log"];

/// How many looks in a row have to show the same, this far apart, and for how long there may be
/// looks.
const LOOKS_AT_LOG: u32 = 3;
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const STABLE_WITHIN: Duration = Duration::from_secs(5);

/// How often registries were asked for what is not there.
static MARKS_MADE: AtomicU64 = AtomicU64::new(0);

/// What was counted before a step.
struct LogMark {
    /// How long the logs were.
    logs: [usize; 2],
    /// Packets of pods to the log and the authorities, where there are such.
    packets: Option<Result<u64, Error>>,
}

impl LiveWorld<'_> {
    /// The place in the logs where a step begins.
    async fn mark_count(&self) -> Option<LogMark> {
        let packets = if self.case.has_addon(&sigstore::ADDON) {
            Some(self.count_packets().await)
        } else {
            None
        };
        let [tls, plain] = self.registry_logs()?;
        let now = [log_length(&tls).await, log_length(&plain).await];
        // A registry notes a request after it has answered: one of the step before would count for
        // this one.
        let logs = self
            .complete_requests(now)
            .await
            .map_or(now, |(_, logs)| logs);
        Some(LogMark { logs, packets })
    }

    /// What a step has cost since `mark`, for the record.
    async fn count_since(&self, mark: &LogMark) -> Vec<MeterCount> {
        let counted = self
            .complete_requests(mark.logs)
            .await
            .map_or_else(|why| why.in_one_line(), |(counted, _)| counted);
        let mut facts = vec![("registry-requests", counted)];
        if let Some(before) = &mark.packets {
            let sent = match (before, self.count_packets().await) {
                (Ok(before), Ok(after)) if *before == after => "none".into(),
                (Ok(before), Ok(after)) => {
                    format!("some, in {} packets", after.saturating_sub(*before))
                }
                (Err(why), _) => why.in_one_line(),
                (_, Err(why)) => why.in_one_line(),
            };
            facts.push(("log-requests", sent));
        }
        facts
    }

    async fn count_packets(&self) -> Result<u64, Error> {
        self.host_access()?
            .packets_to_sigstore()
            .await
            .map_err(Error::from)
    }

    /// The requests since the logs had this length, in words, once no more of them come; and how
    /// long the logs are then.
    ///
    /// A registry notes a request after it has answered, on a busy machine long after. So it is
    /// asked for something that no other request is for, and what it has answered before is in its
    /// log by then, or within the looks that follow.
    async fn complete_requests(&self, since: [usize; 2]) -> Result<(String, [usize; 2]), Error> {
        let logs = self
            .registry_logs()
            .ok_or_else(|| Error::unsupported("the registry's log is gone"))?;
        let mark = self.mark_logs().await?;
        let wait = ConditionWait {
            what: "the registry's log to be complete",
            within: STABLE_WITHIN,
            every: POLL_INTERVAL,
        };
        let (mut last, mut same) = (None, 0);
        self.waiter
            .wait_until(wait, async || {
                let (mut text, mut lengths, mut marked) = (String::new(), since, true);
                for ((path, since), length) in logs.iter().zip(since).zip(&mut lengths) {
                    let path = path.clone();
                    let bytes = run_blocking(move || log_since(&path, since))
                        .await
                        .unwrap_or_default();
                    let new = String::from_utf8_lossy(&bytes);
                    marked &= new.contains(&mark);
                    text.push_str(&new);
                    *length = since + bytes.len();
                }
                if !marked {
                    return WaitLook::NotYet(format!("not in every log: {mark}"));
                }
                let counted = count_requests(&text, self.namespace());
                same = if last.as_ref() == Some(&counted) {
                    same + 1
                } else {
                    0
                };
                last = Some(counted.clone());
                if same >= LOOKS_AT_LOG {
                    WaitLook::Ready((counted, lengths))
                } else {
                    WaitLook::NotYet(counted)
                }
            })
            .await
    }

    /// Asks both registries for what is not there: how the line begins that they note.
    async fn mark_logs(&self) -> Result<String, Error> {
        let address = self.host_access()?.address();
        let reference = MARKS_MADE.fetch_add(1, Ordering::Relaxed).to_string();
        let repository = format!("mark/{}", self.namespace());
        // As the line on the request begins; another one, on the error, names the path before that.
        let path = format!("\"GET /v2/{repository}/manifests/{reference} HTTP");
        let asked = run_blocking(move || {
            OciRegistry::unverified_tls(&format!("{address}:{}", HostAccess::REGISTRY_PORT))
                .mark_log(&repository, &reference)?;
            OciRegistry::plain_http(&format!("{address}:{}", HostAccess::PLAIN_PORT))
                .mark_log(&repository, &reference)
        });
        asked.await??;
        Ok(path)
    }

    fn registry_logs(&self) -> Option<[PathBuf; 2]> {
        let host_access = self.run.cluster.host_access()?;
        Some(REGISTRY_LOGS.map(|name| host_access.log_folder().join(name)))
    }
}

/// Counts the requests that one admission costs.
#[derive(Default)]
struct RegistryMeter(Option<LogMark>);

/// A meter of the requests to registries, and to the log behind them.
pub(crate) fn registry_meter() -> Box<dyn StepMeter> {
    Box::<RegistryMeter>::default()
}

impl StepMeter for RegistryMeter {
    fn counts_step(&self, world: &LiveWorld<'_>, step: &StepRequest<'_>) -> bool {
        let (Action::Create(file) | Action::Apply(file) | Action::Update(file)) = step.action
        else {
            return false;
        };
        let has_engine = world
            .case
            .install()
            .iter()
            .any(|one| one.addon().asks_registries);
        let is_pod = world
            .case
            .manifest(file)
            .is_ok_and(|manifest| manifest.kind() == "Pod");
        // The log of the registry that wants credentials is not read.
        let is_counted = !world.case.has_addon(&private_registry::ADDON);
        has_engine && is_pod && is_counted && !world.placeholders.registry().is_empty()
    }

    fn start_count<'a>(&'a mut self, world: &'a LiveWorld<'_>) -> LocalBoxFuture<'a, ()> {
        async { self.0 = world.mark_count().await }.boxed_local()
    }

    fn finish_count<'a>(
        &'a mut self,
        world: &'a LiveWorld<'_>,
        _: &'a Observation,
    ) -> LocalBoxFuture<'a, Vec<MeterCount>> {
        async {
            match &self.0 {
                Some(mark) => world.count_since(mark).await,
                None => Vec::new(),
            }
        }
        .boxed_local()
    }
}

/// What is in a log behind the place `since`; a whole area's requests are in it, and a step's are
/// its last lines.
fn log_since(path: &Path, since: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(since as u64))?;
        file.read_to_end(&mut bytes)
    });
    if read.is_ok() { bytes } else { Vec::new() }
}

async fn log_length(path: &PathBuf) -> usize {
    let length = tokio::fs::metadata(path).await.map_or(0, |meta| meta.len());
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// How many requests of each kind concern `namespace`, from lines in Apache's combined format.
fn count_requests(log: &str, namespace: &str) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for kind in log.lines().filter_map(|line| request_kind(line, namespace)) {
        *counts.entry(kind).or_default() += 1;
    }
    let told: Vec<String> = counts
        .into_iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    if told.is_empty() {
        "none".into()
    } else {
        told.join(", ")
    }
}

fn request_kind(line: &str, namespace: &str) -> Option<String> {
    let mut quoted = line.split('"').skip(1).step_by(2);
    let (request, agent) = (quoted.next()?, quoted.last().unwrap_or_default());
    if agent.starts_with(OWN_AGENT) || agent.starts_with("containerd/") {
        return None;
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let mut parts = path
        .strip_prefix("/v2/")?
        .split('/')
        .skip_while(|part| *part != namespace);
    parts.next()?;
    let what = parts.find(|part| matches!(*part, "manifests" | "blobs" | "referrers" | "tags"))?;
    Some(format!("{method} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"level":"info","msg":"listening on [::]:5000"}
10.88.0.1 - - [22/Nov/2026:21:09:50 +0000] "GET /v2/ HTTP/1.1" 200 2 "" "kyverno"
10.88.0.1 - - [22/Nov/2026:21:09:50 +0000] "GET /v2/ns/app/manifests/v1 HTTP/1.1" 200 303 "" "kyverno go-containerregistry"
10.88.0.1 - - [22/Nov/2026:21:09:50 +0000] "GET /v2/ns/app/manifests/sha256-00 HTTP/1.1" 200 303 "" "kyverno"
10.88.0.1 - - [22/Nov/2026:21:09:50 +0000] "GET /v2/ns/app/blobs/sha256:00 HTTP/1.1" 200 303 "" ""
10.88.0.1 - - [22/Nov/2026:21:09:50 +0000] "GET /v2/other/app/blobs/sha256:00 HTTP/1.1" 200 303 "" "kyverno"
10.88.0.1 - - [22/Nov/2026:21:09:50 +0000] "GET /v2/ns/app/blobs/sha256:00 HTTP/1.1" 200 303 "" "containerd/2.4.2"
10.88.0.1 - - [22/Nov/2026:21:09:50 +0000] "PUT /v2/ns/app/manifests/v1 HTTP/1.1" 201 0 "" "gauntlet-engine"
"#;

    #[test]
    fn requests_of_others_do_not_count() {
        assert_eq!(count_requests(LOG, "ns"), "GET blobs 1, GET manifests 2");
        assert_eq!(count_requests(LOG, "nowhere"), "none");
    }

    #[test]
    fn a_log_is_read_from_a_place_on() {
        let path = std::env::temp_dir().join(format!("gauntlet-log-{}", std::process::id()));
        std::fs::write(&path, LOG).unwrap();
        let read =
            [0, LOG.len() - 5, LOG.len(), LOG.len() + 5].map(|since| log_since(&path, since));
        std::fs::remove_file(&path).unwrap();
        let wanted: [&[u8]; 4] = [LOG.as_bytes(), b"ine\"\n", b"", b""];
        assert_eq!(read, wanted);
        assert!(log_since(&path, 0).is_empty());
    }
}
