//! The API server's audit log.
//!
//! An event is this world's when it names the world's namespace: in its object, its URI, its user,
//! what was sent, or the `User-Agent` that every step's request carries. What a request of somebody
//! else was answered does not make it this world's: a list of all namespaces names every one. What
//! the engine asks for itself does not count. *Unseen* needs a sentinel, a request that is always
//! recorded, to have come into the log after the steps.

use std::path::Path;
use std::time::{Duration, Instant};

use api::ApiCall;
use cluster::AuditAccess;
use model::{Answer, AuditMatch, escape_as_go};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{ABSENT_FOR, CONTROLLERS_WITHIN};
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::random;
use crate::run_context::{OWN_AGENT, STEP_AGENT};
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;

pub(super) async fn seen_audit(
    cx: &StepContext<'_, '_>,
    wanted: &AuditMatch,
) -> Result<Observation, Error> {
    let path = match &cx.world.run.cluster.facts().audit {
        AuditAccess::File(path) => path,
        AuditAccess::None => {
            return Ok(Observation::from_answer(Answer::Absent)
                .with_fact("audit", "no audit log is configured"));
        }
        AuditAccess::Unavailable => {
            return Err(Error::unsupported(
                "this cluster's audit log is not within reach",
            ));
        }
    };
    let wanted = cx.world.fill_match(wanted);
    let sentinel = format!("/gauntlet/sentinel-{}", random::random_name(12));
    cx.world
        .run
        .own
        .send_call(ApiCall::get(sentinel.as_str()))
        .await;
    let mut recording: Option<Instant> = None;
    let hold = absence_hold(cx, &wanted);
    cx.world
        .waiter
        .wait_until(sentinel_wait(hold), async || {
            let text = match log_since(path, cx.world.beginning.audit).await {
                Ok(text) => text,
                Err(fault) => return WaitLook::from(fault),
            };
            if let Some(event) = find_event(&text, cx.world.namespace(), &wanted) {
                return WaitLook::Ready(event_observation(&event, &wanted));
            }
            if recording.is_none() && has_value(&text, &sentinel) {
                recording = Some(Instant::now());
            }
            match recording {
                Some(since) if since.elapsed() >= hold => {
                    WaitLook::Ready(Observation::from_answer(Answer::Absent))
                }
                Some(_) => WaitLook::NotYet("the sentinel is there".into()),
                None => WaitLook::NotYet("the sentinel is not there".into()),
            }
        })
        .await
}

/// How long an event must stay away after the sentinel. What a step asked is in the log before its
/// answer is; a component of Kubernetes asks later.
fn absence_hold(cx: &StepContext<'_, '_>, wanted: &AuditMatch) -> Duration {
    if wanted.is_of_component() {
        cx.step
            .holds
            .absence
            .max(cx.world.within(CONTROLLERS_WITHIN))
    } else {
        cx.world.within(ABSENT_FOR)
    }
}

impl LiveWorld<'_> {
    /// Waits until what was asked so far is in the log, where there is one.
    pub(super) async fn audit_has_come(&self) -> Result<(), Error> {
        let AuditAccess::File(path) = &self.run.cluster.facts().audit else {
            return Ok(());
        };
        let sentinel = format!("/gauntlet/sentinel-{}", random::random_name(12));
        self.run
            .own
            .send_call(ApiCall::get(sentinel.as_str()))
            .await;
        self.waiter
            .wait_until(sentinel_wait(ABSENT_FOR), async || {
                match log_since(path, self.beginning.audit).await {
                    Ok(text) if has_value(&text, &sentinel) => WaitLook::Ready(()),
                    Ok(_) => WaitLook::NotYet("the sentinel is not there".into()),
                    Err(fault) => WaitLook::from(fault),
                }
            })
            .await
    }

    fn fill_match(&self, wanted: &AuditMatch) -> AuditMatch {
        let fill = |text: &Option<String>| text.as_ref().map(|text| self.fill_text(text));
        AuditMatch {
            verb: fill(&wanted.verb),
            resource: fill(&wanted.resource),
            subresource: fill(&wanted.subresource),
            name: fill(&wanted.name),
            user: fill(&wanted.user),
            impersonated: fill(&wanted.impersonated),
            code: wanted.code,
            annotations: wanted
                .annotations
                .iter()
                .map(|(key, value)| (self.fill_text(key), self.fill_text(value)))
                .collect(),
            contains: fill(&wanted.contains),
        }
    }
}

