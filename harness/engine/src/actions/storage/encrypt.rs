//! Encryption at rest: another configuration, and stored objects written again.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use api::{ApiCall, ApiExchange, percent_encode, was_taken};
use model::{
    API_SERVER, Answer, ApiReply, ConfigTakeover, EncryptStorage, EncryptionShape, FigureName,
    ProcessChange, RewriteSecrets, Verdict,
};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::observe::MetricScrape;
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;

/// The API server looks at the file once a minute (kubernetes/apiserver,
/// `encryptionconfig/controller`).
const RELOADED_WITHIN: Duration = Duration::from_secs(100);

/// Where a file that was refused stood there, two looks have to pass, each a minute after the last.
const RELOADED_AFTER_REFUSAL: Duration = Duration::from_secs(160);

/// Grows with each reload, by `status` (the same package's metrics).
const RELOADS_METRIC: &str = "apiserver_encryption_config_controller_automatic_reloads_total";

/// Carries the digest of the file that is in force as its label `hash`.
const IN_FORCE: &str = "apiserver_encryption_config_controller_last_config_info";

pub(in crate::actions) async fn encrypt_storage(
    cx: &mut StepContext<'_, '_>,
    encrypt: &EncryptStorage,
) -> Result<Observation, Error> {
    let text = cx.world.case.file_text(&encrypt.with)?;
    cx.world.resolve_placeholders(&text).await?;
    let path = cx.world.host_access()?.encryption_config();
    let text = cx.fill_text(&text);
    let replace = || {
        replace_file(&path, &text)
            .map_err(|fault| Error::io(format!("cannot write `{}`", path.display()), fault))
    };
    let before = if cx.world.reloads_by_itself() {
        let stood = match std::fs::read(&path) {
            Ok(stood) => Some(stood),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => None,
            Err(fault) => {
                return Err(Error::io(
                    format!("cannot read `{}`", path.display()),
                    fault,
                ));
            }
        };
        let before = cx.world.reload_count().await?;
        replace()?;
        Some(cx.world.set_apart(before, stood.as_deref()).await?)
    } else {
        replace()?;
        None
    };
    match (encrypt.by, before) {
        // An API server that was started without the flag never looks at the file again.
        (ConfigTakeover::None, _) | (ConfigTakeover::Reload, None) => {
            Ok(Observation::from_answer(Answer::Done))
        }
        (ConfigTakeover::Reload | ConfigTakeover::Usual, Some(before)) => {
            let wanted = artifact::digest(text.as_bytes());
            cx.world.wait_until_reloaded(before, &wanted).await
        }
        (ConfigTakeover::Usual, None) => {
            let mut tried = cx.world.restart_process(API_SERVER).await?;
            // It runs, so it took the file.
            if tried.verdict == Answer::Running.into() {
                tried.verdict = Answer::Reloaded.into();
            }
            Ok(tried)
        }
    }
}

pub(in crate::actions) async fn rewrite_secrets(
    cx: &StepContext<'_, '_>,
    rewrite: &RewriteSecrets,
) -> Result<Observation, Error> {
    let mut written = 0;
    for namespace in cx.world.namespaces.all() {
        let path = format!("/api/v1/namespaces/{}/secrets", percent_encode(namespace));
        let listed = cx
            .world
            .run
            .own
            .send_call(ApiCall::get(path.as_str()))
            .await;
        let Some(items) = list_items(&listed) else {
            return Ok(Observation::from_exchange(listed));
        };
        for mut secret in items {
            secret["apiVersion"] = Value::from("v1");
            secret["kind"] = Value::from("Secret");
            let name = secret["metadata"]["name"].as_str().unwrap_or_default();
            let exchange = cx
                .world
                .run
                .own
                .send_call(ApiCall::put(
                    format!("{path}/{}", percent_encode(name)),
                    secret.clone(),
                ))
                .await;
            if !was_taken(&exchange.reply) {
                let tried = cut_short(exchange, rewrite);
                if tried.verdict == Verdict::from(Answer::Interrupted) {
                    cx.world.is_gone(API_SERVER).await?;
                }
                return Ok(tried);
            }
            written += 1;
            if rewrite.killed_after == Some(written) {
                cx.world
                    .control_process(&ProcessChange::Kill(API_SERVER.into()))?;
            }
        }
    }
    if rewrite.killed_after.is_some() {
        let done = format!("all {written} Secrets were written before the API server was gone");
        return Err(Error::unexpected(done));
    }
    Ok(Observation::from_answer(Answer::Done).with_fact("written", written.to_string()))
}

