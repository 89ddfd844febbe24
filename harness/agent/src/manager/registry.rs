//! The agents that were enrolled, and since when.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ForceEnrolment;
use crate::{AgentKey, EnrolRefusal, EnrolRequest, Error};

/// The file beside `client.keys` that says when an agent was enrolled, also one that is gone.
const TIMES_FILE: &str = "agents-timestamp";

/// The agents of a manager.
#[derive(Debug)]
pub(super) struct AgentRegistry {
    agents: Vec<(AgentKey, SystemTime)>,
    last_id: u32,
    dir: PathBuf,
}

/// A refusal, and what the manager's own log says of it.
pub(super) type EnrolmentRefused = (EnrolRefusal, Option<String>);

impl AgentRegistry {
    pub(super) fn load(dir: &Path) -> Result<Self, Error> {
        let keys = AgentKey::load(&dir.join("client.keys"))?;
        let times = dir.join(TIMES_FILE);
        let text = match std::fs::read_to_string(&times) {
            Ok(text) => text,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(fault) => return Err(Error::file("read", times)(fault)),
        };
        let known: Vec<(&str, u64)> = text
            .lines()
            .filter_map(|line| {
                Some((
                    line.split(' ').next()?,
                    line.rsplit(' ').next()?.parse().ok()?,
                ))
            })
            .collect();
        let since = |id: &str| {
            let seconds = known
                .iter()
                .rev()
                .find(|(known, _)| *known == id)
                .map_or(0, |(_, seconds)| *seconds);
            UNIX_EPOCH + Duration::from_secs(seconds)
        };
        let ids = keys
            .iter()
            .map(|key| key.id.as_str())
            .chain(known.iter().map(|(id, _)| *id));
        let last_id = ids.filter_map(|id| id.parse().ok()).max().unwrap_or(0);
        let agents = keys
            .into_iter()
            .map(|key| (since(&key.id), key))
            .map(|(since, key)| (key, since))
            .collect();
        Ok(Self {
            agents,
            last_id,
            dir: dir.into(),
        })
    }

    /// Enrols an agent that comes from `from`. `away` says for how long an agent has been
    /// disconnected, if it is; `None` where it never was connected.
    pub(super) fn enrol_agent(
        &mut self,
        request: &EnrolRequest,
        from: &str,
        force: &ForceEnrolment,
        away: impl Fn(&str) -> Option<Option<Duration>>,
    ) -> Result<AgentKey, EnrolmentRefused> {
        let ip = match request.ip.as_deref() {
            Some("src") => from,
            Some(ip) => ip,
            None => "any",
        };
        let taken = |key: &AgentKey| key.name == request.name;
        if let Some((old, since)) = self.agents.iter().find(|(key, _)| taken(key)) {
            may_replace(old, *since, request, force, away(&old.id)).map_err(|why| {
                let told = format!(
                    "Duplicate name '{}', rejecting enrollment. Agent '{}' {why}.",
                    request.name, old.id
                );
                (
                    EnrolRefusal::DuplicateName(request.name.clone()),
                    Some(told),
                )
            })?;
        }
        let of_address = |key: &AgentKey| key.is_of_one_host() && key.ip == ip && !taken(key);
        if self.agents.iter().any(|(key, _)| of_address(key)) {
            return Err((EnrolRefusal::DuplicateIp(ip.into()), None));
        }
        self.add_agent(&request.name, ip).map_err(|fault| {
            (
                EnrolRefusal::Internal(request.name.clone()),
                Some(fault.to_string()),
            )
        })
    }

    fn add_agent(&mut self, name: &str, ip: &str) -> Result<AgentKey, Error> {
        let id = format!("{:03}", self.last_id + 1);
        let key = AgentKey::new(id, name, ip)?;
        let now = SystemTime::now();
        self.agents.retain(|(old, _)| old.name != name);
        self.agents.push((key.clone(), now));
        self.last_id += 1;
        AgentKey::save(
            &self.dir.join("client.keys"),
            self.agents.iter().map(|(key, _)| key),
        )?;
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let line = format!("{} {} {} {seconds}\n", key.id, key.name, key.ip);
        let path = self.dir.join(TIMES_FILE);
        let mut text = std::fs::read_to_string(&path).unwrap_or_default();
        text.push_str(&line);
        std::fs::write(&path, text).map_err(Error::file("write", path))?;
        Ok(key)
    }
}

