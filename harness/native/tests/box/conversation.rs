//! The way to the probes in pods, on every node and however a pod is locked up.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use model::ClusterSpec;
use native::RunningBox;
use probe_protocol::{EngineQuestion, ProbeAnswer, ProbeReply, ProbeRequest, QuestionAnswer};
use wait::WaitLook;

use crate::host::{expect_nothing, kill_process, kubectl};
use crate::lives::{cache, name, start};
use crate::nodes::cluster;

/// Two in the network of a node, which could take each other's questions; and one that has ended.
const PODS: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: plain, namespace: default}
  spec: {nodeName: node-1, containers: [{name: c, image: "gauntlet.local/probe:1", args: [listen, "tcp:8080"]}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: locked, namespace: default}
  spec:
    nodeName: node-2
    securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
    containers:
    - name: c
      image: "gauntlet.local/probe:1"
      args: [serve, "8080"]
      securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
- apiVersion: v1
  kind: Pod
  metadata: {name: host-one, namespace: default}
  spec:
    {nodeName: node-2, hostNetwork: true, containers: [{name: c, image: "gauntlet.local/probe:1", args: [serve, "8081"]}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: host-two, namespace: default}
  spec:
    {nodeName: node-2, hostNetwork: true, containers: [{name: c, image: "gauntlet.local/probe:1", args: [serve, "8082"]}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: ended, namespace: default}
  spec:
    {nodeName: node-1, restartPolicy: Never, containers: [{name: c, image: "gauntlet.local/probe:1", args: [fail, "0"]}]}
"#;

struct Site(RunningBox);

impl Site {
    fn on(&self, args: &[&str]) -> String {
        kubectl(&cache(), &self.0, args).unwrap()
    }

    /// The pod's id, and that of its container.
    fn ids(&self, pod: &str) -> (String, String) {
        let ids = "jsonpath={.metadata.uid} {.status.containerStatuses[0].containerID}";
        let ids = self.on(&["get", "pod", pod, "-o", ids]);
        let (pod, container) = ids.split_once(" containerd://").unwrap();
        (pod.to_owned(), container.to_owned())
    }

    fn probe(&self, pod: &str) -> Option<UnixStream> {
        let (pod, container) = self.ids(pod);
        self.0.connect_probe(&pod, &container).unwrap()
    }
}

/// The words of the first process, as the probe itself reads them.
fn words(mut stream: UnixStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let question = EngineQuestion {
        id: 1,
        ask: ProbeRequest::Cat("/proc/1/cmdline".into()),
    };
    stream.write_all(question.line().as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    match ProbeReply::read(line.as_bytes()).unwrap().said {
        QuestionAnswer::Answer(ProbeAnswer::File(bytes)) => {
            String::from_utf8(bytes).unwrap().replace('\0', " ")
        }
        other => panic!("{other:?}"),
    }
}

/// Kills what runs in a container, from outside.
fn kill(running: &RunningBox, container: &str) {
    let groups = &running.cgroups[0];
    let found = Command::new("find")
        .arg(groups)
        .args(["-type", "d", "-name", container])
        .output()
        .unwrap();
    let group = String::from_utf8(found.stdout).unwrap();
    let processes = std::fs::read_to_string(Path::new(group.trim()).join("cgroup.procs")).unwrap();
    processes.split_whitespace().for_each(kill_process);
}

pub(crate) fn probes_are_reached_without_the_api_server() {
    let name = name("conversation");
    let site = Site(start(
        &name,
        ClusterSpec {
            enforce_network_policy: true,
            ..cluster()
        },
    ));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), PODS).unwrap();
    site.on(&["apply", "-f", &file.path().display().to_string()]);
    let run = ["plain", "locked", "host-one", "host-two"];
    for pod in run {
        site.on(&[
            "wait",
            "--for=condition=Ready",
            &format!("pod/{pod}"),
            "--timeout=60s",
        ]);
    }
    site.on(&[
        "wait",
        "--for=jsonpath={.status.phase}=Succeeded",
        "pod/ended",
        "--timeout=60s",
    ]);
    for (pod, wanted) in
        run.into_iter()
            .zip(["listen tcp:8080", "serve 8080", "serve 8081", "serve 8082"])
    {
        assert_eq!(
            words(site.probe(pod).unwrap()).trim(),
            format!("/probe {wanted}"),
            "{pod}"
        );
    }
    assert!(site.probe("ended").is_none());
    let ((one, its), (two, others)) = (site.ids("host-one"), site.ids("host-two"));
    for (pod, container) in [
        (&one, &others),
        (&two, &its),
        (&one, &"no".repeat(32)),
        (&"..".to_owned(), &its),
    ] {
        assert!(
            site.0.connect_probe(pod, container).unwrap().is_none(),
            "{pod} {container}"
        );
    }
    let (pod, before) = site.ids("plain");
    let mut stream = site.probe("plain").unwrap();
    kill(&site.0, &before);
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or_default(), 0);
    let again = wait::wait_until(
        "the container to run again",
        Duration::from_secs(60),
        Duration::from_millis(100),
        || match site.ids("plain") {
            (_, after) if after == before => WaitLook::NotYet("it has not ended".into()),
            (_, after) => match site.0.connect_probe(&pod, &after).unwrap() {
                Some(stream) => WaitLook::Ready(stream),
                None => WaitLook::NotYet("nobody answers".into()),
            },
        },
    );
    assert_eq!(words(again.unwrap()).trim(), "/probe listen tcp:8080");
    assert!(site.0.connect_probe(&pod, &before).unwrap().is_none());
    site.0.take_down().unwrap();
    expect_nothing(&cache(), &name);
}
