use super::*;

/// Whether the expression finds something in the text.
fn finds(expression: &str, text: &str) -> bool {
    compile_expression(expression).unwrap().is_match(text)
}

#[test]
fn what_is_quoted_is_literal() {
    assert!(finds(r"^\Qa.b/\E.*$", "a.b/c"));
    assert!(!finds(r"^\Qa.b/\E.*$", "axb/c"));
    assert!(finds(r"^\Qa[\", r"a[\"));
    assert!(finds(r"^\\Q$", r"\Q"));
}

#[test]
fn classes_are_those_of_ascii() {
    for (expression, yes, no) in [
        (r"^\d$", "7", "\u{0667}"),
        (r"^\w$", "_", "\u{e9}"),
        (r"^\s$", " ", "\u{a0}"),
        (r"^\D$", "\u{0667}", "7"),
        (r"^[\d.]$", ".", "\u{0667}"),
        (r"^[^\w]$", "\u{e9}", "_"),
        (r"^[\Wx]$", "x", "y"),
        (r"^[[:alpha:]]$", "a", "1"),
        (r"^[[:^alpha:]_]$", "1", "a"),
        (r"^\p{Greek}$", "\u{3b1}", "a"),
        (r"^\p{^Greek}$", "a", "\u{3b1}"),
        (r"^[\pL]$", "a", "1"),
    ] {
        assert!(finds(expression, yes), "{expression} {yes}");
        assert!(!finds(expression, no), "{expression} {no}");
    }
    assert!(finds(r"\bb\b", "\u{e9}b\u{e9}"));
}

#[test]
fn classes_hold_no_classes_and_no_operators() {
    for (expression, yes, no) in [
        ("^[[]$", "[", "]"),
        ("^[]a]$", "]", "["),
        ("^[a&&b]$", "&", "c"),
        ("^[~]$", "~", "a"),
        ("^[+--]$", ",", "~"),
        ("^[a-]$", "-", "b"),
        (r"^[\]-a]$", "_", "b"),
        ("^[[:x]$", ":", "a"),
    ] {
        assert!(finds(expression, yes), "{expression}");
        assert!(!finds(expression, no), "{expression}");
    }
}

#[test]
fn literals_are_those_of_re2() {
    for (expression, found) in [
        (r"^\<a\>$", "<a>"),
        (r"^\_\-\/$", "_-/"),
        (r"^\101\x42\x{43}\0$", "ABC\0"),
        ("^a{,5}$", "a{,5}"),
        ("^{x}$", "{x}"),
        (r"^\b{start}$", "never"),
        ("^a{2,}?$", "aaa"),
        ("(?i:A)(?P<n>b)(?<m>c)", "abc"),
    ] {
        assert_eq!(finds(expression, found), found != "never", "{expression}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in [
        "(",
        "[a",
        "[",
        "a\\",
        "(?=a)",
        r"(a)\1",
        "(?x)a b",
        "(?u:a)",
        "(?R)a",
        r"\u0041",
        r"\Z",
        r"\q",
        r"[\b]",
        "[b-a]",
        "[[:foo:]]",
        r"\p{Script=Greek}",
        r"\p{Greek",
        "a**",
        "a{2}{3}",
        "a{1001}",
        "a{1,99999999999}",
        "*a",
    ] {
        assert!(compile_expression(text).is_err(), "{text}");
    }
}
