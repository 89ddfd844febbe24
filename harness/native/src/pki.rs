//! The box's own keys and certificates. The authorities and the ServiceAccounts' key belong to a
//! first state and are kept with it; all else is made again for every box.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use enforcer::PkiIdentity;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::Error;
use crate::node::BoxNode;
use crate::places::{self, API_ADDRESS, NODE_ADDRESS};
use crate::process::BoxFile;

/// What signs, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PkiAuthority {
    ca: PkiIdentity,
    front: PkiIdentity,
    service_accounts: String,
}

/// All keys and certificates of one box.
#[derive(Debug)]
pub(crate) struct BoxPki {
    authority: PkiAuthority,
    identities: BTreeMap<String, PkiIdentity>,
    service_accounts_public: String,
    /// The transparency log's.
    log: KeyPair,
}

const AUTHORITY_NAME: &str = "gauntlet-ca";
const FRONT_CA: &str = "gauntlet-front-proxy-ca";

/// The user of the kubeconfig that people get.
pub(crate) const ADMIN_CLIENT: &str = "admin";

/// The authenticating proxy, whose headers the API server believes.
pub(crate) const FRONT_PROXY: &str = "front-proxy-client";

/// The registry's certificate and key.
pub(crate) const REGISTRY_IDENTITY: &str = "registry";

/// The certificate and key of the enforcers of NetworkPolicy, and their user.
pub(crate) const NETWORK_POLICY: &str = enforcer::KEYS_NAME;
pub(crate) const NETWORK_POLICY_USER: &str = "gauntlet:network-policy";

/// The transparency log's key, below `pki`.
pub(crate) const LOG_KEY: &str = "rekor.key";

/// Name of the files, common name, organisation.
const CLIENT_CERTIFICATES: [(&str, &str, Option<&str>); 6] = [
    (ADMIN_CLIENT, "admin", Some("system:masters")),
    (
        "kube-apiserver-kubelet-client",
        "kube-apiserver-kubelet-client",
        Some("system:masters"),
    ),
    (
        "kube-controller-manager",
        "system:kube-controller-manager",
        None,
    ),
    ("kube-scheduler", "system:kube-scheduler", None),
    ("kube-proxy", "system:kube-proxy", None),
    (NETWORK_POLICY, NETWORK_POLICY_USER, None),
];

const API_NAMES: [&str; 5] = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
];

impl PkiAuthority {
    pub(crate) fn new() -> Result<Self, Error> {
        let service_accounts = KeyPair::generate().map_err(Error::Pki)?.serialize_pem();
        Ok(Self {
            ca: make_authority(AUTHORITY_NAME)?,
            front: make_authority(FRONT_CA)?,
            service_accounts,
        })
    }
}

impl BoxPki {
    /// Makes what a box of this many nodes needs whose API server the host reaches at `server`.
    pub(crate) fn new(authority: PkiAuthority, server: Ipv4Addr, nodes: u8) -> Result<Self, Error> {
        let ca = issuer_of(AUTHORITY_NAME, &authority.ca)?;
        let front = issuer_of(FRONT_CA, &authority.front)?;
        let fixed =
            [API_ADDRESS, NODE_ADDRESS, "127.0.0.1"].map(|text| text.parse::<IpAddr>().ok());
        let api_addresses = fixed
            .into_iter()
            .flatten()
            .chain([IpAddr::V4(server)])
            .map(SanType::IpAddress);
        let mut api = subject_name("kube-apiserver", None);
        api.subject_alt_names = alternative_names(&API_NAMES)?
            .into_iter()
            .chain(api_addresses)
            .collect();
        let mut identities = BTreeMap::from([
            ("kube-apiserver".to_owned(), sign_identity(api, &ca)?),
            (
                FRONT_PROXY.to_owned(),
                sign_identity(subject_name(FRONT_PROXY, None), &front)?,
            ),
            (
                REGISTRY_IDENTITY.to_owned(),
                sign_identity(registry_identity(server)?, &ca)?,
            ),
        ]);
        for node in BoxNode::all_nodes(nodes) {
            identities.insert(
                node.own_name("kubelet"),
                sign_identity(kubelet_identity(node)?, &ca)?,
            );
        }
        for (name, common_name, organisation) in CLIENT_CERTIFICATES {
            identities.insert(
                name.to_owned(),
                sign_identity(subject_name(common_name, organisation), &ca)?,
            );
        }
        let service_accounts_public = KeyPair::from_pem(&authority.service_accounts)
            .map_err(Error::Pki)?
            .public_key_pem();
        let log = KeyPair::generate_for(&PKCS_ED25519).map_err(Error::Pki)?;
        Ok(Self {
            authority,
            identities,
            service_accounts_public,
            log,
        })
    }

