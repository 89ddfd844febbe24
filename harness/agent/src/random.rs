//! Random bytes.

use ring::rand::{SecureRandom, SystemRandom};

use crate::Error;

/// As many as are asked for.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Random)?;
    Ok(bytes)
}
