//! The launcher's line to the box's first process, and everything else that reaches it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use wait::{Look, TimedOut};

use super::process_table::ProcessTable;
use super::{report, tail};
use crate::error::chain;
use crate::middle::MIDDLE;
use crate::process::Process;
use crate::protocol::{self, CallerCommand, Event, Order, Report};
use crate::{Death, Error, ProcessCommand, ourselves};

const TAIL: usize = 15;
const GRACE: Duration = Duration::from_secs(10);

/// What the launcher waits for.
pub(super) enum Word {
    CallerCommand(CallerCommand),
    CallerGone,
    Signal,
    /// A milestone that is waited for beside everything else.
    Reached(&'static str),
    /// The API server, which was started again, can be used.
    Usable,
    Event(Event),
    InitGone,
}

/// Why a start does not go on.
pub(super) enum Stop {
    /// The caller is gone, or somebody sent SIGTERM.
    Asked,
    Failed(String),
}

impl From<components::Error> for Stop {
    fn from(error: components::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<enforcer::Error> for Stop {
    fn from(error: enforcer::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(chain(&error))
    }
}

/// The box's processes, seen from outside.
pub(super) struct Family {
    words: Receiver<Word>,
    to_main: Sender<Word>,
    middle: Option<(Child, Option<ChildStdin>)>,
    logs: PathBuf,
    process_table: ProcessTable,
    /// The box's first process, as the host knows it.
    pub(super) init: Option<u32>,
}

impl Family {
    pub(super) fn new(words: Receiver<Word>, to_main: Sender<Word>) -> Self {
        Self {
            words,
            to_main,
            middle: None,
            logs: PathBuf::new(),
            process_table: ProcessTable::default(),
            init: None,
        }
    }

    /// Starts the middle process; returns its id.
    pub(super) fn begin(&mut self, name: &str, logs: PathBuf) -> Result<u32, Stop> {
        self.logs = logs;
        let mut middle = ourselves::again()
            .args([MIDDLE, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::system("start the box's first process"))?;
        let stdout = middle.stdout.take();
        let to_main = self.to_main.clone();
        thread::spawn(move || {
            let lines = stdout
                .into_iter()
                .flat_map(|stdout| BufReader::new(stdout).lines())
                .map_while(Result::ok);
            for line in lines {
                let event =
                    protocol::parse(&line).unwrap_or_else(|why| Event::Failed(why.to_string()));
                if to_main.send(Word::Event(event)).is_err() {
                    return;
                }
            }
            let _ = to_main.send(Word::InitGone);
        });
        let id = middle.id();
        let stdin = middle.stdin.take();
        self.middle = Some((middle, stdin));
        Ok(id)
    }

    pub(super) fn order(&mut self, order: &Order) -> Result<(), Stop> {
        let Some((_, Some(stdin))) = &mut self.middle else {
            return Err(Stop::Failed("the box has ended".into()));
        };
        protocol::send(stdin, order)
            .map_err(|why| Stop::Failed(format!("cannot send an order to the box: {why}")))
    }

    /// Starts a process for the first time.
    pub(super) fn spawn(&mut self, process: Process) -> Result<(), Stop> {
        self.process_table.enlist(&process);
        self.order(&Order::Spawn(process))
    }

    /// Follows an order to one process.
    pub(super) fn control(&mut self, process: &str, what: ProcessCommand) -> Result<(), Stop> {
        self.process_table
            .control(process, what)
            .map_or(Ok(()), |order| self.order(&order))
    }

    /// For a thread that waits for something beside everything else.
    pub(super) fn to_main(&self) -> Sender<Word> {
        self.to_main.clone()
    }

    pub(super) fn next_word(&self) -> Word {
        self.words.recv().unwrap_or(Word::InitGone)
    }

    /// Waits for an event that `wanted` accepts, and for nothing longer than `within`.
    pub(super) fn expect(
        &mut self,
        name: &str,
        within: Duration,
        wanted: impl Fn(&Event) -> bool,
        started: &mut dyn FnMut(&str),
    ) -> Result<(), Stop> {
        let start = Instant::now();
        loop {
            match self
                .words
                .recv_timeout(within.saturating_sub(start.elapsed()))
            {
                Ok(Word::Event(event)) if wanted(&event) => {
                    self.judge(event, started)?;
                    return Ok(());
                }
                Ok(word) => self.heed(word, started)?,
                Err(_) => {
                    return Err(Stop::Failed(TimedOut::unseen(name, within).to_string()));
                }
            }
        }
    }

    /// Waits for a process that does its work and ends.
    pub(super) fn expect_end(
        &mut self,
        process: &str,
        within: Duration,
        started: &mut dyn FnMut(&str),
    ) -> Result<(), Stop> {
        if self.process_table.has_ended_well(process) {
            return Ok(());
        }
        let ends = |event: &Event| matches!(event, Event::Exited { process: ended, .. } if ended == process);
        self.expect(&format!("`{process}` to end"), within, ends, started)
    }

    /// Looks until a condition holds, for as long as nothing goes wrong.
    pub(super) fn look<T>(
        &mut self,
        name: &str,
        within: Duration,
        started: &mut dyn FnMut(&str),
        mut look: impl FnMut() -> Look<T>,
    ) -> Result<T, Stop> {
        let every = Duration::from_millis(10);
        let outcome = wait::until(name, within, every, || match self.catch_up(started) {
            Err(stop) => Look::Ready(Err(stop)),
            Ok(()) => match look() {
                Look::Ready(value) => Look::Ready(Ok(value)),
                Look::NotYet(seen) => Look::NotYet(seen),
            },
        });
        outcome.unwrap_or_else(|late| Err(Stop::Failed(late.to_string())))
    }

    /// Heeds everything that has come in.
    fn catch_up(&mut self, started: &mut dyn FnMut(&str)) -> Result<(), Stop> {
        loop {
            match self.words.try_recv() {
                Ok(word) => self.heed(word, started)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    return Err(Stop::Failed("the box has ended".into()));
                }
            }
        }
    }

    fn heed(&mut self, word: Word, started: &mut dyn FnMut(&str)) -> Result<(), Stop> {
        match word {
            Word::CallerCommand(_) | Word::Reached(_) | Word::Usable => Ok(()),
            Word::CallerGone | Word::Signal => Err(Stop::Asked),
            Word::InitGone => Err(Stop::Failed("the box's first process ended".into())),
            Word::Event(event) => self.judge(event, started),
        }
    }

    fn judge(&mut self, event: Event, started: &mut dyn FnMut(&str)) -> Result<(), Stop> {
        match &event {
            Event::Started { process, .. } => started(process),
            Event::Born { init } => self.init = Some(*init),
            Event::Failed(why) => return Err(Stop::Failed(why.clone())),
            Event::NotStarted { process, why } => {
                return Err(Stop::Failed(format!("`{process}` was not started: {why}")));
            }
            _ => {}
        }
        match self.note(event)? {
            None => Ok(()),
            Some(Death {
                process,
                status,
                tail,
            }) => Err(Stop::Failed(format!(
                "`{process}` ended ({status}); the end of its log:\n{tail}"
            ))),
        }
    }

    /// Takes in what became of a process, tells the caller, and does what follows. Returns the end of a process that
    /// should have lived.
    pub(super) fn note(&mut self, event: Event) -> Result<Option<Death>, Stop> {
        let (process, orders, death) = match event {
            Event::Started { process, log_from } => {
                let orders = self.process_table.started(&process, log_from);
                (process, orders, None)
            }
            Event::Froze { process, frozen } => {
                self.process_table.froze(&process, frozen);
                (process, Vec::new(), None)
            }
            Event::NotStarted { process, why } => {
                let status = format!("not started: {why}");
                let death = Death {
                    process: process.clone(),
                    status,
                    tail: String::new(),
                };
                self.process_table.not_started(&death);
                (process, Vec::new(), Some(death))
            }
            Event::Exited {
                process,
                status,
                success,
            } => {
                let death = self.death(&process, status);
                let ending = self.process_table.ended(&death, success);
                (
                    process,
                    ending.order.into_iter().collect(),
                    ending.unexpected.then_some(death),
                )
            }
            Event::Unshared
            | Event::Born { .. }
            | Event::SetUp
            | Event::Copied
            | Event::Failed(_) => return Ok(None),
        };
        if let Some(life) = self.process_table.life(&process) {
            report(&Report::ProcessStatus {
                process,
                life: life.clone(),
            });
        }
        orders.iter().try_for_each(|order| self.order(order))?;
        Ok(death)
    }

    /// An end, with the last lines of what the process has logged since it was started.
    fn death(&self, process: &str, status: String) -> Death {
        let log = self.logs.join(format!("{process}.log"));
        let tail = tail(&log, self.process_table.log_from(process), TAIL);
        Death {
            process: process.to_owned(),
            status,
            tail,
        }
    }

    /// Ends every process of the box: its first one by the end of its input, or with the middle one.
    pub(super) fn end(mut self) {
        let Some((mut middle, stdin)) = self.middle.take() else {
            return;
        };
        drop(stdin);
        let ended = wait::until(
            "the box's processes to end",
            GRACE,
            Duration::from_millis(2),
            || match middle.try_wait() {
                Ok(None) => Look::NotYet("they have not".into()),
                _ => Look::Ready(()),
            },
        );
        if ended.is_err() {
            let _ = middle.kill();
            let _ = middle.wait();
        }
    }
}
