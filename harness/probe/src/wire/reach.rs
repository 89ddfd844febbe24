//! Many targets at once, one line of JSON for each, in the order in which they were named.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use probe_protocol::{HoldRule, ProbeReport, ReachRequest, STAGE_TIMEOUT};

use super::attempt::attempt_once;
use super::lasting::try_until_lasting;
use super::target::WireTarget;
use crate::args;

/// How many attempts run at the same time.
const AT_ONCE: usize = 128;

/// Enough for a TLS handshake; many threads are cheap where each is small.
const STACK_BYTES: usize = 256 << 10;

/// `[--timeout MS] TARGET…`, or with `--holds MS`, and perhaps `--reached-holds`, `--every` and
/// `--within`, one target until it is known how it is. Gives all lines.
///
/// # Errors
/// A text that is not a target, or not a valid option.
pub(crate) fn reach_words(words: &[&str]) -> Result<String, String> {
    let not_asked = Duration::MAX;
    let mut times = [
        ("--timeout", STAGE_TIMEOUT),
        ("--holds", not_asked),
        ("--reached-holds", Duration::ZERO),
        ("--every", Duration::from_millis(200)),
        ("--within", Duration::from_secs(60)),
    ];
    let targets = args::take_times(words, &mut times)?;
    let [
        (_, timeout),
        (_, holds),
        (_, reached_holds),
        (_, every),
        (_, within),
    ] = times;
    match targets {
        [target] if holds != not_asked => {
            let until = HoldRule {
                holds,
                reached_holds,
                every,
                within,
            };
            let reach = ReachRequest {
                target: (*target).to_owned(),
                timeout,
                until: Some(until),
            };
            reach_one(&reach, &AtomicBool::new(false), |_| {}).map(|report| report.line())
        }
        _ if holds != not_asked => Err("a block holds for one target at a time".into()),
        _ => {
            let mut lines = String::new();
            reach_targets(targets, timeout, |report| lines.push_str(&report.line()))?;
            Ok(lines)
        }
    }
}

/// Tries one target, once or until it is known how it is; `seen` is told of what does not last.
/// Once `ended`, it stops.
///
/// # Errors
/// A text that is not a target.
pub(crate) fn reach_one(
    reach: &ReachRequest,
    ended: &AtomicBool,
    seen: impl FnMut(ProbeReport),
) -> Result<ProbeReport, String> {
    match reach.until {
        Some(pace) => try_until_lasting(&reach.target, reach.timeout, pace, ended, seen),
        None => Ok(attempt_once(
            &WireTarget::read(&reach.target)?,
            reach.timeout,
        )),
    }
}

