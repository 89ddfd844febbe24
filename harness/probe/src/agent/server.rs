//! `manager` and `manager-state`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::agent::manager::{ForceEnrolment, ManagerConfig, WazuhManager};
use ::agent::{EventJournal, StopSignal, TlsFiles, TransportProtocol};
use error_chain::error_chain;
use probe_protocol::{EnrolledAgent, EventCount, ManagerReport};

use super::{CommandOptions, authority_file, save_certificate};
use crate::{tls, wait};

/// Where a manager keeps everything, where nothing else is said.
const MANAGER_DIR: &str = "/manager";

/// Between two looks at a file that another process writes.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs a manager until SIGTERM or SIGINT.
pub(super) fn run_manager(options: CommandOptions) -> Result<String, String> {
    let config = manager_config(options)?;
    let mut kept: Option<Arc<WazuhManager>> = None;
    wait::while_listening(|| {
        let manager = WazuhManager::new(config).map_err(|fault| error_chain(&fault))?;
        manager
            .start_serving()
            .map_err(|fault| error_chain(&fault))?;
        kept = Some(manager);
        Ok(())
    })?;
    if let Some(manager) = kept {
        manager.stop();
    }
    Ok(String::new())
}

fn parse_protocol(text: &str) -> Result<TransportProtocol, String> {
    let parsed: Result<TransportProtocol, agent::Error> = text.parse();
    parsed.map_err(|fault| error_chain(&fault))
}

fn manager_config(mut options: CommandOptions) -> Result<ManagerConfig, String> {
    let (shipped, dir) = (ManagerConfig::default(), options.dir(MANAGER_DIR));
    let shipped = options
        .value("times")?
        .map_or(shipped.clone(), |by| shipped.scaled_by(by));
    let protocol: Option<TransportProtocol> = match options.text("protocol").as_deref() {
        Some("both") => None,
        Some(text) => Some(parse_protocol(text)?),
        None => Some(TransportProtocol::Tcp),
    };
    let enrols = options.flag("enrols", true)?;
    let config = ManagerConfig {
        port: options.value_or("port", shipped.port)?,
        tcp: protocol != Some(TransportProtocol::Udp),
        udp: protocol != Some(TransportProtocol::Tcp),
        enrol_port: Some(options.value_or("enrol-port", 1515)?).filter(|_| enrols),
        password: read_password(&mut options)?,
        takes_any_password: options.flag("any-password", false)?,
        certificate: manager_certificate(&mut options, &dir)?,
        agents: authority_file(&mut options, "agent-authority", &dir)?,
        keys: options.text("keys").map(PathBuf::from),
        version: options.value_or("version", shipped.version)?,
        force: force_option(&mut options, shipped.force)?,
        verify_counters: options.flag("verify-msg-id", false)?,
        worker_pool: options.value_or("worker-pool", shipped.worker_pool)?,
        overtake: options.seconds("overtake", shipped.overtake)?,
        disconnected_after: options.seconds("disconnected-after", shipped.disconnected_after)?,
        key_update: options.seconds("key-update", shipped.key_update)?,
        dir,
    };
    options.check_end()?;
    Ok(config)
}

/// The first line of the password's file.
fn read_password(options: &mut CommandOptions) -> Result<Option<String>, String> {
    let Some(path) = options.text("password-file") else {
        return Ok(None);
    };
    let text =
        std::fs::read_to_string(&path).map_err(|why| format!("failed to read `{path}`: {why}"))?;
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

/// Files that are given, or made by the authority of a word that the agents are given too.
fn manager_certificate(
    options: &mut CommandOptions,
    dir: &Path,
) -> Result<Option<TlsFiles>, String> {
    let (cert, key) = (options.text("cert"), options.text("key"));
    let names = options.text("cert-name");
    let identity = tls::ServerIdentity {
        names: names
            .iter()
            .flat_map(|all| all.split(','))
            .map(str::to_owned)
            .collect(),
        expired: options.flag("cert-expired", false)?,
        days: options.value("cert-days")?,
        authority: options.text("authority"),
        ..tls::ServerIdentity::default()
    };
    match (cert, key) {
        (Some(cert), Some(key)) => return Ok(Some((cert.into(), key.into()))),
        (None, None) if identity.authority.is_none() => return Ok(None),
        (None, None) => {}
        _ => return Err("a certificate's file and its key's go together".into()),
    }
    save_certificate(&identity, dir, "sslmanager").map(Some)
}

fn force_option(
    options: &mut CommandOptions,
    shipped: ForceEnrolment,
) -> Result<ForceEnrolment, String> {
    let waits = options.flag("force-disconnected", true)?;
    let disconnected = shipped.disconnected_time.unwrap_or(Duration::ZERO);
    let disconnected = options.seconds("force-disconnected-time", disconnected)?;
    Ok(ForceEnrolment {
        enabled: options.flag("force", shipped.enabled)?,
        key_mismatch: options.flag("force-key-mismatch", shipped.key_mismatch)?,
        disconnected_time: waits.then_some(disconnected),
        after_registration_time: options
            .seconds("force-after-registration", shipped.after_registration_time)?,
    })
}

/// The agents of the manager in this container, and what it counted, with
/// `--until STATUS --for SECONDS`, as soon as an agent has that status, or when the time has
/// passed.
pub(super) fn print_agents(mut options: CommandOptions) -> Result<ManagerReport, String> {
    let dir = options.dir(MANAGER_DIR);
    let (until, most) = (
        options.text("until"),
        options.seconds("for", Duration::from_secs(10))?,
    );
    options.check_end()?;
    let start = Instant::now();
    let agents = loop {
        let agents = list_agents(&dir)?;
        let there = |status: &String| agents.iter().any(|agent| agent.status == *status);
        if until.as_ref().is_none_or(there) || start.elapsed() >= most {
            break agents;
        }
        StopSignal::default().stopped_within(POLL_INTERVAL);
    };
    let tallies =
        EventJournal::read_tallies(&dir.join("events")).map_err(|fault| error_chain(&fault))?;
    let counts = tallies
        .iter()
        .map(|((id, name, source), tally)| {
            let received = tally.received();
            let highest = tally.ranges.last().map_or(0, |(_, last)| *last);
            EventCount {
                id: id.clone(),
                name: name.clone(),
                source: source.clone(),
                received,
                missing: highest - received,
                duplicates: tally.duplicates,
                late: tally.late,
                ranges: tally.ranges.clone(),
            }
        })
        .collect();
    Ok(ManagerReport { agents, counts })
}

fn list_agents(dir: &Path) -> Result<Vec<EnrolledAgent>, String> {
    let text = std::fs::read_to_string(dir.join("agents"))
        .map_err(|why| format!("the manager has no state: {why}"))?;
    Ok(text.lines().filter_map(agent_json).collect())
}

fn agent_json(line: &str) -> Option<EnrolledAgent> {
    let mut words = line.strip_prefix("agent ")?.split(' ').map(str::to_owned);
    Some(EnrolledAgent {
        id: words.next()?,
        name: words.next()?,
        ip: words.next()?,
        status: words.next()?,
    })
}
