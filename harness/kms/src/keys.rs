//! The keys, one for each key id, and sealing with them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::Error;

const KEY_BYTES: usize = 32;

/// Sets these keys apart from others that might be derived from the same bytes.
const KEY_SALT: &[u8] = b"gauntlet/kms";

/// Every key: they are all derived from one.
pub(crate) struct MasterKeys {
    master: [u8; KEY_BYTES],
    random: SystemRandom,
}

/// Why nothing was opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// It is shorter than anything that was ever sealed.
    Short,
    /// It was sealed with another key, or was changed.
    Other,
}

impl MasterKeys {
    /// Those of a folder, which are made if they are not there.
    pub(crate) fn load_or_make(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("master");
        let random = SystemRandom::new();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                make_master_key(&path, folder, &random)?
            }
            Err(source) => return Err(Error::file("read", path)(source)),
        };
        let master = bytes.try_into().map_err(|_| Error::Master {
            path,
            wanted: KEY_BYTES,
        })?;
        Ok(Self { master, random })
    }

    /// Seals with the key of an id: a fresh nonce, then what AES-256-GCM makes of it. `None` if the
    /// system has no random bytes for the nonce.
    pub(crate) fn seal_bytes(&self, id: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key_for(id)?
            .seal_in_place_append_tag(unique, Aad::empty(), &mut sealed)
            .ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed with the key of this id.
    pub(crate) fn open_bytes(&self, id: &str, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(NotOpened::Short)?;
        if sealed.len() < AES_256_GCM.tag_len() {
            return Err(NotOpened::Short);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened::Short)?;
        let key = self.key_for(id).ok_or(NotOpened::Other)?;
        let mut opened = sealed.to_vec();
        let plain = key
            .open_in_place(nonce, Aad::empty(), &mut opened)
            .map_err(|_| NotOpened::Other)?;
        Ok(plain.to_vec())
    }

    fn key_for(&self, id: &str) -> Option<LessSafeKey> {
        let extracted = Salt::new(HKDF_SHA256, KEY_SALT).extract(&self.master);
        let info = [id.as_bytes()];
        let expanded = extracted.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(expanded)))
    }
}

/// Makes a master key in its place, for its owner alone.
fn make_master_key(path: &Path, folder: &Path, random: &SystemRandom) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; KEY_BYTES];
    random.fill(&mut bytes).map_err(|_| Error::Random)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::file("create", path))?;
    file.write_all(&bytes).map_err(Error::file("write", path))?;
    file.persist(path)
        .map_err(|fault| Error::file("create", path)(fault.error))?;
    Ok(bytes)
}
