//! One conversation: who asks gets the answer to their own question, whenever it comes.

use crate::Error;
use std::collections::HashMap;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::line::{Said, question, said};
use super::wire::Wire;

/// A question, and who waits for what is said to it.
struct Asked {
    words: Vec<String>,
    hears: UnboundedSender<Result<Said, Error>>,
}

/// A conversation that is open. It ends with the last of these, and so does what it goes over.
#[derive(Clone)]
pub(crate) struct Conversation(UnboundedSender<Asked>);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum Unanswered {
    /// The conversation came to its end before. Nothing is known of the question.
    Lost(Error),
    /// The probe says why.
    Fault(String),
}

impl Conversation {
    /// Begins one, in a task of its own.
    pub(super) fn begin<S>(wire: Wire<S>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (ask, asked) = unbounded_channel();
        tokio::spawn(talk(wire, asked));
        Self(ask)
    }

    /// Whether it has not come to its end yet, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Asks, and waits for what comes of it. `seen` is told what is seen meanwhile.
    pub(super) async fn ask(
        &self,
        words: Vec<String>,
        mut seen: impl FnMut(String),
    ) -> Result<Vec<u8>, Unanswered> {
        let ended = || Unanswered::Lost(Error::no_reply("the conversation had ended"));
        let (hears, mut heard) = unbounded_channel();
        self.0.send(Asked { words, hears }).map_err(|_| ended())?;
        loop {
            match heard.recv().await {
                Some(Ok(Said::Seen(text))) => seen(text),
                Some(Ok(Said::Output(bytes))) => return Ok(bytes),
                Some(Ok(Said::Fault(why))) => return Err(Unanswered::Fault(why)),
                Some(Err(why)) => return Err(Unanswered::Lost(why)),
                None => return Err(ended()),
            }
        }
    }
}

/// Asks and hears until nobody asks any more, or nothing can be heard: then everybody who waits is told why.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: Wire<S>,
    mut asked: UnboundedReceiver<Asked>,
) {
    let mut waiting = HashMap::new();
    let mut last = 0;
    let why = loop {
        let heard = tokio::select! {
            one = asked.recv() => {
                let Some(Asked { words, hears }) = one else { return };
                last += 1;
                waiting.insert(last, hears);
                wire.send(&question(last, &words)).await
            }
            line = wire.line() => line.and_then(|line| hear(&line, last, &mut waiting)),
        };
        if let Err(why) = heard {
            break why;
        }
    };
    // Closed first: who asks from now on is told so, and asks elsewhere.
    asked.close();
    while let Ok(late) = asked.try_recv() {
        _ = late.hears.send(Err(why.clone()));
    }
    for hears in waiting.into_values() {
        _ = hears.send(Err(why.clone()));
    }
}

