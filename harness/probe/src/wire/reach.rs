//! Many targets at once, one line of JSON for each, in the order in which they were named.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::attempt::attempt;
use super::lasting::{Holding, lasting};
use super::target::Target;
use crate::args;

/// How long each stage of a connection may take, where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many attempts run at the same time.
const AT_ONCE: usize = 128;

/// Enough for a TLS handshake; many threads are cheap where each is small.
const STACK: usize = 256 << 10;

/// `[--timeout MS] TARGET…`, or with `--holds MS`, and perhaps `--reached-holds`, `--every` and `--within`, one target until it is known how
/// it is. Gives all lines; `seen` is told of what does not last.
///
/// # Errors
/// A text that is no target, or an option that is none.
pub(crate) fn reach_words(
    words: &[&str],
    ended: &AtomicBool,
    seen: impl FnMut(&str),
) -> Result<String, String> {
    let not_asked = Duration::MAX;
    let mut times = [
        ("--timeout", PATIENCE),
        ("--holds", not_asked),
        ("--reached-holds", Duration::ZERO),
        ("--every", Duration::from_millis(200)),
        ("--within", Duration::from_secs(60)),
    ];
    let targets = args::times(words, &mut times)?;
    let [
        (_, patience),
        (_, holds),
        (_, reached_holds),
        (_, every),
        (_, within),
    ] = times;
    match targets {
        [target] if holds != not_asked => {
            let line = lasting(
                target,
                Holding {
                    holds,
                    reached_holds,
                    every,
                    patience,
                    within,
                },
                ended,
                seen,
            )?;
            Ok(format!("{line}\n"))
        }
        _ if holds != not_asked => Err("a block holds for one target at a time".into()),
        _ => {
            let mut lines = String::new();
            reach(targets, patience, |line| lines.extend([line, "\n"]))?;
            Ok(lines)
        }
    }
}

