//! x
fn main() -> std::process::ExitCode {
    karyon_guardian::main(std::env::args_os().skip(1))
}
