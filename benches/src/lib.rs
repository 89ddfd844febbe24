//! Figures: our own code under criterion, and the pipeline against a bare client.
