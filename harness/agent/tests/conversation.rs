//! Agent and manager with each other, over real sockets of this machine.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent::agent::{
    AgentActivity, AgentConfig, AgentTimes, AttemptStage, ConnectionStatus, LiveEvents,
    ProduceFrom, WazuhAgent,
};
use agent::manager::{self, ForceEnrolment, WazuhManager};
use agent::{
    AgentEvent, AgentKey, AgentVersion, BufferLimits, EventJournal, EventMark, EventTally,
    MessageCipher, MessageCounter, StopSignal, TransportProtocol, frame, seal_message,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Long enough for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits for something to become so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (start, pause) = (Instant::now(), StopSignal::default());
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        pause.stopped_within(Duration::from_millis(10));
    }
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    if name == "manager" {
        Ok(vec![[127, 0, 0, 1].into()])
    } else {
        Err(format!("no address for `{name}`"))
    }
}

/// A manager's set-up, quick to read its keys.
fn manager_in(dir: &Path) -> manager::ManagerConfig {
    manager::ManagerConfig {
        dir: dir.join("manager"),
        key_update: Duration::from_millis(20),
        ..manager::ManagerConfig::default()
    }
}

/// On ports that no other test is ever given, so that no other process is there once it has ended.
fn start(config: manager::ManagerConfig) -> Arc<WazuhManager> {
    let enrols = config.enrol_port.is_some();
    let manager = until("free ports", || {
        let (port, enrol_port) = (next_port(), next_port());
        WazuhManager::new(manager::ManagerConfig {
            port,
            enrol_port: enrols.then_some(enrol_port),
            ..config.clone()
        })
        .ok()
    });
    manager.start_serving().unwrap();
    manager
}

/// Below those that the kernel gives away by itself.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    first + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The same as soon as its ports are free.
fn start_again(config: &manager::ManagerConfig) -> Arc<WazuhManager> {
    let manager = until("free ports", || WazuhManager::new(config.clone()).ok());
    manager.start_serving().unwrap();
    manager
}

/// An agent's set-up with short times.
fn agent_of(dir: &Path, manager: &WazuhManager) -> AgentConfig {
    let [port, udp, enrol_port] = manager.ports();
    let short = Duration::from_millis(100);
    AgentConfig {
        managers: vec!["manager".into()],
        enrol_manager: None,
        enrols: true,
        enrol_ip: None,
        port: if port == 0 { udp } else { port },
        enrol_port,
        protocol: TransportProtocol::Tcp,
        crypto: MessageCipher::Aes,
        name: "agent1".into(),
        version: AgentVersion::KNOWN,
        password: None,
        ca: None,
        own: None,
        clock_ahead: 0,
        dir: dir.join("agent"),
        limits: BufferLimits {
            per_second: 100_000,
            ..BufferLimits::default()
        },
        times: AgentTimes {
            connect: Some(Duration::from_secs(1)),
            receive: Duration::from_secs(1),
            retry: short,
            max_retries: 2,
            notify: short,
            no_ack: Duration::from_secs(1),
            enrol_step: short,
            enrol_most: short,
            after_enrolment: short,
            resolve_tries: 1,
            resolve_pause: short,
            poll: short,
            rescan: short,
            state: short,
        },
        live: None,
        logs: None,
        log_queue: 1024,
        resolve,
    }
}

struct Running {
    agent: Arc<WazuhAgent>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn of(config: AgentConfig) -> Self {
        let agent = WazuhAgent::new(config);
        let runner = Arc::clone(&agent);
        let thread = Some(std::thread::spawn(move || runner.run().unwrap()));
        Self { agent, thread }
    }

    fn connected(&self) -> AgentActivity {
        until("a connection", || {
            Some(self.agent.state()).filter(|state| state.status == ConnectionStatus::Connected)
        })
    }

