//! Where everything is in a box: every folder, port, name and address, once. They are the same in
//! every box.

/// The folder inside the box that holds all that is ours.
pub const BOX_HOME: &str = "/run/gauntlet";

/// The folder that a box shares with the host, below [`BOX_HOME`].
pub(crate) const WORK_FOLDER: &str = "work";

/// Where the box sees the folder that it shares with the host.
pub const WORK_INSIDE: &str = "/run/gauntlet/work";

/// The file with the box's certificate authority, inside.
pub const CA_FILE: &str = "/run/gauntlet/pki/ca.crt";

/// The folder of etcd's data, inside.
pub const ETCD_DATA: &str = "/run/gauntlet/etcd";

/// The file with the key that ServiceAccount tokens are signed with, inside.
pub const TOKEN_KEY: &str = "/run/gauntlet/pki/sa.key";

/// This program inside a box, below [`BOX_HOME`].
pub(crate) const OWN_PROGRAM: &str = "bin/gauntlet";

/// Where the API server listens.
pub(crate) const API_PORT: u16 = 6443;

/// All of `/readyz` but the two checks that say that the first roles and priority classes were
/// written: an API server that begins with saved data has them, while each of the two waits a
/// second before its first look.
pub const READYZ_FROM_TEMPLATE: &str = "/readyz?exclude=poststarthook/rbac/bootstrap-roles\
    &exclude=poststarthook/scheduling/bootstrap-system-priority-classes";

/// Where the components reach it, on the loopback interface of their node (see `init::api_gate`).
pub(crate) const API_GATE_PORT: u16 = 6442;

/// Where the controller manager does: it goes on only when all of the API server is ready, and
/// looks once a second.
pub(crate) const LATE_API_GATE_PORT: u16 = 6441;

/// Where pods get their addresses from.
pub(crate) const POD_CIDR: &str = "10.244.0.0/16";
/// The same of IPv6.
pub(crate) const POD_CIDR_6: &str = "fd00:10:244::/48";

/// Where Services get their addresses from.
pub(crate) const SERVICE_CIDR: &str = "10.96.0.0/16";
/// The same of IPv6.
pub(crate) const SERVICE_CIDR_6: &str = "fd00:10:96::/112";

/// The address of the service `kubernetes`: the API server's, inside the box.
pub const API_ADDRESS: &str = "10.96.0.1";

/// The address that pods ask for names, whether or not a server answers there.
pub const DNS_ADDRESS: &str = "10.96.0.10";

/// The first node's address, the same in every box.
pub const NODE_ADDRESS: &str = "10.88.0.1";

/// Every node's interface to the others.
pub(crate) const NODE_INTERFACE: &str = "node";

/// Where a service that stands beside the cluster listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServicePlace {
    /// The name that the box, its pods and containerd know it by. Go's registry clients take those
    /// below `localhost` for plain HTTP.
    pub name: &'static str,
    /// Its port, at every address.
    pub port: u16,
    /// Both, as `NAME:PORT`.
    pub authority: &'static str,
    /// Where it takes requests over plain HTTP.
    pub url: &'static str,
}

macro_rules! service_place {
    ($name:literal, $port:literal, $path:literal) => {
        ServicePlace {
            name: $name,
            port: $port,
            authority: concat!($name, ":", $port),
            url: concat!("http://", $name, ":", $port, $path),
        }
    };
}

/// The registry, with TLS.
pub const TLS_REGISTRY: ServicePlace = service_place!("registry.box", 5000, "");
/// The same registry, over plain HTTP.
pub const PLAIN_REGISTRY: ServicePlace = service_place!("registry.localhost", 5001, "");
/// The same registry for those who have a password. It has the name of the first, and needs no
/// certificate and no address of its own.
pub const PRIVATE_REGISTRY: ServicePlace = service_place!("registry.box", 5003, "");
/// The front of the registry that spoils its answers.
pub const REGISTRY_FRONT: ServicePlace = service_place!("front.localhost", 5002, "");
/// What makes certificates for tokens.
pub const FULCIO_SERVICE: ServicePlace = service_place!("fulcio.box", 5555, "");
/// The transparency log.
pub const REKOR_SERVICE: ServicePlace = service_place!("rekor.box", 3003, "");
/// The timestamp authority.
pub const TIMESTAMP_SERVICE: ServicePlace = service_place!("tsa.box", 3004, "/api/v1/timestamp");

/// All of them that have a name of their own.
pub(crate) const ALL_SERVICES: [ServicePlace; 6] = [
    TLS_REGISTRY,
    PLAIN_REGISTRY,
    REGISTRY_FRONT,
    FULCIO_SERVICE,
    REKOR_SERVICE,
    TIMESTAMP_SERVICE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_home_is_below_home() {
        assert_eq!(WORK_INSIDE, format!("{BOX_HOME}/{WORK_FOLDER}"));
        for path in [CA_FILE, ETCD_DATA, TOKEN_KEY] {
            assert!(path.starts_with(&format!("{BOX_HOME}/")), "{path}");
        }
    }

    #[test]
    fn no_two_services_share_a_name_or_a_port() {
        for (index, one) in ALL_SERVICES.iter().enumerate() {
            let others = &ALL_SERVICES[index + 1..];
            assert!(
                !others
                    .iter()
                    .any(|other| other.port == one.port || other.name == one.name)
            );
            assert_ne!(PRIVATE_REGISTRY.port, one.port);
        }
        assert_eq!(PRIVATE_REGISTRY.name, TLS_REGISTRY.name);
    }
}
