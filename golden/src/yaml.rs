//! Writes YAML for people: plain where it can be plain, a block where a text has lines, quotes
//! where it must.

/// How a string is written as a value at this indentation, without a final newline.
pub(crate) fn write_scalar(text: &str, indent: usize) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if is_block(text) {
        block_scalar(text, indent)
    } else if text.chars().all(is_printable) && !text.contains('\n') {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        escape_text(text)
    }
}

/// How a string is written as a key, or in a file's header: on one line.
pub(crate) fn write_one_line(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        escape_text(text)
    }
}

fn is_plain(text: &str) -> bool {
    let first = text.chars().next();
    let starts_well = first.is_some_and(|c| c.is_alphabetic() || "/$(".contains(c));
    starts_well
        && text.chars().all(|c| is_printable(c) && c != '\n')
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([' ', ':'])
        && !is_a_word_of_yaml(text)
}

fn is_a_word_of_yaml(text: &str) -> bool {
    let lower = text.to_lowercase();
    [
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity",
    ]
    .contains(&lower.as_str())
}

/// Whether a text reads well as a block: several lines, at most one newline at the end, tabs only
/// inside lines.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    let first = lines.lines().next().unwrap_or_default();
    text.contains('\n')
        && !lines.ends_with('\n')
        && !first.is_empty()
        && !first.starts_with(' ')
        && lines
            .split('\n')
            .all(|line| !line.starts_with('\t') && !line.trim_end().is_empty() || line.is_empty())
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || is_printable(c))
}

fn block_scalar(text: &str, indent: usize) -> String {
    let pad = " ".repeat(indent + 2);
    let (lines, mark) = text
        .strip_suffix('\n')
        .map_or((text, "|-"), |lines| (lines, "|"));
    let mut out = String::from(mark);
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
    }
    out
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn escape_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_texts_stay_plain_and_the_others_keep_their_meaning() {
        assert_eq!(
            write_scalar("denied by pod-security (403 Forbidden)", 0),
            "denied by pod-security (403 Forbidden)"
        );
        assert_eq!(write_scalar("a: b", 0), "'a: b'");
        assert_eq!(write_scalar("403", 0), "'403'");
        assert_eq!(write_scalar("one\n two", 2), "|-\n    one\n     two");
        assert_eq!(
            write_scalar("Uid:\t0\nGid:\t0\n", 2),
            "|\n    Uid:\t0\n    Gid:\t0"
        );
        assert_eq!(write_scalar("\u{1}", 0), "\"\\U00000001\"");
    }

    proptest! {
        #[test]
        fn a_reader_gets_back_what_was_written(text in "\\PC*|[ -~\n\t]*|([a-c \t]{0,3}\n){0,4}|(?s).{0,12}", indent in 0usize..6) {
            let pad = " ".repeat(indent);
            let written = format!("{pad}key: {}\n{pad}{}: end\n", write_scalar(&text, indent), write_one_line("x y"));
            let read: serde_json::Value = serde_saphyr::from_str(&written).unwrap();
            prop_assert_eq!(read["key"].as_str(), Some(text.as_str()), "{}", written);
            prop_assert_eq!(read["x y"].as_str(), Some("end"), "{}", written);
        }
    }
}
