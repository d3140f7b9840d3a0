//! Colonies: simulations made of agents, and their inputs and results.

pub mod contacts;
pub mod direct;
pub mod feeder;
pub mod levels;
pub mod life;
pub mod models;
pub mod names;
pub mod network;
pub mod person;
pub mod random;
pub mod report;
pub mod rumour;
pub mod scenario;
pub mod spaces;
pub mod words;
