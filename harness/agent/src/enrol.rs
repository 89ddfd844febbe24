//! What is said on the enrolment port: one line each way.

use std::fmt;
use std::net::IpAddr;

use crate::keys::is_name;
use crate::{AgentKey, AgentVersion, Error};

/// The longest line that is read.
pub(crate) const LONGEST_LINE: u64 = 4096;

/// An agent's wish for a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnrolRequest {
    /// The password, where the manager wants one.
    pub password: Option<String>,
    /// What the agent is called.
    pub name: String,
    /// Its version, such as `v4.14.7`.
    pub version: Option<String>,
    /// The groups it wants to be in, with commas between them.
    pub groups: Option<String>,
    /// The address its key shall be good for, or `src`: the one it comes from.
    pub ip: Option<String>,
    /// The hash of the key that it has.
    pub key_hash: Option<String>,
}

/// The password that a manager wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedPassword<'a> {
    /// None: a request with one is refused.
    None,
    /// This one.
    This(&'a str),
    /// None, and a request with one is as good.
    Any,
}

/// Why no key is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the words are those of the protocol: see Display"
)]
pub enum EnrolRefusal {
    Password,
    Request,
    Name(String),
    UnterminatedVersion,
    Version,
    UnterminatedGroup,
    Group(String),
    UnterminatedIp,
    Ip(String),
    UnterminatedKey,
    DuplicateIp(String),
    DuplicateName(String),
    Internal(String),
}

/// The manager's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolReply {
    /// Here is the key.
    Key(AgentKey),
    /// There is none, for this reason.
    Refused(String),
}

impl fmt::Display for EnrolRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password => f.write_str("Invalid password"),
            Self::Request => f.write_str("Invalid request for new agent"),
            Self::Name(name) => write!(f, "Invalid agent name: {name}"),
            Self::UnterminatedVersion => f.write_str("Unterminated version field"),
            Self::Version => f.write_str("Agent version must be lower or equal to manager version"),
            Self::UnterminatedGroup => f.write_str("Unterminated group field"),
            Self::Group(group) => write!(f, "Invalid group: {group}"),
            Self::UnterminatedIp => f.write_str("Unterminated IP field"),
            Self::Ip(ip) => write!(f, "Invalid IP: {ip}"),
            Self::UnterminatedKey => f.write_str("Unterminated key field"),
            Self::DuplicateIp(ip) => write!(f, "Duplicate IP: {ip}"),
            Self::DuplicateName(name) => write!(f, "Duplicate agent name: {name}"),
            Self::Internal(name) => write!(f, "Internal manager error adding agent: {name}"),
        }
    }
}

impl fmt::Display for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(password) = &self.password {
            write!(f, "OSSEC PASS: {password} ")?;
        }
        write!(f, "OSSEC A:'{}'", self.name)?;
        let fields = [
            ("V", &self.version),
            ("G", &self.groups),
            ("IP", &self.ip),
            ("K", &self.key_hash),
        ];
        for (letter, field) in fields {
            if let Some(field) = field {
                write!(f, " {letter}:'{field}'")?;
            }
        }
        f.write_str("\n")
    }
}

