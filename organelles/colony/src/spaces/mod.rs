//! Where agents of a model stand to each other: who knows whom, cells, a plane.
//!
//! None of it changes while a run goes on: it is part of the run's world, or says which slot of a
//! layer is whose. What changes stands in the run's space (`karyon::Run::space`).

pub mod graph;
pub mod grid;
pub mod plane;
