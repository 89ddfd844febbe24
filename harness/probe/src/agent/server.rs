//! `manager` and `manager-state`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::agent::manager::{Config, Force, Manager};
use ::agent::{Files, Journal, Protocol, Stop};
use probe_protocol::{EnrolledAgent, EventCount, ManagerReport};

use super::{Options, authority, chain, save};
use crate::{tls, wait};

/// Where a manager keeps everything, where nothing else is said.
const DIR: &str = "/manager";

/// Between two looks at a file that another process writes.
const GLANCE: Duration = Duration::from_millis(50);

/// Runs a manager until told to end.
pub(super) fn run(options: Options) -> Result<String, String> {
    let config = config(options)?;
    let mut kept: Option<Arc<Manager>> = None;
    wait::while_listening(|| {
        let manager = Manager::new(config).map_err(|fault| chain(&fault))?;
        manager.start().map_err(|fault| chain(&fault))?;
        kept = Some(manager);
        Ok(())
    })?;
    if let Some(manager) = kept {
        manager.stop();
    }
    Ok(String::new())
}

fn config(mut options: Options) -> Result<Config, String> {
    let (shipped, dir) = (Config::default(), options.dir(DIR));
    let shipped = options
        .value("times")?
        .map_or(shipped.clone(), |by| shipped.scaled(by));
    let protocol: Option<Protocol> = match options.text("protocol").as_deref() {
        Some("both") => None,
        Some(text) => Some(text.parse()?),
        None => Some(Protocol::Tcp),
    };
    let enrols = options.flag("enrols", true)?;
    let config = Config {
        port: options.or("port", shipped.port)?,
        tcp: protocol != Some(Protocol::Udp),
        udp: protocol != Some(Protocol::Tcp),
        enrol_port: Some(options.or("enrol-port", 1515)?).filter(|_| enrols),
        password: password(&mut options)?,
        certificate: certificate(&mut options, &dir)?,
        agents: authority(&mut options, "agent-authority", &dir)?,
        keys: options.text("keys").map(PathBuf::from),
        version: options.or("version", shipped.version)?,
        force: force(&mut options, shipped.force)?,
        verify_counters: options.flag("verify-msg-id", false)?,
        overtake: options.seconds("overtake", shipped.overtake)?,
        disconnected_after: options.seconds("disconnected-after", shipped.disconnected_after)?,
        key_update: options.seconds("key-update", shipped.key_update)?,
        dir,
    };
    options.end()?;
    Ok(config)
}

/// The first line of the password's file.
fn password(options: &mut Options) -> Result<Option<String>, String> {
    let Some(path) = options.text("password-file") else {
        return Ok(None);
    };
    let text =
        std::fs::read_to_string(&path).map_err(|why| format!("failed to read `{path}`: {why}"))?;
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

/// Files that are given, or made by the authority of a word that the agents are given too.
fn certificate(options: &mut Options, dir: &Path) -> Result<Option<Files>, String> {
    let (cert, key) = (options.text("cert"), options.text("key"));
    let names = options.text("cert-name");
    let identity = tls::Identity {
        names: names
            .iter()
            .flat_map(|all| all.split(','))
            .map(str::to_owned)
            .collect(),
        expired: options.flag("cert-expired", false)?,
        days: options.value("cert-days")?,
        authority: options.text("authority"),
        ..tls::Identity::default()
    };
    match (cert, key) {
        (Some(cert), Some(key)) => return Ok(Some((cert.into(), key.into()))),
        (None, None) if identity.authority.is_none() => return Ok(None),
        (None, None) => {}
        _ => return Err("a certificate's file and its key's go together".into()),
    }
    save(&identity, dir, "sslmanager").map(Some)
}

fn force(options: &mut Options, shipped: Force) -> Result<Force, String> {
    let waits = options.flag("force-disconnected", true)?;
    let disconnected = shipped.disconnected_time.unwrap_or(Duration::ZERO);
    let disconnected = options.seconds("force-disconnected-time", disconnected)?;
    Ok(Force {
        enabled: options.flag("force", shipped.enabled)?,
        key_mismatch: options.flag("force-key-mismatch", shipped.key_mismatch)?,
        disconnected_time: waits.then_some(disconnected),
        after_registration_time: options
            .seconds("force-after-registration", shipped.after_registration_time)?,
    })
}

/// The agents of the manager in this container, and what it counted, with `--until STATUS --for
/// SECONDS`, as soon as an agent has that status, or when the time is over.
pub(super) fn state(mut options: Options) -> Result<ManagerReport, String> {
    let dir = options.dir(DIR);
    let (until, most) = (
        options.text("until"),
        options.seconds("for", Duration::from_secs(10))?,
    );
    options.end()?;
    let start = Instant::now();
    let agents = loop {
        let agents = agents(&dir)?;
        let there = |status: &String| agents.iter().any(|agent| agent.status == *status);
        if until.as_ref().is_none_or(there) || start.elapsed() >= most {
            break agents;
        }
        Stop::default().within(GLANCE);
    };
    let tallies = Journal::tallies(&dir.join("events")).map_err(|fault| chain(&fault))?;
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

fn agents(dir: &Path) -> Result<Vec<EnrolledAgent>, String> {
    let text = std::fs::read_to_string(dir.join("agents"))
        .map_err(|why| format!("the manager has no state: {why}"))?;
    Ok(text.lines().filter_map(agent).collect())
}

fn agent(line: &str) -> Option<EnrolledAgent> {
    let mut words = line.strip_prefix("agent ")?.split(' ').map(str::to_owned);
    Some(EnrolledAgent {
        id: words.next()?,
        name: words.next()?,
        ip: words.next()?,
        status: words.next()?,
    })
}
