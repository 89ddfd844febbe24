//! What the clusters of a run share: key pairs, and what tools made of the same bytes with the same
//! keys. The world that asks first makes it, in a world and with the tool; the others wait for it
//! and get what came of it.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use artifact::AttachedPiece;
use model::{AnswerDetail, SbomFormat, SignatureFormat};
use tokio::sync::OnceCell;

/// What the clusters of a run share.
#[derive(Debug, Default)]
pub struct RunWorkshop {
    /// Key pairs, by name.
    pub(crate) keys: OnceShelf<String, KeyPair>,
    pub(crate) signatures: OnceShelf<SigningOrder, SignedProduct>,
    pub(crate) bills: OnceShelf<BillOrder, SbomBill>,
}

/// A key pair as cosign wrote it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyPair {
    /// Encrypted, PEM.
    pub(crate) private: String,
    /// PEM.
    pub(crate) public: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Everything that goes into a signature or attestation by a key alone, but for the world's
/// namespace in the repository's path. Without a log, an authority and a timestamp, nothing else
/// does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SigningOrder {
    /// The image by its digest, with registry and repository, and `$(namespace)` for the world's
    /// namespace.
    pub(crate) reference: String,
    /// The public key, PEM.
    pub(crate) key: String,
    pub(crate) format: SignatureFormat,
    /// The digest of the trusted root that the tool is given.
    pub(crate) root: Option<String>,
    /// What is stated, where it is an attestation.
    pub(crate) statement: Option<SignedStatement>,
    /// How many like it the world has had before: a tool that signs twice leaves two signatures.
    pub(crate) nth: usize,
}

impl SigningOrder {
    /// This order with its number among those like it, of which `had` keeps count.
    pub(crate) fn with_number(mut self, had: &mut HashMap<Self, usize>) -> Self {
        let count = had.entry(self.clone()).or_default();
        self.nth = *count;
        *count += 1;
        self
    }
}

/// What an attestation states.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SignedStatement {
    /// The predicate's type, as the tool is given it.
    pub(crate) kind: String,
    /// The digest of the predicate's bytes.
    pub(crate) predicate: String,
}

/// A signature or attestation that was made, and what is recorded of that.
#[derive(Debug)]
pub(crate) struct SignedProduct {
    pub(crate) piece: Arc<AttachedPiece>,
    pub(crate) detail: AnswerDetail,
}

/// Everything that goes into the bill of materials of an image that was built, but for its serial
/// number and date.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BillOrder {
    /// The image's digest.
    pub(crate) image: String,
    /// What the bill calls it.
    pub(crate) name: String,
    pub(crate) format: SbomFormat,
}

/// A bill of materials, and what is recorded of its making.
#[derive(Debug)]
pub(crate) struct SbomBill {
    pub(crate) text: String,
    pub(crate) detail: AnswerDetail,
}

/// Places for things that are made once.
pub(crate) struct OnceShelf<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K: Eq + Hash, V> OnceShelf<K, V> {
    /// The place for what `key` asks for. Where two fill it at once, one does and the other waits;
    /// one that fails leaves it to the next.
    pub(crate) fn place_for(&self, key: K) -> Arc<OnceCell<V>> {
        let mut places = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(places.entry(key).or_default())
    }
}

impl<K, V> Default for OnceShelf<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> fmt::Debug for OnceShelf<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> SigningOrder {
        SigningOrder {
            reference: "registry.box:5000/$(namespace)/app@sha256:00".into(),
            key: "PEM".into(),
            format: SignatureFormat::Bundle,
            root: Some("sha256:01".into()),
            statement: Some(SignedStatement {
                kind: "cyclonedx".into(),
                predicate: "sha256:02".into(),
            }),
            nth: 0,
        }
    }

    #[test]
    fn everything_that_goes_into_a_signature_makes_it_another() {
        let shelf: OnceShelf<SigningOrder, u8> = OnceShelf::default();
        let statement = |kind: &str, predicate: &str| {
            Some(SignedStatement {
                kind: kind.into(),
                predicate: predicate.into(),
            })
        };
        let others = [
            SigningOrder {
                reference: "registry.box:5000/$(namespace)/app@sha256:ff".into(),
                ..order()
            },
            SigningOrder {
                reference: "registry.box:5000/$(namespace)/other@sha256:00".into(),
                ..order()
            },
            SigningOrder {
                reference: "registry.localhost:5001/$(namespace)/app@sha256:00".into(),
                ..order()
            },
            SigningOrder {
                key: "other".into(),
                ..order()
            },
            SigningOrder {
                format: SignatureFormat::Legacy,
                ..order()
            },
            SigningOrder {
                root: Some("sha256:ff".into()),
                ..order()
            },
            SigningOrder {
                root: None,
                ..order()
            },
            SigningOrder {
                statement: statement("spdxjson", "sha256:02"),
                ..order()
            },
            SigningOrder {
                statement: statement("cyclonedx", "sha256:ff"),
                ..order()
            },
            SigningOrder {
                statement: None,
                ..order()
            },
            SigningOrder { nth: 1, ..order() },
        ];
        let first = shelf.place_for(order());
        assert!(Arc::ptr_eq(&first, &shelf.place_for(order())));
        for other in others {
            assert!(
                !Arc::ptr_eq(&first, &shelf.place_for(other.clone())),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_world_that_signs_twice_has_two_signatures() {
        let (mut one, mut other) = (HashMap::new(), HashMap::new());
        let numbers = [
            order().with_number(&mut one).nth,
            order().with_number(&mut one).nth,
            order().with_number(&mut other).nth,
        ];
        assert_eq!(numbers, [0, 1, 0]);
        assert_eq!(
            SigningOrder {
                key: "other".into(),
                ..order()
            }
            .with_number(&mut one)
            .nth,
            0
        );
    }

    #[tokio::test]
    async fn one_makes_it_and_the_others_wait() {
        let shelf: OnceShelf<&str, u8> = OnceShelf::default();
        let (hold, made) = tokio::sync::oneshot::channel::<u8>();
        let (one, other) = (shelf.place_for("a"), shelf.place_for("a"));
        let first = one.get_or_try_init(async || made.await.map_err(|_| ()));
        let second = other.get_or_try_init(async || Err::<u8, _>(()));
        let third = async { hold.send(7) };
        let (first, second, sent) = tokio::join!(first, second, third);
        assert_eq!((first, second, sent), (Ok(&7), Ok(&7), Ok(())));
    }

    #[tokio::test]
    async fn what_failed_is_left_to_the_next() {
        let shelf: OnceShelf<&str, u8> = OnceShelf::default();
        assert_eq!(
            shelf
                .place_for("a")
                .get_or_try_init(async || Err::<u8, _>("no"))
                .await,
            Err("no")
        );
        assert_eq!(
            shelf
                .place_for("a")
                .get_or_try_init(async || Ok::<u8, &str>(7))
                .await,
            Ok(&7)
        );
    }
}