/// Tries every target, and says how each ended.
///
/// # Errors
/// A text that is no target, before anything is tried.
fn reach(texts: &[&str], patience: Duration, mut say: impl FnMut(&str)) -> Result<(), String> {
    let targets: Vec<Target> = texts
        .iter()
        .map(|text| Target::read(text))
        .collect::<Result<_, _>>()?;
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    let mut lines: Vec<Option<String>> = vec![None; targets.len()];
    let mut shown = 0;
    thread::scope(|scope| {
        for _ in 0..targets.len().min(AT_ONCE) {
            let (tell, next, targets) = (tell.clone(), &next, &targets);
            let work = move || {
                while let Some((index, target)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    targets.get(index).map(|target| (index, target))
                } {
                    _ = tell.send((index, attempt(target, patience).line(target)));
                }
            };
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work)
                .map_err(|why| format!("failed to start a thread: {why}"))?;
        }
        drop(tell);
        for (index, line) in told {
            lines[index] = Some(line);
            while let Some(Some(line)) = lines.get(shown) {
                say(line);
                shown += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use serde_json::Value;

    use super::*;
    use crate::listen;

    const PATIENCE: Duration = Duration::from_millis(500);

    fn said(targets: &[String], patience: Duration) -> Vec<Value> {
        let texts: Vec<&str> = targets.iter().map(String::as_str).collect();
        let mut lines = Vec::new();
        reach(&texts, patience, |line| {
            lines.push(serde_json::from_str(line).unwrap())
        })
        .unwrap();
        lines
    }

    fn one(target: String) -> Value {
        said(&[target], PATIENCE).remove(0)
    }

    fn words(line: &Value) -> (bool, &str, &str) {
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        (line["reached"] == true, text("at"), text("reason"))
    }

    #[test]
    fn every_scheme_reaches_its_server() {
        let ports = listen::start(&[
            "tcp:0",
            "udp:0",
            "http:0",
            "tls:0=web.test,authority:one",
            "dns:0=a.b:10.0.0.1",
        ]);
        let ports = ports.unwrap();
        let lines = said(
            &[
                format!("tcp://127.0.0.1:{}", ports[0]),
                format!("udp://127.0.0.1:{}", ports[1]),
                format!("http://127.0.0.1:{}", ports[2]),
                format!("tls://127.0.0.1:{}?name=web.test&authority=one", ports[3]),
                format!("dns://a.b@127.0.0.1:{}", ports[4]),
                format!("dns://a.b@127.0.0.1:{}?tcp", ports[4]),
            ],
            PATIENCE,
        );
        for line in &lines {
            assert_eq!(line["reached"], true, "{line}");
        }
        for line in &lines[..4] {
            assert!(
                line["by"].is_string() && line["seen as"] == "127.0.0.1",
                "{line}"
            );
        }
        assert_eq!(lines[4]["addresses"][0], "10.0.0.1");
        assert_eq!(
            (&lines[4]["dns over"], &lines[5]["dns over"]),
            (&"udp".into(), &"tcp".into())
        );
    }

    #[test]
    fn a_closed_port_is_refused_and_a_silent_one_times_out() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert_eq!(
            words(&one(format!("tcp://127.0.0.1:{free}"))),
            (false, "connect", "refused")
        );
        assert_eq!(
            words(&one(format!("udp://127.0.0.1:{free}"))),
            (false, "reply", "refused")
        );
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        assert_eq!(
            words(&one(format!("tcp://127.0.0.1:{port}"))),
            (false, "reply", "timed-out")
        );
        assert_eq!(
            words(&one(format!("tcp://127.0.0.1:{port}?open"))),
            (true, "", "")
        );
        assert_eq!(
            words(&one(format!("tls://127.0.0.1:{port}?insecure"))),
            (false, "tls", "timed-out")
        );
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        assert_eq!(
            words(&one(format!("udp://127.0.0.1:{port}"))),
            (false, "reply", "timed-out")
        );
    }

    #[test]
    fn a_certificate_is_judged() {
        let ports = listen::start(&[
            "tls:0=web.test,authority:one",
            "tls:0=web.test,authority:one,expired",
            "tcp:0",
        ]);
        let ports = ports.unwrap();
        let tls = |port: usize, options: &str| format!("tls://127.0.0.1:{}?{options}", ports[port]);
        for (target, wanted) in [
            (tls(0, "name=web.test"), "certificate-unknown"),
            (tls(0, "name=web.test&authority=two"), "certificate-unknown"),
            (tls(0, "name=db.test&authority=one"), "certificate-name"),
            (tls(1, "name=web.test&authority=one"), "certificate-expired"),
            (tls(2, "insecure"), "not-tls"),
        ] {
            assert_eq!(
                words(&one(target.clone())),
                (false, "tls", wanted),
                "{target}"
            );
        }
        assert_eq!(one(tls(1, "insecure"))["reached"], true);
    }

    #[test]
    fn somebody_else_is_not_whom_we_wanted() {
        let ports = listen::start(&["tcp:0"]).unwrap();
        let target = format!("tcp://127.0.0.1:{}?by=nobody-of-this-name", ports[0]);
        assert_eq!(words(&one(target)), (false, "reply", "other-server"));
    }

    #[test]
    fn lines_come_in_the_order_of_the_targets() {
        let ports = listen::start(&["tcp:0"]).unwrap();
        let silent = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let targets: Vec<String> = (0..600)
            .map(|index| {
                format!(
                    "tcp://127.0.0.1:{}",
                    if index % 3 == 0 { silent } else { ports[0] }
                )
            })
            .collect();
        // One server answers four hundred of them, and the machine may be busy.
        let lines = said(&targets, Duration::from_secs(20));
        assert!(
            lines
                .iter()
                .zip(&targets)
                .all(|(line, target)| line["target"] == target.as_str())
        );
        assert_eq!(
            lines.iter().filter(|line| line["reached"] == true).count(),
            400
        );
    }
}
