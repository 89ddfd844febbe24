//! What the launcher knows of each process of the box, and what follows from an order or an event.
//! It touches nothing: what it returns is to be done.

use std::collections::BTreeMap;

use model::{ProcessChange, ProcessState, ProcessStatus};

use crate::ProcessDeath;
use crate::process::BoxProcess;
use crate::protocol::InitOrder;

/// Every process that was ever to be started, by name.
#[derive(Default)]
pub(super) struct ProcessTable(BTreeMap<String, ProcessRecord>);

struct ProcessRecord {
    process: BoxProcess,
    /// Nothing until its first start.
    life: Option<ProcessStatus>,
    /// Whether a start is under way.
    starting: bool,
    /// Where the part of its log begins that it has written since its last start.
    log_from: u64,
    /// Whether it was told to end since then.
    told_to_end: bool,
    /// Whether it has ended as it should.
    ended_well: bool,
    /// Whether it is to start again once it has ended.
    again: bool,
    /// Signals that wait for its start.
    early: Vec<ProcessChange>,
}

/// What follows from the end of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndConsequence {
    /// Whether it should have lived.
    pub(super) unexpected: bool,
    /// What is to be done now.
    pub(super) order: Option<InitOrder>,
}

impl ProcessTable {
    /// A process is about to be started for the first time.
    pub(super) fn enlist_process(&mut self, process: &BoxProcess) {
        let member = ProcessRecord {
            process: process.clone(),
            life: None,
            starting: true,
            log_from: 0,
            told_to_end: false,
            ended_well: false,
            again: false,
            early: Vec::new(),
        };
        self.0.insert(process.name.clone(), member);
    }

    /// What is to be done to follow an order; nothing for a name that the box never had.
    pub(super) fn command_process(&mut self, change: &ProcessChange) -> Option<InitOrder> {
        let member = self.0.get_mut(change.name())?;
        if member.starting {
            member.early.push(change.clone());
            return None;
        }
        let is_alive = member.is_alive();
        match change {
            ProcessChange::Start(_) | ProcessChange::Restart(_) if !is_alive => {
                return Some(member.start_again());
            }
            _ if !is_alive => return None,
            ProcessChange::Start(_) => {
                member.again |= member.told_to_end;
                return None;
            }
            ProcessChange::Stop(_) | ProcessChange::Kill(_) => member.told_to_end = true,
            ProcessChange::Restart(_) => (member.told_to_end, member.again) = (true, true),
            ProcessChange::Freeze(_) | ProcessChange::Thaw(_) => {}
        }
        Some(InitOrder::Signal(change.clone()))
    }

    /// It was started; returns what waited for that.
    pub(super) fn note_start(&mut self, name: &str, log_from: u64) -> Vec<InitOrder> {
        let Some(member) = self.0.get_mut(name) else {
            return Vec::new();
        };
        member.life = Some(ProcessStatus {
            starts: member.is_starting() + 1,
            state: ProcessState::Alive,
        });
        (member.starting, member.told_to_end, member.ended_well) = (false, false, false);
        member.log_from = log_from;
        let early = std::mem::take(&mut member.early);
        early
            .into_iter()
            .filter_map(|change| self.command_process(&change))
            .collect()
    }

    /// It was stopped by a signal, or goes on.
    pub(super) fn froze(&mut self, name: &str, frozen: bool) {
        let life = self.0.get_mut(name).and_then(|member| member.life.as_mut());
        if let Some(life) = life.filter(|life| !matches!(life.state, ProcessState::Ended { .. })) {
            life.state = if frozen {
                ProcessState::Frozen
            } else {
                ProcessState::Alive
            };
        }
    }

    /// It has ended.
    pub(super) fn note_end(&mut self, death: &ProcessDeath, success: bool) -> EndConsequence {
        let Some(member) = self.0.get_mut(&death.process) else {
            return EndConsequence {
                unexpected: true,
                order: None,
            };
        };
        let (status, tail) = (death.status.clone(), death.tail.clone());
        member.life = Some(ProcessStatus {
            starts: member.is_starting(),
            state: ProcessState::Ended { status, tail },
        });
        member.ended_well = member.told_to_end || (success && member.process.ends);
        let order = std::mem::take(&mut member.again).then(|| member.start_again());
        EndConsequence {
            unexpected: !member.ended_well,
            order,
        }
    }

