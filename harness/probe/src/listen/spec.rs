//! What is served where: `SCHEME:PORT[=ARGUMENT,…]`.

use std::net::Ipv4Addr;

use crate::tls::ServerIdentity;

/// One port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListenSpec {
    pub(super) port: u16,
    pub(super) what: ListenKind,
}

/// What answers there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListenKind {
    Tcp,
    Udp,
    Http,
    /// Arguments: names of the certificate, `expired`, `authority:WORD`; or `cert:FILE` and
    /// `key:FILE`.
    Tls(ServerIdentity),
    /// Arguments: `NAME:ADDRESS`, a name may have several; and for every other name `*:ADDRESS`, or
    /// `forward:ADDRESS` to ask that server.
    Dns(NameZone),
}

/// What a name server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NameZone {
    /// Names and their addresses.
    pub(super) names: Vec<(String, Ipv4Addr)>,
    /// The server to which it forwards names that it does not know.
    pub(super) forward: Option<Ipv4Addr>,
}

impl ListenSpec {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not SCHEME:PORT[=ARGUMENT,…] with tcp, udp, http, tls or dns");
        let (head, arguments) = text.split_once('=').unwrap_or((text, ""));
        let (scheme, port) = head.split_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let mut arguments = arguments.split(',').filter(|argument| !argument.is_empty());
        let what =
            match scheme {
                "tls" => ListenKind::Tls(parse_identity(arguments)),
                "dns" => {
                    let zone = parse_zone(arguments);
                    ListenKind::Dns(zone.ok_or_else(|| {
                        format!("`{text}`: a name and its address are NAME:ADDRESS")
                    })?)
                }
                _ if arguments.next().is_some() => {
                    return Err(format!("`{text}`: {scheme} takes no arguments"));
                }
                "tcp" => ListenKind::Tcp,
                "udp" => ListenKind::Udp,
                "http" => ListenKind::Http,
                _ => return Err(wrong()),
            };
        Ok(Self { port, what })
    }
}

fn parse_identity<'a>(arguments: impl Iterator<Item = &'a str>) -> ServerIdentity {
    let mut identity = ServerIdentity::default();
    for argument in arguments {
        match argument.split_once(':') {
            None if argument == "expired" => identity.expired = true,
            Some(("authority", word)) => identity.authority = Some(word.to_owned()),
            Some(("cert", file)) => identity.cert = Some(file.to_owned()),
            Some(("key", file)) => identity.key = Some(file.to_owned()),
            _ => identity.names.push(argument.to_owned()),
        }
    }
    identity
}

fn parse_zone<'a>(arguments: impl Iterator<Item = &'a str>) -> Option<NameZone> {
    let mut zone = NameZone::default();
    for argument in arguments {
        let (name, address) = argument.rsplit_once(':')?;
        let address = address.parse().ok()?;
        match name {
            "forward" => zone.forward = Some(address),
            name => zone.names.push((name.to_ascii_lowercase(), address)),
        }
    }
    Some(zone)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports_and_arguments_are_read() {
        assert_eq!(
            ListenSpec::read("tcp:80"),
            Ok(ListenSpec {
                port: 80,
                what: ListenKind::Tcp
            })
        );
        let names = vec![
            ("a.b".into(), Ipv4Addr::new(10, 0, 0, 1)),
            ("*".into(), Ipv4Addr::new(10, 0, 0, 2)),
        ];
        let zone = NameZone {
            names,
            forward: Some(Ipv4Addr::new(10, 0, 0, 3)),
        };
        let text = "dns:53=A.b:10.0.0.1,*:10.0.0.2,forward:10.0.0.3";
        assert_eq!(
            ListenSpec::read(text),
            Ok(ListenSpec {
                port: 53,
                what: ListenKind::Dns(zone)
            })
        );
        let Ok(ListenSpec {
            what: ListenKind::Tls(identity),
            ..
        }) = ListenSpec::read("tls:1=db,expired,authority:one")
        else {
            panic!()
        };
        assert_eq!(
            (identity.names, identity.expired),
            (vec!["db".to_owned()], true)
        );
        assert_eq!(identity.authority.as_deref(), Some("one"));
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for text in [
            "",
            "tcp",
            "tcp:x",
            "tcp:65536",
            "tcp:1=a",
            "ftp:1",
            "dns:53=a",
            "dns:53=a:b",
        ] {
            assert!(ListenSpec::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", rest in "\\PC*") {
            let _ = ListenSpec::read(&text);
            for scheme in ["tls:1=", "dns:1=", "tcp:"] {
                let _ = ListenSpec::read(&format!("{scheme}{rest}"));
            }
        }
    }
}
