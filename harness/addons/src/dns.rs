//! CoreDNS, as a pod behind the Service `kube-dns`. It is ready when it has answered, through that
//! Service.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use cluster::HostAccess;
use futures::FutureExt;
use model::addons::dns::ADDON;
use serde_json::Value;
use wait::WaitLook;

use crate::admin::wait_until;
use crate::endpoints::AddonEndpoint;
use crate::first_state::{self, AddonWorkload};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(PodAddon {
        workload: DNS_WORKLOAD,
        install: |site| install_coredns(site).boxed_local(),
    }),
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |_| {
        let words = format!(
            "{} in the box: the cluster's names, and no others",
            HostAccess::DNS_ADDRESS
        );
        async { Ok(vec![AddonEndpoint::described("CoreDNS", words)]) }.boxed_local()
    },
};

const DNS_WORKLOAD: AddonWorkload = AddonWorkload {
    definitions: |_| Ok(Vec::new()),
    objects: |_| objects(),
    text: include_str!("dns/manifest.yaml"),
    release: &[],
    pods: |_| &["kube-system/k8s-app=kube-dns"],
    definition_names: &[],
    in_first_state: true,
};

/// The name that is asked for, label by label.
const CLUSTER_NAME: [&str; 5] = ["kubernetes", "default", "svc", "cluster", "local"];

/// The query's own number, which its answer repeats.
const QUERY_ID: [u8; 2] = [0x6a, 0x75];

/// `A`, `IN`.
const QUESTION_TYPE: [u8; 4] = [0, 1, 0, 1];

const POLL_INTERVAL: Duration = Duration::from_millis(20);
const ANSWERS_WITHIN: Duration = Duration::from_millis(100);

/// Installs it, and waits until it knows the API server's own Service.
async fn install_coredns(site: &InstallSite<'_>) -> Result<(), Error> {
    site.run_pods(&DNS_WORKLOAD).await?;
    let known = wait_until("CoreDNS to answer", POLL_INTERVAL, async || {
        // A new socket each time: what was sent before the Service was there goes nowhere for as
        // long as its port does.
        let socket = site.host_access.udp_socket()?;
        tokio::task::spawn_blocking(move || ask_once(&socket)).await?
    });
    known.await
}

fn objects() -> Result<Vec<Value>, Error> {
    let text = DNS_WORKLOAD
        .text
        .replace("$(dns-address)", HostAccess::DNS_ADDRESS)
        .replace("$(image)", HostAccess::PROBE_IMAGE);
    first_state::parse(ADDON.name, &text)
}

/// Asks once.
fn ask_once(socket: &UdpSocket) -> Result<WaitLook<()>, Error> {
    let mut answer = [0; 512];
    let mut asked = || {
        socket.set_read_timeout(Some(ANSWERS_WITHIN))?;
        socket.connect((HostAccess::DNS_ADDRESS, 53))?;
        socket.send(&encode_query())?;
        socket.recv(&mut answer)
    };
    let length = asked().map_err(|source| Error::Socket { source })?;
    Ok(match answer_address(&answer[..length]) {
        Some(address) if address.to_string() == HostAccess::API_ADDRESS => WaitLook::Ready(()),
        Some(address) => WaitLook::NotYet(format!("it answered {address}")),
        None => WaitLook::NotYet(format!(
            "it answered with code {} and no address",
            answer[3] & 0x0f
        )),
    })
}

/// A query for the name's address, recursion desired.
fn encode_query() -> Vec<u8> {
    let mut query = QUERY_ID.to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    query.extend(encode_question());
    query
}

fn encode_question() -> Vec<u8> {
    let mut question = Vec::new();
    for label in CLUSTER_NAME {
        question.extend(u8::try_from(label.len()));
        question.extend(label.bytes());
    }
    question.push(0);
    question.extend(QUESTION_TYPE);
    question
}

/// The one address in a good answer to the query.
fn answer_address(answer: &[u8]) -> Option<Ipv4Addr> {
    let (header, rest) = answer.split_at_checked(12)?;
    let is_good = header[..2] == QUERY_ID
        && header[2] & 0x80 != 0
        && header[3] & 0x0f == 0
        && header[6..8] == [0, 1];
    let record = rest.strip_prefix(encode_question().as_slice())?;
    // The name, in full or as a pointer to the question's.
    let name = if record.first()? & 0xc0 == 0xc0 {
        2
    } else {
        encode_question().len() - QUESTION_TYPE.len()
    };
    let fields = record.get(name..)?.strip_prefix(&QUESTION_TYPE)?;
    let data: [u8; 4] = fields
        .get(4..)?
        .strip_prefix(&[0, 4])?
        .get(..4)?
        .try_into()
        .ok()?;
    is_good.then(|| Ipv4Addr::from(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(flags: [u8; 2], name: &[u8]) -> Vec<u8> {
        let mut answer = QUERY_ID.to_vec();
        answer.extend(flags);
        answer.extend([0, 1, 0, 1, 0, 0, 0, 0]);
        answer.extend(encode_question());
        answer.extend(name);
        answer.extend(QUESTION_TYPE);
        answer.extend([0, 0, 0, 5, 0, 4, 10, 96, 0, 1]);
        answer
    }

    #[test]
    fn the_address_is_read_from_either_form_of_an_answer() {
        let full = encode_question();
        for name in [&[0xc0, 12][..], &full[..full.len() - 4]] {
            assert_eq!(
                answer_address(&answer([0x85, 0], name)),
                Some(Ipv4Addr::new(10, 96, 0, 1))
            );
        }
    }

    #[test]
    fn what_is_no_good_answer_holds_no_address() {
        let pointer = [0xc0, 12];
        let good = answer([0x85, 0], &pointer);
        assert_eq!(answer_address(&answer([0x85, 3], &pointer)), None);
        assert_eq!(answer_address(&answer([0x05, 0], &pointer)), None);
        assert_eq!(answer_address(&encode_query()), None);
        for length in 0..good.len() {
            assert_eq!(answer_address(&good[..length]), None, "{length}");
        }
    }

    #[test]
    fn the_manifest_can_be_read_and_names_the_address_that_kubelets_name() {
        let objects = objects().unwrap();
        assert!(
            objects
                .iter()
                .all(|object| object["kind"].is_string() && !object.to_string().contains("$("))
        );
        let service = objects
            .iter()
            .find(|object| object["kind"] == "Service")
            .unwrap();
        assert_eq!(service["spec"]["clusterIP"], HostAccess::DNS_ADDRESS);
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        assert_eq!(
            service["spec"]["selector"],
            deployment["spec"]["template"]["metadata"]["labels"]
        );
    }
}
