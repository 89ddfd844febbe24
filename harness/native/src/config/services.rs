//! What stands beside the cluster: a registry and its front, and what signs, logs and dates. Each
//! has a name that the box, its pods and containerd know it by, and listens on every address, so
//! that the host reaches it too.

use model::ClusterSpec;
use serde_json::{Value, json};

use super::{
    API_ADDRESS, BOX_HOME, BoxBlueprint, BoxFile, BoxProcess, NODE_ADDRESS, POD_CIDR, box_file,
    box_process, json_file,
};
use crate::Error;
use crate::pki::{LOG_KEY, REGISTRY_IDENTITY};
use crate::places::{
    self, ALL_SERVICES, FULCIO_SERVICE, PLAIN_REGISTRY, PRIVATE_REGISTRY, REGISTRY_FRONT,
    REKOR_SERVICE, TIMESTAMP_SERVICE,
};

/// Where containerd looks registries up, as a line of its configuration.
pub(super) const HOSTS_CONFIG: &str = r#"[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "/run/gauntlet/certs.d"
"#;

/// The table of nftables, and the counter in it, that counts what pods send to whatever signs, logs
/// and dates.
pub const SIGSTORE_COUNTER: [&str; 2] = ["gauntlet", "sigstore-from-pods"];

/// The issuer of ServiceAccount tokens, which Fulcio asks for its keys.
const TOKEN_ISSUER: &str = "https://kubernetes.default.svc";

/// The process of the registry that wants credentials, and its milestone.
const PRIVATE_NAME: &str = "registry-private";

/// A service that the host waits for.
pub(crate) struct HostService {
    /// Its milestone.
    pub(crate) name: &'static str,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    pub(crate) port: u16,
    /// What it answers with 200 when it can be used.
    pub(crate) path: &'static str,
}

/// The services of a cluster.
pub(crate) fn cluster_services(cluster: &ClusterSpec) -> Vec<HostService> {
    let plain = |name, port, path| HostService {
        name,
        tls: false,
        port,
        path,
    };
    let mut services = Vec::new();
    if cluster.has_registry() {
        services.push(HostService {
            name: REGISTRY_IDENTITY,
            tls: true,
            port: places::TLS_REGISTRY.port,
            path: "/v2/",
        });
        services.push(plain("registry-plain", PLAIN_REGISTRY.port, "/v2/"));
        services.push(plain("front", REGISTRY_FRONT.port, "/v2/"));
    }
    if cluster.has_private_registry() {
        services.push(HostService {
            name: PRIVATE_NAME,
            tls: true,
            port: PRIVATE_REGISTRY.port,
            // Anything else wants credentials (distribution 3.1.2 `registry/registry.go`, `alive`).
            path: "/",
        });
    }
    if cluster.has_sigstore() {
        services.push(plain("rekor", REKOR_SERVICE.port, "/healthz"));
        services.push(plain(
            "timestamp-authority",
            TIMESTAMP_SERVICE.port,
            "/api/v1/timestamp/certchain",
        ));
        services.push(plain("fulcio", FULCIO_SERVICE.port, "/api/v1/rootCert"));
    }
    services
}

/// What starts at once.
pub(super) fn first_processes(cluster: &ClusterSpec) -> Vec<BoxProcess> {
    let mut processes = Vec::new();
    if cluster.has_registry() {
        processes.push(service_process(
            REGISTRY_IDENTITY,
            "registry/registry",
            &["serve", "/run/gauntlet/registry.json"],
        ));
        processes.push(service_process(
            "registry-plain",
            "registry/registry",
            &["serve", "/run/gauntlet/registry-plain.json"],
        ));
        let (listen, upstream) = (
            format!("0.0.0.0:{}", REGISTRY_FRONT.port),
            format!("127.0.0.1:{}", PLAIN_REGISTRY.port),
        );
        let args = ["front", "--listen", &listen, "--upstream", &upstream].map(ToOwned::to_owned);
        processes.push(box_process(
            "front",
            &format!("{BOX_HOME}/images/probe"),
            args.to_vec(),
        ));
    }
    if cluster.has_private_registry() {
        processes.push(service_process(
            PRIVATE_NAME,
            "registry/registry",
            &["serve", "/run/gauntlet/registry-private.json"],
        ));
    }
    if cluster.has_sigstore() {
        processes.push(log_services());
        processes.push(service_process(
            "timestamp-authority",
            "timestamp-authority/timestamp-server",
            &[
                "serve",
                "--host=0.0.0.0",
                &format!("--port={}", TIMESTAMP_SERVICE.port),
                "--timestamp-signer=memory",
                "--disable-ntp-monitoring",
            ],
        ));
    }
    if counts_images(cluster) {
        let args = ["nft", "-f", "/run/gauntlet/count.nft"].map(ToOwned::to_owned);
        processes.push(BoxProcess {
            ends: true,
            ..box_process("count", "/usr/bin/env", args.to_vec())
        });
    }
    processes
}