impl LiveWorld<'_> {
    fn reloads_by_itself(&self) -> bool {
        matches!(
            self.case.shape().encryption,
            EncryptionShape::ReloadingConfig(_)
        )
    }

    /// Waits until the API server has taken this configuration over, or has said that it does not.
    /// One that is in force already is not taken over again.
    async fn wait_until_reloaded(
        &self,
        before: ReloadCounts,
        wanted: &str,
    ) -> Result<Observation, Error> {
        let began = std::time::Instant::now();
        let wait = ConditionWait {
            what: "the API server to look at its configuration",
            within: self.within(if before.after_refusal {
                RELOADED_AFTER_REFUSAL
            } else {
                RELOADED_WITHIN
            }),
            every: Duration::from_millis(250),
        };
        self.waiter
            .wait_until(wait, async || {
                let now = match self.reload_count().await {
                    Ok(now) => now,
                    Err(why) => return WaitLook::from(why),
                };
                match now.since(&before, wanted) {
                    Some(Answer::Reloaded) => WaitLook::Ready(
                        Observation::from_answer(Answer::Reloaded)
                            .time(FigureName::ReloadedAfter, began.elapsed()),
                    ),
                    Some(other) => WaitLook::Ready(
                        Observation::from_answer(other)
                            .time(FigureName::NotReloadedAfter, began.elapsed()),
                    ),
                    None => WaitLook::NotYet("it has not".into()),
                }
            })
            .await
    }

    /// The counts before a file was replaced, set apart from what is still counted of the file that
    /// `stood` there: the API server tries a file that it refused again and again, so some of these
    /// failures come after `before`, and the last of them can come when the file is replaced already.
    async fn set_apart(
        &self,
        before: ReloadCounts,
        stood: Option<&[u8]>,
    ) -> Result<ReloadCounts, Error> {
        if !before.refused_file(stood) {
            return Ok(before);
        }
        Ok(before.with_one_more(&self.reload_count().await?))
    }

    async fn reload_count(&self) -> Result<ReloadCounts, Error> {
        let metrics = MetricScrape::scrape_metrics(&self.run.own).await?;
        let of = |status: &str| {
            metrics.sum_series(
                RELOADS_METRIC,
                &[("status".to_owned(), status.to_owned())].into(),
            )
        };
        Ok(ReloadCounts {
            good: of("success"),
            bad: of("failure"),
            in_force: metrics.label(IN_FORCE, "hash").map(str::to_owned),
            after_refusal: false,
        })
    }
}

/// What the API server counts of its configuration.
struct ReloadCounts {
    good: f64,
    bad: f64,
    /// The digest of the file that is in force, where it says so.
    in_force: Option<String>,
    /// Whether a file that was refused stood there when they were read.
    after_refusal: bool,
}

impl ReloadCounts {
    /// The same, with the failures that are counted now and one more: it may be one of the file that
    /// stood there before.
    fn with_one_more(self, now: &Self) -> Self {
        Self {
            bad: now.bad + 1.0,
            after_refusal: true,
            ..self
        }
    }

    /// Whether the file that stood there is one that was refused.
    fn refused_file(&self, stood: Option<&[u8]>) -> bool {
        match (&self.in_force, stood) {
            (Some(digest), Some(stood)) => *digest != artifact::digest(stood),
            _ => self.bad > 0.0,
        }
    }

