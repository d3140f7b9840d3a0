//! Random inputs and crashes against a property, and the shortest script that fails.
