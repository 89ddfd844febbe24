//! Recorded outcomes: redaction, comparison, and the tests that keep them honest.
