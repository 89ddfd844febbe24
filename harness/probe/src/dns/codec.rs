//! Messages of the domain name system (RFC 1035), as far as asking for addresses and answering
//! takes. Reading never panics, whatever the bytes are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest message over TCP; the longest over UDP without EDNS is 512 bytes.
pub(crate) const LONGEST_MESSAGE: usize = 65_535;

/// The longest answer over UDP to a query that does not say more (no EDNS).
pub(crate) const LONGEST_OVER_UDP: usize = 512;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Anything else, by its number.
    Other(u16),
}

impl RecordKind {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u16) -> Self {
        match number {
            1 => Self::A,
            28 => Self::Aaaa,
            number => Self::Other(number),
        }
    }
}

/// A query or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DnsMessage {
    pub(crate) id: u16,
    pub(crate) is_answer: bool,
    /// The answer is longer than UDP carries: it has to be asked for over TCP.
    pub(crate) is_truncated: bool,
    /// 0: no error, 2: server failure, 3: no such name, 5: refused.
    pub(crate) code: u8,
    /// The name in lower case without the last dot, and what is asked for.
    pub(crate) question: Option<(String, RecordKind)>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// The bytes of a question; `None` where `name` is not a domain name.
pub(crate) fn encode_query(id: u16, name: &str, kind: RecordKind) -> Option<Vec<u8>> {
    let mut bytes = encode_header(id, [0x01, 0x00], 0);
    bytes.extend(encode_labels(name)?);
    bytes.extend(kind.number().to_be_bytes());
    bytes.extend([0, 1]);
    Some(bytes)
}

/// The bytes of an answer to `asked`: these addresses, or a code. At most `longest` bytes: what is
/// longer is cut off, and says so.
pub(crate) fn encode_answer(
    asked: &DnsMessage,
    code: u8,
    addresses: &[Ipv4Addr],
    longest: usize,
) -> Option<Vec<u8>> {
    let (name, kind) = asked.question.as_ref()?;
    let question = encode_labels(name)?;
    let room = longest.saturating_sub(12 + question.len() + 4) / 16;
    let fitting = &addresses[..addresses.len().min(room)];
    let truncated = if fitting.len() < addresses.len() {
        0x02
    } else {
        0
    };
    let mut bytes = encode_header(
        asked.id,
        [0x85 | truncated, 0x80 | code],
        u16::try_from(fitting.len()).ok()?,
    );
    bytes.extend(question);
    bytes.extend(kind.number().to_be_bytes());
    bytes.extend([0, 1]);
    for address in fitting {
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        bytes.extend(address.octets());
    }
    Some(bytes)
}

fn encode_header(id: u16, flags: [u8; 2], answers: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend(flags);
    bytes.extend([0, 1]);
    bytes.extend(answers.to_be_bytes());
    bytes.extend([0; 4]);
    bytes
}

fn encode_labels(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    (bytes.len() <= 255).then_some(bytes)
}

/// Reads a message; `None` where it is not one.
pub(crate) fn read_message(bytes: &[u8]) -> Option<DnsMessage> {
    let mut reader = MessageReader { bytes, at: 0 };
    let id = reader.u16()?;
    let (high, low) = (reader.u8()?, reader.u8()?);
    let (questions, answers) = (reader.u16()?, reader.u16()?);
    reader.skip(4)?;
    let mut question = None;
    for _ in 0..questions {
        let name = reader.name()?;
        let kind = RecordKind::from_number(reader.u16()?);
        reader.skip(2)?;
        question = question.or(Some((name, kind)));
    }
    let mut addresses = Vec::new();
    for _ in 0..answers {
        addresses.extend(reader.record()?);
    }
    let (is_answer, is_truncated) = (high & 0x80 != 0, high & 0x02 != 0);
    Some(DnsMessage {
        id,
        is_answer,
        is_truncated,
        code: low & 0x0f,
        question,
        addresses,
    })
}

