//! Agents that are governed: a typed way to write them, run them and test them.
