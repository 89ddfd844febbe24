//! Gives you a cluster: the box, or one that exists.
