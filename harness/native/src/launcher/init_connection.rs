//! The launcher's line to the box's first process, and everything else that reaches it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use error_chain::error_chain;
use model::ProcessChange;
use wait::{TimedOut, WaitLook};

use super::process_table::ProcessTable;
use super::{log_tail, send_report};
use crate::namespace_holder::HOLDER_ARGUMENT;
use crate::process::BoxProcess;
use crate::protocol::{self, CallerCommand, InitOrder, InitReport, LauncherReport};
use crate::{Error, ProcessDeath, self_exe};

const TAIL_LINES: usize = 15;
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What the launcher waits for.
pub(super) enum LauncherEvent {
    CallerCommand(CallerCommand),
    CallerGone,
    Signal,
    /// A milestone that is waited for beside everything else.
    Reached(&'static str),
    /// The API server, which was started again, can be used.
    Usable,
    Event(InitReport),
    InitGone,
}

/// Why a start does not go on.
pub(super) enum StartAborted {
    /// The caller is gone, or the launcher got SIGTERM.
    Asked,
    Failed(String),
}

impl From<components::Error> for StartAborted {
    fn from(error: components::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<enforcer::Error> for StartAborted {
    fn from(error: enforcer::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for StartAborted {
    fn from(error: Error) -> Self {
        Self::Failed(error_chain(&error))
    }
}

/// The box's processes, seen from outside.
pub(super) struct InitConnection {
    events: Receiver<LauncherEvent>,
    to_main: Sender<LauncherEvent>,
    holder: Option<(Child, Option<ChildStdin>)>,
    logs: PathBuf,
    process_table: ProcessTable,
    /// The box's first process, as the host knows it.
    pub(super) init: Option<u32>,
}

impl InitConnection {
    pub(super) fn new(events: Receiver<LauncherEvent>, to_main: Sender<LauncherEvent>) -> Self {
        Self {
            events,
            to_main,
            holder: None,
            logs: PathBuf::new(),
            process_table: ProcessTable::default(),
            init: None,
        }
    }

    /// Starts the process that holds the namespaces; returns its id.
    pub(super) fn start_holder(&mut self, name: &str, logs: PathBuf) -> Result<u32, StartAborted> {
        self.logs = logs;
        let mut holder = self_exe::own_command()
            .args([HOLDER_ARGUMENT, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::system("start the box's first process"))?;
        let stdout = holder.stdout.take();
        let to_main = self.to_main.clone();
        thread::spawn(move || {
            let lines = stdout
                .into_iter()
                .flat_map(|stdout| BufReader::new(stdout).lines())
                .map_while(Result::ok);
            for line in lines {
                let event = protocol::parse_message(&line)
                    .unwrap_or_else(|why| InitReport::Failed(why.to_string()));
                if to_main.send(LauncherEvent::Event(event)).is_err() {
                    return;
                }
            }
            let _ = to_main.send(LauncherEvent::InitGone);
        });
        let id = holder.id();
        let stdin = holder.stdin.take();
        self.holder = Some((holder, stdin));
        Ok(id)
    }

    pub(super) fn send_order(&mut self, order: &InitOrder) -> Result<(), StartAborted> {
        let Some((_, Some(stdin))) = &mut self.holder else {
            return Err(StartAborted::Failed("the box has ended".into()));
        };
        protocol::send_message(stdin, order)
            .map_err(|why| StartAborted::Failed(format!("cannot send an order to the box: {why}")))
    }

    /// Starts a process for the first time.
    pub(super) fn spawn_process(&mut self, process: BoxProcess) -> Result<(), StartAborted> {
        self.process_table.enlist_process(&process);
        self.send_order(&InitOrder::Spawn(process))
    }

    /// Follows an order to one process.
    pub(super) fn control_process(&mut self, change: &ProcessChange) -> Result<(), StartAborted> {
        self.process_table
            .command_process(change)
            .map_or(Ok(()), |order| self.send_order(&order))
    }

    /// For a thread that waits for something beside everything else.
    pub(super) fn to_main(&self) -> Sender<LauncherEvent> {
        self.to_main.clone()
    }

    pub(super) fn next_event(&self) -> LauncherEvent {
        self.events.recv().unwrap_or(LauncherEvent::InitGone)
    }

    /// Waits for an event that `wanted` accepts, and for nothing longer than `within`.
    pub(super) fn expect_event(
        &mut self,
        name: &str,
        within: Duration,
        wanted: impl Fn(&InitReport) -> bool,
        started: &mut dyn FnMut(&str),
    ) -> Result<(), StartAborted> {
        let start = Instant::now();
        loop {
            match self
                .events
                .recv_timeout(within.saturating_sub(start.elapsed()))
            {
                Ok(LauncherEvent::Event(event)) if wanted(&event) => {
                    self.judge_end(event, started)?;
                    return Ok(());
                }
                Ok(event) => self.heed_event(event, started)?,
                Err(_) => {
                    return Err(StartAborted::Failed(
                        TimedOut::unseen(name, within).to_string(),
                    ));
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
    ) -> Result<(), StartAborted> {
        if self.process_table.has_ended_well(process) {
            return Ok(());
        }
        let ends = |event: &InitReport| matches!(event, InitReport::Exited { process: ended, .. } if ended == process);
        self.expect_event(&format!("`{process}` to end"), within, ends, started)
    }

    /// Looks until a condition holds, for as long as nothing goes wrong.
    pub(super) fn look_until<T>(
        &mut self,
        name: &str,
        within: Duration,
        started: &mut dyn FnMut(&str),
        mut look: impl FnMut() -> WaitLook<T>,
    ) -> Result<T, StartAborted> {
        let every = Duration::from_millis(10);
        let outcome = wait::wait_until(name, within, every, || match self.catch_up(started) {
            Err(stop) => WaitLook::Ready(Err(stop)),
            Ok(()) => match look() {
                WaitLook::Ready(value) => WaitLook::Ready(Ok(value)),
                WaitLook::NotYet(seen) => WaitLook::NotYet(seen),
            },
        });
        outcome.unwrap_or_else(|late| Err(StartAborted::Failed(late.to_string())))
    }

    /// Heeds everything that has come in.
    fn catch_up(&mut self, started: &mut dyn FnMut(&str)) -> Result<(), StartAborted> {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.heed_event(event, started)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    return Err(StartAborted::Failed("the box has ended".into()));
                }
            }
        }
    }

    fn heed_event(
        &mut self,
        event: LauncherEvent,
        started: &mut dyn FnMut(&str),
    ) -> Result<(), StartAborted> {
        match event {
            LauncherEvent::CallerCommand(_) | LauncherEvent::Reached(_) | LauncherEvent::Usable => {
                Ok(())
            }
            LauncherEvent::CallerGone | LauncherEvent::Signal => Err(StartAborted::Asked),
            LauncherEvent::InitGone => {
                Err(StartAborted::Failed("the box's first process ended".into()))
            }
            LauncherEvent::Event(event) => self.judge_end(event, started),
        }
    }

    fn judge_end(
        &mut self,
        event: InitReport,
        started: &mut dyn FnMut(&str),
    ) -> Result<(), StartAborted> {
        match &event {
            InitReport::Started { process, .. } => started(process),
            InitReport::Born { init } => self.init = Some(*init),
            InitReport::Failed(why) => return Err(StartAborted::Failed(why.clone())),
            InitReport::NotStarted { process, why } => {
                return Err(StartAborted::Failed(format!(
                    "`{process}` was not started: {why}"
                )));
            }
            _ => {}
        }
        match self.note_event(event)? {
            None => Ok(()),
            Some(ProcessDeath {
                process,
                status,
                tail,
            }) => Err(StartAborted::Failed(format!(
                "`{process}` ended ({status}); the end of its log:\n{tail}"
            ))),
        }
    }

    /// Takes in what became of a process, tells the caller, and does what follows. Returns the end
    /// of a process that should have lived.
    pub(super) fn note_event(
        &mut self,
        event: InitReport,
    ) -> Result<Option<ProcessDeath>, StartAborted> {
        let (process, orders, death) = match event {
            InitReport::Started { process, log_from } => {
                let orders = self.process_table.note_start(&process, log_from);
                (process, orders, None)
            }
            InitReport::Froze { process, frozen } => {
                self.process_table.froze(&process, frozen);
                (process, Vec::new(), None)
            }
            InitReport::NotStarted { process, why } => {
                let status = format!("not started: {why}");
                let death = ProcessDeath {
                    process: process.clone(),
                    status,
                    tail: String::new(),
                };
                self.process_table.not_started(&death);
                (process, Vec::new(), Some(death))
            }
            InitReport::Exited {
                process,
                status,
                success,
            } => {
                let death = self.process_death(&process, status);
                let ending = self.process_table.note_end(&death, success);
                (
                    process,
                    ending.order.into_iter().collect(),
                    ending.unexpected.then_some(death),
                )
            }
            InitReport::Unshared
            | InitReport::Born { .. }
            | InitReport::SetUp
            | InitReport::Copied
            | InitReport::Failed(_) => return Ok(None),
        };
        if let Some(life) = self.process_table.process_status(&process) {
            send_report(&LauncherReport::ProcessStatus {
                process,
                life: life.clone(),
            });
        }
        orders.iter().try_for_each(|order| self.send_order(order))?;
        Ok(death)
    }

    /// An end, with the last lines of what the process has logged since it was started.
    fn process_death(&self, process: &str, status: String) -> ProcessDeath {
        let log = self.logs.join(format!("{process}.log"));
        let tail = log_tail(&log, self.process_table.log_from(process), TAIL_LINES);
        ProcessDeath {
            process: process.to_owned(),
            status,
            tail,
        }
    }

    /// Ends every process of the box: its first one by the end of its input, or with the holder
    /// one.
    pub(super) fn end_all(mut self) {
        let Some((mut holder, stdin)) = self.holder.take() else {
            return;
        };
        drop(stdin);
        let ended = wait::wait_until(
            "the box's processes to end",
            ENDS_WITHIN,
            Duration::from_millis(2),
            || match holder.try_wait() {
                Ok(None) => WaitLook::NotYet("they have not".into()),
                _ => WaitLook::Ready(()),
            },
        );
        if ended.is_err() {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
