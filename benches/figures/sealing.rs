//! What encryption at rest costs: writes and reads of Secrets under each provider over `identity`,
//! in turn; many Secrets written, rewritten, and opened again after a restart.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cluster::Cluster;
use futures::{StreamExt, TryStreamExt, stream};
use model::{ClusterSpec, EncryptionShape, FileText, ProcessChange};
use serde_json::{Value, json};
use wait::WaitLook;

use crate::Boxes;
use crate::stats::SampleSummary;

const SECRETS_PATH: &str = "/api/v1/namespaces/default/secrets";

/// Operations of each kind in one turn of one provider.
const BLOCK_SIZE: usize = 50;

/// How many requests at a time where many Secrets are written.
const AT_ONCE: usize = 8;

const KMS_CONFIGURATION: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
    - resources: [secrets]\n  providers:\n  - kms: { apiVersion: v2, name: a, endpoint: \"$(kms:a)\", timeout: 3s }\n\
    \x20 - identity: {}\n";

/// What the others are compared with.
const FLOOR_PROVIDER: &str = "identity";

struct SealingSample {
    provider: &'static str,
    operation: &'static str,
    millis: f64,
}

pub(crate) async fn measure_sealing(
    boxes: &Boxes,
    blocks: usize,
    secrets: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let mut clusters = Vec::new();
    for (provider, spec) in clusters_under_test() {
        clusters.push((
            provider,
            boxes
                .start_as(&format!("figures-{provider}"), &spec)
                .await?,
        ));
    }
    let mut samples = Vec::new();
    for block in 0..=blocks {
        for turn in 0..clusters.len() {
            let (provider, cluster) = &clusters[(block + turn) % clusters.len()];
            let taken = one_block(cluster, provider, block).await?;
            samples.extend(if block == 0 { Vec::new() } else { taken }); // the first warms everything up
        }
    }
    for (provider, cluster) in &clusters {
        samples.extend(measure_many(cluster, provider, secrets).await?);
    }
    for (_, cluster) in clusters {
        cluster.take_down().await?;
    }
    std::fs::write(out.join("sealing.csv"), write_csv(&samples)?)?;
    print_summary(&samples);
    Ok(())
}

fn clusters_under_test() -> Vec<(&'static str, ClusterSpec)> {
    let spec = |encryption, kms: &[&str]| ClusterSpec {
        nodes: 0,
        encryption,
        kms: kms.iter().map(|name| (*name).to_owned()).collect(),
        ..ClusterSpec::default()
    };
    let provider = |encryption| spec(encryption, &[]);
    vec![
        (FLOOR_PROVIDER, provider(EncryptionShape::Identity)),
        ("aescbc", provider(EncryptionShape::Aescbc)),
        ("aesgcm", provider(EncryptionShape::Aesgcm)),
        ("secretbox", provider(EncryptionShape::Secretbox)),
        (
            "kms-v2",
            spec(
                EncryptionShape::Config(FileText(KMS_CONFIGURATION.into())),
                &["a"],
            ),
        ),
    ]
}

/// A Secret of 1 KiB.
fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"value": "x".repeat(1024)}})
}

async fn one_block(
    cluster: &Cluster,
    provider: &'static str,
    block: usize,
) -> Result<Vec<SealingSample>, Box<dyn Error>> {
    let mut samples = Vec::with_capacity(2 * BLOCK_SIZE);
    for operation in ["write", "read"] {
        for index in 0..BLOCK_SIZE {
            let name = format!("block-{block}-{index}");
            let request = match operation {
                "write" => post_secret(&secret(&name))?,
                _ => http::Request::get(format!("{SECRETS_PATH}/{name}")).body(Vec::new())?,
            };
            let began = Instant::now();
            let _: Value = cluster.admin_client().request(request).await?;
            samples.push(SealingSample {
                provider,
                operation,
                millis: millis(began.elapsed()),
            });
        }
    }
    Ok(samples)
}