impl EnrolRequest {
    /// Reads a request as a manager does. `password` is the one it wants, `ours` its own version.
    ///
    /// # Errors
    /// The reason that the agent is told.
    pub fn read(
        line: &str,
        password: WantedPassword<'_>,
        ours: AgentVersion,
    ) -> Result<Self, EnrolRefusal> {
        let line = line.trim_end_matches(['\r', '\n', '\0']);
        let (given, rest) = match line.strip_prefix("OSSEC PASS: ") {
            Some(tail) => {
                let (given, _) = tail
                    .split_once(" OSSEC A:'")
                    .ok_or(EnrolRefusal::Password)?;
                (Some(given), &tail[given.len() + 1..])
            }
            None => (None, line),
        };
        match (password, given) {
            (WantedPassword::This(wanted), given) if given != Some(wanted) => {
                return Err(EnrolRefusal::Password);
            }
            // A password that nobody asked for makes the request another one.
            (WantedPassword::None, Some(_)) => return Err(EnrolRefusal::Request),
            (WantedPassword::This(_) | WantedPassword::None | WantedPassword::Any, _) => {}
        }
        let rest = rest
            .strip_prefix("OSSEC A:'")
            .ok_or(EnrolRefusal::Request)?;
        let (name, mut rest) = rest.split_once('\'').ok_or(EnrolRefusal::Request)?;
        if !is_name(name) {
            return Err(EnrolRefusal::Name(name.chars().take(128).collect()));
        }
        let mut request = Self {
            password: given.map(Into::into),
            name: name.into(),
            ..Self::default()
        };
        request.version = take_field(&mut rest, " V:'", &EnrolRefusal::UnterminatedVersion)?;
        request.groups = take_field(&mut rest, " G:'", &EnrolRefusal::UnterminatedGroup)?;
        request.ip = take_field(&mut rest, " IP:'", &EnrolRefusal::UnterminatedIp)?;
        request.key_hash = take_field(&mut rest, " K:'", &EnrolRefusal::UnterminatedKey)?;
        if !rest.is_empty() {
            return Err(EnrolRefusal::Request);
        }
        request.check_request(ours).map(|()| request)
    }

    fn check_request(&self, ours: AgentVersion) -> Result<(), EnrolRefusal> {
        if let Some(version) = &self.version
            && version
                .parse::<AgentVersion>()
                .map_err(|_| EnrolRefusal::Request)?
                .is_newer_than(ours)
        {
            return Err(EnrolRefusal::Version);
        }
        if let Some(group) = self
            .groups
            .iter()
            .flat_map(|all| all.split(','))
            .find(|group| *group != "default")
        {
            return Err(EnrolRefusal::Group(group.chars().take(128).collect()));
        }
        let is_address = |ip: &String| ip == "src" || ip == "any" || ip.parse::<IpAddr>().is_ok();
        match self.ip.as_ref().filter(|ip| !is_address(ip)) {
            Some(ip) => Err(EnrolRefusal::Ip(ip.chars().take(64).collect())),
            None => Ok(()),
        }
    }
}

/// Takes a field off the front of `rest`, if it is there.
fn take_field(
    rest: &mut &str,
    head: &str,
    unterminated: &EnrolRefusal,
) -> Result<Option<String>, EnrolRefusal> {
    let Some(tail) = rest.strip_prefix(head) else {
        return Ok(None);
    };
    let (value, behind) = tail.split_once('\'').ok_or_else(|| unterminated.clone())?;
    *rest = behind;
    Ok(Some(value.to_owned()))
}

impl fmt::Display for EnrolReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "OSSEC K:'{key}'"),
            Self::Refused(why) => write!(f, "ERROR: {why}. Unable to add agent"),
        }
    }
}

