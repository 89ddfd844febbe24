//! Finding a planted value in whatever it may have got into.
//!
//! A leak is seldom plain text: Secrets are base64, Helm's releases are base64 of base64 of gzip,
//! Go prints bytes as numbers, and clients print protobuf as a hex dump. Each of these is taken
//! off, and what is below is looked at again.

use std::io::Read;

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flate2::read::MultiGzDecoder;

/// How many wrappings within each other are taken off.
const MOST_WRAPPINGS: usize = 5;

/// Shorter runs of base64 or of numbers hold no canary.
const SHORTEST_RUN: usize = 16;

/// No compressed piece is read further than this.
const LONGEST_PIECE: u64 = 64 << 20;

/// How `canary` stands in `bytes`: `plain`, or its wrappings from the outside in, as in
/// `base64, gzip`. `None` if it does not. Never panics, whatever the bytes are.
#[must_use]
pub fn find_canary(bytes: &[u8], canary: &str) -> Option<String> {
    let search = |text: &str| search_canary(bytes, text.as_bytes(), MOST_WRAPPINGS);
    let wrappings = search(canary).or_else(|| {
        let mut wrappings = search(&json_letters(canary)?)?;
        wrappings.push("JSON");
        Some(wrappings)
    })?;
    Some(if wrappings.is_empty() {
        "plain".into()
    } else {
        wrappings.join(", ")
    })
}

/// How Go's JSON writes `&`, `<` and `>`, in a text that is JSON otherwise (`encoding/json`,
/// `HTMLEscape`).
#[must_use]
pub fn escape_as_go(json: &str) -> String {
    json.replace('&', r"\u0026")
        .replace('<', r"\u003c")
        .replace('>', r"\u003e")
}

/// A text as it stands within a JSON string that Go wrote; nothing where that is the text itself.
fn json_letters(text: &str) -> Option<String> {
    let quoted = serde_json::Value::from(text).to_string();
    let letters = escape_as_go(quoted.trim_matches('"'));
    (letters != text).then_some(letters)
}

fn search_canary(bytes: &[u8], canary: &[u8], depth: usize) -> Option<Vec<&'static str>> {
    if canary.is_empty() || contains_bytes(bytes, canary) {
        return (!canary.is_empty()).then(Vec::new);
    }
    if depth == 0 {
        return None;
    }
    let below = |name: &'static str, inner: &[u8]| {
        let mut wrappings = search_canary(inner, canary, depth - 1)?;
        wrappings.insert(0, name);
        Some(wrappings)
    };
    gunzip_all(bytes)
        .iter()
        .find_map(|inner| below("gzip", inner))
        .or_else(|| {
            decode_hex_dumps(bytes)
                .iter()
                .find_map(|inner| below("hex dump", inner))
        })
        .or_else(|| {
            decode_number_lists(bytes)
                .iter()
                .find_map(|inner| below("numbers", inner))
        })
        .or_else(|| {
            decode_base64_runs(bytes, canary.len())
                .iter()
                .find_map(|inner| below("base64", inner))
        })
}

fn contains_bytes(bytes: &[u8], wanted: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == wanted[0]) {
        rest = &rest[at..];
        if rest.starts_with(wanted) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// What follows each mark of gzip, decompressed as far as it can be.
fn gunzip_all(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts = bytes
        .windows(3)
        .enumerate()
        .filter(|(_, three)| *three == [0x1f, 0x8b, 8])
        .map(|(at, _)| at);
    let read = |at: usize| {
        let mut inner = Vec::new();
        let _ = MultiGzDecoder::new(&bytes[at..])
            .take(LONGEST_PIECE)
            .read_to_end(&mut inner);
        inner
    };
    starts.map(read).filter(|inner| !inner.is_empty()).collect()
}

/// Runs of base64's letters, decoded from each of the four places at which its groups can begin.
fn decode_base64_runs(bytes: &[u8], canary: usize) -> Vec<Vec<u8>> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let runs = bytes
        .split(|byte| !is_letter(byte))
        .filter(|run| run.len() >= canary.max(SHORTEST_RUN));
    let mut found = Vec::new();
    for run in runs {
        let engine: &GeneralPurpose = if run.iter().any(|byte| b"-_".contains(byte)) {
            &URL_SAFE_NO_PAD
        } else {
            &STANDARD_NO_PAD
        };
        for start in 0..4 {
            let part = &run[start..];
            let whole = &part[..part.len() - part.len() % 4];
            // The last group may be a short one, whose spare bits have to be zero; whole groups are
            // enough to go on.
            let decoded = engine.decode(part).or_else(|_| engine.decode(whole));
            found.extend(decoded.ok().filter(|decoded| !decoded.is_empty()));
        }
    }
    found
}

/// Hex dumps as Go's `hex.Dump` writes them: an offset of eight digits, sixteen bytes, and their
/// letters.
fn decode_hex_dumps(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line.get(..100.min(line.len())).unwrap_or_default())
        else {
            continue;
        };
        match decode_dump_line(line.trim()) {
            Some((0, bytes)) => found.push(bytes),
            Some((_, bytes)) => found
                .last_mut()
                .into_iter()
                .for_each(|dump| dump.extend(&bytes)),
            None => {}
        }
    }
    found.retain(|dump| dump.len() >= SHORTEST_RUN);
    found
}

/// The offset and the bytes of one line of a hex dump; no such line is longer than 100 letters.
fn decode_dump_line(line: &str) -> Option<(usize, Vec<u8>)> {
    let (digits, rest) = (line.get(..8)?, line.get(8..)?);
    let offset = usize::from_str_radix(digits, 16).ok()?;
    let hex = rest.split('|').next()?;
    let bytes: Option<Vec<u8>> = hex
        .split_whitespace()
        .map(|pair| {
            (pair.len() == 2)
                .then(|| u8::from_str_radix(pair, 16).ok())
                .flatten()
        })
        .collect();
    bytes
        .filter(|bytes| !bytes.is_empty())
        .map(|bytes| (offset, bytes))
}

