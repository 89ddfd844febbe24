//! How long enforcement lags behind a policy change: a pod connects every two milliseconds while
//! policies and labels change.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cluster::Cluster;
use model::ClusterSpec;
use probe_protocol::{WatchChange, WatchLine};
use serde_json::{Value, json};
use wait::WaitLook;

use crate::Boxes;
use crate::objects::{
    PODS_PATH, POLICIES_PATH, address, create_object, delete_object, named_object, patch_object,
    patient, pod, wait_enforced, wait_running,
};
use crate::stats::SampleSummary;

/// From one connection to the next.
const CONNECT_INTERVAL: Duration = Duration::from_millis(2);

/// How long a pod connects that was made under a policy.
const NEW_POD_CONNECTS_FOR: Duration = Duration::from_millis(1500);

/// What changed; milliseconds from the API server's answer to the first connection that went the
/// new way; how many went the old way meanwhile.
type ConvergenceRow = (&'static str, f64, u64);

pub(crate) async fn measure_convergence(
    boxes: &Boxes,
    rounds: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let enforcing = ClusterSpec {
        enforce_network_policy: true,
        ..ClusterSpec::default()
    };
    let cluster = boxes.start_as("figures-convergence", &enforcing).await?;
    create_object(
        &cluster,
        PODS_PATH,
        &pod("server", json!({"app": "server"}), &["listen", "tcp:8080"]),
    )
    .await?;
    wait_running(&cluster, "app", 1).await?;
    let target = format!("tcp://{}:8080", address(&cluster, "server").await?);
    let mut rows = Vec::new();
    for round in 0..rounds {
        rows.extend(measure_changes(&cluster, &target, round).await?);
    }
    let version = create_object(&cluster, POLICIES_PATH, &only_allowed()).await?;
    wait_enforced(
        cluster.host_access().ok_or("this cluster is not a box")?,
        version,
    )
    .await?;
    for round in 0..rounds {
        rows.extend(new_pods(&cluster, &target, round).await?);
    }
    cluster.take_down().await?;
    let mut csv = String::from("change,milliseconds,connections_meanwhile\n");
    for (what, lag, meanwhile) in &rows {
        writeln!(csv, "{what},{lag:.2},{meanwhile}")?;
    }
    std::fs::write(out.join("convergence.csv"), csv)?;
    print_summary(&rows);
    Ok(())
}

/// Shuts the door, opens it for the pod's label, shuts it by taking that away, and opens it for
/// all.
async fn measure_changes(
    cluster: &Cluster,
    target: &str,
    round: usize,
) -> Result<Vec<ConvergenceRow>, Box<dyn Error>> {
    let name = format!("watcher-{round}");
    create_object(
        cluster,
        PODS_PATH,
        &watcher_pod(
            &name,
            json!({"app": "watcher"}),
            target,
            Duration::from_secs(60),
        ),
    )
    .await?;
    let at = format!("{PODS_PATH}/{name}");
    let label = async |value: Value| {
        patch_object(
            cluster,
            &at,
            &json!({"metadata": {"labels": {"access": value}}}),
        )
        .await
    };
    let mut watch = WatchLines {
        cluster,
        name: &name,
        read: 0,
    };
    watch.next_reached(true).await?;
    let mut rows = Vec::new();
    create_object(cluster, POLICIES_PATH, &only_allowed()).await?;
    rows.push(watch.next_after("policy created", false).await?);
    label(json!("yes")).await?;
    rows.push(watch.next_after("label set", true).await?);
    label(Value::Null).await?;
    rows.push(watch.next_after("label removed", false).await?);
    delete_object(cluster, &format!("{POLICIES_PATH}/only-allowed")).await?;
    rows.push(watch.next_after("policy deleted", true).await?);
    delete_object(cluster, &at).await?;
    Ok(rows)
}

/// Pods that begin to connect as soon as they run, under a policy that is in force.
async fn new_pods(
    cluster: &Cluster,
    target: &str,
    round: usize,
) -> Result<[ConvergenceRow; 2], Box<dyn Error>> {
    let (stranger, friend) = (format!("stranger-{round}"), format!("friend-{round}"));
    create_object(
        cluster,
        PODS_PATH,
        &watcher_pod(
            &stranger,
            json!({"app": "watcher"}),
            target,
            NEW_POD_CONNECTS_FOR,
        ),
    )
    .await?;
    let through = WatchLines {
        cluster,
        name: &stranger,
        read: 0,
    }
    .end()
    .await?;
    delete_object(cluster, &format!("{PODS_PATH}/{stranger}")).await?;
    create_object(
        cluster,
        PODS_PATH,
        &watcher_pod(
            &friend,
            json!({"app": "watcher", "access": "yes"}),
            target,
            NEW_POD_CONNECTS_FOR,
        ),
    )
    .await?;
    let first = WatchLines {
        cluster,
        name: &friend,
        read: 0,
    }
    .first(true)
    .await?;
    delete_object(cluster, &format!("{PODS_PATH}/{friend}")).await?;
    Ok([
        ("new pod that is not let in", 0.0, through),
        ("new pod that is let in", first.ms, first.before),
    ])
}

fn only_allowed() -> Value {
    let from = json!([{"podSelector": {"matchLabels": {"access": "yes"}}}]);
    let server = json!({"matchLabels": {"app": "server"}});
    named_object(
        "only-allowed",
        json!({"podSelector": server, "policyTypes": ["Ingress"], "ingress": [{"from": from}]}),
    )
}

fn watcher_pod(name: &str, labels: Value, target: &str, lasting: Duration) -> Value {
    let [every, lasting] = [CONNECT_INTERVAL, lasting].map(|time| time.as_millis().to_string());
    let mut pod = pod(
        name,
        labels,
        &[
            "watch",
            "--every",
            &every,
            "--timeout",
            "300",
            "--for",
            &lasting,
            target,
        ],
    );
    pod["spec"]["restartPolicy"] = "Never".into();
    pod
}

/// What a pod that connects says in its log: a line for each change, and one at the end.
struct WatchLines<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    read: usize,
}

