//! Which contexts are plainly disposable: security tests belong on clusters that are disposable.

/// The context of every box.
const BOX_CONTEXT: &str = "gauntlet";

/// The beginnings of names that tools give to throw-away clusters.
const DISPOSABLE_PREFIXES: [&str; 4] = ["kind-", "k3d-", "gauntlet-", "minikube"];

pub(crate) fn is_disposable(context: &str) -> bool {
    context == BOX_CONTEXT
        || DISPOSABLE_PREFIXES
            .iter()
            .any(|prefix| context.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_disposable;

    #[test]
    fn only_names_of_throw_away_clusters_pass() {
        for good in [
            "kind-box",
            "k3d-a",
            "gauntlet",
            "gauntlet-up",
            "minikube",
            "minikube-2",
        ] {
            assert!(is_disposable(good), "{good}");
        }
        for bad in [
            "prod",
            "my-kind-cluster",
            "gauntlets",
            "admin@kubernetes",
            "arn:aws:eks:kind-",
            "",
        ] {
            assert!(!is_disposable(bad), "{bad}");
        }
    }
}
