//! The guardian: a process outside the runtime that can always end it.
//!
//! The command line starts it with [`main`]; it makes a namespace, in which a first process
//! (`init`) keeps the runtime and everything that it starts. Whoever ends that first process ends
//! all of them: that is how the guardian stops, and what happens by itself when the guardian dies
//! or no longer answers. The runtime speaks with it over a socket of packets.
//!
//! # Invariants
//! 1. The way to a stop allocates, forks and opens nothing, and waits for nobody.
//! 2. The marker says `running` before the runtime exists, and `clear` only after an end in good
//!    order.
//! 3. What the runtime can write, no decision here rests on, but the counters that are named
//!    cooperative.

mod args;
mod clerk;
mod confine;
mod frame;
mod guardian;
pub mod held;
mod init;
mod outside;
mod record;
mod silence;
mod start;
mod system;
mod watch;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

pub use frame::{End, Event, FromGuardian, FromRuntime, LINK, MAX_FRAME_BYTES, PROTOCOL, Terms};
pub use silence::Silence;
pub use system::{adopt, exit_now};

/// The program: what was asked for on the command line, behind its own name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let asked = match args::parse(arguments) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            // A reader that went away did not want to know.
            let _ = std::io::stdout().write_all(args::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            record::note(&format!("error: {why}\n\n{}", args::HELP));
            return ExitCode::from(2);
        }
    };
    let as_json = asked.arguments.iter().any(|argument| argument == "--json");
    match start::guard(asked) {
        Ok(code) => ExitCode::from(code),
        Err(start::Refusal { code, message, hint }) => {
            record::note(&format!("error: {message}"));
            if let Some(hint) = &hint {
                record::note(&format!("  hint: {hint}"));
            }
            if as_json {
                let text = |words: &str| format!("\"{}\"", karyon_safety::json(words));
                let (error, hint) =
                    (text(&message), hint.map_or("null".into(), |hint| text(&hint)));
                // A reader that went away did not want to know.
                let _ = writeln!(
                    std::io::stdout(),
                    "{{\"error\":{error},\"hint\":{hint},\"exit_code\":{code}}}"
                );
            }
            ExitCode::from(code)
        }
    }
}

/// Which mechanisms could hold a runtime that this user starts now, by name.
pub fn mechanisms() -> [(&'static str, bool); 7] {
    let root = rustix::process::geteuid().is_root();
    confine::mechanisms(confine::available(confine::flags(true, root)), root)
}
