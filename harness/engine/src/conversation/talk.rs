//! One conversation: each caller gets the answer to its own question, whenever it comes.

use crate::Error;
use std::collections::HashMap;

use probe_protocol::{
    EngineQuestion, NO_QUESTION, ProbeAnswer, ProbeReply, ProbeReport, ProbeRequest, QuestionAnswer,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::wire::LineWire;

/// A question, and the caller that waits for the answer.
struct PendingQuestion {
    ask: ProbeRequest,
    hears: UnboundedSender<Result<QuestionAnswer, Error>>,
}

/// A conversation that is open. It ends with the last of these, and so does what it goes over.
#[derive(Clone)]
pub(crate) struct ProbeConversation(UnboundedSender<PendingQuestion>);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum NoAnswer {
    /// The conversation came to its end before. Nothing is known of the question.
    Lost(Error),
    /// The probe says why.
    Fault(String),
}

impl ProbeConversation {
    /// Begins one, in a background task.
    pub(super) fn begin_task<S>(wire: LineWire<S>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (ask, asked) = unbounded_channel();
        tokio::spawn(serve_questions(wire, asked));
        Self(ask)
    }

    /// Whether it has not come to its end yet, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Asks, and waits for what comes of it. `seen` is told what is seen meanwhile.
    pub(super) async fn ask_question(
        &self,
        ask: ProbeRequest,
        mut seen: impl FnMut(ProbeReport),
    ) -> Result<ProbeAnswer, NoAnswer> {
        let ended = || NoAnswer::Lost(Error::no_reply("the conversation had ended"));
        let (hears, mut heard) = unbounded_channel();
        self.0
            .send(PendingQuestion { ask, hears })
            .map_err(|_| ended())?;
        loop {
            match heard.recv().await {
                Some(Ok(QuestionAnswer::Seen(report))) => seen(report),
                Some(Ok(QuestionAnswer::Answer(answer))) => return Ok(answer),
                Some(Ok(QuestionAnswer::Fault(why))) => return Err(NoAnswer::Fault(why)),
                Some(Err(why)) => return Err(NoAnswer::Lost(why)),
                None => return Err(ended()),
            }
        }
    }
}

/// Sends questions and reads answers until there are no more questions, or the connection ends:
/// then every waiter gets the reason.
async fn serve_questions<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: LineWire<S>,
    mut asked: UnboundedReceiver<PendingQuestion>,
) {
    let mut waiting = HashMap::new();
    let mut last = 0;
    let why = loop {
        let heard = tokio::select! {
            one = asked.recv() => {
                let Some(PendingQuestion { ask, hears }) = one else { return };
                last += 1;
                waiting.insert(last, hears);
                wire.send_line(&EngineQuestion { id: last, ask }.line()).await
            }
            line = wire.next_line() => line.and_then(|line| pass_answer(&line, last, &mut waiting)),
        };
        if let Err(why) = heard {
            break why;
        }
    };
    // Closed first: a caller from now on gets an error, and asks elsewhere.
    asked.close();
    while let Ok(late) = asked.try_recv() {
        _ = late.hears.send(Err(why.clone()));
    }
    for hears in waiting.into_values() {
        _ = hears.send(Err(why.clone()));
    }
}

