//! One module for each command.

pub(crate) mod accept;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod components;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod enter;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod prove;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod up;