/// Whether there are pods, and something that they could ask for signatures.
fn counts_images(cluster: &ClusterSpec) -> bool {
    cluster.has_sigstore() && cluster.nodes > 0
}

/// Counts packets, and not connections: over one that is kept open, requests come unseen.
fn count_rules() -> String {
    let [table, counter] = SIGSTORE_COUNTER;
    let [log, dates, signs] =
        [REKOR_SERVICE, TIMESTAMP_SERVICE, FULCIO_SERVICE].map(|service| service.port);
    format!(
        "table inet {table} {{
  counter {counter} {{ }}
  chain arriving {{
    type filter hook prerouting priority -310; policy accept;
    ip saddr {POD_CIDR} tcp dport {{ {log}, {dates}, {signs} }} counter name {counter}
  }}
}}
"
    )
}

/// What starts when the issuer of tokens answers.
pub(super) fn third_processes(cluster: &ClusterSpec) -> Vec<BoxProcess> {
    if !cluster.has_sigstore() {
        return Vec::new();
    }
    let args = [
        "serve",
        &format!("--port={}", FULCIO_SERVICE.port),
        "--grpc-host=127.0.0.1",
        "--grpc-port=5556",
        "--metrics-port=5557",
        "--ca=ephemeralca",
        "--ct-log-url=",
        "--log_type=prod",
        "--config-path=/run/gauntlet/fulcio.json",
    ];
    vec![service_process("fulcio", "fulcio/fulcio", &args)]
}

fn log_services() -> BoxProcess {
    let args = [
        "serve".to_owned(),
        format!("--hostname={}", REKOR_SERVICE.name),
        format!("--signer-filepath={BOX_HOME}/pki/{LOG_KEY}"),
        format!("--storage-dir={BOX_HOME}/rekor"),
        "--http-address=0.0.0.0".to_owned(),
        format!("--http-port={}", REKOR_SERVICE.port),
        "--grpc-port=3013".to_owned(),
        "--http-metrics-port=3023".to_owned(),
        "--checkpoint-interval=100ms".to_owned(),
        "--batch-max-age=10ms".to_owned(),
    ];
    service_process(
        "rekor",
        "rekor-tiles/rekor",
        &args.each_ref().map(String::as_str),
    )
}

fn service_process(name: &str, program: &str, args: &[&str]) -> BoxProcess {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut process = box_process(name, &format!("{BOX_HOME}/bin/{program}"), args);
    let more = [
        ("HOME", format!("{BOX_HOME}/tmp")),
        ("OTEL_TRACES_EXPORTER", "none".to_owned()),
    ];
    process
        .env
        .extend(more.map(|(name, value)| (name.to_owned(), value)));
    process
}