/// Passes on what was said. What nobody waits for any more is nobody's; what nobody asked ends the conversation.
fn hear(
    line: &str,
    last: u64,
    waiting: &mut HashMap<u64, UnboundedSender<Result<Said, Error>>>,
) -> Result<(), Error> {
    let (id, said) = said(line)?;
    if id == 0 || id > last {
        return Err(Error::unexpected(format!(
            "the probe said what was not asked: {said:?}"
        )));
    }
    let is_over = !matches!(said, Said::Seen(_));
    if let Some(hears) = waiting.get(&id) {
        _ = hears.send(Ok(said));
    }
    if is_over {
        waiting.remove(&id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    use serde_json::{Value, json};
    use tokio::io::DuplexStream;

    use super::*;

    /// A conversation, and the probe's end of it.
    fn begin() -> (Conversation, BufReader<UnixStream>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (
            Conversation::begin(Wire::<DuplexStream>::socket(ours).unwrap()),
            BufReader::new(theirs),
        )
    }

    fn ask(
        conversation: &Conversation,
        word: &str,
    ) -> tokio::task::JoinHandle<Result<Vec<u8>, Unanswered>> {
        let (conversation, words) = (conversation.clone(), vec![word.to_owned()]);
        tokio::spawn(async move { conversation.ask(words, |_| {}).await })
    }

    /// The next `count` questions, as numbers by their words.
    async fn questions(probe: &mut BufReader<UnixStream>, count: usize) -> HashMap<String, Value> {
        tokio::task::block_in_place(|| {
            let line = |_| {
                let mut line = String::new();
                probe.read_line(&mut line).unwrap();
                let line: Value = serde_json::from_str(&line).unwrap();
                (
                    line["words"][0].as_str().unwrap().to_owned(),
                    line["id"].clone(),
                )
            };
            (0..count).map(line).collect()
        })
    }

    fn say(probe: &BufReader<UnixStream>, line: &Value) {
        writeln!(probe.get_ref(), "{line}").unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn answers_come_in_any_order() {
        let (conversation, mut probe) = begin();
        let (slow, quick, wrong) = (
            ask(&conversation, "slow"),
            ask(&conversation, "quick"),
            ask(&conversation, "wrong"),
        );
        let ids = questions(&mut probe, 3).await;
        say(&probe, &json!({"id": ids["quick"], "output": "q"}));
        assert_eq!(quick.await.unwrap().unwrap(), b"q");
        say(
            &probe,
            &json!({"id": ids["wrong"], "fault": "no such word"}),
        );
        assert!(
            matches!(wrong.await.unwrap(), Err(Unanswered::Fault(why)) if why == "no such word")
        );
        say(&probe, &json!({"id": ids["slow"], "output": "s"}));
        assert_eq!(slow.await.unwrap().unwrap(), b"s");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_seen_meanwhile_is_passed_on() {
        let (conversation, mut probe) = begin();
        let asked = tokio::spawn(async move {
            let mut seen = Vec::new();
            (
                conversation
                    .ask(vec!["look".into()], |text| seen.push(text))
                    .await,
                seen,
            )
        });
        let id = questions(&mut probe, 1).await["look"].clone();
        for line in [
            json!({"id": id, "seen": "a"}),
            json!({"id": id, "seen": "b"}),
            json!({"id": id, "output": "c"}),
        ] {
            say(&probe, &line);
        }
        let (output, seen) = asked.await.unwrap();
        assert_eq!(
            (output.unwrap(), seen),
            (b"c".to_vec(), vec!["a".into(), "b".into()])
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_conversation_is_no_answer() {
        let lost = |asked: Result<Vec<u8>, Unanswered>, wanted: &str| match asked {
            Err(Unanswered::Lost(why)) => assert!(why.to_string().contains(wanted), "{why}"),
            other => panic!("{other:?}"),
        };
        let (conversation, mut probe) = begin();
        let asked = ask(&conversation, "look");
        questions(&mut probe, 1).await;
        drop(probe);
        lost(asked.await.unwrap(), "the probe is gone");
        lost(ask(&conversation, "look").await.unwrap(), "ended");
        assert!(!conversation.is_open());
        for junk in [
            json!("junk"),
            json!({"id": 1}),
            json!({"id": 7, "output": "x"}),
            json!({"id": 0, "fault": "x"}),
        ] {
            let (conversation, mut probe) = begin();
            let asked = [ask(&conversation, "one"), ask(&conversation, "two")];
            questions(&mut probe, 2).await;
            say(&probe, &junk);
            for asked in asked {
                lost(asked.await.unwrap(), "the probe said");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_gives_up_disturbs_nobody_and_the_last_one_closes_it() {
        let (conversation, mut probe) = begin();
        let (gone, stays) = (ask(&conversation, "gone"), ask(&conversation, "stays"));
        let ids = questions(&mut probe, 2).await;
        gone.abort();
        say(&probe, &json!({"id": ids["gone"], "output": "late"}));
        say(&probe, &json!({"id": ids["stays"], "output": "s"}));
        assert_eq!(stays.await.unwrap().unwrap(), b"s");
        drop(conversation);
        let left = tokio::task::block_in_place(|| probe.read_line(&mut String::new()).unwrap());
        assert_eq!(left, 0);
    }
}
