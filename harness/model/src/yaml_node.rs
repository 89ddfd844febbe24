//! The pieces of a YAML file with the place of each: for what is changed in its text, and for what is
//! said of it.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A piece of YAML, and where it begins.
pub(crate) struct YamlNode {
    /// In bytes.
    pub(crate) start: usize,
    content: YamlContent,
}

enum YamlContent {
    Word(String),
    Items(Vec<YamlNode>),
    Fields(Vec<(YamlNode, YamlNode)>),
    /// A number, a truth value, nothing.
    Other,
}

impl YamlNode {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.content {
            YamlContent::Word(word) => Some(word),
            YamlContent::Items(_) | YamlContent::Fields(_) | YamlContent::Other => None,
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match &self.content {
            YamlContent::Items(items) => items,
            YamlContent::Word(_) | YamlContent::Fields(_) | YamlContent::Other => &[],
        }
    }

    pub(crate) fn fields(&self) -> &[(Self, Self)] {
        match &self.content {
            YamlContent::Fields(fields) => fields,
            YamlContent::Word(_) | YamlContent::Items(_) | YamlContent::Other => &[],
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let mut fields = self.fields().iter();
        fields
            .find(|(key, _)| key.word() == Some(name))
            .map(|(_, value)| value)
    }

    /// The only field.
    pub(crate) fn single(&self) -> Option<(&Self, &Self)> {
        match self.fields() {
            [(key, value)] => Some((key, value)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Spanned::<YamlContent>::deserialize(deserializer)?;
        let start = read.referenced.span().byte_offset();
        let start = start.and_then(|start| usize::try_from(start).ok());
        Ok(Self {
            start: start.ok_or_else(|| D::Error::custom("a place that is not known"))?,
            content: read.value,
        })
    }
}

impl<'de> Deserialize<'de> for YamlContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = YamlContent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_str<E>(self, word: &str) -> Result<YamlContent, E> {
        Ok(YamlContent::Word(word.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<YamlContent, E> {
        Ok(YamlContent::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<YamlContent, E> {
        Ok(YamlContent::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<YamlContent, E> {
        Ok(YamlContent::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<YamlContent, E> {
        Ok(YamlContent::Other)
    }

    fn visit_unit<E>(self) -> Result<YamlContent, E> {
        Ok(YamlContent::Other)
    }

    fn visit_none<E>(self) -> Result<YamlContent, E> {
        Ok(YamlContent::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<YamlContent, D::Error> {
        YamlContent::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<YamlContent, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(YamlContent::Items(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<YamlContent, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(YamlContent::Fields(fields))
    }
}
