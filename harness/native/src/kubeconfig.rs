//! Kubeconfig files, with every key and certificate inside.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use enforcer::PkiIdentity;

/// A kubeconfig for one user of one cluster.
pub(crate) fn render_kubeconfig(server: &str, ca: &str, identity: &PkiIdentity) -> String {
    let encode = |text: &str| BASE64_STANDARD.encode(text);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: gauntlet
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: gauntlet
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: gauntlet
  context:
    cluster: gauntlet
    user: gauntlet
current-context: gauntlet
",
        ca = encode(ca),
        certificate = encode(&identity.certificate),
        key = encode(&identity.key),
    )
}
