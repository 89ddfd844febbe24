//! What a world remembers of its steps, for later ones that look back.

use std::collections::HashMap;
use std::sync::Arc;

use artifact::OciImage;
use model::{ApiReply, ImageName, PlaceFollowed};
use time::OffsetDateTime;

use crate::Error;
use crate::actions::storage::{RotationRecord, WatchedPlace};
use crate::workshop::SigningOrder;

/// What became of earlier steps.
#[derive(Default)]
pub(crate) struct StepMemory {
    replies: HashMap<String, ApiReply>,
    /// What commands in pods said.
    outputs: HashMap<String, Vec<u8>>,
    /// The exit codes with which they ended.
    exits: HashMap<String, String>,
    rotations: HashMap<String, RotationRecord>,
    images: HashMap<ImageName, Arc<OciImage>>,
    /// How many signatures of each kind it has had that are made once for all.
    orders: HashMap<SigningOrder, usize>,
    /// When the short-lived certificate expires that was made last.
    pub(crate) certificate_end: Option<OffsetDateTime>,
    /// When all of them have expired, until that was waited for.
    pub(crate) all_expired: Option<OffsetDateTime>,
    /// How many Secrets `create-secrets` has made.
    pub(crate) filled: u16,
    /// Whether its API server goes on trying to open what is stored: it was not ready when it was
    /// last started.
    pub(crate) retries_storage: bool,
}

impl StepMemory {
    pub(crate) fn keep_reply(&mut self, step: &str, reply: ApiReply) {
        self.replies.insert(step.into(), reply);
    }

    pub(crate) fn keep_output(&mut self, step: &str, output: Vec<u8>) {
        self.outputs.insert(step.into(), output);
    }

    pub(crate) fn keep_exit(&mut self, step: &str, code: String) {
        self.exits.insert(step.into(), code);
    }

    pub(crate) fn keep_rotation(&mut self, step: &str, rotation: RotationRecord) {
        self.rotations.insert(step.into(), rotation);
    }

    pub(crate) fn keep_image(&mut self, name: &ImageName, image: OciImage) {
        self.images.insert(name.clone(), Arc::new(image));
    }

    /// The reply to a step.
    ///
    /// # Errors
    /// When it had none.
    pub(crate) fn step_reply(&self, step: &str) -> Result<&ApiReply, Error> {
        self.replies
            .get(step)
            .ok_or_else(|| Error::scenario(format!("step `{step}` has no reply to look at")))
    }

    /// What a step was answered, or what its command said.
    ///
    /// # Errors
    /// When it was answered nothing.
    pub(crate) fn step_output(&self, step: &str) -> Result<Vec<u8>, Error> {
        if let Some(output) = self.outputs.get(step) {
            return Ok(output.clone());
        }
        match self.step_reply(step)? {
            ApiReply::Http {
                body: model::ReplyBody::Json(body),
                ..
            } => Ok(body.to_string().into_bytes()),
            ApiReply::Http {
                body: model::ReplyBody::Text(text),
                ..
            } => Ok(text.clone().into_bytes()),
            ApiReply::Transport { .. } => Err(Error::scenario(format!(
                "step `{step}` has no reply to look at"
            ))),
        }
    }

    /// The exit code with which a step's command ended, if one did.
    pub(crate) fn step_exit(&self, step: &str) -> Option<&str> {
        self.exits.get(step).map(String::as_str)
    }

    /// The image that was built under this name, if one was.
    pub(crate) fn built_image(&self, name: &ImageName) -> Option<Arc<OciImage>> {
        self.images.get(name).cloned()
    }

    /// The same, where one has to be.
    ///
    /// # Errors
    /// When none was built.
    pub(crate) fn require_image(&self, name: &ImageName) -> Result<Arc<OciImage>, Error> {
        self.built_image(name)
            .ok_or_else(|| Error::scenario(format!("the image `{name}` was not built")))
    }

    /// An order with its number among those like it.
    pub(crate) fn number_order(&mut self, order: SigningOrder) -> SigningOrder {
        order.with_number(&mut self.orders)
    }

    /// What became of a place that a rotation watched.
    ///
    /// # Errors
    /// When no such step watched a place of this name.
    pub(crate) fn rotation_place(&self, followed: &PlaceFollowed) -> Result<&WatchedPlace, Error> {
        let PlaceFollowed { of, place } = followed;
        let rotation = self.rotations.get(of);
        let rotation =
            rotation.ok_or_else(|| Error::scenario(format!("step `{of}` rotated nothing")))?;
        rotation
            .get(place)
            .ok_or_else(|| Error::scenario(format!("step `{of}` does not watch `{place}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_s_output_is_what_its_step_said() {
        let mut memory = StepMemory::default();
        let reply = |text: &[u8]| ApiReply::Http {
            code: 101,
            body: model::ReplyBody::from_bytes(text),
            warnings: Vec::new(),
        };
        memory.keep_reply("exec", reply(b"upgraded"));
        assert_eq!(memory.step_output("exec").unwrap(), b"upgraded");
        assert_eq!(memory.step_exit("exec"), None);
        memory.keep_exit("exec", "3".into());
        assert_eq!(memory.step_exit("exec"), Some("3"));
        memory.keep_output("exec", b"hello".into());
        assert_eq!(memory.step_output("exec").unwrap(), b"hello");
        memory.keep_reply(
            "lost",
            ApiReply::Transport {
                fault: "gone".into(),
            },
        );
        for none in ["lost", "never"] {
            assert_eq!(
                memory.step_output(none).unwrap_err().to_string(),
                format!("step `{none}` has no reply to look at")
            );
        }
    }

    #[test]
    fn who_looks_back_at_nothing_is_told() {
        let memory = StepMemory::default();
        assert_eq!(
            memory
                .require_image(&"app".parse().unwrap())
                .unwrap_err()
                .to_string(),
            "the image `app` was not built"
        );
        let followed = PlaceFollowed {
            of: "turn".into(),
            place: "file".into(),
        };
        assert_eq!(
            memory.rotation_place(&followed).unwrap_err().to_string(),
            "step `turn` rotated nothing"
        );
        let mut memory = memory;
        memory.keep_rotation(
            "turn",
            RotationRecord::from([("file".to_owned(), WatchedPlace::Stayed)]),
        );
        assert_eq!(
            memory.rotation_place(&followed).unwrap(),
            &WatchedPlace::Stayed
        );
        let other = PlaceFollowed {
            place: "env".into(),
            ..followed
        };
        assert_eq!(
            memory.rotation_place(&other).unwrap_err().to_string(),
            "step `turn` does not watch `env`"
        );
    }
}