/// Passes an answer on. An answer without a waiter is dropped; one without a question ends the
/// conversation.
fn pass_answer(
    line: &str,
    last: u64,
    waiting: &mut HashMap<u64, UnboundedSender<Result<QuestionAnswer, Error>>>,
) -> Result<(), Error> {
    let ProbeReply { id, said } = ProbeReply::read(line.as_bytes())?;
    if id == NO_QUESTION || id > last {
        return Err(Error::unexpected(format!(
            "the probe said what was not asked: {said:?}"
        )));
    }
    let is_over = !matches!(said, QuestionAnswer::Seen(_));
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

    use tokio::io::DuplexStream;

    use super::*;

    /// A conversation, and the probe's end of it.
    fn begin() -> (ProbeConversation, BufReader<UnixStream>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (
            ProbeConversation::begin_task(LineWire::<DuplexStream>::over_socket(ours).unwrap()),
            BufReader::new(theirs),
        )
    }

    fn ask(
        conversation: &ProbeConversation,
        word: &str,
    ) -> tokio::task::JoinHandle<Result<ProbeAnswer, NoAnswer>> {
        let (conversation, ask) = (conversation.clone(), ProbeRequest::Cat(word.into()));
        tokio::spawn(async move { conversation.ask_question(ask, |_| {}).await })
    }

    /// The next `count` questions, as numbers by their words.
    async fn questions(probe: &mut BufReader<UnixStream>, count: usize) -> HashMap<String, u64> {
        tokio::task::block_in_place(|| {
            let line = |_| {
                let mut line = String::new();
                probe.read_line(&mut line).unwrap();
                match EngineQuestion::read(line.as_bytes()).unwrap() {
                    EngineQuestion {
                        id,
                        ask: ProbeRequest::Cat(word),
                    } => (word, id),
                    other => panic!("{other:?}"),
                }
            };
            (0..count).map(line).collect()
        })
    }

    fn say(probe: &BufReader<UnixStream>, id: u64, said: QuestionAnswer) {
        let line = ProbeReply { id, said }.line();
        probe.get_ref().write_all(line.as_bytes()).unwrap();
    }

    fn file(text: &str) -> ProbeAnswer {
        ProbeAnswer::File(text.into())
    }

    fn report(target: &str) -> ProbeReport {
        let line = format!(r#"{{"target":"{target}","reached":true,"ms":1}}"#);
        ProbeReport::read(line.as_bytes()).unwrap()
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
        say(&probe, ids["quick"], QuestionAnswer::Answer(file("q")));
        assert_eq!(quick.await.unwrap().unwrap(), file("q"));
        say(
            &probe,
            ids["wrong"],
            QuestionAnswer::Fault("no such word".into()),
        );
        assert!(matches!(wrong.await.unwrap(), Err(NoAnswer::Fault(why)) if why == "no such word"));
        say(&probe, ids["slow"], QuestionAnswer::Answer(file("s")));
        assert_eq!(slow.await.unwrap().unwrap(), file("s"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_seen_meanwhile_is_passed_on() {
        let (conversation, mut probe) = begin();
        let asked = tokio::spawn(async move {
            let mut seen = Vec::new();
            (
                conversation
                    .ask_question(ProbeRequest::Cat("look".into()), |report| seen.push(report))
                    .await,
                seen,
            )
        });
        let id = questions(&mut probe, 1).await["look"];
        for said in [
            QuestionAnswer::Seen(report("a")),
            QuestionAnswer::Seen(report("b")),
            QuestionAnswer::Answer(file("c")),
        ] {
            say(&probe, id, said);
        }
        let (answer, seen) = asked.await.unwrap();
        assert_eq!(
            (answer.unwrap(), seen),
            (file("c"), vec![report("a"), report("b")])
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_conversation_is_no_answer() {
        let lost = |asked: Result<ProbeAnswer, NoAnswer>, wanted: &str| match asked {
            Err(NoAnswer::Lost(why)) => assert!(why.to_string().contains(wanted), "{why}"),
            other => panic!("{other:?}"),
        };
        let (conversation, mut probe) = begin();
        let asked = ask(&conversation, "look");
        questions(&mut probe, 1).await;
        drop(probe);
        lost(asked.await.unwrap(), "the probe is gone");
        lost(ask(&conversation, "look").await.unwrap(), "ended");
        assert!(!conversation.is_open());
        for (junk, wanted) in [
            ("junk", "the probe is not understood"),
            (r#"{"id":1}"#, "the probe is not understood"),
            (r#"{"id":7,"said":{"fault":"x"}}"#, "the probe said what"),
            (r#"{"id":0,"said":{"fault":"x"}}"#, "the probe said what"),
        ] {
            let (conversation, mut probe) = begin();
            let asked = [ask(&conversation, "one"), ask(&conversation, "two")];
            questions(&mut probe, 2).await;
            writeln!(probe.get_ref(), "{junk}").unwrap();
            for asked in asked {
                lost(asked.await.unwrap(), wanted);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_gives_up_disturbs_nobody_and_the_last_one_closes_it() {
        let (conversation, mut probe) = begin();
        let (gone, stays) = (ask(&conversation, "gone"), ask(&conversation, "stays"));
        let ids = questions(&mut probe, 2).await;
        gone.abort();
        say(&probe, ids["gone"], QuestionAnswer::Answer(file("late")));
        say(&probe, ids["stays"], QuestionAnswer::Answer(file("s")));
        assert_eq!(stays.await.unwrap().unwrap(), file("s"));
        drop(conversation);
        let left = tokio::task::block_in_place(|| probe.read_line(&mut String::new()).unwrap());
        assert_eq!(left, 0);
    }
}