impl WatchLines<'_> {
    async fn lines(&self) -> Vec<WatchLine> {
        let look = http::Request::get(format!("{PODS_PATH}/{}/log", self.name)).body(Vec::new());
        let Ok(look) = look else { return Vec::new() };
        let text = self
            .cluster
            .admin_client()
            .request_text(look)
            .await
            .unwrap_or_default();
        text.lines()
            .filter_map(|line| WatchLine::read(line.as_bytes()).ok())
            .collect()
    }

    /// Waits for a line, and gives what is wanted of it.
    async fn line<T>(
        &self,
        wanted: impl Fn(usize, &WatchLine) -> Option<T>,
    ) -> Result<T, Box<dyn Error>> {
        let wait = patient("a watch to say more", Duration::from_millis(20));
        let line = wait.until_async(async || {
            let lines = self.lines().await;
            let line = lines
                .iter()
                .enumerate()
                .find_map(|(index, line)| wanted(index, line));
            match line {
                Some(line) => WaitLook::Ready(line),
                None => WaitLook::NotYet(format!("{lines:?}")),
            }
        });
        Ok(line.await?)
    }

    /// The next change, which has to be to `reached`.
    async fn next_reached(&mut self, reached: bool) -> Result<WatchChange, Box<dyn Error>> {
        let line = self
            .line(|index, line| (index == self.read).then(|| line.clone()))
            .await?;
        self.read += 1;
        match line {
            WatchLine::Change(change) if change.end.is_ok() == reached => Ok(change),
            other => Err(format!("it went to and fro: {other:?}").into()),
        }
    }

    /// The next change, and how long after now it began.
    async fn next_after(
        &mut self,
        what: &'static str,
        reached: bool,
    ) -> Result<ConvergenceRow, Box<dyn Error>> {
        let answered = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let line = self.next_reached(reached).await?;
        let lag = (line.time - answered).max(0.0);
        Ok((
            what,
            lag * 1000.0,
            (lag / CONNECT_INTERVAL.as_secs_f64()) as u64,
        ))
    }

    async fn first(&self, reached: bool) -> Result<WatchChange, Box<dyn Error>> {
        self.line(|_, line| match line {
            WatchLine::Change(change) => (change.end.is_ok() == reached).then(|| change.clone()),
            WatchLine::Count(_) => None,
        })
        .await
    }

    /// How many got through, once the watch is at its end.
    async fn end(&self) -> Result<u64, Box<dyn Error>> {
        self.line(|_, line| match line {
            WatchLine::Change(_) => None,
            WatchLine::Count(count) => Some(count.reached),
        })
        .await
    }
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn print_summary(rows: &[ConvergenceRow]) {
    let mut kinds: Vec<&str> = rows.iter().map(|row| row.0).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let these = || rows.iter().filter(|row| row.0 == kind);
        let most = these().map(|row| row.2).max().unwrap_or_default();
        let Some(spread) = SampleSummary::from_samples(these().map(|row| row.1).collect()) else {
            continue;
        };
        println!("{kind:28} {spread} ms; connections the old way meanwhile, most: {most}");
    }
}
