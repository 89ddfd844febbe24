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
use model::{Answer, ApiReply, ObservedRecord, OutputMatch, ReplyContext, Verdict, WarningMatch};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::world::LiveWorld;

use audit::seen_audit;
use canary::seen_canary;
use event::seen_event;
use field::seen_field;
pub(crate) use metric::MetricScrape;
use metric::seen_metric;
use node::seen_node;
use presence::{seen_object, seen_pods};

/// How long a record must stay without the thing, after it was shown to be recording.
pub(crate) const ABSENT_FOR: Duration = Duration::from_millis(300);

/// How long controllers get to say or do something, before it is said that they did not.
const CONTROLLERS_WITHIN: Duration = Duration::from_secs(3);

/// The offsets of the records when the world began.
#[derive(Debug, Default)]
pub(crate) struct LogOffsets {
    /// The length of the audit log, in bytes.
    audit: u64,
    /// The lengths of the processes' logs, in bytes, by process.
    logs: HashMap<String, usize>,
    /// The API server's metrics, where a step asks for them.
    metrics: Option<MetricScrape>,
}

/// Looks for something in a record.
pub(crate) async fn look_in_record(
    cx: &mut StepContext<'_, '_>,
    record: &ObservedRecord,
) -> Result<Observation, Error> {
    match record {
        ObservedRecord::Audit(wanted) => seen_audit(cx, wanted).await,
        ObservedRecord::Event(wanted) => seen_event(cx, wanted).await,
        ObservedRecord::Metric(wanted) => seen_metric(cx, wanted).await,
        ObservedRecord::Warning(wanted) => seen_warning(cx, wanted),
        ObservedRecord::Field(wanted) => seen_field(cx, wanted).await,
        ObservedRecord::Object(target) => seen_object(cx, target).await,
        ObservedRecord::Pods(target) => seen_pods(cx, target).await,
        ObservedRecord::Output(wanted) => seen_output(cx, wanted),
        ObservedRecord::Node(wanted) => seen_node(cx, wanted).await,
        ObservedRecord::Canary(wanted) => seen_canary(cx, wanted).await,
    }
}

fn seen_output(cx: &StepContext<'_, '_>, wanted: &OutputMatch) -> Result<Observation, Error> {
    let memory = &cx.world.memory;
    let has_text = match &wanted.contains {
        Some(text) => {
            let said = memory.step_output(&wanted.of)?;
            String::from_utf8_lossy(&said).contains(&cx.fill_text(text))
        }
        None => true,
    };
    let ended = memory.step_exit(&wanted.of);
    let reply = memory.step_reply(&wanted.of).ok();
    match judge_output(has_text, wanted.exit, ended, reply) {
        Some(answer) => Ok(Observation::from_answer(answer)),
        None => Err(not_answered(&wanted.of)),
    }
}

/// Whether what was answered is what is looked for; nothing where there was no answer, or a command
/// was begun and did not end.
fn judge_output(
    has_text: bool,
    exit: Option<u8>,
    ended: Option<&str>,
    reply: Option<&ApiReply>,
) -> Option<Answer> {
    let has_exit = exit.is_none_or(|code| ended == Some(code.to_string().as_str()));
    if has_text && has_exit {
        return Some(Answer::Found);
    }
    let is_begun = |reply: &ApiReply| matches!(reply, ApiReply::Http { code: 101, .. });
    let is_cut_short = exit.is_some() && ended.is_none() && reply.is_none_or(is_begun);
    (!is_cut_short && !reply.is_some_and(is_fault)).then_some(Answer::Absent)
}

fn seen_warning(cx: &StepContext<'_, '_>, wanted: &WarningMatch) -> Result<Observation, Error> {
    let reply = cx.world.memory.step_reply(&wanted.of)?;
    let ApiReply::Http { warnings, .. } = reply else {
        return Err(Error::scenario(format!(
            "step `{}` got no reply",
            wanted.of
        )));
    };
    let text = cx.fill_text(&wanted.contains);
    Ok(
        match warnings.iter().find(|warning| warning.contains(&text)) {
            Some(warning) => {
                Observation::from_answer(Answer::Found).with_fact("warning", warning.as_str())
            }
            None if is_fault(reply) => return Err(not_answered(&wanted.of)),
            None => Observation::from_answer(Answer::Absent),
        },
    )
}

impl LiveWorld<'_> {
    /// Notes where the records stand.
    pub(crate) async fn note_offsets(&mut self) {
        if let AuditAccess::File(path) = &self.run.cluster.facts().audit {
            self.beginning.audit = tokio::fs::metadata(path)
                .await
                .map_or(0, |facts| facts.len());
        }
        let logs = self
            .run
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

    /// Notes the metrics, if a step asks for them; after the set-up, so that sentinels do not count.
    pub(crate) async fn note_metrics(&mut self) -> Result<(), Error> {
        if self.case.reads_metrics() {
            self.beginning.metrics = Some(MetricScrape::scrape_metrics(&self.run.own).await?);
        }
        Ok(())
    }
}

fn not_answered(step: &str) -> Error {
    Error::unexpected(format!("step `{step}` got a reply that is not one"))
}

/// Whether a reply shows nothing of what would have come with a proper one, whichever server sent
/// it.
fn is_fault(reply: &ApiReply) -> bool {
    [ReplyContext::Read, ReplyContext::Kubelet]
        .into_iter()
        .all(|asked| matches!(model::read_reply(asked, reply), Verdict::Broken { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16) -> ApiReply {
        ApiReply::Http {
            code,
            body: model::ReplyBody::from_bytes(b"x"),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn an_exit_code_is_that_of_a_command_that_ended() {
        let refused = serde_json::json!({"kind": "Status", "reason": "Forbidden",
            "message": "pods \"a\" is forbidden: User \"b\" cannot create resource \"pods/exec\" in API group \"\" in the namespace \"c\""});
        let refused = ApiReply::Http {
            code: 403,
            body: model::ReplyBody::from_bytes(refused.to_string().as_bytes()),
            warnings: Vec::new(),
        };
        let (begun, fault) = (reply(101), reply(503));
        for (exit, ended, reply, told) in [
            (Some(0), Some("0"), Some(&begun), Some(Answer::Found)),
            (Some(0), Some("3"), Some(&begun), Some(Answer::Absent)),
            (Some(0), None, Some(&refused), Some(Answer::Absent)),
            (Some(0), None, Some(&begun), None),
            (Some(0), None, Some(&fault), None),
            (Some(0), None, None, None),
            (None, Some("3"), Some(&begun), Some(Answer::Found)),
            (None, None, Some(&begun), Some(Answer::Found)),
        ] {
            assert_eq!(
                judge_output(true, exit, ended, reply),
                told,
                "{exit:?} {ended:?}"
            );
        }
        for exit in [None, Some(0)] {
            let told = judge_output(false, exit, Some("0"), Some(&begun));
            assert_eq!(told, Some(Answer::Absent));
        }
        assert_eq!(judge_output(false, None, None, Some(&fault)), None);
    }

    #[test]
    fn a_fault_shows_no_absence() {
        assert!(
            is_fault(&reply(503))
                && is_fault(&ApiReply::Transport {
                    fault: "gone".into()
                })
        );
        assert!(!is_fault(&reply(201)));
    }
}