    fn failed(&self) -> (AttemptStage, String) {
        let state = until("failures", || {
            Some(self.agent.state()).filter(|state| state.streak >= 2)
        });
        (state.stage.unwrap(), state.reason)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.agent.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn tally(dir: &Path, source: &str) -> EventTally {
    let tallies = EventJournal::read_tallies(&dir.join("manager/events")).unwrap();
    tallies
        .into_iter()
        .find(|((_, _, theirs), _)| theirs == source)
        .map(|(_, tally)| tally)
        .unwrap_or_default()
}

fn log(dir: &Path, whose: &str) -> String {
    std::fs::read_to_string(dir.join(whose).join("ossec.log")).unwrap_or_default()
}

fn live(events: u64, rate: f64) -> Option<LiveEvents> {
    Some(LiveEvents {
        source: "live".into(),
        events,
        rate,
        begin: ProduceFrom::AtOnce,
    })
}

#[test]
fn an_agent_enrols_connects_and_every_event_arrives() {
    for (crypto, protocol) in [
        (MessageCipher::Aes, TransportProtocol::Tcp),
        (MessageCipher::Blowfish, TransportProtocol::Tcp),
        (MessageCipher::Aes, TransportProtocol::Udp),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let udp = protocol == TransportProtocol::Udp;
        let manager = start(manager::ManagerConfig {
            tcp: !udp,
            udp,
            ..manager_in(dir.path())
        });
        let config = AgentConfig {
            crypto,
            protocol,
            live: live(300, 1000.0),
            ..agent_of(dir.path(), &manager)
        };
        let running = Running::of(config);
        let state = running.connected();
        let all = until("every event", || {
            Some(tally(dir.path(), "live")).filter(|tally| tally.received() == 300)
        });
        assert_eq!(
            (all.ranges, all.duplicates, all.late),
            (vec![(1, 300)], 0, 0)
        );
        assert_eq!(tally(dir.path(), &state.session).ranges, [(1, 1)]);
        until("answers", || (running.agent.state().acks > 1).then_some(()));
        drop(running);
        let lines = log(dir.path(), "agent");
        for line in [
            "Valid key received",
            "(4102): Connected to the server ([manager/127.0.0.1]:",
        ] {
            assert!(lines.contains(line), "{lines}");
        }
        assert!(
            log(dir.path(), "manager")
                .contains("Agent key generated for 'agent1' (requested by 127.0.0.1)")
        );
        let file = std::fs::read_to_string(dir.path().join("agent/wazuh-agentd.state")).unwrap();
        assert!(file.contains("msg_count='300'"), "{file}");
        manager.stop();
    }
}

#[test]
fn a_password_is_needed_where_one_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager::ManagerConfig {
        password: Some("secret".into()),
        ..manager_in(dir.path())
    });
    let refused = (AttemptStage::Enrol, "Invalid password".to_owned());
    let config = agent_of(dir.path(), &manager);
    assert_eq!(Running::of(config.clone()).failed(), refused);
    let file = dir.path().join("authd.pass");
    std::fs::write(&file, "other\n").unwrap();
    let config = AgentConfig {
        password: Some(file.clone()),
        ..config
    };
    assert_eq!(Running::of(config.clone()).failed(), refused);
    assert!(
        log(dir.path(), "agent").contains("Invalid password. Unable to add agent (from manager)")
    );
    std::fs::write(&file, "secret\n").unwrap();
    Running::of(config).connected();
    manager.stop();
}

/// Writes an authority and a certificate for `name`, good until `year`, and returns the three
/// files.
fn certificates(dir: &Path, name: &str, year: i32) -> [PathBuf; 3] {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let files = ["ca.pem", "cert.pem", "key.pem"].map(|file| dir.join(file));
    let texts = [authority.pem(), certificate.pem(), key.serialize_pem()];
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).unwrap();
    }
    files
}

