//! Quantities, as Kubernetes writes them: `100m`, `1Gi`, `1e3`.

use serde_json::Value;

/// An exact number, in billionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExactQuantity(i128);

/// A whole, in billionths.
const ONE_WHOLE: i128 = 1_000_000_000;

/// What stands behind the digits, as a factor of billionths (apimachinery
/// `pkg/api/resource/suffix.go`).
const UNIT_FACTORS: [(&str, i128); 16] = [
    ("", ONE_WHOLE),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", 1_000 * ONE_WHOLE),
    ("M", 1_000_000 * ONE_WHOLE),
    ("G", 1_000_000_000 * ONE_WHOLE),
    ("T", 1_000_000_000_000 * ONE_WHOLE),
    ("P", 1_000_000_000_000_000 * ONE_WHOLE),
    ("E", 1_000_000_000_000_000_000 * ONE_WHOLE),
    ("Ki", (1 << 10) * ONE_WHOLE),
    ("Mi", (1 << 20) * ONE_WHOLE),
    ("Gi", (1 << 30) * ONE_WHOLE),
    ("Ti", (1 << 40) * ONE_WHOLE),
    ("Pi", (1 << 50) * ONE_WHOLE),
    ("Ei", (1 << 60) * ONE_WHOLE),
];

impl ExactQuantity {
    /// This many things.
    pub(super) fn from_count(count: usize) -> Self {
        Self(count as i128 * ONE_WHOLE)
    }

    /// A quantity in an object; nothing where it cannot be read exactly.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::read_text(text),
            Value::Number(number) => Self::read_text(&number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn read_text(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches(['+', '-']);
        let end = digits
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(digits.len());
        let (number, unit) = digits.split_at(end);
        let factor = match UNIT_FACTORS.iter().find(|(known, _)| *known == unit) {
            Some((_, factor)) => *factor,
            None => exponent_factor(unit)?,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
        let units: i128 = format!("{whole}{part}").parse().ok()?;
        let scaled = units.checked_mul(factor)?;
        let exact = (scaled % scale == 0).then_some(scaled / scale)?;
        Some(Self(if text.starts_with('-') { -exact } else { exact }))
    }

    pub(super) fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(super) fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The next whole number.
    pub(super) fn round_up(self) -> Self {
        Self((self.0 + ONE_WHOLE - 1).div_euclid(ONE_WHOLE) * ONE_WHOLE)
    }
}

/// `e3`, `E-2`: a power of ten.
fn exponent_factor(unit: &str) -> Option<i128> {
    let power: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
    let of_billionths = u32::try_from(power.checked_add(9)?).ok()?;
    10_i128.checked_pow(of_billionths)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_number_can_be_written_in_many_ways() {
        let same = |texts: &[&str]| {
            let read: Vec<_> = texts
                .iter()
                .map(|text| ExactQuantity::read(&json!(text)))
                .collect();
            assert!(read[0].is_some(), "{texts:?}");
            assert!(read.iter().all(|one| *one == read[0]), "{texts:?} {read:?}");
        };
        same(&["1", "1000m", "1.0", "1e0", "1000000u", "0.001k", "+1"]);
        same(&["1Gi", "1024Mi", "1073741824", "1.0Gi"]);
        same(&["1e3", "1k", "1E3", "1000"]);
        same(&["1.5Gi", "1536Mi"]);
        assert_eq!(
            ExactQuantity::read(&json!(2)),
            ExactQuantity::read(&json!("2"))
        );
        assert!(ExactQuantity::read(&json!("10m")) < ExactQuantity::read(&json!("1")));
    }

    #[test]
    fn what_cannot_be_read_exactly_is_not_read() {
        for text in ["", "1Zi", "abc", "0.1n", "1e", "--"] {
            assert_eq!(ExactQuantity::read(&json!(text)), None, "{text}");
        }
        assert_eq!(ExactQuantity::read(&Value::Null), None);
    }

    #[test]
    fn bytes_are_whole() {
        let read = |text: &str| ExactQuantity::read(&json!(text)).unwrap();
        assert_eq!(read("1500m").round_up(), read("2"));
        assert_eq!(read("2").round_up(), read("2"));
    }
}