struct MessageReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl MessageReader<'_> {
    fn u8(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self
            .at
            .checked_add(count)
            .filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    /// A name, through its pointers; each of them has to point further to the front than the one
    /// before.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let (mut at, mut end) = (self.at, None);
        loop {
            let length = usize::from(*self.bytes.get(at)?);
            match length {
                0 => break,
                1..=63 => {
                    let label = self.bytes.get(at + 1..at + 1 + length)?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
                    at += 1 + length;
                }
                192.. => {
                    let target = (length & 0x3f) << 8 | usize::from(*self.bytes.get(at + 1)?);
                    end = end.or(Some(at + 2));
                    if target >= at {
                        return None;
                    }
                    at = target;
                }
                _ => return None,
            }
            if name.len() > 1024 {
                return None;
            }
        }
        self.at = end.unwrap_or(at + 1);
        Some(name)
    }

    /// The address in a record, if it is one that holds an address.
    fn record(&mut self) -> Option<Option<IpAddr>> {
        self.name()?;
        let kind = RecordKind::from_number(self.u16()?);
        self.skip(6)?;
        let length = usize::from(self.u16()?);
        let start = self.at;
        self.skip(length)?;
        let data = &self.bytes[start..self.at];
        Some(match kind {
            RecordKind::A => Some(IpAddr::from(
                <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from)?,
            )),
            RecordKind::Aaaa => Some(IpAddr::from(
                <[u8; 16]>::try_from(data).ok().map(Ipv6Addr::from)?,
            )),
            RecordKind::Other(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(name: &str) -> DnsMessage {
        read_message(&encode_query(7, name, RecordKind::A).unwrap()).unwrap()
    }

    #[test]
    fn a_question_reads_back() {
        let message = asked("Web.Shop.svc.");
        assert_eq!(
            message.question,
            Some(("web.shop.svc".into(), RecordKind::A))
        );
        assert!(!message.is_answer && !message.is_truncated);
        for name in ["", ".", "a..b", &"x".repeat(64), &["a"; 130].join(".")] {
            assert_eq!(encode_query(7, name, RecordKind::A), None, "{name}");
        }
    }

    #[test]
    fn an_answer_reads_back_and_says_when_it_is_cut_off() {
        let one = [Ipv4Addr::new(10, 0, 0, 1)];
        let whole = read_message(&encode_answer(&asked("a.b"), 0, &one, LONGEST_OVER_UDP).unwrap())
            .unwrap();
        assert_eq!(
            (whole.id, whole.code, whole.is_answer, whole.is_truncated),
            (7, 0, true, false)
        );
        assert_eq!(whole.addresses, [IpAddr::from(one[0])]);
        let many = [one[0]; 40];
        let bytes = encode_answer(&asked("a.b"), 0, &many, LONGEST_OVER_UDP).unwrap();
        let cut = read_message(&bytes).unwrap();
        assert!(cut.is_truncated && cut.addresses.len() < 40 && bytes.len() <= LONGEST_OVER_UDP);
        assert_eq!(
            read_message(&encode_answer(&asked("a.b"), 0, &many, LONGEST_MESSAGE).unwrap())
                .unwrap()
                .addresses
                .len(),
            40
        );
        assert_eq!(
            read_message(&encode_answer(&asked("a.b"), 3, &[], LONGEST_OVER_UDP).unwrap())
                .unwrap()
                .code,
            3
        );
    }

    #[test]
    fn an_alias_is_passed_over_and_pointers_are_followed() {
        let mut bytes = encode_query(9, "www.shop.test", RecordKind::A).unwrap();
        bytes[2] = 0x81;
        bytes[7] = 2;
        bytes.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'x', 0xc0, 16]);
        bytes.extend([1, b'x', 0xc0, 16, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 9]);
        assert_eq!(
            read_message(&bytes).unwrap().addresses,
            [IpAddr::from([10, 0, 0, 9])]
        );
    }

    #[test]
    fn a_pointer_that_leads_nowhere_or_round_is_no_message() {
        let mut bytes = encode_header(1, [0x80, 0], 0);
        for tail in [
            [0xc0, 12, 0, 1, 0, 1],
            [0xc0, 200, 0, 1, 0, 1],
            [0x80, 1, 0, 1, 0, 1],
        ] {
            bytes.truncate(12);
            bytes.extend(tail);
            assert_eq!(read_message(&bytes), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read_message(&bytes);
        }

        #[test]
        fn spoiled_answers_do_not_make_it_panic(at in 0_usize..60, byte: u8, cut in 0_usize..60) {
            let mut bytes = encode_answer(&asked("web.shop.svc"), 0, &[Ipv4Addr::LOCALHOST; 2], 512).unwrap();
            if let Some(spoiled) = bytes.get_mut(at) {
                *spoiled = byte;
            }
            let _ = read_message(&bytes);
            let _ = read_message(&bytes[..cut.min(bytes.len())]);
        }

        #[test]
        fn every_name_that_can_be_asked_reads_back(name in "[a-z0-9-]{1,20}(\\.[a-z0-9_-]{1,20}){0,6}") {
            prop_assert_eq!(asked(&name).question, Some((name, RecordKind::A)));
        }
    }
}
