//! The table of rules.

use std::sync::LazyLock;

use RedactionReason::{Secret, Varies};
use model::ADDONS;
use regex::{Captures, Regex};

/// Why something is taken out of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedactionReason {
    /// It is a secret, and written down nowhere.
    Secret,
    /// It differs from run to run, and is not recorded.
    Varies,
}

/// What a pattern found, and what stands around it.
struct RuleMatch<'text, 'found> {
    before: &'text str,
    found: &'found Captures<'text>,
    rest: &'text str,
}

/// One rule: what it takes out, and what stands there instead.
#[derive(Debug)]
pub struct RedactionRule {
    /// Its name.
    pub name: &'static str,
    /// Why it is there.
    pub reason: RedactionReason,
    /// What it finds; see [`regex`] for the syntax.
    find: Regex,
    /// What is written instead; `$1` and so on are groups of the pattern.
    write: &'static str,
    /// Whether a match, given what stands around it in the text, is one after all.
    only_if: fn(&RuleMatch<'_, '_>) -> bool,
    /// A text with something to find, and what becomes of it.
    pub example: (&'static str, &'static str),
}

impl RedactionRule {
    /// `text` with this rule applied once.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let replaced = self.find.replace_all(text, |found: &Captures<'_>| {
            let whole = found.get(0).map_or(0..0, |all| all.range());
            let mut out = String::new();
            let seen = RuleMatch {
                before: &text[..whole.start],
                found,
                rest: &text[whole.end..],
            };
            if (self.only_if)(&seen) {
                found.expand(self.write, &mut out);
            } else {
                out.push_str(&text[whole]);
            }
            out
        });
        replaced.into_owned()
    }
}

/// Every rule, in the order in which they run: long and plain things first, short suffixes last.
#[must_use]
pub fn all_rules() -> &'static [RedactionRule] {
    static RULES: LazyLock<Vec<RedactionRule>> =
        LazyLock::new(|| rule_rows().filter_map(|row| row.compile()).collect());
    &RULES
}

/// The rows of every rule. What addons vary is in their own descriptors; it goes before the random
/// suffixes, which can look like a part of it.
fn rule_rows() -> impl Iterator<Item = RuleRow> {
    let addons = ADDONS.iter().flat_map(|addon| addon.varying_texts);
    let addons = addons.map(|one| {
        RuleRow(
            one.name,
            Varies,
            one.pattern,
            one.replacement,
            stands_alone,
            one.example,
        )
    });
    let (first, last) = (FIRST_ROWS.iter().copied(), LAST_ROWS.iter().copied());
    first.chain(addons).chain(last)
}

#[derive(Clone, Copy)]
struct RuleRow(
    &'static str,
    RedactionReason,
    &'static str,
    &'static str,
    fn(&RuleMatch<'_, '_>) -> bool,
    (&'static str, &'static str),
);

impl RuleRow {
    fn compile(&self) -> Option<RedactionRule> {
        let find = Regex::new(self.2).ok()?;
        Some(RedactionRule {
            name: self.0,
            reason: self.1,
            find,
            write: self.3,
            only_if: self.4,
            example: self.5,
        })
    }
}

/// The characters of which Kubernetes makes random names: no vowels, and nothing that looks like
/// another.
macro_rules! random {
    ($range:literal) => {
        concat!("[bcdfghjklmnpqrstvwxz2456789]", $range)
    };
}

