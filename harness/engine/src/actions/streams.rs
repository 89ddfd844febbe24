//! The streams of a pod beside those of a command: of the program that a container runs
//! (`pods/attach`), and of a port (`pods/portforward`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::{ApiCall, ApiExchange, REPLIES_WITHIN};
use futures::{SinkExt, StreamExt};
use model::{ApiReply, AttachPod, ForwardPort, ReplyContext, StreamTalk, Verdict};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::exec::{COMMAND_PROTOCOL, exit_code, open_streams, switched_reply};
use super::{Observation, StepContext};
use crate::Error;

/// How the two streams of a port are told apart.
const PORT_PROTOCOL: &str = "v4.channel.k8s.io";

/// Streams that are opened, and what is said over them.
struct OpenedStreams<'a> {
    protocol: &'a str,
    /// The channels on which the other end speaks.
    heard: &'static [u8],
    /// The channel on which the end of a command is told, where there is one.
    status: Option<u8>,
    /// How many bytes each channel begins with that are not the other end's.
    preamble: usize,
    talk: Option<StreamTalk>,
}

/// What was heard so far.
#[derive(Debug, Default)]
struct HeardBytes {
    bytes: Vec<u8>,
    /// How the command ended, as it was told.
    status: Vec<u8>,
    /// How much of each channel's preamble has come.
    begun: BTreeMap<u8, usize>,
}

/// The channel on which the other end is spoken to.
const SPOKEN_CHANNEL: u8 = 0;

pub(super) async fn attach_pod(
    cx: &mut StepContext<'_, '_>,
    attach: &AttachPod,
) -> Result<Observation, Error> {
    let sends = attach.talk.as_ref().is_some_and(|talk| talk.send.is_some());
    let mut call = stream_call(cx.pod_path(&attach.pod, "attach"))
        .with_query("stdin", if sends { "true" } else { "false" })
        .with_query("stdout", "true")
        .with_query("stderr", "true");
    if let Some(container) = cx.step.container {
        call = call.with_query("container", container);
    }
    let streams = OpenedStreams {
        protocol: COMMAND_PROTOCOL,
        heard: &[1, 2],
        status: Some(3),
        preamble: 0,
        talk: filled_talk(cx, attach.talk.as_ref()),
    };
    talk_over(cx, call, &streams, attach.unrecorded).await
}

pub(super) async fn forward_port(
    cx: &mut StepContext<'_, '_>,
    forward: &ForwardPort,
) -> Result<Observation, Error> {
    let call = stream_call(cx.pod_path(&forward.pod, "portforward"))
        .with_query("ports", &forward.port.to_string());
    let streams = OpenedStreams {
        protocol: PORT_PROTOCOL,
        // The data, and what went wrong. Each begins with the number of the port.
        heard: &[0, 1],
        status: None,
        preamble: 2,
        talk: filled_talk(cx, forward.talk.as_ref()),
    };
    talk_over(cx, call, &streams, forward.unrecorded).await
}

fn stream_call(path: String) -> ApiCall {
    ApiCall {
        asked: ReplyContext::Kubelet,
        ..ApiCall::get(path)
    }
}

fn filled_talk(cx: &StepContext<'_, '_>, talk: Option<&StreamTalk>) -> Option<StreamTalk> {
    talk.map(|talk| StreamTalk {
        send: talk.send.as_ref().map(|text| cx.fill_text(text)),
        until: cx.fill_text(&talk.until),
    })
}

