//! Messages that no agent of ours would send, and answers of no manager of ours.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use agent::agent::{AgentConfig, AttemptStage};
use agent::manager;
use agent::{
    AgentEvent, AgentKey, EventMark, EventTally, MessageCipher, MessageCounter, frame, seal_message,
};

use crate::support::{Running, SEEN_WITHIN, agent_of, live, log, manager_in, start, tally, until};

/// A message of the agent with the first key, as it goes over the wire.
fn message(key: &AgentKey, counter: u32, payload: &[u8]) -> Vec<u8> {
    seal_message(
        &key.secret(),
        MessageCipher::Aes,
        MessageCounter {
            global: 1,
            local: counter,
        },
        Some(&key.id),
        payload,
    )
    .unwrap()
}

fn event(number: u64) -> Vec<u8> {
    AgentEvent::of_agent(
        EventMark {
            source: "hand".into(),
            number,
        }
        .to_string(),
    )
    .payload()
}

#[test]
fn a_message_that_comes_again_counts_twice_unless_counters_are_verified() {
    for verify_counters in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let manager = start(manager::ManagerConfig {
            verify_counters,
            worker_pool: 1,
            ..manager_in(dir.path())
        });
        Running::of(agent_of(dir.path(), &manager)).connected();
        let key = AgentKey::load(&dir.path().join("manager/client.keys"))
            .unwrap()
            .remove(0);
        let late = message(&key, 9000, &event(1));
        // A connection that is not yet known to be over keeps others with its key out.
        let send = || {
            let mut stream = TcpStream::connect(("127.0.0.1", manager.ports()[0])).unwrap();
            frame::write_frame(&mut stream, &late).unwrap();
        };
        until("the event", || {
            send();
            (tally(dir.path(), "hand").received() == 1).then_some(())
        });
        until("it to come again, or to be refused", || {
            send();
            let refused =
                log(dir.path(), "manager").contains("(1407): Duplicated counter for 'agent1'.");
            (if verify_counters {
                refused
            } else {
                tally(dir.path(), "hand").duplicates > 0
            })
            .then_some(())
        });
        assert_eq!(tally(dir.path(), "hand").duplicates == 0, verify_counters);
        manager.stop();
    }
}

#[test]
fn what_is_no_message_disturbs_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager::ManagerConfig {
        udp: true,
        ..manager_in(dir.path())
    });
    let running = Running::of(AgentConfig {
        live: live(500, 500.0),
        ..agent_of(dir.path(), &manager)
    });
    running.connected();
    let [port, udp, enrol] = manager.ports();
    let key = AgentKey::load(&dir.path().join("manager/client.keys"))
        .unwrap()
        .remove(0);
    let other = AgentKey::new(key.id.clone(), "other", "any").unwrap();
    let good = message(&key, 1, &event(1));
    let framed = |length: u32, bytes: &[u8]| [&length.to_le_bytes(), bytes].concat();
    let junk = [
        framed(u32::MAX, b"x"),
        framed(0, b""),
        framed(65536, b"short"),
        framed(4, b"junk"),
        framed(3, b"!!:"),
        framed(good.len() as u32 - 3, &good[..good.len() - 3]),
        {
            let wrong = message(&other, 1, &event(1));
            framed(wrong.len() as u32, &wrong)
        },
    ];
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    for bytes in &junk {
        TcpStream::connect(("127.0.0.1", port))
            .unwrap()
            .write_all(bytes)
            .unwrap();
        TcpStream::connect(("127.0.0.1", enrol))
            .unwrap()
            .write_all(bytes)
            .unwrap();
        datagrams.send_to(bytes, ("127.0.0.1", udp)).unwrap();
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SEEN_WITHIN)).unwrap();
    frame::write_frame(&mut stream, frame::PING_FRAME).unwrap();
    assert_eq!(
        frame::read_frame(&mut stream).unwrap().as_deref(),
        Some(frame::PONG_FRAME)
    );
    let all = until("every event", || {
        Some(tally(dir.path(), "live")).filter(|tally| tally.received() == 500)
    });
    assert_eq!(
        (all.duplicates, all.late, running.agent.state().connections),
        (0, 0, 1)
    );
    assert_eq!(tally(dir.path(), "hand"), EventTally::default());
    let lines = log(dir.path(), "manager");
    for code in [
        "(1403)",
        "(1404)",
        "Corrupt payload (exceeding size) received.",
    ] {
        assert!(lines.contains(code), "{code} in {lines}");
    }
    drop(running);
    manager.stop();
}

#[test]
fn an_agent_survives_a_manager_that_speaks_nonsense() {
    for answer in [
        &b"\xff\xff\xff\xff"[..],
        b"\x04\0\0\0junk",
        b"\x06\0\0\0#AES:x",
        b"\0\0\0\0",
        b"",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let manager = start(manager_in(dir.path()));
        let mut config = agent_of(dir.path(), &manager);
        Running::of(config.clone()).connected();
        let liar = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        (config.port, config.times.max_retries) = (liar.local_addr().unwrap().port(), 100);
        let served = std::thread::spawn(move || {
            for _ in 0..3 {
                let mut stream = liar.accept().unwrap().0;
                let _ = frame::read_frame(&mut stream);
                let _ = stream.write_all(answer);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.read(&mut [0; 64]);
            }
        });
        let running = Running::of(config);
        let (stage, _) = running.failed();
        assert_eq!(stage, AttemptStage::Key, "{answer:?}");
        served.join().unwrap();
        drop(running);
        manager.stop();
    }
}

#[test]
fn several_workers_cannot_verify_counters() {
    let dir = tempfile::tempdir().unwrap();
    let config = manager::ManagerConfig {
        verify_counters: true,
        ..manager_in(dir.path())
    };
    let refused = manager::WazuhManager::new(config.clone()).err();
    assert!(
        matches!(refused, Some(agent::Error::WorkerPool)),
        "{refused:?}"
    );
    let line = "wazuh-remoted: CRITICAL: Message id verification can't be guaranteed when worker_pool is greater than 1.";
    assert!(log(dir.path(), "manager").contains(line));
    assert!(
        manager::WazuhManager::new(manager::ManagerConfig {
            worker_pool: 1,
            ..config
        })
        .is_ok()
    );
}
