//! A sealed message: counted, summed up, compressed, padded and encrypted; and the way back.

use std::io::{Read, Write};

use aes::Aes256;
use aes::cipher::block_padding::{NoPadding, Pkcs7};
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use blowfish::Blowfish;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::frame::LONGEST_FRAME;
use crate::keys::{SealingSecret, md5_hex};
use crate::{Error, MessageCounter};

const AES_IV: &[u8; 16] = b"FEDCBA0987654321";
const BLOWFISH_IV: [u8; 8] = [0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];
const AES_MARK: &[u8] = b"#AES:";
const BLOWFISH_MARK: &[u8] = b":";

/// What messages are encrypted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageCipher {
    /// AES-256 in CBC mode.
    #[default]
    Aes,
    /// Blowfish in CBC mode.
    Blowfish,
}

/// A message as it came, taken apart but not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedMessage<'a> {
    /// The id that it names, where it names one.
    pub id: Option<&'a str>,
    /// What it says that it is encrypted with.
    pub crypto: MessageCipher,
    /// The rest.
    pub body: &'a [u8],
}

/// What was in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedMessage {
    /// The sender's count.
    pub counter: MessageCounter,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Seals `payload`; with `id`, the message names its sender.
///
/// # Errors
/// When it is too long to be sent, or the system has no random bytes.
pub fn seal_message(
    secret: &SealingSecret,
    crypto: MessageCipher,
    counter: MessageCounter,
    id: Option<&str>,
    payload: &[u8],
) -> Result<Vec<u8>, Error> {
    let random = u16::from_le_bytes(crate::random::random_bytes()?);
    let plain = build_plaintext(random, counter, payload);
    let mut message = id
        .map(|id| format!("!{id}!").into_bytes())
        .unwrap_or_default();
    message.extend_from_slice(if crypto == MessageCipher::Aes {
        AES_MARK
    } else {
        BLOWFISH_MARK
    });
    message.extend(encrypt_payload(secret, crypto, &plain)?);
    let length = message.len();
    if length > LONGEST_FRAME {
        Err(Error::TooLong { length })
    } else {
        Ok(message)
    }
}

/// What is encrypted: one to eight `!`, then the compressed rest.
fn build_plaintext(random: u16, counter: MessageCounter, payload: &[u8]) -> Vec<u8> {
    let inner = [
        format!("{random:05}{:010}:{:04}:", counter.global, counter.local).as_bytes(),
        payload,
    ]
    .concat();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let whole = [md5_hex(&inner).as_bytes(), &inner].concat();
    let compressed = encoder
        .write_all(&whole)
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    let mut plain = vec![b'!'; 8 - compressed.len() % 8];
    plain.extend(compressed);
    plain
}

fn encrypt_payload(
    secret: &SealingSecret,
    crypto: MessageCipher,
    plain: &[u8],
) -> Result<Vec<u8>, Error> {
    let key = secret.text().as_bytes();
    Ok(match crypto {
        MessageCipher::Aes => {
            let key = key.first_chunk::<32>().ok_or(Error::Key)?;
            cbc::Encryptor::<Aes256>::new(key.into(), AES_IV.into())
                .encrypt_padded_vec_mut::<Pkcs7>(plain)
        }
        MessageCipher::Blowfish => cbc::Encryptor::<Blowfish>::new_from_slices(key, &BLOWFISH_IV)
            .map_err(|_| Error::Key)?
            .encrypt_padded_vec_mut::<NoPadding>(plain),
    })
}

fn decrypt_payload(
    secret: &SealingSecret,
    crypto: MessageCipher,
    body: &[u8],
) -> Result<Vec<u8>, Error> {
    let key = secret.text().as_bytes();
    let plain = match crypto {
        MessageCipher::Aes => {
            let key = key.first_chunk::<32>().ok_or(Error::Key)?;
            cbc::Decryptor::<Aes256>::new(key.into(), AES_IV.into())
                .decrypt_padded_vec_mut::<Pkcs7>(body)
        }
        MessageCipher::Blowfish => cbc::Decryptor::<Blowfish>::new_from_slices(key, &BLOWFISH_IV)
            .map_err(|_| Error::Key)?
            .decrypt_padded_vec_mut::<NoPadding>(body),
    };
    plain.map_err(|_| Error::Key)
}

/// Takes a message apart, without a key.
///
/// # Errors
/// [`Error::Format`] when it begins like none.
pub fn split_message(message: &[u8]) -> Result<SealedMessage<'_>, Error> {
    let (id, rest) = match message.strip_prefix(b"!") {
        Some(tail) => {
            let end = tail
                .iter()
                .take(9)
                .position(|byte| *byte == b'!')
                .ok_or(Error::Format)?;
            let id = std::str::from_utf8(&tail[..end]).map_err(|_| Error::Format)?;
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            (
                Some(Some(id).filter(|_| is_id).ok_or(Error::Format)?),
                &tail[end + 1..],
            )
        }
        None => (None, message),
    };
    if let Some(body) = rest.strip_prefix(AES_MARK) {
        Ok(SealedMessage {
            id,
            crypto: MessageCipher::Aes,
            body,
        })
    } else if let Some(body) = rest.strip_prefix(BLOWFISH_MARK) {
        Ok(SealedMessage {
            id,
            crypto: MessageCipher::Blowfish,
            body,
        })
    } else {
        Err(Error::Format)
    }
}

/// Opens what [`split_message`] took apart. The old format, without compression, is not read.
///
/// # Errors
/// [`Error::Key`] when it does not open, [`Error::Checksum`] when its sum is another,
/// [`Error::Format`] when what it holds has no counters.
pub fn open_message(
    secret: &SealingSecret,
    sealed: SealedMessage<'_>,
) -> Result<OpenedMessage, Error> {
    let plain = decrypt_payload(secret, sealed.crypto, sealed.body)?;
    let start = plain
        .iter()
        .position(|byte| *byte != b'!')
        .filter(|start| *start > 0)
        .ok_or(Error::Key)?;
    let mut whole = Vec::new();
    // A sealed message of a frame's size can hold a thousand times as much: what is read of it has
    // an end.
    let most = LONGEST_FRAME as u64 + 1024;
    ZlibDecoder::new(&plain[start..])
        .take(most)
        .read_to_end(&mut whole)
        .map_err(|_| Error::Key)?;
    let (sum, inner) = whole.split_at_checked(32).ok_or(Error::Format)?;
    if sum != md5_hex(inner).as_bytes() {
        return Err(Error::Checksum);
    }
    parse_counters(inner).ok_or(Error::Format)
}

/// Reads the counters behind five random digits.
fn parse_counters(inner: &[u8]) -> Option<OpenedMessage> {
    let (head, payload) = inner.split_at_checked(21)?;
    let head = std::str::from_utf8(head).ok()?;
    let digits = |range: std::ops::Range<usize>| {
        head.get(range)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
    };
    let (_random, global, local): (u32, u32, u32) =
        (digits(0..5)?, digits(5..15)?, digits(16..20)?);
    let separated = head.as_bytes()[15] == b':' && head.as_bytes()[20] == b':';
    separated.then(|| OpenedMessage {
        counter: MessageCounter { global, local },
        payload: payload.to_vec(),
    })
}

#[cfg(test)]
mod tests;