/// Writes this many Secrets, rewrites all of them, and starts the API server again with them.
async fn measure_many(
    cluster: &Cluster,
    provider: &'static str,
    count: usize,
) -> Result<Vec<SealingSample>, Box<dyn Error>> {
    let sample = |operation, took| SealingSample {
        provider,
        operation,
        millis: millis(took),
    };
    let began = Instant::now();
    let creates = (0..count).map(|index| create_secret(cluster, format!("many-{index}")));
    stream::iter(creates)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let created = began.elapsed();
    let began = Instant::now();
    let list: Value = cluster
        .admin_client()
        .request(http::Request::get(SECRETS_PATH).body(Vec::new())?)
        .await?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    if items.len() < count {
        return Err(format!("{} of {count} Secrets are there", items.len()).into());
    }
    let puts = items.into_iter().map(|item| put_secret(cluster, item));
    stream::iter(puts)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let rewritten = began.elapsed();
    let (usable, listed) = time_restart(cluster).await?;
    Ok(vec![
        sample("create-many", created),
        sample("rewrite-many", rewritten),
        sample("restart-usable", usable),
        sample("restart-listed", listed),
    ])
}

async fn create_secret(cluster: &Cluster, name: String) -> Result<(), Box<dyn Error>> {
    let _: Value = cluster
        .admin_client()
        .request(post_secret(&secret(&name))?)
        .await?;
    Ok(())
}

async fn put_secret(cluster: &Cluster, mut item: Value) -> Result<(), Box<dyn Error>> {
    let name = item["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (item["apiVersion"], item["kind"]) = ("v1".into(), "Secret".into());
    let request = http::Request::put(format!("{SECRETS_PATH}/{name}"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&item)?)?;
    let _: Value = cluster.admin_client().request(request).await?;
    Ok(())
}

fn post_secret(object: &Value) -> Result<http::Request<Vec<u8>>, Box<dyn Error>> {
    let request = http::Request::post(SECRETS_PATH).header("content-type", "application/json");
    Ok(request.body(serde_json::to_vec(object)?)?)
}

/// From the API server's start until it is ready, and until it has given every Secret.
async fn time_restart(cluster: &Cluster) -> Result<(Duration, Duration), Box<dyn Error>> {
    let host_access = cluster.host_access().ok_or("this cluster is not a box")?;
    let process = "kube-apiserver";
    host_access.control_process(&ProcessChange::Kill(process.into()))?;
    let has_ended = async || {
        let life = host_access.process_status(process);
        let over = life
            .as_ref()
            .is_some_and(|life| matches!(life.state, model::ProcessState::Ended { .. }));
        if over {
            WaitLook::Ready(())
        } else {
            WaitLook::NotYet(format!("{life:?}"))
        }
    };
    crate::start::soon("the API server to end")
        .until_async(has_ended)
        .await?;
    host_access.control_process(&ProcessChange::Start(process.into()))?;
    let began = Instant::now();
    crate::start::readyz(cluster).await?;
    let usable = began.elapsed();
    let _: Value = cluster
        .admin_client()
        .request(http::Request::get(SECRETS_PATH).body(Vec::new())?)
        .await?;
    Ok((usable, began.elapsed()))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn write_csv(samples: &[SealingSample]) -> Result<String, std::fmt::Error> {
    let mut csv = String::from("provider,operation,milliseconds\n");
    for SealingSample {
        provider,
        operation,
        millis,
    } in samples
    {
        writeln!(csv, "{provider},{operation},{millis:.3}")?;
    }
    Ok(csv)
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn print_summary(samples: &[SealingSample]) {
    let of = |provider: &str, operation: &str| {
        let these = samples
            .iter()
            .filter(|sample| sample.provider == provider && sample.operation == operation);
        SampleSummary::from_samples(these.map(|sample| sample.millis).collect())
    };
    let mut rows: Vec<(&str, &str)> = samples
        .iter()
        .map(|sample| (sample.operation, sample.provider))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    for (operation, provider) in rows {
        let (Some(spread), Some(floor)) = (of(provider, operation), of(FLOOR_PROVIDER, operation))
        else {
            continue;
        };
        println!(
            "{operation:16} {provider:12} {spread} ms  {:.2} × {FLOOR_PROVIDER}",
            spread.median / floor.median
        );
    }
}