/// Opens the streams, says what is to be said, and keeps what came.
async fn talk_over(
    cx: &mut StepContext<'_, '_>,
    call: ApiCall,
    streams: &OpenedStreams<'_>,
    unrecorded: bool,
) -> Result<Observation, Error> {
    let who = cx.requester().await?;
    let start = Instant::now();
    let late = |_| Error::no_reply(format!("none within {} s", REPLIES_WITHIN.as_secs()));
    let opened = open_streams(&who, &call, streams.protocol);
    let opened = tokio::time::timeout(REPLIES_WITHIN, opened)
        .await
        .map_err(late)
        .flatten();
    let (reply, said) = match opened {
        Ok(Ok(socket)) => {
            let within = cx.step.within.unwrap_or(REPLIES_WITHIN);
            (switched_reply(), Some(streams.hear(socket, within).await))
        }
        Ok(Err(reply)) => (reply, None),
        Err(fault) => {
            let fault = fault.in_one_line();
            (ApiReply::Transport { fault }, None)
        }
    };
    who.tell_listener(&call, Some(&reply), start.elapsed());
    let mut tried = Observation::from_exchange(ApiExchange {
        call,
        headers: who.headers.clone(),
        reply,
        took: start.elapsed(),
    });
    match said {
        None => {}
        Some(Ok(bytes)) => {
            if !bytes.is_empty() && !unrecorded {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                tried = tried.with_fact("output", redact::redact_pod_text(&text));
            }
            cx.world.memory.keep_output(cx.step.id, bytes);
        }
        Some(Err(why)) => tried.verdict = Verdict::broken(why.in_one_line()),
    }
    Ok(tried)
}

impl OpenedStreams<'_> {
    /// What came until the text that is waited for, or the other end's close.
    ///
    /// # Errors
    /// When neither came in time, or the connection was lost before anything came.
    async fn hear<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut socket: WebSocketStream<S>,
        within: Duration,
    ) -> Result<Vec<u8>, Error> {
        let mut heard = HeardBytes::default();
        let Some(talk) = &self.talk else {
            // What the other end thinks of it is told no more.
            let _ = socket.close(None).await;
            return Ok(heard.bytes);
        };
        let spoken = self.speak(&mut socket, talk, &mut heard);
        let ended = tokio::time::timeout(within, spoken).await;
        let _ = socket.close(None).await;
        if let Some(fault) = heard.fault_message() {
            return Err(Error::no_reply(fault));
        }
        match ended {
            Ok(Ok(())) => Ok(heard.bytes),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(Error::no_reply(format!(
                "`{}` was not said within {} s; what was: {}",
                talk.until,
                within.as_secs(),
                String::from_utf8_lossy(&heard.bytes).trim()
            ))),
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut WebSocketStream<S>,
        talk: &StreamTalk,
        heard: &mut HeardBytes,
    ) -> Result<(), Error> {
        if let Some(text) = &talk.send {
            let message: Vec<u8> = std::iter::once(SPOKEN_CHANNEL)
                .chain(text.bytes())
                .collect();
            socket
                .send(Message::Binary(Bytes::from(message)))
                .await
                .map_err(Error::lost_connection)?;
        }
        while !heard.holds(&talk.until) {
            if heard.bytes.len() >= LONGEST_TALK {
                return Err(Error::no_reply(format!(
                    "`{}` is not in the first MiB of what was said",
                    talk.until
                )));
            }
            match socket.next().await {
                Some(Ok(Message::Binary(frame))) => self.take_frame(&frame, heard),
                None | Some(Ok(Message::Close(_))) => {
                    return Err(Error::no_reply(format!(
                        "the other end closed before it said `{}`; what it said: {}",
                        talk.until,
                        String::from_utf8_lossy(&heard.bytes).trim()
                    )));
                }
                Some(Ok(_)) => {}
                Some(Err(fault)) => return Err(Error::lost_connection(fault)),
            }
        }
        Ok(())
    }

    fn take_frame(&self, frame: &[u8], heard: &mut HeardBytes) {
        let Some((channel, bytes)) = frame.split_first() else {
            return;
        };
        let begun = heard.begun.entry(*channel).or_default();
        let missing = self.preamble.saturating_sub(*begun);
        let (before, said) = bytes.split_at(missing.min(bytes.len()));
        *begun += before.len();
        let kept = match *channel {
            status if self.status == Some(status) => &mut heard.status,
            said if self.heard.contains(&said) => &mut heard.bytes,
            _ => return,
        };
        let room = LONGEST_TALK.saturating_sub(kept.len());
        kept.extend_from_slice(&said[..room.min(said.len())]);
    }
}

