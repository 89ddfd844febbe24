//! Looking into a record. *Unseen* is only said after the record was shown to be recording.

mod audit;
mod canary;
mod event;
mod field;
mod metric;
mod node;
mod presence;

use std::collections::HashMap;
use std::time::Duration;

use cluster::AuditAccess;
use model::{Answer, Asked, Record, Reply, Verdict, WarningMatch};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::world::World;

use audit::seen_audit;
use canary::seen_canary;
use event::seen_event;
use field::seen_field;
pub(crate) use metric::Metrics;
use metric::seen_metric;
use node::seen_node;
use presence::{seen_object, seen_pods};

/// How long a record must stay without the thing, after it was shown to be recording.
pub(crate) const HOLD: Duration = Duration::from_millis(300);

/// Where the records stood when the world began.
#[derive(Debug, Default)]
pub(crate) struct LogOffsets {
    /// The length of the audit log, in bytes.
    audit: u64,
    /// The lengths of the processes' logs, in bytes, by process.
    logs: HashMap<String, usize>,
    /// The API server's metrics, where a step asks for them.
    metrics: Option<Metrics>,
}

/// Looks for something in a record.
pub(crate) async fn seen(
    cx: &mut StepContext<'_, '_>,
    record: &Record,
) -> Result<Observation, Error> {
    match record {
        Record::Audit(wanted) => seen_audit(cx, wanted).await,
        Record::Event(wanted) => seen_event(cx, wanted).await,
        Record::Metric(wanted) => seen_metric(cx, wanted).await,
        Record::Warning(wanted) => seen_warning(cx, wanted),
        Record::Field(wanted) => seen_field(cx, wanted).await,
        Record::Object(target) => seen_object(cx, target).await,
        Record::Pods(target) => seen_pods(cx, target).await,
        Record::Output(wanted) => seen_output(cx, wanted),
        Record::Node(wanted) => seen_node(cx, wanted).await,
        Record::Canary(wanted) => seen_canary(cx, wanted).await,
    }
}

fn seen_output(cx: &StepContext<'_, '_>, wanted: &WarningMatch) -> Result<Observation, Error> {
    let text = cx.fill(&wanted.contains);
    let said = cx.world.memory.said(&wanted.of)?;
    let holds = String::from_utf8_lossy(&said).contains(&text);
    if !holds && cx.world.memory.reply(&wanted.of).is_ok_and(is_fault) {
        return Err(not_answered(&wanted.of));
    }
    Ok(Observation::answer(if holds {
        Answer::Found
    } else {
        Answer::Absent
    }))
}

fn seen_warning(cx: &StepContext<'_, '_>, wanted: &WarningMatch) -> Result<Observation, Error> {
    let reply = cx.world.memory.reply(&wanted.of)?;
    let Reply::Http { warnings, .. } = reply else {
        return Err(Error::scenario(format!(
            "step `{}` got no reply",
            wanted.of
        )));
    };
    let text = cx.fill(&wanted.contains);
    Ok(
        match warnings.iter().find(|warning| warning.contains(&text)) {
            Some(warning) => Observation::answer(Answer::Found).fact("warning", warning.as_str()),
            None if is_fault(reply) => return Err(not_answered(&wanted.of)),
            None => Observation::answer(Answer::Absent),
        },
    )
}

impl World<'_> {
    /// Notes where the records stand.
    pub(crate) async fn begin(&mut self) {
        if let AuditAccess::File(path) = &self.lab.cluster.facts().audit {
            self.beginning.audit = tokio::fs::metadata(path)
                .await
                .map_or(0, |facts| facts.len());
        }
        let logs = self
            .lab
            .cluster
            .facts()
            .logs
            .as_ref()
            .and_then(|folder| std::fs::read_dir(folder).ok());
        for entry in logs.into_iter().flatten().flatten() {
            let length = entry.metadata().map_or(0, |facts| facts.len());
            if let Some(process) = entry
                .path()
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
            {
                self.beginning
                    .logs
                    .insert(process, usize::try_from(length).unwrap_or(usize::MAX));
            }
        }
    }

    /// Notes the metrics, if a step asks for them; after the set-up, so that canaries do not count.
    pub(crate) async fn scrape(&mut self) -> Result<(), Error> {
        if self.case.reads_metrics() {
            self.beginning.metrics = Some(Metrics::scrape(&self.lab.own).await?);
        }
        Ok(())
    }
}

fn not_answered(step: &str) -> Error {
    Error::unexpected(format!("step `{step}` got a reply that is not one"))
}

/// Whether a reply shows nothing of what would have come with a proper one, whomever it came from.
fn is_fault(reply: &Reply) -> bool {
    [Asked::Read, Asked::Kubelet]
        .into_iter()
        .all(|asked| matches!(model::read(asked, reply), Verdict::Broken { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_no_absence() {
        let reply = |code| Reply::Http {
            code,
            body: model::Body::of(b"x"),
            warnings: Vec::new(),
        };
        assert!(
            is_fault(&reply(503))
                && is_fault(&Reply::Transport {
                    fault: "gone".into()
                })
        );
        assert!(!is_fault(&reply(201)));
    }
}
