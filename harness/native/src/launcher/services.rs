//! Waiting for the services beside the cluster. Each is looked at by its own thread, so that its
//! milestone is when it answered and not when it was next looked at.

use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use model::ClusterSpec;
use wait::{TimedOut, WaitLook};

use super::drive::{StartupTrace, report_started};
use super::init_connection::{InitConnection, StartAborted};
use crate::Error;
use crate::config::{HostService, cluster_services};
use enforcer::{BoxApi, first_line};
use error_chain::error_chain;

const ANSWERS_WITHIN: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The looking at every service of a cluster.
pub(super) struct ServiceWatches(Vec<ServiceWatch>);

struct ServiceWatch {
    name: &'static str,
    outcome: Receiver<Result<Duration, TimedOut>>,
}

impl ServiceWatches {
    /// Begins to look at the services behind `address`; `start` is what milestones are counted
    /// from.
    pub(super) fn begin_watches(
        cluster: &ClusterSpec,
        address: Ipv4Addr,
        ca: &str,
        start: Instant,
    ) -> Result<Self, Error> {
        let watch = |service: HostService| {
            let scheme = if service.tls { "https" } else { "http" };
            let api = BoxApi::new(&format!("{scheme}://{address}:{}", service.port), ca, None)?;
            let (sender, outcome) = channel();
            let name = service.name;
            thread::spawn(move || {
                let _ = sender.send(look_at_service(&api, &service).map(|()| start.elapsed()));
            });
            Ok(ServiceWatch { name, outcome })
        };
        Ok(Self(
            cluster_services(cluster)
                .into_iter()
                .map(watch)
                .collect::<Result<_, Error>>()?,
        ))
    }

    /// Waits until every service has answered.
    pub(super) fn await_answers(
        &mut self,
        connection: &mut InitConnection,
        trace: &mut StartupTrace,
    ) -> Result<(), StartAborted> {
        for ServiceWatch { name, outcome } in &self.0 {
            let waiting = format!("`{name}` to answer");
            let answered =
                connection.look_until(&waiting, 2 * ANSWERS_WITHIN, &mut report_started, || {
                    match outcome.try_recv() {
                        Ok(answered) => WaitLook::Ready(answered),
                        Err(TryRecvError::Empty) => WaitLook::NotYet("it has not".into()),
                        Err(TryRecvError::Disconnected) => {
                            WaitLook::NotYet("the watching thread has ended".into())
                        }
                    }
                })?;
            let at = answered.map_err(|late| StartAborted::Failed(late.to_string()))?;
            trace.milestone_at(name, at);
        }
        Ok(())
    }
}

fn look_at_service(api: &BoxApi, service: &HostService) -> Result<(), TimedOut> {
    wait::wait_until(
        &format!("`{}` to answer", service.name),
        ANSWERS_WITHIN,
        POLL_INTERVAL,
        || match api.get(service.path) {
            Ok((200, _)) => WaitLook::Ready(()),
            Ok((status, read_body)) => {
                WaitLook::NotYet(format!("status {status}: {}", first_line(&read_body)))
            }
            Err(why) => WaitLook::NotYet(error_chain(&why)),
        },
    )
}
