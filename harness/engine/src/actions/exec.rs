//! Running a command in a pod, over the WebSocket protocol `v5.channel.k8s.io`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use model::{ApiReply, ReplyContext, Verdict};
use serde_json::Value;
use std::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use api::{ApiCall, ApiCaller, ApiExchange, REPLIES_WITHIN, percent_encode};

use super::{Observation, StepContext};
use crate::Error;
use crate::conversation::ProbePod;
use crate::random;
use crate::world::LiveWorld;

/// How the streams of a program in a container are told apart.
pub(crate) const COMMAND_PROTOCOL: &str = "v5.channel.k8s.io";

/// What a command left behind.
#[derive(Debug, Default, PartialEq)]
struct CommandOutput {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The `Status` with which the server ended it.
    status: Value,
}

pub(super) async fn exec_in_pod(
    cx: &mut StepContext<'_, '_>,
    pod: &str,
    command: &[String],
    unrecorded: bool,
) -> Result<Observation, Error> {
    let mut call = ApiCall {
        asked: ReplyContext::Kubelet,
        ..ApiCall::get(cx.pod_path(pod, "exec"))
    };
    for part in command {
        call = call.with_query("command", &cx.fill_text(part));
    }
    if let Some(container) = cx.step.container {
        call = call.with_query("container", container);
    }
    let call = call
        .with_query("stdout", "true")
        .with_query("stderr", "true");
    let who = cx.requester().await?;
    let start = Instant::now();
    let (reply, ran) = in_time(&who, &call).await;
    who.tell_listener(&call, Some(&reply), start.elapsed());
    if let Some(ran) = &ran {
        let output = [ran.stdout.as_slice(), b"\n", &ran.stderr].concat();
        cx.world.memory.keep_output(cx.step.id, output);
        if let Ok(code) = exit_code(&ran.status) {
            cx.world.memory.keep_exit(cx.step.id, code);
        }
    }
    let headers = who.headers.clone();
    let tried = Observation::from_exchange(ApiExchange {
        call,
        headers,
        reply,
        took: start.elapsed(),
    });
    Ok(match ran {
        Some(ran) => add_output(tried, &ran, unrecorded),
        None => tried,
    })
}

impl LiveWorld<'_> {
    /// The output of a command that the engine itself runs beside the probe of a pod, and that has
    /// to do its work.
    pub(super) async fn output_in(
        &self,
        pod: &ProbePod,
        command: &[&str],
    ) -> Result<Vec<u8>, Error> {
        match in_time(&self.run.own, &run_in_pod(pod, command)).await {
            (_, Some(ran)) => match exit_code(&ran.status)?.as_str() {
                "0" => Ok(ran.stdout),
                code => Err(Error::tool_failed(
                    command[0],
                    format!(
                        "ended with exit code {code}: {}",
                        String::from_utf8_lossy(&ran.stderr).trim()
                    ),
                )),
            },
            (reply, None) => Err(Error::unexpected_reply(&reply)),
        }
    }
}

/// A command beside the probe of a pod, whose output is read.
pub(crate) fn run_in_pod(pod: &ProbePod, command: &[&str]) -> ApiCall {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/exec",
        percent_encode(&pod.namespace),
        percent_encode(&pod.name)
    );
    let mut call = ApiCall {
        asked: ReplyContext::Kubelet,
        ..ApiCall::get(path)
    };
    if let Some(container) = &pod.holder {
        call = call.with_query("container", container);
    }
    let call = command
        .iter()
        .fold(call, |call, part| call.with_query("command", part));
    call.with_query("stdout", "true")
        .with_query("stderr", "true")
}

/// All that a command says, or the fault that cut it short.
async fn in_time(who: &ApiCaller, call: &ApiCall) -> (ApiReply, Option<CommandOutput>) {
    let deadline = |_| {
        Error::no_reply(format!(
            "the command did not end within {} s",
            REPLIES_WITHIN.as_secs()
        ))
    };
    match tokio::time::timeout(REPLIES_WITHIN, run_command(who, call))
        .await
        .map_err(deadline)
        .flatten()
    {
        Ok(done) => done,
        Err(fault) => (
            ApiReply::Transport {
                fault: fault.in_one_line(),
            },
            None,
        ),
    }
}

/// Adds what the command said; one that could not be run at all is broken.
fn add_output(mut tried: Observation, ran: &CommandOutput, unrecorded: bool) -> Observation {
    for (key, bytes) in [("output", &ran.stdout), ("stderr", &ran.stderr)] {
        if !bytes.is_empty() && !unrecorded {
            tried = tried.with_fact(
                key,
                redact::redact_pod_text(&String::from_utf8_lossy(bytes)),
            );
        }
    }
    match exit_code(&ran.status) {
        Ok(code) => tried.with_fact("exit", code),
        Err(why) => {
            tried.verdict =
                Verdict::broken(why.during_task("the command was not run").in_one_line());
            tried
        }
    }
}

