//! How messages are told apart on a TCP connection: four bytes of length, the least significant
//! first. On UDP each is a datagram of its own.

use std::io::{self, Read, Write};

use crate::Error;

/// The longest message.
pub const LONGEST_FRAME: usize = 65536;

/// Asks whether a manager is there, with no key.
pub const PING_FRAME: &[u8] = b"#ping";

/// The answer to that.
pub const PONG_FRAME: &[u8] = b"#pong";

/// Reads the next message; `None` where the peer has closed between two.
///
/// # Errors
/// When the length is not allowed, or the connection ends before the message does.
pub fn read_frame(from: &mut impl Read) -> Result<Option<Vec<u8>>, Error> {
    let mut length = [0; 4];
    if !fill_buffer(from, &mut length)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if !(1..=LONGEST_FRAME).contains(&size) {
        return Err(Error::FrameLength { length });
    }
    let mut message = vec![0; size];
    from.read_exact(&mut message)
        .map_err(Error::network("read a message"))?;
    Ok(Some(message))
}

/// Fills the buffer; `false` where there is nothing at all to read any more.
fn fill_buffer(from: &mut impl Read, buffer: &mut [u8]) -> Result<bool, Error> {
    let mut have = 0;
    while have < buffer.len() {
        match from.read(&mut buffer[have..]) {
            Ok(0) if have == 0 => return Ok(false),
            Ok(0) => {
                return Err(Error::network("read a message")(
                    io::ErrorKind::UnexpectedEof.into(),
                ));
            }
            Ok(more) => have += more,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(Error::network("read a message")(fault)),
        }
    }
    Ok(true)
}

/// Writes a message with its length before it, in one piece.
///
/// # Errors
/// When it is too long, or the connection does not take it.
pub fn write_frame(to: &mut impl Write, message: &[u8]) -> Result<(), Error> {
    let too_long = Error::TooLong {
        length: message.len(),
    };
    let length = u32::try_from(message.len())
        .ok()
        .filter(|_| message.len() <= LONGEST_FRAME)
        .ok_or(too_long)?;
    let framed = [&length.to_le_bytes(), message].concat();
    to.write_all(&framed)
        .and_then(|()| to.flush())
        .map_err(Error::network("send a message"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_length_comes_first_and_little_end_first() {
        let mut sent = Vec::new();
        write_frame(&mut sent, &[7; 122]).unwrap();
        assert_eq!(sent[..4], [0x7a, 0, 0, 0]);
        assert!(matches!(
            write_frame(&mut sent, &vec![0; LONGEST_FRAME + 1]),
            Err(Error::TooLong { .. })
        ));
    }

    #[test]
    fn lengths_out_of_range_are_refused_before_anything_is_read() {
        for length in [0_u32, 65537, u32::MAX] {
            let read = read_frame(&mut length.to_le_bytes().as_slice());
            assert!(matches!(read, Err(Error::FrameLength { length: told }) if told == length));
        }
    }

    #[test]
    fn an_end_within_a_message_is_told_from_one_between_two() {
        let mut sent = Vec::new();
        write_frame(&mut sent, b"message").unwrap();
        for cut in 1..sent.len() {
            assert!(
                matches!(read_frame(&mut &sent[..cut]), Err(Error::Network { .. })),
                "{cut}"
            );
        }
        assert!(matches!(read_frame(&mut &sent[..0]), Ok(None)));
    }

    proptest! {
        #[test]
        fn messages_come_back_one_by_one(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..5)) {
            let mut sent = Vec::new();
            for message in &messages {
                write_frame(&mut sent, message).unwrap();
            }
            let mut from = sent.as_slice();
            let mut come = Vec::new();
            while let Some(message) = read_frame(&mut from).unwrap() {
                come.push(message);
            }
            prop_assert_eq!(come, messages);
        }

        #[test]
        fn whatever_is_read_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_frame(&mut bytes.as_slice());
        }
    }
}
