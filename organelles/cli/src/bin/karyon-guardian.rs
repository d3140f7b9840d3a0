//! The guardian as a program of its own.

fn main() -> std::process::ExitCode {
    karyon_guardian::main(std::env::args_os().skip(1))
}
