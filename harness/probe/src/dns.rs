//! A small client of the domain name system, which says what kept it from an answer: the standard
//! library's says only that there was none.

pub(crate) mod codec;
pub(crate) mod resolve;