/// Files below [`BOX_HOME`].
pub(super) fn service_files(blueprint: &BoxBlueprint) -> Result<Vec<BoxFile>, Error> {
    let mut files = Vec::new();
    if blueprint.cluster.has_registry() {
        let secret = crate::names::to_hex(&super::apiserver::random_key()?);
        let pki = |end: &str| format!("{BOX_HOME}/pki/{REGISTRY_IDENTITY}.{end}");
        let tls = json!({ "certificate": pki("crt"), "key": pki("key") });
        if blueprint.cluster.has_private_registry() {
            let mut private = registry_services(PRIVATE_REGISTRY.port, &secret, Some(tls.clone()));
            let path = format!("{BOX_HOME}/registry.htpasswd");
            private["auth"] = json!({ "htpasswd": { "realm": "private", "path": path } });
            files.push(json_file("registry-private.json", &private));
            files.push(box_file(
                "registry.htpasswd",
                model::addons::private_registry::PASSWORD_FILE,
            ));
            files.push(hosts_file("https", PRIVATE_REGISTRY.authority));
        }
        files.push(json_file(
            "registry.json",
            &registry_services(places::TLS_REGISTRY.port, &secret, Some(tls)),
        ));
        files.push(json_file(
            "registry-plain.json",
            &registry_services(PLAIN_REGISTRY.port, &secret, None),
        ));
        files.push(hosts_file("https", places::TLS_REGISTRY.authority));
        files.push(hosts_file("http", PLAIN_REGISTRY.authority));
        files.push(hosts_file("http", REGISTRY_FRONT.authority));
    }
    if blueprint.cluster.has_sigstore() {
        let issuer =
            json!({ "IssuerURL": TOKEN_ISSUER, "ClientID": "sigstore", "Type": "kubernetes" });
        files.push(json_file(
            "fulcio.json",
            &json!({ "OIDCIssuers": { TOKEN_ISSUER: issuer } }),
        ));
    }
    if counts_images(blueprint.cluster) {
        files.push(box_file("count.nft", count_rules()));
    }
    Ok(files)
}

/// All registries read and write the same folder, so none may remember what it saw there. Every
/// request is one line of the log, in Apache's combined format: requests can be counted there.
fn registry_services(port: u16, secret: &str, tls: Option<Value>) -> Value {
    let mut http = json!({ "addr": format!(":{port}"), "secret": secret });
    if let Some(tls) = tls {
        http["tls"] = tls;
    }
    json!({
        "version": "0.1",
        "log": { "level": "error", "formatter": "json" },
        "storage": {
            "filesystem": { "rootdirectory": format!("{BOX_HOME}/registry") },
            "delete": { "enabled": true },
            "maintenance": { "uploadpurging": { "enabled": false } },
        },
        "http": http,
    })
}

/// How containerd reaches a registry.
fn hosts_file(scheme: &str, host: &str) -> BoxFile {
    let server = format!("{scheme}://{host}");
    let text =
        format!("server = \"{server}\"\n[host.\"{server}\"]\n  ca = \"{BOX_HOME}/pki/ca.crt\"\n");
    box_file(format!("certs.d/{host}/hosts.toml"), text)
}

/// Files elsewhere. containerd makes no pod without `/etc/hosts`, which a minimal Debian lacks.
/// With names comes that no other name is asked for anywhere: a box has no network, and a question
/// into nowhere would take long to fail.
pub(super) fn outside_files(blueprint: &BoxBlueprint) -> Vec<BoxFile> {
    let mut files = Vec::new();
    if blueprint.cluster.install.is_empty() {
        files.push(box_file(
            "/etc/hosts",
            "127.0.0.1 localhost\n::1 localhost\n",
        ));
    } else {
        let names = ALL_SERVICES.map(|service| service.name).join(" ");
        let hosts = format!(
            "127.0.0.1 localhost\n{API_ADDRESS} kubernetes.default.svc\n{NODE_ADDRESS} {names}\n"
        );
        files.push(box_file("/etc/hosts", hosts));
        files.push(box_file("/etc/resolv.conf", ""));
    }
    if blueprint.cluster.has_sigstore() {
        files.push(box_file("/var/run/fulcio/ca.crt", blueprint.pki.ca()));
    }
    files
}

/// Lets everybody ask for the keys that ServiceAccount tokens are signed with: where to send it,
/// and what.
pub(crate) fn open_issuer() -> (&'static str, Value) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "gauntlet:service-account-issuer-discovery" },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:service-account-issuer-discovery",
        },
        "subjects": [{
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Group",
            "name": "system:unauthenticated",
        }],
    });
    (
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        binding,
    )
}

/// What everybody can read once that holds.
pub(crate) fn issuer_is_open() -> &'static str {
    "/.well-known/openid-configuration"
}
