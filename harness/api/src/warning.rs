//! `Warning` headers (RFC 7234): `299 - "text"`, several in one header where commas part them.

/// The texts of one header's value, in order.
pub(crate) fn warning_texts(header: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = header;
    while let Some((_, quoted)) = rest.split_once('"') {
        let (text, after) = unquote_text(quoted);
        found.push(text);
        // A date may follow, in quotes; then comes a comma or the end.
        let date = after
            .trim_start()
            .strip_prefix('"')
            .and_then(|date| date.split_once('"'));
        rest = date.map_or(after, |(_, after)| after);
    }
    found
}

/// The text up to the closing quote, its escapes undone, and what follows it.
fn unquote_text(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &quoted[at + 1..]),
            '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => text.push(c),
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::warning_texts;

    #[test]
    fn reads_one() {
        assert_eq!(
            warning_texts(r#"299 - "would violate PodSecurity \"baseline:latest\"""#),
            [r#"would violate PodSecurity "baseline:latest""#]
        );
    }

    #[test]
    fn reads_several_and_skips_dates() {
        let header = r#"299 - "one, with a comma", 299 kube "two \\ three" "Sat, 25 Aug 2012 23:34:45 GMT", 299 - "four""#;
        assert_eq!(
            warning_texts(header),
            ["one, with a comma", r"two \ three", "four"]
        );
    }

    #[test]
    fn survives_what_is_not_one() {
        assert!(warning_texts("299 - nothing quoted").is_empty());
        assert_eq!(warning_texts(r#"299 - "no end"#), ["no end"]);
        assert_eq!(warning_texts(r#"299 - "ends in \"#), ["ends in "]);
    }
}
