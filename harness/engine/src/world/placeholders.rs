//! What the placeholders of a world stand for, as far as it is known by now. `learn` finds the rest
//! out.

use model::{ImageName, PlaceholderValues};
use serde_json::Value;

/// The placeholders of a world.
#[derive(Debug)]
pub(crate) struct WorldPlaceholders(PlaceholderValues);

impl WorldPlaceholders {
    pub(crate) fn new(names: PlaceholderValues) -> Self {
        Self(names)
    }

    pub(crate) fn names(&self) -> &PlaceholderValues {
        &self.0
    }

    /// The world's own namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Host and port of the world's registry; empty where it has none.
    pub(crate) fn registry(&self) -> &str {
        &self.0.registry
    }

    /// `text` with what is known filled in.
    pub(crate) fn fill_text(&self, text: &str) -> String {
        self.0.fill_text(text)
    }

    /// The same for every text of an object.
    pub(crate) fn fill_value(&self, value: &Value) -> Value {
        self.0.fill_value(value)
    }

    /// The placeholders in `text` that are not known yet.
    pub(crate) fn missing_names(&self, text: &str) -> Vec<String> {
        self.0.missing_names(text).into_iter().collect()
    }

    /// From now on this stands for that.
    pub(crate) fn set_value(&mut self, name: String, text: String) {
        self.0.texts.insert(name, text);
    }

    /// Notes the digest that an image's name stands for from now on.
    pub(crate) fn set_digest(&mut self, image: &ImageName, digest: String) {
        self.set_value(format!("sha256:{image}"), digest);
    }

    /// Whether an image of this name was put into the registry.
    pub(crate) fn has_digest(&self, image: &ImageName) -> bool {
        self.0.texts.contains_key(&format!("sha256:{image}"))
    }

    /// An image's digest; a placeholder where it has none.
    pub(crate) fn digest(&self, image: &ImageName) -> String {
        self.fill_text(&format!("$(sha256:{image})"))
    }

    /// Forgets addresses: a pod that is made again has another.
    pub(crate) fn forget_addresses(&mut self) {
        self.0.texts.retain(|name, _| !model::is_address(name));
    }

    /// An image's repository, without registry.
    pub(crate) fn repository(&self, image: &ImageName) -> String {
        self.0.repository(image)
    }

    /// An image by its tag.
    pub(crate) fn reference(&self, image: &ImageName) -> String {
        self.0.reference(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_forgotten_and_digests_are_not() {
        let mut placeholders = WorldPlaceholders::new(PlaceholderValues {
            namespace: "ns".into(),
            ..PlaceholderValues::default()
        });
        let app: ImageName = "app".parse().unwrap();
        placeholders.set_value("pod-ip:web".into(), "10.0.0.1".into());
        placeholders.set_digest(&app, "sha256:00".into());
        let text = "$(namespace) $(pod-ip:web) $(sha256:app)";
        assert_eq!(placeholders.fill_text(text), "ns 10.0.0.1 sha256:00");
        placeholders.forget_addresses();
        assert_eq!(placeholders.missing_names(text), ["pod-ip:web"]);
        assert!(placeholders.has_digest(&app) && placeholders.digest(&app) == "sha256:00");
    }
}
