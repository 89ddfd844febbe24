//! What is to be reached: `SCHEME://HOST:PORT[?OPTION&…]`, and for `dns`
//! `dns://NAME[@SERVER[:PORT]][?tcp]`.

use std::net::{IpAddr, SocketAddr};

/// How it is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetScheme {
    Tcp,
    Udp,
    Http,
    Tls,
    Dns,
}

/// A target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireTarget {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) scheme: TargetScheme,
    /// A name or an address; for `dns`, the name that is asked for.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path of an HTTP request.
    pub(crate) path: String,
    /// An open connection, or session, is enough: nothing is asked.
    pub(crate) open: bool,
    /// The server that has to answer.
    pub(crate) by: Option<String>,
    pub(crate) tls: TlsTrust,
    /// The name server that is asked, if it is not the container's own.
    pub(crate) server: Option<SocketAddr>,
    /// DNS over TCP from the beginning.
    pub(crate) tcp: bool,
    /// A name's IPv6 addresses are asked for, not its IPv4 ones.
    pub(crate) ipv6: bool,
}

/// Which authority a TLS client trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsTrust {
    /// The name that the certificate has to be for, if it is not the host.
    pub(crate) name: Option<String>,
    /// The probe's own authority of this word.
    pub(crate) authority: Option<String>,
    /// A file with certificates of authorities (PEM).
    pub(crate) ca: Option<String>,
    /// Any server.
    pub(crate) insecure: bool,
}

impl WireTarget {
    /// Reads a target.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` {what}");
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("is not SCHEME://HOST:PORT"))?;
        let scheme = match scheme {
            "tcp" => TargetScheme::Tcp,
            "udp" => TargetScheme::Udp,
            "http" => TargetScheme::Http,
            "tls" => TargetScheme::Tls,
            "dns" => TargetScheme::Dns,
            _ => return Err(wrong("has a scheme other than tcp, udp, http, tls and dns")),
        };
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (rest, path) = match rest.split_once('/') {
            Some((rest, path)) if scheme == TargetScheme::Http => (rest, format!("/{path}")),
            Some(_) => return Err(wrong("has a path, which only http has")),
            None => (rest, "/".to_owned()),
        };
        let (host, port, server) = match scheme {
            TargetScheme::Dns => {
                let (name, server) = rest
                    .split_once('@')
                    .map_or((rest, None), |(name, server)| (name, Some(server)));
                let server = server.map(|server| {
                    server_of(server).ok_or_else(|| wrong("names no server's address"))
                });
                (name.to_owned(), 53, server.transpose()?)
            }
            _ => {
                let (host, port) =
                    host_and_port(rest).ok_or_else(|| wrong("is not SCHEME://HOST:PORT"))?;
                (host, port, None)
            }
        };
        if host.is_empty() {
            return Err(wrong("names no host"));
        }
        let (tls, by, ipv6) = (TlsTrust::default(), None, false);
        let mut target = Self {
            text: text.into(),
            scheme,
            host,
            port,
            path,
            open: false,
            by,
            tls,
            server,
            tcp: false,
            ipv6,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            target
                .option(option)
                .ok_or_else(|| wrong(&format!("has an option `{option}` that it cannot have")))?;
        }
        Ok(target)
    }

    fn option(&mut self, option: &str) -> Option<()> {
        let (key, value) = option
            .split_once('=')
            .map_or((option, None), |(key, value)| (key, Some(value.to_owned())));
        let is_tls = self.scheme == TargetScheme::Tls;
        match (key, value) {
            ("open", None) if matches!(self.scheme, TargetScheme::Tcp | TargetScheme::Tls) => {
                self.open = true
            }
            ("by", Some(name)) if self.scheme != TargetScheme::Dns => self.by = Some(name),
            ("tcp", None) if self.scheme == TargetScheme::Dns => self.tcp = true,
            ("ipv6", None) => self.ipv6 = true,
            ("insecure", None) if is_tls => self.tls.insecure = true,
            ("name", name @ Some(_)) if is_tls => self.tls.name = name,
            ("authority", word @ Some(_)) if is_tls => self.tls.authority = word,
            ("ca", file @ Some(_)) if is_tls => self.tls.ca = file,
            _ => return None,
        }
        Some(())
    }
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    Some((host.to_owned(), port.parse().ok()?))
}

fn server_of(text: &str) -> Option<SocketAddr> {
    text.parse()
        .ok()
        .or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 53)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_scheme_is_read() {
        let target = WireTarget::read("tcp://web.shop:80?open&by=web-1").unwrap();
        assert_eq!(
            (target.scheme, target.host.as_str(), target.port),
            (TargetScheme::Tcp, "web.shop", 80)
        );
        assert!(target.open && target.by.as_deref() == Some("web-1"));
        let target = WireTarget::read("http://[fd00::1]:8080/a/b?by=x").unwrap();
        assert_eq!(
            (target.host.as_str(), target.path.as_str()),
            ("fd00::1", "/a/b")
        );
        let target = WireTarget::read("tls://10.0.0.1:443?name=db&authority=one").unwrap();
        assert_eq!(target.tls.name.as_deref(), Some("db"));
        let target = WireTarget::read("dns://db.shop@10.0.0.1:5353?tcp").unwrap();
        assert_eq!(
            (target.host.as_str(), target.server),
            ("db.shop", "10.0.0.1:5353".parse().ok())
        );
        assert!(WireTarget::read("udp://db.shop:53?ipv6").unwrap().ipv6);
        assert_eq!(
            WireTarget::read("dns://db@10.0.0.1").unwrap().server,
            "10.0.0.1:53".parse().ok()
        );
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "web:80",
            "ftp://web:80",
            "tcp://web",
            "tcp://:80",
            "tcp://web:65536",
            "tcp://fd00::1:80",
            "tcp://web:80/path",
            "tcp://web:80?insecure",
            "udp://web:80?open",
            "dns://db@nobody",
            "tls://web:1?name",
        ] {
            assert!(WireTarget::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", rest in "\\PC*") {
            let _ = WireTarget::read(&text);
            for scheme in ["tcp", "dns", "tls", "http"] {
                let _ = WireTarget::read(&format!("{scheme}://{rest}"));
            }
        }
    }
}