#[test]
fn a_certificate_is_looked_at_only_with_an_authority() {
    for (name, year, clock_ahead, complaint) in [
        ("manager", 4000, 0, None),
        ("other", 4000, 0, Some("hostname mismatch")),
        ("manager", 2021, 0, Some("certificate has expired")),
        ("manager", 4000, 100 * 366 * 86400, None),
        (
            "manager",
            4000,
            -100 * 366 * 86400,
            Some("certificate is not yet valid"),
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let [ca, certificate, key] = certificates(dir.path(), name, year);
        let manager = start(manager::ManagerConfig {
            certificate: Some((certificate, key)),
            ..manager_in(dir.path())
        });
        let config = AgentConfig {
            ca: Some(ca),
            clock_ahead,
            ..agent_of(dir.path(), &manager)
        };
        let running = Running::of(config.clone());
        match complaint {
            None => drop(running.connected()),
            Some(complaint) => {
                let wanted = (
                    AttemptStage::Tls,
                    format!("the manager's certificate: {complaint}"),
                );
                assert_eq!(running.failed(), wanted, "{name} {year}");
                assert!(log(dir.path(), "agent").contains("Unable to verify server certificate"));
                drop(running);
                Running::of(AgentConfig { ca: None, ..config }).connected();
            }
        }
        manager.stop();
    }
}

#[test]
fn a_manager_with_a_certificate_of_its_own_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let [ca, ..] = certificates(dir.path(), "manager", 4000);
    let config = AgentConfig {
        ca: Some(ca),
        ..agent_of(dir.path(), &manager)
    };
    let (stage, reason) = Running::of(config).failed();
    assert_eq!(
        (stage, reason.as_str()),
        (
            AttemptStage::Tls,
            "the manager's certificate: unable to get local issuer certificate"
        )
    );
    manager.stop();
}

#[test]
fn a_manager_that_asks_for_certificates_enrols_those_of_its_authority() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [ca, certificate, key] = certificates(dir.path(), "agent", 4000);
    let [_, strange, strange_key] = certificates(other.path(), "agent", 4000);
    let manager = start(manager::ManagerConfig {
        agents: Some(ca),
        ..manager_in(dir.path())
    });
    for (own, refusal) in [
        (None, "the manager asks for an agent's certificate"),
        (
            Some((strange, strange_key)),
            "the manager does not take the agent's certificate",
        ),
    ] {
        let running = Running::of(AgentConfig {
            own,
            ..agent_of(dir.path(), &manager)
        });
        assert_eq!(running.failed(), (AttemptStage::Tls, refusal.to_owned()));
        assert!(
            log(dir.path(), "agent")
                .contains("If Agent verification is enabled, agent key and certificates")
        );
    }
    Running::of(AgentConfig {
        own: Some((certificate, key)),
        ..agent_of(dir.path(), &manager)
    })
    .connected();
    manager.stop();
}

#[test]
fn each_stage_says_how_it_failed() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let config = agent_of(dir.path(), &manager);
    let nowhere = AgentConfig {
        managers: vec!["nowhere".into()],
        ..config.clone()
    };
    assert_eq!(
        Running::of(nowhere).failed(),
        (
            AttemptStage::Dns,
            "enrolment: could not resolve nowhere".into()
        )
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let closed = AgentConfig {
        enrol_port: free,
        ..config.clone()
    };
    let refused = format!("enrolment, port {free}: Connection refused");
    assert_eq!(
        Running::of(closed).failed(),
        (AttemptStage::Connect, refused)
    );
    let no_tls = AgentConfig {
        enrol_port: config.port,
        ..config.clone()
    };
    assert_eq!(
        Running::of(no_tls).failed(),
        (AttemptStage::Tls, "the port does not speak TLS".into())
    );
    let newer = AgentConfig {
        version: AgentVersion::new(4, 15, 0),
        ..config
    };
    let reason = "Agent version must be lower or equal to manager version";
    assert_eq!(
        Running::of(newer).failed(),
        (AttemptStage::Enrol, reason.into())
    );
    manager.stop();
}