pub(super) fn exit_code(status: &Value) -> Result<String, Error> {
    if status["status"] == "Success" {
        return Ok("0".into());
    }
    let causes = status["details"]["causes"].as_array();
    let code = causes.and_then(|all| all.iter().find(|cause| cause["reason"] == "ExitCode"));
    match code.and_then(|cause| cause["message"].as_str()) {
        Some(code) => Ok(code.to_owned()),
        None => Err(Error::unexpected(
            status["message"]
                .as_str()
                .unwrap_or("the server gave no status"),
        )),
    }
}

async fn run_command(
    who: &ApiCaller,
    call: &ApiCall,
) -> Result<(ApiReply, Option<CommandOutput>), Error> {
    match open_streams(who, call, COMMAND_PROTOCOL).await? {
        Ok(socket) => {
            let ran = read_channels(socket).await?;
            Ok((switched_reply(), Some(ran)))
        }
        Err(reply) => Ok((reply, None)),
    }
}

/// The streams that a pod has for a request, or what the server said instead.
pub(crate) async fn open_streams(
    who: &ApiCaller,
    call: &ApiCall,
    protocol: &str,
) -> Result<Result<WebSocketStream<TokioIo<Upgraded>>, ApiReply>, Error> {
    let request = who
        .head(call)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header(
            "sec-websocket-key",
            STANDARD.encode(random::random_bytes::<16>()),
        )
        .header("sec-websocket-protocol", protocol)
        .body(Body::empty())
        .map_err(Error::lost_connection)?;
    let response = who
        .client
        .send(request)
        .await
        .map_err(Error::lost_connection)?;
    if response.status().as_u16() != 101 {
        return Ok(Err(api::read_reply(response).await?));
    }
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(Error::lost_connection)?;
    Ok(Ok(WebSocketStream::from_raw_socket(
        TokioIo::new(upgraded),
        Role::Client,
        None,
    )
    .await))
}

/// What the server answers where it goes over to streams.
pub(super) fn switched_reply() -> ApiReply {
    ApiReply::Http {
        code: 101,
        body: model::ReplyBody::Text(String::new()),
        warnings: Vec::new(),
    }
}

/// Reads channels (1: output, 2: errors, 3: the end's status) until the server closes.
async fn read_channels<S>(mut socket: WebSocketStream<S>) -> Result<CommandOutput, Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut ran = CommandOutput::default();
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Binary(bytes)) => take_frame(&mut ran, &bytes),
            Ok(Message::Close(_)) => break,
            Ok(_) => {}
            Err(_) if !ran.status.is_null() => break,
            Err(fault) => return Err(Error::lost_connection(fault)),
        }
    }
    Ok(ran)
}

fn take_frame(ran: &mut CommandOutput, message: &[u8]) {
    match message.split_first() {
        Some((1, bytes)) => keep_output(&mut ran.stdout, bytes),
        Some((2, bytes)) => keep_output(&mut ran.stderr, bytes),
        Some((3, bytes)) => ran.status = serde_json::from_slice(bytes).unwrap_or_default(),
        _ => {}
    }
}

/// A command that never stops talking is heard to its end, and not kept.
fn keep_output(kept: &mut Vec<u8>, bytes: &[u8]) {
    const LONGEST_OUTPUT: usize = 1 << 20;
    let room = LONGEST_OUTPUT.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_output_is_not_kept() {
        let mut ran = CommandOutput::default();
        let chunk: Vec<u8> = std::iter::once(1)
            .chain(std::iter::repeat_n(b'x', 300_000))
            .collect();
        (0..10).for_each(|_| take_frame(&mut ran, &chunk));
        assert_eq!(ran.stdout.len(), 1 << 20);
    }

    #[test]
    fn channels_are_kept_apart() {
        let mut ran = CommandOutput::default();
        for message in [
            &b"\x01out"[..],
            b"\x02err",
            b"\x01put",
            b"",
            b"\xff",
            b"\x03{\"status\":\"Success\"}",
        ] {
            take_frame(&mut ran, message);
        }
        assert_eq!(
            (ran.stdout.as_slice(), ran.stderr.as_slice()),
            (&b"output"[..], &b"err"[..])
        );
        assert_eq!(exit_code(&ran.status).unwrap(), "0");
    }

    #[test]
    fn exit_codes_and_commands_that_never_ran() {
        let failed = serde_json::json!({"status": "Failure", "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}});
        assert_eq!(exit_code(&failed).unwrap(), "3");
        let missing = serde_json::json!({"status": "Failure", "message": "no such file"});
        assert_eq!(exit_code(&missing).unwrap_err().to_string(), "no such file");
        assert!(exit_code(&Value::Null).is_err());
    }
}
