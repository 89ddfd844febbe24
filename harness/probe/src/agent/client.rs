//! `agent` and `agent-state`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ::agent::agent::{Agent, Begin, Config, Live, Stage, State, Status, Times};
use ::agent::{Crypto, Files, Limits, Version};
use probe_protocol::{AgentReport, AgentStage};

use super::{Options, authority, save};
use crate::dns::resolve::{self, Config as Servers};
use crate::{tls, wait};

/// Where an agent keeps everything, where nothing else is said.
const DIR: &str = "/agent";

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs an agent until told to end; it says good-bye to its manager.
pub(super) fn run(options: Options) -> Result<String, String> {
    let agent = Agent::new(config(options)?);
    let runner = Arc::clone(&agent);
    let (tell, ended) = std::sync::mpsc::channel();
    wait::while_listening(move || {
        thread::spawn(move || {
            let done = runner.run().map_err(|fault| super::chain(&fault));
            if let Err(why) = &done {
                eprintln!("probe: {why}");
            }
            tell.send(done)
        });
        Ok(())
    })?;
    agent.stop();
    ended
        .recv_timeout(Duration::from_secs(5))
        .unwrap_or(Ok(()))
        .map(|()| String::new())
}

/// What the agent of this container says of itself.
pub(super) fn state(mut options: Options) -> Result<AgentReport, String> {
    let dir = options.dir(DIR);
    options.end()?;
    let state =
        State::load(&dir.join("wazuh-agentd.state")).map_err(|fault| super::chain(&fault))?;
    Ok(AgentReport {
        connected: state.status == Status::Connected,
        acks: state.acks,
        attempts: state.attempts,
        streak: state.streak,
        stage: state.stage.map(stage),
        reason: state.reason,
        session: state.session,
        connections: state.connections,
        server: state.server,
    })
}

fn stage(stage: Stage) -> AgentStage {
    match stage {
        Stage::Dns => AgentStage::Dns,
        Stage::Connect => AgentStage::Connect,
        Stage::Tls => AgentStage::Tls,
        Stage::Enrol => AgentStage::Enrol,
        Stage::Key => AgentStage::Key,
    }
}

fn config(mut options: Options) -> Result<Config, String> {
    let managers = options
        .text("manager")
        .ok_or("an agent needs a `--manager HOST[,HOST]`")?;
    let dir = options.dir(DIR);
    let name = options.text("name").unwrap_or_else(own_name);
    let ca =
        authority(&mut options, "authority", &dir)?.or_else(|| options.text("ca").map(Into::into));
    let own = certificate(&mut options, &name, &dir)?;
    let config = Config {
        managers: managers.split(',').map(str::to_owned).collect(),
        enrol_manager: options.text("enrol-manager"),
        enrols: options.flag("enrol", true)?,
        enrol_ip: options.text("enrol-ip"),
        port: options.or("port", 1514)?,
        enrol_port: options.or("enrol-port", 1515)?,
        protocol: options.or("protocol", ::agent::Protocol::Tcp)?,
        crypto: match options.text("crypto").as_deref() {
            None | Some("aes") => Crypto::Aes,
            Some("blowfish") => Crypto::Blowfish,
            Some(other) => return Err(format!("`{other}` is not a cipher: write aes or blowfish")),
        },
        name,
        version: options.or("version", Version::KNOWN)?,
        password: options.text("password-file").map(Into::into),
        ca,
        own,
        clock_ahead: options.or("clock-ahead", 0)?,
        dir,
        limits: limits(&mut options)?,
        times: times(&mut options)?,
        live: live(&mut options)?,
        logs: options.text("log").map(Into::into),
        resolve: addresses,
    };
    options.end()?;
    Ok(config)
}

/// The name of this container, which is its pod's.
fn own_name() -> String {
    std::fs::read_to_string("/etc/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// A certificate of the agent's own, made by the authority of a word.
fn certificate(options: &mut Options, name: &str, dir: &Path) -> Result<Option<Files>, String> {
    let Some(word) = options.text("own-authority") else {
        return Ok(None);
    };
    let identity = tls::Identity {
        names: vec![name.into()],
        authority: Some(word),
        ..tls::Identity::default()
    };
    save(&identity, dir, "sslagent").map(Some)
}

fn limits(options: &mut Options) -> Result<Limits, String> {
    let shipped = Limits::default();
    Ok(Limits {
        size: options.or("queue-size", shipped.size)?,
        per_second: options.or("events-per-second", shipped.per_second)?,
        tolerance: options.seconds("tolerance", shipped.tolerance)?,
        ..shipped
    })
}

fn times(options: &mut Options) -> Result<Times, String> {
    let shipped = Times::default();
    let shipped = options
        .value("times")?
        .map_or(shipped, |by| shipped.scaled(by));
    let connect = options.text("connect-timeout").map(|text| {
        let seconds = text
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.ok_or_else(|| format!("`--connect-timeout {text}`: that is not a time in seconds"))
    });
    Ok(Times {
        connect: connect.transpose()?.or(shipped.connect),
        receive: options.seconds("receive-timeout", shipped.receive)?,
        retry: options.seconds("retry", shipped.retry)?,
        max_retries: options.or("max-retries", shipped.max_retries)?,
        notify: options.seconds("notify", shipped.notify)?,
        no_ack: options.seconds("no-ack", shipped.no_ack)?,
        enrol_step: options.seconds("enrol-step", shipped.enrol_step)?,
        enrol_most: options.seconds("enrol-most", shipped.enrol_most)?,
        after_enrolment: options.seconds("after-enrolment", shipped.after_enrolment)?,
        resolve_tries: options.or("resolve-tries", shipped.resolve_tries)?,
        poll: options.seconds("poll", shipped.poll)?,
        state: options.seconds("state-every", shipped.state)?,
        ..shipped
    })
}

fn live(options: &mut Options) -> Result<Option<Live>, String> {
    let Some(events) = options.value("events")? else {
        return Ok(None);
    };
    Ok(Some(Live {
        source: options.text("source").unwrap_or_else(|| "live".into()),
        events,
        rate: options.or("rate", 0.0)?,
        begin: options.or("begin", Begin::AtOnce)?,
    }))
}

fn addresses(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = resolve::addresses(name, &Servers::own(), PATIENCE);
    found
        .map(|found| found.addresses)
        .map_err(|blocked| blocked.reason.word().to_owned())
}