#[test]
fn an_agent_that_does_not_enrol_needs_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let config = AgentConfig {
        enrols: false,
        ..agent_of(dir.path(), &manager)
    };
    assert!(matches!(
        WazuhAgent::new(config).run(),
        Err(agent::Error::NoKey { .. })
    ));
    assert!(
        log(dir.path(), "agent").contains("(4109): Unable to start without auth keys. Exiting.")
    );
    manager.stop();
}

#[test]
fn a_key_for_one_address_names_no_sender_and_is_good_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let config = AgentConfig {
        enrol_ip: Some("src".into()),
        live: live(20, 0.0),
        ..agent_of(dir.path(), &manager)
    };
    let running = Running::of(config);
    running.connected();
    until("every event", || {
        (tally(dir.path(), "live").received() == 20).then_some(())
    });
    assert_eq!(
        AgentKey::load(&dir.path().join("manager/client.keys")).unwrap()[0].ip,
        "127.0.0.1"
    );
    drop(running);
    manager.stop();
}

#[test]
fn a_key_that_the_manager_does_not_know_gets_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let mut config = agent_of(dir.path(), &manager);
    (config.enrol_port, config.times.max_retries) = (config.port, 50);
    std::fs::create_dir_all(&config.dir).unwrap();
    AgentKey::save(
        &config.dir.join("client.keys"),
        [&AgentKey::new("007".into(), "agent1", "any").unwrap()],
    )
    .unwrap();
    let reason = "the manager closed the connection after the startup";
    assert_eq!(
        Running::of(config).failed(),
        (AttemptStage::Key, reason.into())
    );
    let line = "(1408): Invalid ID 007 for the source ip: '127.0.0.1' (name 'unknown').";
    assert!(log(dir.path(), "manager").contains(line));
    manager.stop();
}

#[test]
fn a_lost_key_is_refused_until_the_policy_lets_it_go() {
    for (force, gets) in [
        (ForceEnrolment::default(), false),
        (
            ForceEnrolment {
                disconnected_time: None,
                after_registration_time: Duration::ZERO,
                ..ForceEnrolment::default()
            },
            true,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let manager = start(manager::ManagerConfig {
            force,
            ..manager_in(dir.path())
        });
        let config = agent_of(dir.path(), &manager);
        Running::of(config.clone()).connected();
        std::fs::remove_file(config.dir.join("client.keys")).unwrap();
        let again = Running::of(config);
        if gets {
            again.connected();
        } else {
            assert_eq!(
                again.failed(),
                (AttemptStage::Enrol, "Duplicate agent name: agent1".into())
            );
            let lines = log(dir.path(), "manager");
            assert!(
                lines.contains("has not been disconnected long enough to be replaced"),
                "{lines}"
            );
        }
        drop(again);
        manager.stop();
    }
}

#[test]
fn a_key_is_good_for_one_connection_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(manager_in(dir.path()));
    let config = agent_of(dir.path(), &manager);
    let first = Running::of(config.clone());
    first.connected();
    let copy = AgentConfig {
        dir: dir.path().join("copy"),
        enrol_port: config.port,
        ..config.clone()
    };
    std::fs::create_dir_all(&copy.dir).unwrap();
    std::fs::copy(config.dir.join("client.keys"), copy.dir.join("client.keys")).unwrap();
    let second = Running::of(AgentConfig {
        times: AgentTimes {
            max_retries: 1000,
            ..copy.times
        },
        ..copy
    });
    assert_eq!(second.failed().0, AttemptStage::Key);
    assert!(log(dir.path(), "manager").contains("Agent key already in use: agent ID '001'"));
    drop(first);
    second.connected();
    manager.stop();
}

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
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    frame::write_frame(&mut stream, frame::PING).unwrap();
    assert_eq!(
        frame::read_frame(&mut stream).unwrap().as_deref(),
        Some(frame::PONG)
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
