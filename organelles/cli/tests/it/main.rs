//! The command line from outside: the real program, real files, real signals.
//!
//! Every test has a directory and keys of its own. What a machine cannot do is skipped with a
//! line that begins with SKIPPED, on standard error even when the test passes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot look must fail"
)]

mod audit;
mod authority_command;
mod bench;
mod check;
mod college;
mod colonies;
mod disk;
mod engram;
mod engram_attacks;
mod engram_choice;
mod engram_files;
mod erasing;
mod exit;
mod exit_carried;
mod exit_keys;
mod governed;
mod governed_bounds;
mod governed_damaged;
mod governed_engrams;
mod governed_hearsay;
mod governed_replaced;
mod governed_said;
mod governed_told;
mod halted;
mod help;
mod hostile;
mod injected;
mod input;
mod interrupt;
mod key_command;
mod keys;
mod kill;
mod memory;
mod memory_asked;
mod metrics;
mod models;
mod new;
mod own;
mod processes;
mod replay;
mod run;
mod safe_mode;
mod snapshots;
mod status;
mod stop;
mod subjects;
mod support;
mod tamper;
mod told;
mod under_load;
mod walk;
mod why;
