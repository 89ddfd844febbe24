//! `agent` and `agent-state`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ::agent::agent::{
    AgentActivity, AgentConfig, AgentTimes, AttemptStage, ConnectionStatus, LiveEvents,
    ProduceFrom, WazuhAgent,
};
use ::agent::{AgentVersion, BufferLimits, MessageCipher, TlsFiles};
use error_chain::error_chain;
use probe_protocol::{AgentReport, AgentStage};

use super::{CommandOptions, authority_file, save_certificate};
use crate::dns::resolve::{self, ResolverConfig as Servers};
use crate::{tls, wait};

/// Where an agent keeps everything, where nothing else is said.
const AGENT_DIR: &str = "/agent";

/// How long a name server may take.
const NAME_SERVER_WITHIN: Duration = Duration::from_secs(1);

/// Runs an agent until told to end; it says good-bye to its manager.
pub(super) fn run_agent(options: CommandOptions) -> Result<String, String> {
    let agent = WazuhAgent::new(agent_config(options)?);
    let runner = Arc::clone(&agent);
    let (tell, ended) = std::sync::mpsc::channel();
    wait::while_listening(move || {
        thread::spawn(move || {
            let done = runner.run().map_err(|fault| error_chain(&fault));
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
pub(super) fn print_state(mut options: CommandOptions) -> Result<AgentReport, String> {
    let dir = options.dir(AGENT_DIR);
    options.check_end()?;
    let state = AgentActivity::load(&dir.join("wazuh-agentd.state"))
        .map_err(|fault| error_chain(&fault))?;
    Ok(AgentReport {
        connected: state.status == ConnectionStatus::Connected,
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

fn stage(stage: AttemptStage) -> AgentStage {
    match stage {
        AttemptStage::Dns => AgentStage::Dns,
        AttemptStage::Connect => AgentStage::Connect,
        AttemptStage::Tls => AgentStage::Tls,
        AttemptStage::Enrol => AgentStage::Enrol,
        AttemptStage::Key => AgentStage::Key,
    }
}

fn agent_config(mut options: CommandOptions) -> Result<AgentConfig, String> {
    let managers = options
        .text("manager")
        .ok_or("an agent needs a `--manager HOST[,HOST]`")?;
    let dir = options.dir(AGENT_DIR);
    let name = options.text("name").unwrap_or_else(own_name);
    let ca = authority_file(&mut options, "authority", &dir)?
        .or_else(|| options.text("ca").map(Into::into));
    let own = agent_certificate(&mut options, &name, &dir)?;
    let config = AgentConfig {
        managers: managers.split(',').map(str::to_owned).collect(),
        enrol_manager: options.text("enrol-manager"),
        enrols: options.flag("enrol", true)?,
        enrol_ip: options.text("enrol-ip"),
        port: options.value_or("port", 1514)?,
        enrol_port: options.value_or("enrol-port", 1515)?,
        protocol: options.value_or("protocol", ::agent::TransportProtocol::Tcp)?,
        crypto: match options.text("crypto").as_deref() {
            None | Some("aes") => MessageCipher::Aes,
            Some("blowfish") => MessageCipher::Blowfish,
            Some(other) => return Err(format!("`{other}` is not a cipher: write aes or blowfish")),
        },
        name,
        version: options.value_or("version", AgentVersion::KNOWN)?,
        password: options.text("password-file").map(Into::into),
        ca,
        own,
        clock_ahead: options.value_or("clock-ahead", 0)?,
        dir,
        limits: buffer_limits(&mut options)?,
        times: agent_times(&mut options)?,
        live: live_events(&mut options)?,
        logs: options.text("log").map(Into::into),
        log_queue: options.value_or("log-queue-size", 1024)?,
        resolve: resolve_addresses,
    };
    options.check_end()?;
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
fn agent_certificate(
    options: &mut CommandOptions,
    name: &str,
    dir: &Path,
) -> Result<Option<TlsFiles>, String> {
    let Some(word) = options.text("own-authority") else {
        return Ok(None);
    };
    let identity = tls::ServerIdentity {
        names: vec![name.into()],
        authority: Some(word),
        ..tls::ServerIdentity::default()
    };
    save_certificate(&identity, dir, "sslagent").map(Some)
}

fn buffer_limits(options: &mut CommandOptions) -> Result<BufferLimits, String> {
    let shipped = BufferLimits::default();
    Ok(BufferLimits {
        size: options.value_or("queue-size", shipped.size)?,
        per_second: options.value_or("events-per-second", shipped.per_second)?,
        tolerance: options.seconds("tolerance", shipped.tolerance)?,
        ..shipped
    })
}

fn agent_times(options: &mut CommandOptions) -> Result<AgentTimes, String> {
    let shipped = AgentTimes::default();
    let shipped = options
        .value("times")?
        .map_or(shipped, |by| shipped.scaled_by(by));
    let connect = options.text("connect-timeout").map(|text| {
        let seconds = text
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.ok_or_else(|| format!("`--connect-timeout {text}`: that is not a time in seconds"))
    });
    Ok(AgentTimes {
        connect: connect.transpose()?.or(shipped.connect),
        receive: options.seconds("receive-timeout", shipped.receive)?,
        retry: options.seconds("retry", shipped.retry)?,
        max_retries: options.value_or("max-retries", shipped.max_retries)?,
        notify: options.seconds("notify", shipped.notify)?,
        no_ack: options.seconds("no-ack", shipped.no_ack)?,
        enrol_step: options.seconds("enrol-step", shipped.enrol_step)?,
        enrol_most: options.seconds("enrol-most", shipped.enrol_most)?,
        after_enrolment: options.seconds("after-enrolment", shipped.after_enrolment)?,
        resolve_tries: options.value_or("resolve-tries", shipped.resolve_tries)?,
        poll: options.seconds("poll", shipped.poll)?,
        state: options.seconds("state-every", shipped.state)?,
        ..shipped
    })
}

fn live_events(options: &mut CommandOptions) -> Result<Option<LiveEvents>, String> {
    let Some(events) = options.value("events")? else {
        return Ok(None);
    };
    Ok(Some(LiveEvents {
        source: options.text("source").unwrap_or_else(|| "live".into()),
        events,
        rate: options.value_or("rate", 0.0)?,
        begin: options.value_or("begin", ProduceFrom::AtOnce)?,
    }))
}

fn resolve_addresses(name: &str) -> Result<Vec<IpAddr>, ::agent::Error> {
    let found = resolve::host_addresses(name, &Servers::own_config(), NAME_SERVER_WITHIN);
    found
        .map(|found| found.addresses)
        .map_err(|blocked| ::agent::Error::Unresolved {
            name: name.to_owned(),
            why: Some(blocked.reason.word().to_owned()),
        })
}