    /// The public key of the transparency log, in PEM.
    pub(crate) fn log_key(&self) -> String {
        self.log.public_key_pem()
    }

    /// The cluster's authority, in PEM.
    pub(crate) fn ca(&self) -> &str {
        &self.authority.ca.certificate
    }

    pub(crate) fn authority_of(&self) -> &PkiAuthority {
        &self.authority
    }

    pub(crate) fn identity_of(&self, name: &str) -> Option<&PkiIdentity> {
        self.identities.get(name)
    }

    /// Everything as files of the box, below `pki`.
    pub(crate) fn pki_files(&self) -> Vec<BoxFile> {
        let authorities = [
            ("ca", &self.authority.ca),
            ("front-proxy-ca", &self.authority.front),
        ];
        let pairs = authorities.into_iter().chain(
            self.identities
                .iter()
                .map(|(name, identity)| (name.as_str(), identity)),
        );
        let mut files: Vec<BoxFile> = pairs
            .flat_map(|(name, identity)| {
                [
                    pki_file(&format!("{name}.crt"), &identity.certificate),
                    pki_file(&format!("{name}.key"), &identity.key),
                ]
            })
            .collect();
        files.push(pki_file("sa.key", &self.authority.service_accounts));
        files.push(pki_file("sa.pub", &self.service_accounts_public));
        files.push(pki_file(LOG_KEY, &self.log.serialize_pem()));
        files.push(pki_file("rekor.pub", &self.log_key()));
        files
    }
}

fn kubelet_identity(node: BoxNode) -> Result<CertificateParams, Error> {
    let name = node.name();
    let mut params = subject_name(&format!("system:node:{name}"), Some("system:nodes"));
    params.subject_alt_names = alternative_names(&[&name])?;
    params
        .subject_alt_names
        .push(SanType::IpAddress(node.address().into()));
    Ok(params)
}

fn registry_identity(server: Ipv4Addr) -> Result<CertificateParams, Error> {
    let mut params = subject_name(REGISTRY_IDENTITY, None);
    params.subject_alt_names = alternative_names(&[places::TLS_REGISTRY.name, "localhost"])?;
    let fixed = [NODE_ADDRESS, "127.0.0.1"].map(|text| text.parse::<IpAddr>().ok());
    params.subject_alt_names.extend(
        fixed
            .into_iter()
            .flatten()
            .chain([IpAddr::V4(server)])
            .map(SanType::IpAddress),
    );
    Ok(params)
}

fn pki_file(name: &str, text: &str) -> BoxFile {
    BoxFile {
        path: format!("pki/{name}").into(),
        text: text.to_owned(),
    }
}

fn make_authority(name: &str) -> Result<PkiIdentity, Error> {
    let key = KeyPair::generate().map_err(Error::Pki)?;
    let certificate = authority_params(name)
        .self_signed(&key)
        .map_err(Error::Pki)?;
    Ok(PkiIdentity {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = subject_name(name, None);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(3650);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    params.extended_key_usages.clear();
    params
}

fn issuer_of(name: &str, identity: &PkiIdentity) -> Result<Issuer<'static, KeyPair>, Error> {
    Ok(Issuer::new(
        authority_params(name),
        KeyPair::from_pem(&identity.key).map_err(Error::Pki)?,
    ))
}

fn subject_name(common_name: &str, organisation: Option<&str>) -> CertificateParams {
    let mut name = DistinguishedName::new();
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(365);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

fn alternative_names(names: &[&str]) -> Result<Vec<SanType>, Error> {
    names
        .iter()
        .map(|name| Ok(SanType::DnsName((*name).try_into().map_err(Error::Pki)?)))
        .collect()
}

fn sign_identity(
    params: CertificateParams,
    issuer: &Issuer<'static, KeyPair>,
) -> Result<PkiIdentity, Error> {
    let key = KeyPair::generate().map_err(Error::Pki)?;
    let certificate = params.signed_by(&key, issuer).map_err(Error::Pki)?;
    Ok(PkiIdentity {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_signs_again_after_a_trip_through_a_file() {
        let authority = PkiAuthority::new().unwrap();
        let text = serde_json::to_string(&authority).unwrap();
        let again: PkiAuthority = serde_json::from_str(&text).unwrap();
        let pki = BoxPki::new(again, Ipv4Addr::new(198, 18, 0, 1), 1).unwrap();
        assert_eq!(pki.ca(), authority.ca.certificate);
        assert!(
            pki.pki_files()
                .iter()
                .any(|file| file.path.ends_with("sa.pub") && file.text.contains("PUBLIC KEY"))
        );
    }
}
