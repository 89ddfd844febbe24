//! Events: kept while nobody is there, followed in files, and lost.

use std::io::Write;

use std::time::Duration;

use agent::agent::{AgentConfig, AgentTimes, ConnectionStatus, LiveEvents, ProduceFrom};
use agent::manager::{self};
use agent::{BufferLimits, EventMark, EventTally};

use crate::support::{Running, agent_of, live, log, manager_in, start, start_again, tally, until};

#[test]
fn what_is_made_while_the_manager_is_away_waits_and_the_newest_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let config = agent_of(dir.path(), &manager);
    Running::of(config.clone()).connected();
    let ports = manager.ports();
    manager.stop();
    let limits = BufferLimits {
        size: 50,
        ..config.limits
    };
    let running = Running::of(AgentConfig {
        limits,
        live: live(60, 0.0),
        ..config
    });
    until("a full buffer", || {
        (running.agent.state().dropped == 10).then_some(())
    });
    let back = manager::ManagerConfig {
        port: ports[0],
        enrol_port: Some(ports[2]),
        ..manager_in(dir.path())
    };
    let manager = start_again(&back);
    let all = until("what was kept", || {
        Some(tally(dir.path(), "live")).filter(|tally| tally.received() == 50)
    });
    assert_eq!((all.ranges, all.duplicates), (vec![(1, 50)], 0));
    let lines = log(dir.path(), "agent");
    let wanted = [
        "Agent buffer at 90 %.",
        "Agent buffer is full: Events may be lost.",
        "Agent buffer is under 70 %.",
    ];
    assert!(wanted.iter().all(|line| lines.contains(line)), "{lines}");
    drop(running);
    manager.stop();
}

#[test]
fn what_begins_while_nobody_is_there_comes_later_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let begun = LiveEvents {
        source: "live".into(),
        events: 40,
        rate: 100.0,
        begin: ProduceFrom::Away,
    };
    let running = Running::of(AgentConfig {
        live: Some(begun),
        ..agent_of(dir.path(), &manager)
    });
    running.connected();
    assert_eq!(running.agent.state().msg_count, 0);
    let ports = manager.ports();
    manager.stop();
    until("all of them", || {
        (running.agent.state().msg_count == 40).then_some(())
    });
    assert_eq!(tally(dir.path(), "live"), EventTally::default());
    let manager = start_again(&manager::ManagerConfig {
        port: ports[0],
        enrol_port: Some(ports[2]),
        ..manager_in(dir.path())
    });
    let all = until("every event", || {
        Some(tally(dir.path(), "live")).filter(|tally| tally.received() == 40)
    });
    assert_eq!(
        (all.ranges, all.duplicates, all.late),
        (vec![(1, 40)], 0, 0)
    );
    drop(running);
    manager.stop();
}

#[test]
fn a_manager_that_comes_back_is_found_again_and_the_next_one_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let config = agent_of(dir.path(), &manager);
    let managers = vec!["nowhere".into(), "manager".into()];
    let times = AgentTimes {
        notify: Duration::from_secs(60),
        ..config.times
    };
    let running = Running::of(AgentConfig {
        managers,
        times,
        ..config
    });
    assert_eq!(running.connected().server, "manager");
    // From its first acknowledgement to its next message the agent only listens: a message that
    // cannot be sent ends the connection, too, and without this line.
    until("an acknowledgement", || {
        (running.agent.state().acks > 0).then_some(())
    });
    let ports = manager.ports();
    manager.stop();
    until("the loss", || {
        (running.agent.state().status == ConnectionStatus::Disconnected).then_some(())
    });
    let manager = start_again(&manager::ManagerConfig {
        port: ports[0],
        enrol_port: Some(ports[2]),
        ..manager_in(dir.path())
    });
    until("another connection", || {
        (running.agent.state().connections == 2).then_some(())
    });
    let lines = log(dir.path(), "agent");
    assert!(
        lines.contains("(1137): Lost connection with manager. Setting lock."),
        "{lines}"
    );
    drop(running);
    manager.stop();
}

#[test]
fn log_files_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let logs = dir.path().join("logs");
    std::fs::create_dir_all(&logs).unwrap();
    let line = |number| {
        format!(
            "{}\n",
            EventMark {
                source: "app".into(),
                number
            }
        )
    };
    std::fs::write(logs.join("a.log"), line(0)).unwrap();
    let running = Running::of(AgentConfig {
        logs: Some(logs.clone()),
        ..agent_of(dir.path(), &manager)
    });
    running.connected();
    let mut file = std::fs::File::options()
        .append(true)
        .open(logs.join("a.log"))
        .unwrap();
    file.write_all((1..=20).map(line).collect::<String>().as_bytes())
        .unwrap();
    until("the first lines", || {
        (tally(dir.path(), "app").received() == 20).then_some(())
    });
    file.write_all(line(21).as_bytes()).unwrap();
    let all = until("one more", || {
        Some(tally(dir.path(), "app")).filter(|tally| tally.received() == 21)
    });
    assert_eq!((all.duplicates, all.late), (0, 0));
    drop(running);
    manager.stop();
}