const STAGE_COMPLETE: &str = "\"stage\":\"ResponseComplete\"";

/// Until the log shows a sentinel, and has held for a while.
fn sentinel_wait(hold: Duration) -> ConditionWait<'static> {
    ConditionWait {
        what: "the audit log to show a sentinel",
        within: Duration::from_secs(10) + hold,
        every: Duration::from_millis(25),
    }
}

fn has_value(log: &str, sentinel: &str) -> bool {
    log.lines()
        .any(|line| line.contains(sentinel) && line.contains(STAGE_COMPLETE))
}

/// The log from an offset on; from its start where it has been rotated since.
async fn log_since(path: &Path, offset: u64) -> Result<String, Error> {
    let read = async {
        let mut file = tokio::fs::File::open(path).await?;
        let length = file.metadata().await?.len();
        if offset <= length {
            file.seek(std::io::SeekFrom::Start(offset)).await?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read.await
        .map_err(|fault| Error::io("the audit log cannot be read", fault))
}

/// The first event of this world that matches.
fn find_event(log: &str, namespace: &str, wanted: &AuditMatch) -> Option<Value> {
    log.lines()
        .filter(|line| line.contains(namespace))
        .filter_map(|line| Some((line, serde_json::from_str::<Value>(line).ok()?)))
        .find(|(line, event)| {
            is_of_world(event, namespace)
                && event_matches(event, wanted)
                && wanted
                    .contains
                    .as_ref()
                    .is_none_or(|text| line.contains(text) || line.contains(&escape_as_go(text)))
        })
        .map(|(_, event)| event)
}

/// Whether an event names this namespace, and is not a request of another world's step.
fn is_of_world(event: &Value, namespace: &str) -> bool {
    if let Some(world) = event["userAgent"]
        .as_str()
        .and_then(|agent| agent.strip_prefix(STEP_AGENT))
    {
        return world == namespace;
    }
    let mut asked = event.as_object().into_iter().flatten();
    asked.any(|(field, value)| field != "responseObject" && value.to_string().contains(namespace))
}

fn event_matches(event: &Value, wanted: &AuditMatch) -> bool {
    let object = &event["objectRef"];
    let texts = [
        (&wanted.verb, &event["verb"]),
        (&wanted.resource, &object["resource"]),
        (&wanted.subresource, &object["subresource"]),
        (&wanted.name, &object["name"]),
        (&wanted.user, &event["user"]["username"]),
        (&wanted.impersonated, &event["impersonatedUser"]["username"]),
    ];
    let stage = event["stage"].as_str().unwrap_or_default();
    let notes = &event["annotations"];
    (stage == "ResponseComplete" || stage == "ResponseStarted")
        && event["userAgent"] != OWN_AGENT
        && texts
            .into_iter()
            .all(|(want, have)| want.as_ref().is_none_or(|want| have == want.as_str()))
        && wanted
            .code
            .is_none_or(|code| event["responseStatus"]["code"] == code)
        && wanted
            .annotations
            .iter()
            .all(|(key, part)| notes[key].as_str().is_some_and(|text| text.contains(part)))
}

/// The stable part of the event: how much of it was recorded, and what was asked for.
fn event_observation(event: &Value, wanted: &AuditMatch) -> Observation {
    let mut tried = Observation::from_answer(Answer::Found)
        .with_fact("level", event["level"].as_str().unwrap_or_default());
    let mut bodies = Vec::new();
    for (key, word) in [("requestObject", "request"), ("responseObject", "response")] {
        if !event[key].is_null() {
            bodies.push(word);
        }
    }
    if !bodies.is_empty() {
        tried = tried.with_fact("bodies", bodies.join(", "));
    }
    for (fact, have) in [
        ("user", &event["user"]["username"]),
        ("impersonated", &event["impersonatedUser"]["username"]),
    ] {
        if let Some(name) = have.as_str() {
            tried = tried.with_fact(fact, name);
        }
    }
    for key in wanted.annotations.keys() {
        tried = tried.with_fact(key, event["annotations"][key].as_str().unwrap_or_default());
    }
    tried
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = concat!(
        r#"{"stage":"RequestReceived","verb":"create","objectRef":{"resource":"pods","namespace":"gauntlet-a"}}"#,
        "\n",
        r#"{"stage":"ResponseComplete","level":"Metadata","verb":"create","userAgent":"gauntlet-engine","objectRef":{"resource":"secrets","namespace":"gauntlet-a"}}"#,
        "\n",
        r#"{"stage":"ResponseComplete","level":"Metadata","verb":"create","userAgent":"gauntlet/gauntlet-a","user":{"username":"admin"},"impersonatedUser":{"username":"jane"},"objectRef":{"resource":"pods","namespace":"gauntlet-a","name":"web"},"responseStatus":{"code":403},"annotations":{"authorization.k8s.io/decision":"forbid"}}"#,
        "\n",
        r#"{"stage":"ResponseComplete","verb":"delete","objectRef":{"resource":"pods","namespace":"gauntlet-b"}}"#,
        "\nnot json, of gauntlet-a\n",
    );

    fn wanted(verb: &str, resource: &str) -> AuditMatch {
        AuditMatch {
            verb: Some(verb.into()),
            resource: Some(resource.into()),
            ..AuditMatch::default()
        }
    }

    #[test]
    fn every_key_has_to_match() {
        let mut want = wanted("create", "pods");
        want.code = Some(403);
        want.impersonated = Some("jane".into());
        want.annotations
            .insert("authorization.k8s.io/decision".into(), "forb".into());
        assert!(find_event(LOG, "gauntlet-a", &want).is_some());
        want.annotations
            .insert("authorization.k8s.io/reason".into(), String::new());
        assert!(find_event(LOG, "gauntlet-a", &want).is_none());
        let named = AuditMatch {
            name: Some("other".into()),
            ..wanted("create", "pods")
        };
        assert!(find_event(LOG, "gauntlet-a", &named).is_none());
    }

    #[test]
    fn a_text_is_found_however_it_is_escaped() {
        let line = r#"{"stage":"ResponseComplete","userAgent":"gauntlet/gauntlet-a","requestURI":"/api?a=1\u0026b=2","annotations":{"why":"say \"no\""}}"#;
        let found = |text: &str| {
            let want = AuditMatch {
                contains: Some(text.into()),
                ..AuditMatch::default()
            };
            find_event(line, "gauntlet-a", &want).is_some()
        };
        for text in ["a=1&b=2", r"a=1\u0026b=2", r#""why":"say \"no"#] {
            assert!(found(text), "{text}");
        }
        assert!(!found("a=1<b=2"));
    }

    #[test]
    fn who_is_answered_with_our_objects_is_not_of_our_world() {
        let want = wanted("list", "secrets");
        let list = |agent: &str, rest: &str| {
            format!(
                r#"{{"stage":"ResponseComplete","verb":"list","userAgent":"{agent}","objectRef":{{"resource":"secrets"}},{rest}}}"#
            )
        };
        let answered = r#""responseObject":{"items":[{"metadata":{"namespace":"gauntlet-a"}}]}"#;
        for other in ["gauntlet/gauntlet-b", "kube-controller-manager"] {
            assert!(find_event(&list(other, answered), "gauntlet-a", &want).is_none());
        }
        let own = list("gauntlet/gauntlet-a", answered);
        assert!(find_event(&own, "gauntlet-a", &want).is_some());
        let by_user = r#""user":{"username":"system:serviceaccount:gauntlet-a:app"}"#;
        assert!(find_event(&list("curl", by_user), "gauntlet-a", &want).is_some());
        assert!(find_event(&list("gauntlet/gauntlet-b", by_user), "gauntlet-a", &want).is_none());
    }

    #[test]
    fn other_worlds_and_our_own_requests_do_not_count() {
        assert!(find_event(LOG, "gauntlet-a", &wanted("delete", "pods")).is_none());
        assert!(find_event(LOG, "gauntlet-b", &wanted("delete", "pods")).is_some());
        assert!(find_event(LOG, "gauntlet-a", &wanted("create", "secrets")).is_none());
    }

    #[test]
    fn contains_looks_at_the_whole_event() {
        let want = AuditMatch {
            contains: Some("\"name\":\"web\"".into()),
            ..AuditMatch::default()
        };
        assert!(find_event(LOG, "gauntlet-a", &want).is_some());
        let want = AuditMatch {
            contains: Some("hunter2".into()),
            ..AuditMatch::default()
        };
        assert!(find_event(LOG, "gauntlet-a", &want).is_none());
    }
}
