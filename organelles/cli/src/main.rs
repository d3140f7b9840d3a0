//! The command line of Karyon.
//!
//! One file a command in `command/`; what they share is beside this file. Errors go to standard
//! error with a hint what to do; with `--json` one object goes to standard output, last.

mod args;
mod asking;
mod command;
mod confirm;
mod divergence;
mod edges;
mod error;
mod grant;
mod guarded;
mod handover;
mod keys;
mod limits;
mod logging;
mod output;
mod parting;
mod picture;
mod progress;
mod serving;
mod signals;
mod words;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == guarded::AS_GUARDIAN) {
        return karyon_guardian::main(std::env::args_os().skip(2));
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(usage) => {
            if usage.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
                output::usage(&usage.to_string());
            }
            usage.exit()
        }
    };
    let (json, asks) = (args.json(), args.asks());
    if let Err(error) = logging::begin(args.log_level.clone(), args.log_format) {
        output::error(&error, json);
        return error.code.into();
    }
    match command::dispatch(args) {
        Ok(error::Code::Ok) if asks && output::is_lost() => error::Code::Failure.into(),
        Ok(code) => code.into(),
        Err(error) => {
            output::error(&error, json);
            error.code.into()
        }
    }
}
