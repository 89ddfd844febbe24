//! The API server's own resources, and where etcd has what is kept of them.

/// A line for each.
const OWN_RESOURCES: &str = include_str!("resources.txt");

/// A resource of the API server's own, in any of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnResource {
    /// Its group; empty for the core one.
    pub group: &'static str,
    /// Its name in paths.
    pub plural: &'static str,
    /// The kind of its objects.
    pub kind: &'static str,
    /// Where etcd has them; nothing where they are questions, which are not kept.
    pub folder: Option<&'static str>,
}

impl OwnResource {
    /// Whether a person calls it so: by its kind in lower case, or by its plural.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.plural == name || self.kind.to_lowercase() == name
    }
}

/// Every one of them.
pub fn own_resources() -> impl Iterator<Item = OwnResource> {
    let lines = OWN_RESOURCES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut words = line.split(' ').map(|word| (word != "-").then_some(word));
        Some(OwnResource {
            group: words.next()?.unwrap_or_default(),
            plural: words.next()??,
            kind: words.next()??,
            folder: words.next()?,
        })
    })
}

/// Those that are called so, perhaps with a group behind it.
pub(crate) fn own_resources_called(name: &str) -> impl Iterator<Item = OwnResource> {
    let (name, group) = name
        .split_once('.')
        .map_or((name, None), |(name, group)| (name, Some(group)));
    own_resources()
        .filter(move |one| one.is_called(name) && group.is_none_or(|group| group == one.group))
}

/// Whether the API server serves a group itself. Others end in `.k8s.io`, too, and are made by
/// definitions.
#[must_use]
pub fn is_own_group(group: &str) -> bool {
    own_resources().any(|one| one.group == group)
}

/// Where etcd has the objects of a resource: one of the API server's own, or of a definition. Nothing
/// where they are not kept, and where nobody knows it.
#[must_use]
pub fn etcd_folder(group: &str, plural: &str) -> Option<String> {
    let own = own_resources().find(|one| one.group == group && one.plural == plural);
    match own {
        Some(own) => own.folder.map(str::to_owned),
        None => (!is_own_group(group)).then(|| format!("/registry/{group}/{plural}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spelling::plural_name;
    use crate::{object_kind, object_kinds};

    #[test]
    fn each_line_is_a_resource_and_there_once() {
        let lines = OWN_RESOURCES.lines().filter(|line| !line.starts_with('#'));
        let all: BTreeSet<_> = own_resources().map(|one| (one.group, one.plural)).collect();
        assert_eq!(all.len(), lines.count());
        for one in own_resources() {
            assert_eq!(plural_name(one.kind), one.plural, "as lists are asked for");
            let folder = etcd_folder(one.group, one.plural);
            assert_eq!(folder.as_deref(), one.folder);
            let is_question = one.folder.is_none();
            let is_asked = one.kind.ends_with("Review") || one.kind.ends_with("Status");
            assert_eq!(is_question, is_asked || one.kind == "Binding", "{one:?}");
        }
    }

    /// By upstream's rule: a special prefix, or the plural; `GROUP/PLURAL` in two groups.
    #[test]
    fn folders_follow_upstreams_rule() {
        let special = [
            ("replicationcontrollers", "controllers"),
            ("endpoints", "services/endpoints"),
            ("nodes", "minions"),
            ("services", "services/specs"),
            ("ingresses", "ingress"),
        ];
        for one in own_resources() {
            let Some(folder) = one.folder else { continue };
            let below = match one.group {
                "apiextensions.k8s.io" | "apiregistration.k8s.io" => {
                    format!("{}/{}", one.group, one.plural)
                }
                _ => special
                    .iter()
                    .find(|(plural, _)| *plural == one.plural)
                    .map_or(one.plural, |(_, prefix)| prefix)
                    .to_owned(),
            };
            assert_eq!(folder, format!("/registry/{below}"));
        }
    }

    #[test]
    fn what_a_definition_makes_lies_below_its_group() {
        for (group, plural) in [
            ("external-secrets.io", "secretstores"),
            ("gateway.networking.k8s.io", "gateways"),
            ("snapshot.storage.k8s.io", "volumesnapshots"),
            ("example", "services"),
        ] {
            let folder = format!("/registry/{group}/{plural}");
            assert_eq!(etcd_folder(group, plural), Some(folder));
        }
        assert_eq!(etcd_folder("apps", "widgets"), None);
        assert_eq!(etcd_folder("authentication.k8s.io", "tokenreviews"), None);
    }

    #[test]
    fn every_kind_of_kubernetes_own_is_served() {
        for kind in object_kinds().filter(|kind| is_own_group(kind.group)) {
            let mut own = own_resources();
            assert!(
                own.any(|one| one.group == kind.group && one.kind == kind.kind),
                "{kind:?}"
            );
        }
        assert_eq!(object_kind("networking.k8s.io/v1", "IngressClass"), None);
        let called: Vec<_> = own_resources_called("ingressclass").collect();
        assert_eq!(called.len(), 1);
        assert_eq!(own_resources_called("events").count(), 2);
        assert_eq!(own_resources_called("event.events.k8s.io").count(), 1);
        assert_eq!(own_resources_called("ingressclasse").count(), 0);
    }
}