/// Tries every target, and says how each ended.
///
/// # Errors
/// A text that is not a target, before anything is tried.
fn reach_targets(
    texts: &[&str],
    patience: Duration,
    mut say: impl FnMut(&ProbeReport),
) -> Result<(), String> {
    let targets: Vec<WireTarget> = texts
        .iter()
        .map(|text| WireTarget::read(text))
        .collect::<Result<_, _>>()?;
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    let mut reports: Vec<Option<ProbeReport>> = vec![None; targets.len()];
    let mut shown = 0;
    thread::scope(|scope| {
        for _ in 0..targets.len().min(AT_ONCE) {
            let (tell, next, targets) = (tell.clone(), &next, &targets);
            let work = move || {
                while let Some((index, target)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    targets.get(index).map(|target| (index, target))
                } {
                    _ = tell.send((index, attempt_once(target, patience)));
                }
            };
            thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work)
                .map_err(|why| format!("failed to start a thread: {why}"))?;
        }
        drop(tell);
        for (index, report) in told {
            reports[index] = Some(report);
            while let Some(Some(report)) = reports.get(shown) {
                say(report);
                shown += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use probe_protocol::{AttemptStage, DnsTransport, FaultReason};

    use super::*;
    use crate::listen;

    const ATTEMPT_WITHIN: Duration = Duration::from_millis(500);

    fn said(targets: &[String], patience: Duration) -> Vec<ProbeReport> {
        let texts: Vec<&str> = targets.iter().map(String::as_str).collect();
        let mut reports = Vec::new();
        reach_targets(&texts, patience, |report| reports.push(report.clone())).unwrap();
        reports
    }

    fn one(target: String) -> ProbeReport {
        said(&[target], ATTEMPT_WITHIN).remove(0)
    }

    /// Where an attempt at a target ends, and why.
    fn end(target: String) -> Option<(AttemptStage, FaultReason)> {
        let blocked = one(target).end.err();
        blocked.map(|blocked| (blocked.at, blocked.reason))
    }

    #[test]
    fn every_scheme_reaches_its_server() {
        let ports = listen::start_listening(&[
            "tcp:0",
            "udp:0",
            "http:0",
            "tls:0=web.test,authority:one",
            "dns:0=a.b:10.0.0.1",
        ]);
        let ports = ports.unwrap();
        let reports = said(
            &[
                format!("tcp://127.0.0.1:{}", ports[0]),
                format!("udp://127.0.0.1:{}", ports[1]),
                format!("http://127.0.0.1:{}", ports[2]),
                format!("tls://127.0.0.1:{}?name=web.test&authority=one", ports[3]),
                format!("dns://a.b@127.0.0.1:{}", ports[4]),
                format!("dns://a.b@127.0.0.1:{}?tcp", ports[4]),
            ],
            ATTEMPT_WITHIN,
        );
        let local = "127.0.0.1".parse().ok();
        for report in &reports {
            assert!(report.is_reached(), "{report:?}");
        }
        for report in &reports[..4] {
            assert!(
                report.facts.by.is_some() && report.facts.seen_as == local,
                "{report:?}"
            );
        }
        let [udp, tcp] = [&reports[4].facts, &reports[5].facts];
        assert_eq!(udp.addresses[0].to_string(), "10.0.0.1");
        assert_eq!(
            (udp.dns_over, tcp.dns_over),
            (Some(DnsTransport::Udp), Some(DnsTransport::Tcp))
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
            end(format!("tcp://127.0.0.1:{free}")),
            Some((AttemptStage::Connect, FaultReason::Refused))
        );
        assert_eq!(
            end(format!("udp://127.0.0.1:{free}")),
            Some((AttemptStage::Reply, FaultReason::Refused))
        );
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        assert_eq!(
            end(format!("tcp://127.0.0.1:{port}")),
            Some((AttemptStage::Reply, FaultReason::TimedOut))
        );
        assert_eq!(end(format!("tcp://127.0.0.1:{port}?open")), None);
        assert_eq!(
            end(format!("tls://127.0.0.1:{port}?insecure")),
            Some((AttemptStage::Tls, FaultReason::TimedOut))
        );
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        assert_eq!(
            end(format!("udp://127.0.0.1:{port}")),
            Some((AttemptStage::Reply, FaultReason::TimedOut))
        );
    }

    #[test]
    fn a_certificate_is_judged() {
        let ports = listen::start_listening(&[
            "tls:0=web.test,authority:one",
            "tls:0=web.test,authority:one,expired",
            "tcp:0",
        ]);
        let ports = ports.unwrap();
        let tls = |port: usize, options: &str| format!("tls://127.0.0.1:{}?{options}", ports[port]);
        for (target, wanted) in [
            (tls(0, "name=web.test"), FaultReason::CertificateUnknown),
            (
                tls(0, "name=web.test&authority=two"),
                FaultReason::CertificateUnknown,
            ),
            (
                tls(0, "name=db.test&authority=one"),
                FaultReason::CertificateName,
            ),
            (
                tls(1, "name=web.test&authority=one"),
                FaultReason::CertificateExpired,
            ),
            (tls(2, "insecure"), FaultReason::NotTls),
        ] {
            assert_eq!(
                end(target.clone()),
                Some((AttemptStage::Tls, wanted)),
                "{target}"
            );
        }
        assert!(one(tls(1, "insecure")).is_reached());
    }

    #[test]
    fn somebody_else_is_not_whom_we_wanted() {
        let ports = listen::start_listening(&["tcp:0"]).unwrap();
        let target = format!("tcp://127.0.0.1:{}?by=nobody-of-this-name", ports[0]);
        assert_eq!(
            end(target),
            Some((AttemptStage::Reply, FaultReason::OtherServer))
        );
    }

    #[test]
    fn lines_come_in_the_order_of_the_targets() {
        let ports = listen::start_listening(&["tcp:0"]).unwrap();
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
        let reports = said(&targets, Duration::from_secs(20));
        assert!(
            reports
                .iter()
                .zip(&targets)
                .all(|(report, target)| report.target == *target)
        );
        assert_eq!(
            reports.iter().filter(|report| report.is_reached()).count(),
            400
        );
    }
}
