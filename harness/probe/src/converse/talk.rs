//! Answering the questions of one conversation.

use std::io::{self, BufRead, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use probe_protocol::{
    EngineQuestion, NO_QUESTION, ProbeAnswer, ProbeReply, ProbeReport, ProbeRequest, QuestionAnswer,
};

use crate::{agent, show, wire};

/// How long a question may be.
const LONGEST_LINE: u64 = 64 << 10;

/// How many questions of a conversation are worked on at a time.
const AT_ONCE: usize = 128;

/// Enough to read what a manager counted; many threads are cheap where each is small.
const STACK_BYTES: usize = 512 << 10;

/// What the threads of a conversation share.
struct SharedTalk<W> {
    writer: Mutex<W>,
    /// Whether the engine has closed the conversation.
    ended: AtomicBool,
    busy: AtomicUsize,
}

/// Answers questions until there are no more, or a line is not a question. Answers that are not
/// ready by then are not given.
pub(crate) fn answer_all<W: Write + Send + 'static>(mut reader: impl BufRead, writer: W) {
    let shared = Arc::new(SharedTalk {
        writer: Mutex::new(writer),
        ended: AtomicBool::new(false),
        busy: AtomicUsize::new(0),
    });
    while let Ok(Some(line)) = next_line(&mut reader) {
        match EngineQuestion::read(&line) {
            Ok(question) => begin_question(&shared, question),
            Err(why) => {
                // The line does not say which question it is: it gets no answer, and the
                // conversation ends.
                _ = shared.say_line(NO_QUESTION, QuestionAnswer::Fault(why.to_string()));
                break;
            }
        }
    }
    shared.ended.store(true, Ordering::Relaxed);
}

/// The next whole line.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)?;
    Ok((!line.is_empty()).then_some(line))
}

/// Works on a question in a background thread.
fn begin_question<W: Write + Send + 'static>(
    shared: &Arc<SharedTalk<W>>,
    question: EngineQuestion,
) {
    let EngineQuestion { id, ask } = question;
    let too_many = || QuestionAnswer::Fault("too many questions at a time".into());
    if shared.busy.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        _ = shared.say_line(id, too_many());
        return;
    }
    let own = Arc::clone(shared);
    let work = move || {
        let done = answer_question(&ask, &own.ended, |seen| {
            _ = own.say_line(id, QuestionAnswer::Seen(seen))
        });
        own.busy.fetch_sub(1, Ordering::Relaxed);
        _ = own.say_line(
            id,
            done.map_or_else(QuestionAnswer::Fault, QuestionAnswer::Answer),
        );
    };
    if thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(work)
        .is_err()
    {
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        _ = shared.say_line(id, too_many());
    }
}

/// Answers one question.
fn answer_question(
    ask: &ProbeRequest,
    ended: &AtomicBool,
    seen: impl FnMut(ProbeReport),
) -> Result<ProbeAnswer, String> {
    match ask {
        ProbeRequest::Reach(reach) => wire::reach_one(reach, ended, seen).map(ProbeAnswer::Report),
        ProbeRequest::Held(name) => wire::use_held(name).map(ProbeAnswer::Report),
        ProbeRequest::Cat(file) => show::show_file(file).map(ProbeAnswer::File),
        ProbeRequest::AgentState => agent::own_state().map(ProbeAnswer::Agent),
        ProbeRequest::ManagerState => agent::own_manager_state().map(ProbeAnswer::Manager),
    }
}

impl<W: Write> SharedTalk<W> {
    fn say_line(&self, id: u64, said: QuestionAnswer) -> io::Result<()> {
        let line = ProbeReply { id, said }.line();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;

    use std::time::Duration;

    use probe_protocol::{FaultReason, ReachRequest};

    use super::*;

    /// Our end of a conversation.
    struct Asker(UnixStream, BufReader<UnixStream>);

    impl Asker {
        fn begin() -> Self {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let reader = BufReader::new(theirs.try_clone().unwrap());
            thread::spawn(move || answer_all(reader, theirs));
            let reader = BufReader::new(ours.try_clone().unwrap());
            Self(ours, reader)
        }

        fn ask(&mut self, id: u64, ask: ProbeRequest) {
            let line = EngineQuestion { id, ask }.line();
            self.0.write_all(line.as_bytes()).unwrap();
        }

        /// What is said next; nothing at the end.
        fn heard(&mut self) -> Option<ProbeReply> {
            let mut line = String::new();
            self.1.read_line(&mut line).unwrap();
            (!line.is_empty()).then(|| ProbeReply::read(line.as_bytes()).unwrap())
        }

        fn fault(&mut self, id: u64) -> String {
            match self.heard() {
                Some(ProbeReply {
                    id: whose,
                    said: QuestionAnswer::Fault(why),
                }) if whose == id => why,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_slow_answer_holds_up_no_other() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let reach = ReachRequest {
            timeout: Duration::from_millis(700),
            ..ReachRequest::once(&format!("tcp://{}", silent.local_addr().unwrap()))
        };
        let mut asker = Asker::begin();
        asker.ask(1, ProbeRequest::Reach(reach));
        asker.ask(2, ProbeRequest::Cat("/proc/self/comm".into()));
        asker.ask(3, ProbeRequest::Cat("/no/such/file".into()));
        let mut quick = [asker.heard().unwrap(), asker.heard().unwrap()];
        quick.sort_by_key(|reply| reply.id);
        let [file, fault] = quick.map(|reply| (reply.id, reply.said));
        assert!(
            matches!(&file, (2, QuestionAnswer::Answer(ProbeAnswer::File(bytes))) if bytes.ends_with(b"\n")),
            "{file:?}"
        );
        assert!(
            matches!(&fault, (3, QuestionAnswer::Fault(why)) if why.contains("/no/such/file")),
            "{fault:?}"
        );
        let slow = asker.heard().unwrap();
        assert!(
            matches!(&slow, ProbeReply { id: 1, said: QuestionAnswer::Answer(ProbeAnswer::Report(report)) }
                if report.reason() == Some(FaultReason::TimedOut)),
            "{slow:?}"
        );
    }

    #[test]
    fn what_cannot_be_answered_is_a_fault() {
        let mut asker = Asker::begin();
        asker.ask(1, ProbeRequest::Reach(ReachRequest::once("moon://a:1")));
        assert!(asker.fault(1).contains("moon"));
        asker.ask(2, ProbeRequest::Held("nobody-holds-it".into()));
        assert!(asker.fault(2).starts_with("no process holds"));
    }

    #[test]
    fn a_broken_line_is_the_end() {
        for line in ["who is there", r#"{"id":1,"ask":"crash"}"#] {
            let mut asker = Asker::begin();
            writeln!(asker.0, "{line}").unwrap();
            assert!(asker.fault(NO_QUESTION).contains("is not a question"));
            assert_eq!(asker.heard(), None);
        }
    }
}
