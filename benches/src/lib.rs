//! Measured claims.