    /// What became of the configuration of this digest since `before`.
    fn since(&self, before: &Self, wanted: &str) -> Option<Answer> {
        let is_taken = match &self.in_force {
            Some(digest) => digest == wanted,
            None => self.good > before.good,
        };
        if is_taken {
            return Some(Answer::Reloaded);
        }
        (self.bad > before.bad).then_some(Answer::NotReloaded)
    }
}

fn list_items(listed: &ApiExchange) -> Option<Vec<Value>> {
    api::reply_json(&listed.reply).filter(|_| was_taken(&listed.reply))?["items"]
        .as_array()
        .cloned()
}

/// An interrupted rewrite: expected if we killed the API server, otherwise judged by its reply.
fn cut_short(exchange: ApiExchange, rewrite: &RewriteSecrets) -> Observation {
    match (&exchange.reply, rewrite.killed_after) {
        (ApiReply::Transport { .. }, Some(_)) => Observation::from_answer(Answer::Interrupted),
        _ => Observation::from_exchange(exchange),
    }
}

/// Replaces the file in one step: the API server must not read half of it.
fn replace_file(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut fresh = NamedTempFile::new_in(folder)?;
    fresh.write_all(text.as_bytes())?;
    fresh.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_already_is_taken_over_at_once_and_what_is_not_is_counted() {
        let reloads = |good, bad, in_force: Option<&str>| ReloadCounts {
            good,
            bad,
            in_force: in_force.map(str::to_owned),
            after_refusal: false,
        };
        let before = reloads(1.0, 1.0, Some("sha256:a"));
        let denied = Some(Answer::NotReloaded);
        let since = |now: ReloadCounts, wanted| now.since(&before, wanted);
        assert_eq!(
            since(reloads(1.0, 1.0, Some("sha256:a")), "sha256:a"),
            Some(Answer::Reloaded)
        );
        assert_eq!(since(reloads(1.0, 1.0, Some("sha256:a")), "sha256:b"), None);
        assert_eq!(
            since(reloads(2.0, 1.0, Some("sha256:c")), "sha256:b"),
            None,
            "another one was taken over"
        );
        assert_eq!(
            since(reloads(1.0, 2.0, Some("sha256:a")), "sha256:b"),
            denied
        );
        assert_eq!(
            since(reloads(2.0, 1.0, None), "sha256:b"),
            Some(Answer::Reloaded)
        );
    }

    #[test]
    fn a_file_that_was_refused_goes_on_being_counted() {
        let counts = |bad, in_force: Option<&str>| ReloadCounts {
            good: 1.0,
            bad,
            in_force: in_force.map(str::to_owned),
            after_refusal: false,
        };
        let digest = artifact::digest(b"good");
        let known = |bad| counts(bad, Some(&digest));
        assert!(!known(3.0).refused_file(Some(b"good")), "it was fixed");
        assert!(known(1.0).refused_file(Some(b"bad")));
        assert!(known(0.0).refused_file(Some(b"bad")), "not looked at yet");
        assert!(counts(1.0, None).refused_file(Some(b"bad")));
        assert!(!counts(0.0, None).refused_file(Some(b"good")));
        let apart = known(3.0).with_one_more(&known(4.0));
        let now = |bad| counts(bad, Some("sha256:another"));
        assert_eq!(now(5.0).since(&apart, "sha256:b"), None);
        assert_eq!(
            now(6.0).since(&apart, "sha256:b"),
            Some(Answer::NotReloaded)
        );
    }

    #[test]
    fn only_a_killed_rewrite_is_stopped_by_a_lost_reply() {
        let lost = || ApiExchange {
            call: ApiCall::get("/"),
            headers: Vec::new(),
            reply: ApiReply::Transport {
                fault: "gone".into(),
            },
            took: Duration::ZERO,
        };
        let stopped = cut_short(
            lost(),
            &RewriteSecrets {
                killed_after: Some(1),
            },
        );
        assert_eq!(stopped.verdict, Verdict::from(Answer::Interrupted));
        assert!(matches!(
            cut_short(lost(), &RewriteSecrets::default()).verdict,
            Verdict::Broken { .. }
        ));
    }
}
