//! Answering the questions of one conversation.

use std::io::{self, BufRead, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::line::{Question, Said};
use crate::{agent, show, wire};

/// How long a question may be.
const LONGEST: u64 = 64 << 10;

/// How many questions of a conversation are worked on at a time.
const AT_ONCE: usize = 128;

/// Enough to read what a manager counted; many threads are cheap where each is small.
const STACK: usize = 512 << 10;

/// What the threads of a conversation share.
struct Shared<W> {
    writer: Mutex<W>,
    /// Whether nobody asks any more.
    ended: AtomicBool,
    busy: AtomicUsize,
}

/// Answers questions until there are no more, or one that is none. Answers that are not ready by then are not given.
pub(crate) fn answer_all<W: Write + Send + 'static>(mut reader: impl BufRead, writer: W) {
    let shared = Arc::new(Shared {
        writer: Mutex::new(writer),
        ended: AtomicBool::new(false),
        busy: AtomicUsize::new(0),
    });
    while let Ok(Some(line)) = next(&mut reader) {
        let Some(question) = Question::read(&line) else {
            // Whose answer is due is not known: it is answered to nobody, and that is the end.
            _ = shared.say(0, &Said::Fault("that is not a question".into()));
            break;
        };
        begin(&shared, question);
    }
    shared.ended.store(true, Ordering::Relaxed);
}

/// The next whole line.
fn next(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    Ok((!line.is_empty()).then_some(line))
}

/// Works on a question in a thread of its own.
fn begin<W: Write + Send + 'static>(shared: &Arc<Shared<W>>, question: Question) {
    let Question { id, words } = question;
    let too_many = || Said::Fault("too many questions at a time".into());
    if shared.busy.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        _ = shared.say(id, &too_many());
        return;
    }
    let own = Arc::clone(shared);
    let work = move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = run(&words, &own.ended, |seen| {
            _ = own.say(id, &Said::Seen(seen.to_owned()))
        });
        own.busy.fetch_sub(1, Ordering::Relaxed);
        _ = own.say(id, &done.map_or_else(Said::Fault, Said::Output));
    };
    if thread::Builder::new()
        .stack_size(STACK)
        .spawn(work)
        .is_err()
    {
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        _ = shared.say(id, &too_many());
    }
}

/// Does one command. Only those that look are here: what changes something is a process of its own.
fn run(words: &[&str], ended: &AtomicBool, seen: impl FnMut(&str)) -> Result<Vec<u8>, String> {
    match words {
        ["reach", rest @ ..] if !rest.is_empty() => {
            wire::reach_words(rest, ended, seen).map(String::into_bytes)
        }
        ["held", name] => wire::held(name).map(String::into_bytes),
        ["cat", file] => show::file(file),
        [word @ ("agent-state" | "manager-state"), rest @ ..] => {
            agent::run(word, rest).map(String::into_bytes)
        }
        _ => Err(format!(
            "`{}` is nothing that a conversation answers",
            words.join(" ")
        )),
    }
}

impl<W: Write> Shared<W> {
    fn say(&self, id: u64, said: &Said) -> io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer
            .write_all(said.line(id).as_bytes())
            .and_then(|()| writer.flush())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;

    use serde_json::{Value, json};

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

        fn ask(&mut self, id: u64, words: &[&str]) {
            writeln!(self.0, "{}", json!({"id": id, "words": words})).unwrap();
        }

        fn heard(&mut self) -> Value {
            let mut line = String::new();
            self.1.read_line(&mut line).unwrap();
            if line.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&line).unwrap()
            }
        }
    }

    #[test]
    fn a_slow_answer_holds_up_no_other() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = format!("tcp://{}", silent.local_addr().unwrap());
        let mut asker = Asker::begin();
        asker.ask(1, &["reach", "--timeout", "700", &target]);
        asker.ask(2, &["cat", "/proc/self/comm"]);
        asker.ask(3, &["cat", "/no/such/file"]);
        let mut quick = [asker.heard(), asker.heard()];
        quick.sort_by_key(|line| line["id"].as_u64());
        assert!(
            quick[0]["id"] == 2 && quick[0]["output"].as_str().unwrap().ends_with('\n'),
            "{quick:?}"
        );
        assert!(
            quick[1]["id"] == 3
                && quick[1]["fault"]
                    .as_str()
                    .unwrap()
                    .contains("/no/such/file"),
            "{quick:?}"
        );
        let slow = asker.heard();
        let said: Value = serde_json::from_str(slow["output"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&slow["id"], &said["reason"]),
            (&json!(1), &json!("timed-out"))
        );
    }

    #[test]
    fn what_only_a_process_may_do_is_refused() {
        let mut asker = Asker::begin();
        for words in [
            &["pause"][..],
            &[],
            &["reach"],
            &["held"],
            &["crash"],
            &["emit", "x"],
            &["hold", "a", "b"],
        ] {
            asker.ask(1, words);
            assert!(
                asker.heard()["fault"]
                    .as_str()
                    .unwrap()
                    .contains("nothing that a conversation answers"),
                "{words:?}"
            );
        }
        asker.ask(2, &["reach", "--moon", "1", "tcp://a:1"]);
        assert!(asker.heard()["fault"].as_str().unwrap().contains("--moon"));
    }

    #[test]
    fn a_broken_line_is_the_end() {
        let mut asker = Asker::begin();
        writeln!(asker.0, "who is there").unwrap();
        assert_eq!(
            asker.heard(),
            json!({"id": 0, "fault": "that is not a question"})
        );
        assert_eq!(asker.heard(), Value::Null);
    }
}