    /// It could not be started; whatever waited for that is dropped.
    pub(super) fn not_started(&mut self, death: &ProcessDeath) {
        if let Some(member) = self.0.get_mut(&death.process) {
            (member.starting, member.told_to_end) = (false, false);
            member.early.clear();
            self.note_end(death, false);
        }
    }

    /// What is known of it.
    pub(super) fn process_status(&self, name: &str) -> Option<&ProcessStatus> {
        self.0.get(name)?.life.as_ref()
    }

    /// Whether it has ended as it should.
    pub(super) fn has_ended_well(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|member| member.ended_well)
    }

    /// Where the part of its log begins that it has written since its last start.
    pub(super) fn log_from(&self, name: &str) -> u64 {
        self.0.get(name).map_or(0, |member| member.log_from)
    }
}

impl ProcessRecord {
    fn is_alive(&self) -> bool {
        matches!(
            &self.life,
            Some(ProcessStatus {
                state: ProcessState::Alive | ProcessState::Frozen,
                ..
            })
        )
    }

    fn is_starting(&self) -> u32 {
        self.life.as_ref().map_or(0, |life| life.starts)
    }

    fn start_again(&mut self) -> InitOrder {
        self.starting = true;
        InitOrder::Spawn(self.process.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, ends: bool) -> BoxProcess {
        BoxProcess {
            name: name.into(),
            program: "/bin/a".into(),
            args: vec!["--b".into()],
            env: Vec::new(),
            after_socket: None,
            ends,
        }
    }

    /// A table with one process `a`, which lives.
    fn living() -> ProcessTable {
        let mut process_table = ProcessTable::default();
        process_table.enlist_process(&process("a", false));
        assert_eq!(process_table.process_status("a"), None);
        assert_eq!(process_table.note_start("a", 0), []);
        process_table
    }

    fn signal(change: fn(String) -> ProcessChange) -> Option<InitOrder> {
        Some(InitOrder::Signal(change("a".into())))
    }

    fn death(process: &str, status: &str) -> ProcessDeath {
        ProcessDeath {
            process: process.into(),
            status: status.into(),
            tail: "tail".into(),
        }
    }

    fn end(process_table: &mut ProcessTable) -> EndConsequence {
        process_table.note_end(&death("a", "exit code 1"), false)
    }

    #[test]
    fn an_end_that_was_asked_for_is_no_fault_and_one_after_the_next_start_is() {
        let mut process_table = living();
        assert_eq!(
            process_table.command_process(&ProcessChange::Stop("a".into())),
            signal(ProcessChange::Stop)
        );
        assert_eq!(
            end(&mut process_table),
            EndConsequence {
                unexpected: false,
                order: None
            }
        );
        assert_eq!(
            process_table.command_process(&ProcessChange::Start("a".into())),
            Some(InitOrder::Spawn(process("a", false)))
        );
        assert!(
            matches!(
                process_table.process_status("a"),
                Some(ProcessStatus {
                    starts: 1,
                    state: ProcessState::Ended { .. }
                })
            ),
            "not before it has"
        );
        process_table.note_start("a", 7);
        assert_eq!(
            process_table.process_status("a"),
            Some(&ProcessStatus {
                starts: 2,
                state: ProcessState::Alive
            })
        );
        assert_eq!(process_table.log_from("a"), 7);
        assert_eq!(
            end(&mut process_table),
            EndConsequence {
                unexpected: true,
                order: None
            }
        );
    }

    #[test]
    fn a_process_that_was_told_to_end_starts_again_once_it_has() {
        let mut process_table = living();
        assert_eq!(
            process_table.command_process(&ProcessChange::Start("a".into())),
            None
        );
        assert_eq!(
            process_table.command_process(&ProcessChange::Kill("a".into())),
            signal(ProcessChange::Kill)
        );
        assert_eq!(
            process_table.command_process(&ProcessChange::Start("a".into())),
            None
        );
        let ending = end(&mut process_table);
        assert_eq!(
            ending,
            EndConsequence {
                unexpected: false,
                order: Some(InitOrder::Spawn(process("a", false)))
            }
        );
        process_table.note_start("a", 0);
        assert_eq!(end(&mut process_table).order, None, "once is enough");
    }

    #[test]
    fn a_restart_is_an_end_and_a_start_and_of_the_dead_a_start_alone() {
        let mut process_table = living();
        let restart = ProcessChange::Restart("a".into());
        assert_eq!(
            process_table.command_process(&restart),
            signal(ProcessChange::Restart)
        );
        let spawn = || Some(InitOrder::Spawn(process("a", false)));
        assert_eq!(
            end(&mut process_table),
            EndConsequence {
                unexpected: false,
                order: spawn()
            }
        );
        process_table.note_start("a", 0);
        process_table.command_process(&ProcessChange::Kill("a".into()));
        assert_eq!(end(&mut process_table).order, None);
        assert_eq!(process_table.command_process(&restart), spawn());
    }

    #[test]
    fn a_start_that_nobody_needed_does_not_hide_an_end() {
        let mut process_table = living();
        assert_eq!(
            process_table.command_process(&ProcessChange::Start("a".into())),
            None
        );
        assert_eq!(
            end(&mut process_table),
            EndConsequence {
                unexpected: true,
                order: None
            }
        );
    }

    #[test]
    fn what_is_ordered_during_a_start_waits_for_it() {
        let mut process_table = living();
        process_table.command_process(&ProcessChange::Kill("a".into()));
        end(&mut process_table);
        process_table.command_process(&ProcessChange::Start("a".into()));
        assert_eq!(
            process_table.command_process(&ProcessChange::Freeze("a".into())),
            None
        );
        assert_eq!(
            process_table.command_process(&ProcessChange::Kill("a".into())),
            None
        );
        let orders = [
            ProcessChange::Freeze("a".into()),
            ProcessChange::Kill("a".into()),
        ];
        assert_eq!(
            process_table.note_start("a", 0),
            orders.map(InitOrder::Signal)
        );
        assert!(!end(&mut process_table).unexpected);
    }

    #[test]
    fn frozen_is_what_the_kernel_says_and_the_dead_stay_dead() {
        let mut process_table = living();
        assert_eq!(
            process_table.command_process(&ProcessChange::Freeze("a".into())),
            signal(ProcessChange::Freeze)
        );
        assert_eq!(
            process_table.process_status("a").map(|life| &life.state),
            Some(&ProcessState::Alive)
        );
        process_table.froze("a", true);
        assert_eq!(
            process_table.process_status("a").map(|life| &life.state),
            Some(&ProcessState::Frozen)
        );
        assert_eq!(
            process_table.command_process(&ProcessChange::Kill("a".into())),
            signal(ProcessChange::Kill)
        );
        end(&mut process_table);
        process_table.froze("a", false);
        assert!(matches!(
            process_table.process_status("a"),
            Some(ProcessStatus {
                starts: 1,
                state: ProcessState::Ended { .. }
            })
        ));
        assert_eq!(
            process_table.command_process(&ProcessChange::Thaw("a".into())),
            None
        );
    }

    #[test]
    fn a_start_that_fails_is_known_and_can_be_tried_again() {
        let mut process_table = living();
        process_table.command_process(&ProcessChange::Kill("a".into()));
        end(&mut process_table);
        process_table.command_process(&ProcessChange::Start("a".into()));
        process_table.not_started(&death("a", "not started: no room"));
        let ended = ProcessState::Ended {
            status: "not started: no room".into(),
            tail: "tail".into(),
        };
        assert_eq!(
            process_table.process_status("a"),
            Some(&ProcessStatus {
                starts: 1,
                state: ended
            })
        );
        assert!(
            process_table
                .command_process(&ProcessChange::Start("a".into()))
                .is_some()
        );
    }

    #[test]
    fn a_process_that_does_its_work_ends_well_and_an_unknown_one_is_not_there() {
        let mut process_table = living();
        process_table.enlist_process(&process("import", true));
        process_table.note_start("import", 0);
        assert!(!process_table.has_ended_well("import"));
        let ending = process_table.note_end(&death("import", "exit code 0"), true);
        assert!(!ending.unexpected && process_table.has_ended_well("import"));
        assert_eq!(
            process_table.command_process(&ProcessChange::Kill("b".into())),
            None
        );
        assert_eq!(process_table.process_status("b"), None);
    }
}
