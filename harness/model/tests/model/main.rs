//! Tests of the public interface, in one program: each more has all of the crates linked into it.

mod confining;
mod files;
mod nodeless;
mod reading;
mod requirements;
mod tools;