/// Bytes printed as numbers in brackets, separated by blanks or commas.
fn decode_number_lists(bytes: &[u8]) -> Vec<Vec<u8>> {
    let is_list = |byte: &u8| byte.is_ascii_digit() || b" ,".contains(byte);
    let lists = bytes
        .split(|byte| !is_list(byte))
        .filter(|list| list.len() >= 2 * SHORTEST_RUN);
    lists
        .filter_map(|list| {
            let words = list
                .split(|byte| b" ,".contains(byte))
                .filter(|word| !word.is_empty());
            let read = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u8>().ok();
            words.map(read).collect::<Option<Vec<u8>>>()
        })
        .filter(|list| list.len() >= SHORTEST_RUN)
        .collect()
}

/// `text` with every plain and every base64 form of `canary` replaced by `instead`: what is shown
/// of it must not tell it.
#[must_use]
pub fn conceal_canary(text: &str, canary: &str, instead: &str) -> String {
    let mut out = text.replace(canary, instead);
    for needle in base64_needles(canary.as_bytes()) {
        out = out.replace(&needle, instead);
        for nested in base64_needles(needle.as_bytes()) {
            out = out.replace(&nested, instead);
        }
    }
    out
}

/// The letters of base64 that are sure to be there, for each of the three places in a group where
/// `bytes` can begin.
fn base64_needles(bytes: &[u8]) -> impl Iterator<Item = String> {
    (0..3).map(move |shift| {
        let shifted: Vec<u8> = std::iter::repeat_n(0, shift)
            .chain(bytes.iter().copied())
            .collect();
        let encoded = STANDARD_NO_PAD.encode(&shifted);
        let (start, end) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
        encoded[start..end].to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    const CANARY: &str = "canary-q7w8e9r5t4z3u2i6o-yranac";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_value_with_letters_that_json_escapes_is_found() {
        let canary = "canary-a&b<c\"d";
        let text = br#"{"data":"canary-a\u0026b\u003cc\"d"}"#;
        assert_eq!(find_canary(text, canary).as_deref(), Some("JSON"));
        let wrapped = STANDARD.encode(text);
        assert_eq!(
            find_canary(wrapped.as_bytes(), canary).as_deref(),
            Some("base64, JSON")
        );
        assert_eq!(find_canary(text, "canary-a&c"), None);
    }

    #[test]
    fn it_is_found_in_every_wrapping() {
        let release = STANDARD.encode(STANDARD.encode(gzip(
            format!("{{\"password\":\"{CANARY}\"}}{}", "values ".repeat(40)).as_bytes(),
        )));
        let cases = [
            (CANARY.to_owned(), "plain"),
            (format!("password: {}", STANDARD.encode(CANARY)), "base64"),
            (STANDARD.encode(format!("ab{CANARY}c")), "base64"),
            (
                format!("{{\"data\":{{\"release\":\"{release}\"}}}}"),
                "base64, base64, gzip",
            ),
            (format!("{:?}", CANARY.as_bytes()), "numbers"),
            (
                format!(
                    "x [{}]",
                    CANARY
                        .bytes()
                        .map(|byte| byte.to_string())
                        .collect::<Vec<_>>()
                        .join(" ")
                ),
                "numbers",
            ),
            (hex_dump(format!("k8s\0{CANARY}").as_bytes()), "hex dump"),
        ];
        for (text, wanted) in cases {
            assert_eq!(
                find_canary(text.as_bytes(), CANARY).as_deref(),
                Some(wanted),
                "{text}"
            );
        }
        assert_eq!(
            find_canary(&gzip(CANARY.repeat(9).as_bytes()), CANARY).as_deref(),
            Some("gzip")
        );
    }

    fn hex_dump(bytes: &[u8]) -> String {
        let lines = bytes.chunks(16).enumerate().map(|(index, chunk)| {
            let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:08x}  {}  |…|\n", index * 16, hex.join(" "))
        });
        lines.collect()
    }

    #[test]
    fn another_value_is_not_found() {
        let other = CANARY.replace('q', "p");
        for text in [
            other.clone(),
            STANDARD.encode(&other),
            String::new(),
            "[1 2 3]".into(),
            hex_dump(other.as_bytes()),
        ] {
            assert_eq!(find_canary(text.as_bytes(), CANARY), None);
        }
        assert_eq!(find_canary(b"anything", ""), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(find_canary(&bytes, CANARY), None);
        }

        #[test]
        fn base64_at_any_place_is_found_and_concealed(before in "[ -~]{0,9}", after in "[ -~]{0,9}") {
            let text = STANDARD.encode(format!("{before}{CANARY}{after}"));
            prop_assert!(find_canary(text.as_bytes(), CANARY).is_some());
            let hidden = conceal_canary(&text, CANARY, "<canary>");
            prop_assert!(hidden.contains("<canary>"), "{}", hidden);
            prop_assert!(find_canary(hidden.as_bytes(), "q7w8e9r5t4z3u2i6o").is_none(), "{}", hidden);
        }

        #[test]
        fn base64_of_base64_is_concealed(before in "[ -~]{0,9}", outer in "[ -~]{0,9}") {
            let text = STANDARD.encode(format!("{outer}{}", STANDARD.encode(format!("{before}{CANARY}"))));
            let hidden = conceal_canary(&text, CANARY, "<canary>");
            prop_assert!(find_canary(hidden.as_bytes(), "q7w8e9r5t4z3u2i6o").is_none(), "{}", hidden);
        }
    }
}
