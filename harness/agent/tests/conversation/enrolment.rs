//! Keys: given, refused, lost, and good for whom.

use std::path::{Path, PathBuf};

use std::time::Duration;

use agent::agent::{AgentConfig, AgentTimes, AttemptStage, WazuhAgent};
use agent::manager::{self, ForceEnrolment};
use agent::{AgentKey, AgentVersion, MessageCipher, TransportProtocol};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::{Running, agent_of, live, log, manager_in, start, tally, until};

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
