//! How words are written: the plural of a kind, and how far apart two words are, for "did you
//! mean".

/// The resource of a kind, as Kubernetes makes its names.
#[must_use]
pub fn plural_name(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower == "endpoints" => lower,
        _ if lower.ends_with('s') => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

/// How many letters have to be added, dropped, changed or swapped.
#[must_use]
pub fn letter_distance(from: &str, to: &str) -> usize {
    strsim::osa_distance(from, to)
}

/// The one of `words` that is nearest, if it is near enough to be meant: a third of its letters.
pub(crate) fn nearest_word<'a>(
    word: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    words
        .into_iter()
        .map(|near| (letter_distance(word, near), near))
        .filter(|(apart, near)| apart * 3 <= near.chars().count())
        .min()
        .map(|(_, near)| near)
}

/// A hint that begins with the word that is meant, where one is near, and goes on with another
/// sentence.
pub(crate) fn suggest_word<'a>(
    word: &str,
    words: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest_word(word, words) {
        Some(near) => format!("did you mean `{near}`? {otherwise}"),
        None => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{letter_distance, nearest_word, plural_name};

    #[test]
    fn plurals_are_those_that_kubernetes_makes() {
        for (kind, resource) in [
            ("Pod", "pods"),
            ("NetworkPolicy", "networkpolicies"),
            ("networkpolicy", "networkpolicies"),
            ("StorageClass", "storageclasses"),
            ("Ingress", "ingresses"),
            ("Endpoints", "endpoints"),
            ("Gateway", "gateways"),
        ] {
            assert_eq!(plural_name(kind), resource);
        }
    }

    #[test]
    fn distances_are_counted_in_letters() {
        for (from, to, wanted) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(letter_distance(from, to), wanted, "{from} {to}");
        }
    }

    #[test]
    fn a_word_is_meant_when_a_third_of_it_is_wrong_at_most() {
        let near = |word| nearest_word(word, ["as", "expect", "namespace"]);
        assert_eq!(near("expct"), Some("expect"));
        assert_eq!(near("nmaespcae"), Some("namespace"));
        assert_eq!(near("at"), None);
        assert_eq!(near("because"), None);
    }
}
