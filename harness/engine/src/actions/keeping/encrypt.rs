//! Encryption at rest: another configuration, and what is stored written anew.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use api::{Call, Exchange, encode, taken};
use cluster::ProcessCommand;
use model::{Answer, By, Encrypt, Encryption, Reply, Rewrite, Takeover, Verdict};
use serde_json::Value;

use super::process::API_SERVER;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::seen::Metrics;
use crate::wait::{Look, Wait};
use crate::world::World;

/// The API server looks at the file once a minute (kubernetes/apiserver, `encryptionconfig/controller`).
const RELOAD: Duration = Duration::from_secs(100);

/// Grows with each reload, by `status` (the same package's metrics).
const RELOADS: &str = "apiserver_encryption_config_controller_automatic_reloads_total";

pub(in crate::actions) async fn encrypt(
    cx: &mut StepContext<'_, '_>,
    encrypt: &Encrypt,
) -> Result<Observation, Error> {
    let text = cx.world.case.file_text(&encrypt.with)?;
    cx.world.learn(&text).await?;
    let path = cx.world.host_access()?.encryption_config();
    let before = if cx.world.reloads_by_itself() {
        Some(cx.world.reloads().await?)
    } else {
        None
    };
    replace(&path, &cx.fill(&text))
        .map_err(|fault| Error::io(format!("cannot write `{}`", path.display()), fault))?;
    match (encrypt.by, before) {
        // An API server that was started without the flag never looks at the file again.
        (Takeover::None, _) | (Takeover::Reload, None) => Ok(Observation::answer(Answer::Made)),
        (Takeover::Reload | Takeover::Usual, Some(before)) => cx.world.reloaded(before).await,
        (Takeover::Usual, None) => cx.world.restart(API_SERVER).await,
    }
}

pub(in crate::actions) async fn rewrite(
    cx: &StepContext<'_, '_>,
    rewrite: &Rewrite,
) -> Result<Observation, Error> {
    let mut written = 0;
    for namespace in cx.world.namespaces.all() {
        let path = format!("/api/v1/namespaces/{}/secrets", encode(namespace));
        let listed = cx.world.lab.own.send(Call::get(path.as_str())).await;
        let Some(items) = items(&listed) else {
            return Ok(Observation::of(listed));
        };
        for mut secret in items {
            secret["apiVersion"] = Value::from("v1");
            secret["kind"] = Value::from("Secret");
            let name = secret["metadata"]["name"].as_str().unwrap_or_default();
            let exchange = cx
                .world
                .lab
                .own
                .send(Call::put(
                    format!("{path}/{}", encode(name)),
                    secret.clone(),
                ))
                .await;
            if !taken(&exchange.reply) {
                let tried = cut_short(exchange, rewrite);
                if tried.verdict == Verdict::from(Answer::Stopped) {
                    cx.world.is_gone(API_SERVER).await?;
                }
                return Ok(tried);
            }
            written += 1;
            if rewrite.killed_after == Some(written) {
                cx.world.control(API_SERVER, ProcessCommand::Kill)?;
            }
        }
    }
    if rewrite.killed_after.is_some() {
        let done = format!("all {written} Secrets were written before the API server was gone");
        return Err(Error::unexpected(done));
    }
    Ok(Observation::answer(Answer::Made).fact("written", written.to_string()))
}

impl World<'_> {
    fn reloads_by_itself(&self) -> bool {
        matches!(self.case.shape().encryption, Encryption::ReloadingConfig(_))
    }

    /// Waits until the API server has taken the file over, or has said that it does not.
    async fn reloaded(&self, before: (f64, f64)) -> Result<Observation, Error> {
        let began = std::time::Instant::now();
        let wait = Wait {
            what: "the API server to look at its configuration",
            within: RELOAD,
            every: Duration::from_millis(250),
        };
        self.waiter
            .until(wait, async || match self.reloads().await {
                Ok((good, _)) if good > before.0 => Look::Ready(
                    Observation::answer(Answer::Running)
                        .figure("taken over after", began.elapsed()),
                ),
                Ok((_, bad)) if bad > before.1 => {
                    let by = By::Encryption;
                    Look::Ready(
                        Observation::answer(Answer::Denied { by })
                            .figure("refused after", began.elapsed()),
                    )
                }
                Ok(_) => Look::NotYet("it has not".into()),
                Err(why) => Look::from(why),
            })
            .await
    }

    async fn reloads(&self) -> Result<(f64, f64), Error> {
        let metrics = Metrics::scrape(&self.lab.own).await?;
        let of =
            |status: &str| metrics.sum(RELOADS, &[("status".to_owned(), status.to_owned())].into());
        Ok((of("success"), of("failure")))
    }
}

fn items(listed: &Exchange) -> Option<Vec<Value>> {
    api::json(&listed.reply).filter(|_| taken(&listed.reply))?["items"]
        .as_array()
        .cloned()
}

/// An interrupted rewrite: expected if we killed the API server, otherwise judged by its reply.
fn cut_short(exchange: Exchange, rewrite: &Rewrite) -> Observation {
    match (&exchange.reply, rewrite.killed_after) {
        (Reply::Transport { .. }, Some(_)) => Observation::answer(Answer::Stopped),
        _ => Observation::of(exchange),
    }
}

/// Replaces the file in one step: the API server must not read half of it.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_killed_rewrite_is_stopped_by_a_lost_reply() {
        let lost = || Exchange {
            call: Call::get("/"),
            headers: Vec::new(),
            reply: Reply::Transport {
                fault: "gone".into(),
            },
            took: Duration::ZERO,
        };
        let stopped = cut_short(
            lost(),
            &Rewrite {
                killed_after: Some(1),
            },
        );
        assert_eq!(stopped.verdict, Verdict::from(Answer::Stopped));
        assert!(matches!(
            cut_short(lost(), &Rewrite::default()).verdict,
            Verdict::Broken { .. }
        ));
    }
}
