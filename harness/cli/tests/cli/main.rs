//! The command as a person uses it: the real binary, its exit status, what it prints and what it
//! leaves.
#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod accept;
mod apart;
mod bad_input;
mod changed;
mod concealed;
mod entered;
mod filters;
mod left_alone;
mod looking;
mod machine;
mod on_a_box;
mod own_box;
mod repeated;
mod served;
mod shared_files;
mod support;