#[rustfmt::skip]
const FIRST_ROWS: &[RuleRow] = &[
    RuleRow("token", Secret, r"eyJ[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2,}", "<token>", always,
        ("Bearer eyJhbGciOi.eyJhdWQiOl.c2ln-_x", "Bearer <token>")),
    RuleRow("pem", Varies, r"-----BEGIN ([A-Z ]+)-----[A-Za-z0-9+/=\s]*-----END [A-Z ]+-----", "<pem $1>", always,
        ("x -----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----- y", "x <pem CERTIFICATE> y")),
    RuleRow("digest", Varies, r"sha256([:-])[0-9a-f]{64}", "sha256$1<digest>", stands_alone,
        ("img@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "img@sha256:<digest>")),
    RuleRow("bytes", Varies, r"\[\d{1,3}( \d{1,3}){15,}\]", "[<bytes>]", always,
        ("root:\n[1 22 255 4 5 6 7 8 9 10 11 12 13 14 15 16] is", "root:\n[<bytes>] is")),
    RuleRow("container", Varies, r"[0-9a-f]{64}", "<container>", stands_alone,
        ("containerd://0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "containerd://<container>")),
    RuleRow("base64", Varies, r"[A-Za-z0-9+/_-]{120,}={0,2}", "<base64>", always,
        ("caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJlRENDQVIyZ0F3SUJBZ0lCQURBS0JnZ3Foa2pPUFFRREFqQWpNU0V3SHdZRFZRUUREQmhyTTNNdGMyVnlk=",
         "caBundle: <base64>")),
    RuleRow("uid", Varies, r"(pod)?[0-9a-f]{8}([-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}", "$1<uid>", stands_alone,
        ("uid 3f2c1b0a-1234-4abc-9def-0123456789ab.", "uid <uid>.")),
    RuleRow("klog", Varies, r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6}\s+\d+ ", "$1<time> ", begins_alone,
        ("W1122 18:21:31.123456    4711 dispatcher.go:12] failing open", "W<time> dispatcher.go:12] failing open")),
    RuleRow("seconds", Varies, r"(?m)^\[\d{4}\] ", "[<seconds>] ", always, ("[0012] ERROR no database", "[<seconds>] ERROR no database")),
    RuleRow("timestamp", Varies, r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?( UTC)?( m=[+-][0-9.]+)?", "<time>", begins_alone,
        ("current time 2026-11-22T18:21:31.5Z is after 2025-01-01T00:00:00+01:00", "current time <time> is after <time>")),
    RuleRow("box-path", Varies, r"(/[A-Za-z0-9_.@+~-]+)+/boxes/[A-Za-z0-9_.-]+", "<box>", always,
        ("open /home/a/.cache/gauntlet/boxes/run-12-1/x.sock", "open <box>/x.sock")),
    RuleRow("box", Varies, r"(gauntlet-)?run-\d+-\d+", "<box>", stands_alone, ("the box run-4711-2 is up", "the box <box> is up")),
    RuleRow("namespace", Varies, r"gauntlet-[a-z0-9]{10}", "<namespace>", stands_alone,
        ("system:serviceaccount:gauntlet-a1b2c3d4e5:builder", "system:serviceaccount:<namespace>:builder")),
    RuleRow("ip", Varies, r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", "<ip>", is_not_fixed,
        ("dial tcp 10.96.0.10:443, then 127.0.0.1:9 and 169.254.169.254", "dial tcp <ip>:443, then 127.0.0.1:9 and 169.254.169.254")),
    RuleRow("ip-v6", Varies, r"([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(f[cde][0-9a-f]{2}|20[0-9a-f]{2}):[0-9a-f:]*[0-9a-f]", "<ip>", stands_alone,
        ("from [fd00:10:96::a]:443", "from [<ip>]:443")),
    RuleRow("port", Varies, r"(127\.0\.0\.1|localhost|<ip>|<ip>\]|\[::1\]):(3[2-9]\d{3}|[4-6]\d{4})", "$1:<port>", ends_alone,
        ("read tcp 127.0.0.1:54321->127.0.0.1:9: reset", "read tcp 127.0.0.1:<port>->127.0.0.1:9: reset")),
    RuleRow("resource-version", Varies, r#"(?i)(resource ?version["']?\s*[:=]\s*\\?["']?)\d+"#, "$1<version>", always,
        (r#"{"resourceVersion":"4711"} resourceVersion=12"#, r#"{"resourceVersion":"<version>"} resourceVersion=<version>"#)),
    RuleRow("pid", Varies, r"(pid|PID)([ :=]+)\d+", "$1$2<pid>", stands_alone, ("killed pid 4711", "killed pid <pid>")),
    RuleRow("back-off", Varies, r"(back-off )(\d+[hms])+", "$1<duration>", begins_alone,
        ("back-off 1m20s restarting failed container", "back-off <duration> restarting failed container")),
    RuleRow("duration", Varies, r"(^|[\s(\[:,])(\d+h)?(\d+m)?(\d+\.\d+s|\d+(\.\d+)?(ms|µs|us|ns))", "$1<duration>", ends_alone,
        ("took 1.5s of 1m2.25s (30.2ms), limit 10s", "took <duration> of <duration> (<duration>), limit 10s")),
    // Go's protobuf varies this blank by a hash of the program, so that nobody relies on its texts.
    RuleRow("proto-blank", Varies, r"proto:\x{a0}", "proto: ", begins_alone, ("proto:\u{a0}unexpected EOF", "proto: unexpected EOF")),
];

#[rustfmt::skip]
const LAST_ROWS: &[RuleRow] = &[
    RuleRow("event-name", Varies, r"([a-z0-9>])\.[0-9a-f]{16}", "$1.<event>", ends_alone, ("web.17f0c3b2a1d4e5f6", "web.<event>")),
    RuleRow("replica-set", Varies, concat!("([a-z0-9>])-", random!("{8,10}"), "-", random!("{5}")), "$1-<hash>-<suffix>", ends_name,
        ("pods \"web-6d4cf56db6-xk2zp\" is forbidden", "pods \"web-<hash>-<suffix>\" is forbidden")),
    RuleRow("hash", Varies, concat!("([a-z0-9>])-", random!("{8,10}")), "$1-<hash>", ends_alone,
        ("replicaset web-6d4cf56db6: created", "replicaset web-<hash>: created")),
    RuleRow("suffix", Varies, concat!("([a-z][a-z0-9.-]*|>)-(", random!("{5}"), ")"), "$1-<suffix>", is_suffix,
        ("pods \"job-x7k2p\" and volume-tmpfs, 24000-29999", "pods \"job-<suffix>\" and volume-tmpfs, 24000-29999")),
];

/// Words that look like a random suffix and are not.
const NOT_A_SUFFIX: [&str; 6] = ["https", "tmpfs", "btrfs", "grpcs", "cgrps", "sysvs"];

fn always(_: &RuleMatch<'_, '_>) -> bool {
    true
}

/// Neither a letter nor a digit is right before it. An underscore parts words here, unlike in `\b`:
/// the kubelet names a pod `NAME_NAMESPACE(UID)`.
fn begins_alone(seen: &RuleMatch<'_, '_>) -> bool {
    !seen.before.ends_with(char::is_alphanumeric)
}

/// The same right behind it.
fn ends_alone(seen: &RuleMatch<'_, '_>) -> bool {
    !seen.rest.starts_with(char::is_alphanumeric)
}

fn stands_alone(seen: &RuleMatch<'_, '_>) -> bool {
    begins_alone(seen) && ends_alone(seen)
}

/// Any address but those that no cluster hands out: this host, the cloud's metadata service, and
/// those kept free for examples.
fn is_not_fixed(seen: &RuleMatch<'_, '_>) -> bool {
    let fixed = [
        "127.",
        "0.0.0.0",
        "169.254.169.254",
        "192.0.2.",
        "198.51.100.",
        "203.0.113.",
    ];
    stands_alone(seen)
        && !fixed
            .iter()
            .any(|beginning| seen.found[0].starts_with(beginning))
}

/// A name ends here: what follows is neither a letter, a digit nor a dash, nor a dot with more of a
/// name behind it.
fn ends_name(seen: &RuleMatch<'_, '_>) -> bool {
    let mut next = seen.rest.chars();
    match next.next() {
        Some('.') => !next.next().is_some_and(|c| c.is_ascii_alphanumeric()),
        Some(c) => !(c.is_ascii_alphanumeric() || c == '-'),
        None => true,
    }
}

fn is_suffix(seen: &RuleMatch<'_, '_>) -> bool {
    !NOT_A_SUFFIX.contains(&&seen.found[2]) && ends_name(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(all_rules().len(), rule_rows().count());
    }

    #[test]
    fn underscores_part_words() {
        for row in rule_rows() {
            assert!(!row.2.contains(r"\b"), "rule `{}` looks for `\\b`", row.0);
        }
        for rule in all_rules() {
            let found = rule.find.find(rule.example.0).unwrap().as_str();
            let written = rule.apply(found);
            let before = if rule.name == "seconds" { "" } else { "_" };
            let between = format!("{before}{found}_");
            let out = rule.apply(&between);
            assert!(
                out.contains(&written) && !out.contains(found),
                "rule `{}`: {between} became {out}",
                rule.name
            );
        }
    }

    #[test]
    fn every_rule_does_what_its_example_says() {
        for rule in all_rules() {
            let (text, wanted) = rule.example;
            assert_eq!(rule.apply(text), wanted, "rule `{}`", rule.name);
            assert_eq!(
                crate::redact_recorded(text),
                wanted,
                "rule `{}` among the others",
                rule.name
            );
        }
    }
}
