//! etcd: on the loopback interface alone, its data in memory, so nothing is gained by syncing.

use super::{BoxProcess, kubernetes_process};
use crate::places::ETCD_DATA;

pub(super) fn etcd_process() -> BoxProcess {
    let args = [
        format!("--data-dir={ETCD_DATA}"),
        "--listen-client-urls=http://127.0.0.1:2379".into(),
        "--advertise-client-urls=http://127.0.0.1:2379".into(),
        "--listen-peer-urls=http://127.0.0.1:2380".into(),
        "--heartbeat-interval=20".into(),
        "--election-timeout=200".into(),
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ];
    kubernetes_process("etcd", args.into())
}
