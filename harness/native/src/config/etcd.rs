//! etcd: on the loopback interface alone, its data in memory, so nothing is gained by syncing.

use super::{BoxProcess, kubernetes_process};
use crate::places::ETCD_DATA;

/// Where etcd takes requests, on the first node.
pub(crate) const ETCD_URL: &str = "http://127.0.0.1:2379";

pub(super) fn etcd_process() -> BoxProcess {
    let args = [
        format!("--data-dir={ETCD_DATA}"),
        format!("--listen-client-urls={ETCD_URL}"),
        format!("--advertise-client-urls={ETCD_URL}"),
        "--listen-peer-urls=http://127.0.0.1:2380".into(),
        "--heartbeat-interval=20".into(),
        "--election-timeout=200".into(),
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ];
    kubernetes_process("etcd", args.into())
}