impl EnrolReply {
    /// Reads an answer as an agent does: what follows the key is ignored.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn read(text: &str) -> Result<Self, Error> {
        if let Some(tail) = text.strip_prefix("OSSEC K:'") {
            let (key, _) = tail.split_once('\'').ok_or(Error::Reply)?;
            return key.parse().map(Self::Key).map_err(|_| Error::Reply);
        }
        let why = text
            .strip_prefix("ERROR: ")
            .ok_or(Error::Reply)?
            .trim_end_matches(['\r', '\n', '\0']);
        Ok(Self::Refused(
            why.strip_suffix(". Unable to add agent")
                .unwrap_or(why)
                .to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: AgentVersion = AgentVersion::new(4, 14, 7);

    fn read(line: &str) -> Result<EnrolRequest, EnrolRefusal> {
        EnrolRequest::read(line, WantedPassword::None, OURS)
    }

    #[test]
    fn a_request_with_everything() {
        let line = "OSSEC PASS: a b OSSEC A:'web-1' V:'v4.14.7' G:'default' IP:'src' K:'00'\n";
        let request = EnrolRequest::read(line, WantedPassword::This("a b"), OURS).unwrap();
        assert_eq!(request.to_string(), line);
        assert_eq!(
            (request.name.as_str(), request.ip.as_deref()),
            ("web-1", Some("src"))
        );
    }

    #[test]
    fn the_password_is_looked_at_first() {
        for line in [
            "OSSEC A:'web-1'\n",
            "OSSEC PASS: other OSSEC A:'web-1'\n",
            "OSSEC PASS: x\n",
            "nonsense",
        ] {
            assert_eq!(
                EnrolRequest::read(line, WantedPassword::This("x"), OURS),
                Err(EnrolRefusal::Password),
                "{line}"
            );
        }
    }

    #[test]
    fn a_password_that_nobody_wants_is_refused_or_taken() {
        let line = "OSSEC PASS: whatever OSSEC A:'web-1'\n";
        assert_eq!(read(line), Err(EnrolRefusal::Request));
        assert!(EnrolRequest::read(line, WantedPassword::Any, OURS).is_ok());
    }

    #[test]
    fn the_last_number_of_a_version_does_not_count() {
        assert!(read("OSSEC A:'a1' V:'v4.14.99'").is_ok());
        assert_eq!(read("OSSEC A:'a1' V:'v5.0.0'"), Err(EnrolRefusal::Version));
    }

    #[test]
    fn each_fault_has_its_reason() {
        for (line, reason) in [
            ("hello", "Invalid request for new agent"),
            ("OSSEC A:'web-1", "Invalid request for new agent"),
            ("OSSEC A:'a b'", "Invalid agent name: a b"),
            ("OSSEC A:'a1' V:'v4", "Unterminated version field"),
            (
                "OSSEC A:'a1' V:'v4.15.0'",
                "Agent version must be lower or equal to manager version",
            ),
            ("OSSEC A:'a1' V:'v4.14.7' G:'x", "Unterminated group field"),
            ("OSSEC A:'a1' G:'default,dmz'", "Invalid group: dmz"),
            ("OSSEC A:'a1' IP:'10", "Unterminated IP field"),
            ("OSSEC A:'a1' IP:'here'", "Invalid IP: here"),
            ("OSSEC A:'a1' K:'", "Unterminated key field"),
            ("OSSEC A:'a1' X:'1'", "Invalid request for new agent"),
        ] {
            assert_eq!(read(line).unwrap_err().to_string(), reason, "{line}");
        }
    }

    #[test]
    fn replies_both_ways() {
        let key: AgentKey = "001 agent1 any abc".parse().unwrap();
        assert_eq!(
            EnrolReply::read("OSSEC K:'001 agent1 any abc' and more\n").unwrap(),
            EnrolReply::Key(key.clone())
        );
        assert_eq!(
            EnrolReply::read(&EnrolReply::Key(key.clone()).to_string()).unwrap(),
            EnrolReply::Key(key)
        );
        let refused = EnrolReply::Refused("Duplicate agent name: agent1".into());
        assert_eq!(
            refused.to_string(),
            "ERROR: Duplicate agent name: agent1. Unable to add agent"
        );
        assert_eq!(EnrolReply::read(&format!("{refused}\n")).unwrap(), refused);
        for text in ["", "OSSEC K:'001", "OSSEC K:'1 a'", "HTTP/1.1 400"] {
            assert!(
                matches!(EnrolReply::read(text), Err(Error::Reply)),
                "{text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_is_said_does_not_panic(head in "(OSSEC |OSSEC PASS: |OSSEC A:'|OSSEC K:'|ERROR: )?", text in "\\PC{0,60}['\\n]?") {
            let line = format!("{head}{text}");
            let _ = EnrolRequest::read(&line, WantedPassword::This("x"), OURS);
            let _ = read(&line);
            let _ = EnrolReply::read(&line);
        }

        #[test]
        fn requests_come_back(name in "[a-z0-9.-]{2,20}", password in prop::option::of("[!-&(-~]{1,12}"), ip in prop::option::of("any|src|10\\.0\\.0\\.1")) {
            let request = EnrolRequest { password: password.clone(), name, ip, version: Some("v4.9.0".into()), ..EnrolRequest::default() };
            prop_assert_eq!(EnrolRequest::read(&request.to_string(), password.as_deref().map_or(WantedPassword::None, WantedPassword::This), OURS).unwrap(), request);
        }
    }
}
