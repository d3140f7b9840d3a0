//! A runtime that misbehaves, to be ended by its guardian.
//!
//! `karyon-guardian --data DIR -- …/examples/unruly DIR MODE[=VALUE][,MODE[=VALUE]…]`; the modes
//! are in `mode.rs`. It opens a node with 10,000 agents and runs for ever. When all of its
//! trouble is under way it writes the file `DIR/ready`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::zombie_processes,
    reason = "what goes wrong here shall be seen by the test that started it"
)]

mod agents;
mod descendants;
mod life;
mod mode;
mod strain;
mod stuck;

use std::path::PathBuf;
use std::process::ExitCode;

use mode::Modes;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let words = arguments.next().unwrap();
    match words.as_str() {
        // What this program starts of itself, or becomes.
        "descend" => descendants::descend(&folder, &arguments.collect::<Vec<_>>()),
        "grow" => descendants::grow(&folder, &arguments.collect::<Vec<_>>()),
        "sleep" => strain::sleep_for_ever(),
        "spin" => agents::spin_for_ever(),
        _ => life::live(&folder, &Modes::parse(&words)),
    }
}
