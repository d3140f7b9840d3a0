//! x
use karyon_guardian::*;
fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let guard = Guard::attach("0.1.0").unwrap().expect("guard");
    eprintln!(
        "attached {} uid {:?} cwd {:?}",
        guard.terms().held,
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .find(|l| l.starts_with("Uid")),
        std::env::current_dir()
    );
    guard.begin_log("00112233445566778899aabbccddeeff").unwrap();
    eprintln!("{:?}", std::fs::write("safety/x", "").err());
    match mode.as_str() {
        "clean" => {
            guard.end(End::Clean).unwrap();
        }
        "crash" => std::process::exit(7),
        "tasks" => {
            for _ in 0..20 {
                let r = guard.report(Event::Task, 1, "pay");
                eprintln!("{r:?}");
            }
        }
        _ => loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        },
    }
}
