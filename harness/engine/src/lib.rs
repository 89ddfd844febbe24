//! Tries a scenario's steps in its worlds and records what the cluster answered.