/// Whether a name that is taken may be given away; why not, otherwise.
fn may_replace(
    old: &AgentKey,
    since: SystemTime,
    request: &EnrolRequest,
    force: &ForceEnrolment,
    away: Option<Option<Duration>>,
) -> Result<(), &'static str> {
    if !force.enabled {
        return Err("is not to be replaced");
    }
    if force.key_mismatch
        && request
            .key_hash
            .as_ref()
            .is_some_and(|hash| *hash == old.hash())
    {
        return Err("key already exists on the manager");
    }
    if let (Some(wanted), Some(away)) = (force.disconnected_time, away) {
        match away {
            None => return Err("can't be replaced since it is not disconnected"),
            Some(time) if time < wanted => {
                return Err("has not been disconnected long enough to be replaced");
            }
            Some(_) => {}
        }
    }
    let age = since.elapsed().unwrap_or_default();
    if age < force.after_registration_time {
        return Err("doesn't comply with the registration time to be removed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str) -> EnrolRequest {
        EnrolRequest {
            name: name.into(),
            ..EnrolRequest::default()
        }
    }

    const LAX: ForceEnrolment = ForceEnrolment {
        enabled: true,
        key_mismatch: true,
        disconnected_time: Some(Duration::from_secs(2)),
        after_registration_time: Duration::ZERO,
    };

    #[test]
    fn ids_go_on_and_a_restart_forgets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let never = |_: &str| None;
        let mut registry = AgentRegistry::load(dir.path()).unwrap();
        assert_eq!(
            registry
                .enrol_agent(
                    &request("a1"),
                    "10.0.0.1",
                    &ForceEnrolment::default(),
                    never
                )
                .unwrap()
                .id,
            "001"
        );
        assert_eq!(
            registry
                .enrol_agent(&request("a1"), "10.0.0.1", &LAX, never)
                .unwrap()
                .id,
            "002"
        );
        let mut again = AgentRegistry::load(dir.path()).unwrap();
        assert_eq!(again.agents.len(), 1);
        let refused = again
            .enrol_agent(
                &request("a1"),
                "10.0.0.1",
                &ForceEnrolment::default(),
                never,
            )
            .unwrap_err();
        assert_eq!(refused.0, EnrolRefusal::DuplicateName("a1".into()));
        assert!(
            refused
                .1
                .unwrap()
                .contains("doesn't comply with the registration time")
        );
        assert_eq!(
            again
                .enrol_agent(
                    &request("b1"),
                    "10.0.0.1",
                    &ForceEnrolment::default(),
                    never
                )
                .unwrap()
                .id,
            "003"
        );
    }

    #[test]
    fn each_reason_to_keep_the_old_one() {
        let key: AgentKey = "001 a1 any k".parse().unwrap();
        let of = |request: &EnrolRequest, force: &ForceEnrolment, away| {
            may_replace(&key, UNIX_EPOCH, request, force, away)
        };
        let same = EnrolRequest {
            key_hash: Some(key.hash()),
            ..request("a1")
        };
        assert_eq!(
            of(&same, &LAX, None),
            Err("key already exists on the manager")
        );
        assert_eq!(
            of(&request("a1"), &LAX, Some(None)),
            Err("can't be replaced since it is not disconnected")
        );
        let second = Some(Some(Duration::from_secs(1)));
        assert_eq!(
            of(&request("a1"), &LAX, second),
            Err("has not been disconnected long enough to be replaced")
        );
        assert_eq!(
            of(&request("a1"), &LAX, Some(Some(Duration::from_secs(2)))),
            Ok(())
        );
        let off = ForceEnrolment {
            enabled: false,
            ..LAX
        };
        assert_eq!(of(&request("a1"), &off, None), Err("is not to be replaced"));
    }

    #[test]
    fn an_address_belongs_to_one_agent() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = AgentRegistry::load(dir.path()).unwrap();
        let from = |name: &str| EnrolRequest {
            ip: Some("src".into()),
            ..request(name)
        };
        assert_eq!(
            registry
                .enrol_agent(&from("a1"), "10.0.0.1", &LAX, |_| None)
                .unwrap()
                .ip,
            "10.0.0.1"
        );
        let refused = registry
            .enrol_agent(&from("b1"), "10.0.0.1", &LAX, |_| None)
            .unwrap_err();
        assert_eq!(refused.0, EnrolRefusal::DuplicateIp("10.0.0.1".into()));
    }
}