/// What goes on for longer is heard to its end, and not kept.
const LONGEST_TALK: usize = 1 << 20;

impl HeardBytes {
    /// What the `Status` of its end says that went wrong.
    fn fault_message(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.status);
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match serde_json::from_str::<Value>(text) {
            // A command that ended with another code than 0 was there, and said what it said.
            Ok(status) => {
                let why = exit_code(&status).err()?;
                Some(format!("the other end failed: {}", why.in_one_line()))
            }
            Err(_) => Some(format!("the other end failed: {text}")),
        }
    }

    fn holds(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.bytes).contains(text)
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    fn port(until: &str) -> OpenedStreams<'static> {
        OpenedStreams {
            protocol: PORT_PROTOCOL,
            heard: &[0, 1],
            status: None,
            preamble: 2,
            talk: Some(StreamTalk {
                send: Some("ping".into()),
                until: until.into(),
            }),
        }
    }

    /// What is heard of another end that takes one message, says these frames, and closes or
    /// stays.
    async fn heard_of(
        streams: &OpenedStreams<'_>,
        frames: &[&[u8]],
        closes: bool,
    ) -> (Result<Vec<u8>, Error>, Vec<u8>) {
        let (near, far) = tokio::io::duplex(4096);
        let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let mut far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let other = async {
            let asked = far.next().await.unwrap().unwrap().into_data().to_vec();
            for frame in frames {
                let message = Message::Binary(Bytes::copy_from_slice(frame));
                far.send(message).await.unwrap();
            }
            if closes {
                far.close(None).await.unwrap();
            }
            while far.next().await.is_some_and(|message| message.is_ok()) {}
            asked
        };
        tokio::join!(streams.hear(near, Duration::from_millis(300)), other)
    }

    #[tokio::test]
    async fn a_port_is_spoken_to_and_heard_until_it_has_said_it() {
        let frames: [&[u8]; 4] = [b"\x00\x90", b"\x00\x1f", b"\x01\x90\x1f", b"\x00pong"];
        let (heard, asked) = heard_of(&port("pong"), &frames, false).await;
        assert_eq!(heard.unwrap(), b"pong");
        assert_eq!(asked, b"\x00ping");
        let refused: [&[u8]; 2] = [b"\x00\x90\x1f", b"\x01\x90\x1fconnection refused"];
        let (heard, _) = heard_of(&port("refused"), &refused, true).await;
        assert_eq!(heard.unwrap(), b"connection refused");
        let (heard, _) = heard_of(&port("pong"), &refused, true).await;
        let why = heard.unwrap_err().to_string();
        assert!(why.contains("closed before it said `pong`"), "{why}");
    }

    #[tokio::test]
    async fn what_does_not_come_in_time_is_not_an_answer() {
        let (heard, _) = heard_of(&port("pong"), &[b"\x00\x90\x1fpin"], false).await;
        let why = heard.unwrap_err().to_string();
        assert!(why.contains("`pong` was not said"), "{why}");
        assert!(why.ends_with("what was: pin"), "{why}");
    }

    #[test]
    fn channels_of_no_program_are_left_out() {
        let streams = OpenedStreams {
            protocol: COMMAND_PROTOCOL,
            heard: &[1, 2],
            status: Some(3),
            preamble: 0,
            talk: None,
        };
        let mut heard = HeardBytes::default();
        let success: &[u8] = br#"{"status":"Success"}"#;
        let told = [b"\x03", success].concat();
        let frames: [&[u8]; 5] = [b"\x01out", b"\x02err", &told, b"", b"\x00in"];
        for frame in frames {
            streams.take_frame(frame, &mut heard);
        }
        assert_eq!(heard.bytes, b"outerr");
        assert!(heard.holds("ter") && !heard.holds("in"));
        assert_eq!(heard.fault_message(), None);
        heard.status = br#"{"status":"Failure","message":"no such container"}"#.to_vec();
        let fault = heard.fault_message();
        assert_eq!(
            fault.as_deref(),
            Some("the other end failed: no such container")
        );
    }
}
