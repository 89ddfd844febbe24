//! Waiting for the services beside the cluster. Each is looked at by a thread of its own, so that its milestone is when
//! it answered and not when somebody came to ask.

use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use model::ClusterSpec;
use wait::{Look, TimedOut};

use super::drive::{StartupTrace, started};
use super::family::{Family, Stop};
use crate::Error;
use crate::config::{Service, services};
use enforcer::{Api, first_line};

const PATIENCE: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_millis(20);

/// The looking at every service of a cluster.
pub(super) struct Watches(Vec<Watch>);

struct Watch {
    name: &'static str,
    outcome: Receiver<Result<Duration, TimedOut>>,
}

impl Watches {
    /// Begins to look at the services behind `address`; `start` is what milestones are counted from.
    pub(super) fn begin(
        cluster: &ClusterSpec,
        address: Ipv4Addr,
        ca: &str,
        start: Instant,
    ) -> Result<Self, Error> {
        let watch = |service: Service| {
            let scheme = if service.tls { "https" } else { "http" };
            let api = Api::new(&format!("{scheme}://{address}:{}", service.port), ca, None)?;
            let (sender, outcome) = channel();
            let name = service.name;
            thread::spawn(move || {
                let _ = sender.send(look(&api, &service).map(|()| start.elapsed()));
            });
            Ok(Watch { name, outcome })
        };
        Ok(Self(
            services(cluster)
                .into_iter()
                .map(watch)
                .collect::<Result<_, Error>>()?,
        ))
    }

    /// Waits until every service has answered.
    pub(super) fn end(
        &mut self,
        family: &mut Family,
        trace: &mut StartupTrace,
    ) -> Result<(), Stop> {
        for Watch { name, outcome } in &self.0 {
            let waiting = format!("`{name}` to answer");
            let answered = family.look(&waiting, 2 * PATIENCE, &mut started, || {
                match outcome.try_recv() {
                    Ok(answered) => Look::Ready(answered),
                    Err(TryRecvError::Empty) => Look::NotYet("it has not".into()),
                    Err(TryRecvError::Disconnected) => Look::NotYet("nobody looks".into()),
                }
            })?;
            let at = answered.map_err(|late| Stop::Failed(late.to_string()))?;
            trace.milestone_at(name, at);
        }
        Ok(())
    }
}

fn look(api: &Api, service: &Service) -> Result<(), TimedOut> {
    wait::until(
        &format!("`{}` to answer", service.name),
        PATIENCE,
        EVERY,
        || match api.get(service.path) {
            Ok((200, _)) => Look::Ready(()),
            Ok((status, body)) => Look::NotYet(format!("status {status}: {}", first_line(&body))),
            Err(why) => Look::NotYet(why),
        },
    )
}
