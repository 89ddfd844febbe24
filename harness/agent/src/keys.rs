//! The key of an agent, its line in `client.keys`, and what is derived from it.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use md5::{Digest, Md5};

use crate::Error;
use crate::whole_file::replace_file;

/// One entry of `client.keys`: what an agent and its manager share.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentKey {
    /// Three digits or more; `000` is the manager.
    pub id: String,
    /// The agent's name.
    pub name: String,
    /// The address that it may come from: one host, a network, or `any`.
    pub ip: String,
    /// The secret part, as it is in the file.
    pub raw: String,
}

/// What messages are sealed with: 47 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingSecret(String);

impl AgentKey {
    /// The secret that this key stands for.
    #[must_use]
    pub fn secret(&self) -> SealingSecret {
        let whose = md5_hex((md5_hex(&self.name) + &md5_hex(&self.id)).as_bytes());
        let what = md5_hex(&self.raw);
        SealingSecret(what + whose.get(..15).unwrap_or_default())
    }

    /// Whether it is good for one address only: then a message does not name its sender.
    #[must_use]
    pub fn is_of_one_host(&self) -> bool {
        self.ip.parse::<IpAddr>().is_ok()
    }

    /// What stands for it in a request to enrol again. Which hash the real agent takes is not in
    /// the description that this was made from; ours only has to tell two keys apart.
    #[must_use]
    pub fn hash(&self) -> String {
        md5_hex(self.to_string())
    }

    /// A new key, for the agent of this id and name.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(id: String, name: &str, ip: &str) -> Result<Self, Error> {
        let half = || crate::random::random_bytes::<16>().map(md5_hex);
        Ok(Self {
            id,
            name: name.into(),
            ip: ip.into(),
            raw: half()? + &half()?,
        })
    }

    /// The keys of a file, which may not exist yet; lines that are not keys are left out, as are
    /// removed ones (`#`, `!`).
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(path: &Path) -> Result<Vec<Self>, Error> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(fault) => Err(Error::file("read", path)(fault)),
        }
    }

    /// Writes `keys` in place of what the file holds.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save<'a>(path: &Path, keys: impl IntoIterator<Item = &'a Self>) -> Result<(), Error> {
        let text: String = keys.into_iter().map(|key| format!("{key}\n")).collect();
        replace_file(path, &text).map_err(Error::file("write", path))
    }
}

impl SealingSecret {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The key itself is not shown.
impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} …", self.id, self.name, self.ip)
    }
}

/// The line in `client.keys`.
impl fmt::Display for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.id, self.name, self.ip, self.raw)
    }
}

impl FromStr for AgentKey {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let mut words = line.split_ascii_whitespace();
        let (Some(id), Some(name), Some(ip), Some(raw)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Error::KeyLine);
        };
        let is_id = id.len() >= 3 && id.len() <= 8 && id.bytes().all(|byte| byte.is_ascii_digit());
        if !is_id || !is_name(name) || name.starts_with(['!', '#']) || words.next().is_some() {
            return Err(Error::KeyLine);
        }
        Ok(Self {
            id: id.into(),
            name: name.into(),
            ip: ip.into(),
            raw: raw.into(),
        })
    }
}

/// Whether an agent can be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (2..=128).contains(&name.len()) && name.bytes().all(plain)
}

/// An MD5 sum in lower-case hexadecimal digits.
pub(crate) fn md5_hex(data: impl AsRef<[u8]>) -> String {
    Md5::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_the_one_that_openssl_computed() {
        let key: AgentKey = format!("001 agent1 any {}", "a".repeat(64))
            .parse()
            .unwrap();
        assert_eq!(
            key.secret().text(),
            "014842d480b571495a4a0363793f7367fda4af11475abae"
        );
    }

    #[test]
    fn a_line_comes_back_as_it_was_and_nothing_else_is_one() {
        let line = "002 web-1 10.0.0.0/8 abc";
        assert_eq!(line.parse::<AgentKey>().unwrap().to_string(), line);
        for line in [
            "",
            "001",
            "001 a any",
            "1 agent any k",
            "001 !agent any k",
            "001 agent any k k",
            "abc agent any k",
        ] {
            assert!(line.parse::<AgentKey>().is_err(), "{line}");
        }
    }

    #[test]
    fn only_one_address_is_one_host() {
        let of = |ip: &str| AgentKey {
            id: "001".into(),
            name: "a".into(),
            ip: ip.into(),
            raw: "k".into(),
        };
        assert!(of("10.0.0.1").is_of_one_host() && of("::1").is_of_one_host());
        assert!(!of("any").is_of_one_host() && !of("10.0.0.0/8").is_of_one_host());
    }

    #[test]
    fn what_was_saved_can_be_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.keys");
        assert_eq!(AgentKey::load(&path).unwrap(), []);
        let key = AgentKey::new("001".into(), "agent1", "any").unwrap();
        assert_eq!(key.raw.len(), 64);
        AgentKey::save(&path, [&key]).unwrap();
        assert_eq!(AgentKey::load(&path).unwrap(), [key]);
    }
}
