//! Help, version, and colours.

use crate::support::Place;

const COMMANDS: [&[&str]; 44] = [
    &["init"],
    &["key", "new"],
    &["key", "show"],
    &["key", "rotate"],
    &["key", "export-public"],
    &["key", "follow"],
    &["check"],
    &["new"],
    &["run"],
    &["resume"],
    &["replay"],
    &["bench", "list"],
    &["bench", "run"],
    &["bench", "show"],
    &["bench", "diff"],
    &["export"],
    &["import"],
    &["audit", "verify"],
    &["audit", "export"],
    &["audit", "tail"],
    &["audit", "prove"],
    &["audit", "grew"],
    &["audit", "orphans"],
    &["safety", "status"],
    &["safety", "resume"],
    &["safety", "sign"],
    &["halt"],
    &["ps"],
    &["tree"],
    &["inspect"],
    &["pause"],
    &["kill"],
    &["restart"],
    &["fork"],
    &["memory", "get"],
    &["memory", "history"],
    &["memory", "neighbours"],
    &["memory", "khop"],
    &["memory", "paths"],
    &["memory", "diff"],
    &["memory", "count"],
    &["memory", "list"],
    &["memory", "plot"],
    &["memory", "rebuild"],
];

#[test]
fn every_command_shows_an_example_of_itself() {
    let place = Place::new();
    for command in COMMANDS {
        let help = place.karyon(&[command, &["--help"]].concat()).expect(0).out;
        let example = format!("  karyon {}", command.join(" "));
        assert!(help.contains("Example") && help.contains(&example), "{help}");
    }
    let help = place.karyon(&["--help"]).expect(0).out;
    assert!(help.contains("Exit codes: 0 ok, 1 failure, 2 usage, 3 refused by the gate"), "{help}");
    for command in ["init", "key", "run", "resume", "memory", "why", "engram", "audit", "safety"] {
        assert!(help.contains(command), "{command}");
    }
}

#[test]
fn the_version_names_the_formats() {
    let place = Place::new();
    let version = place.karyon(&["--version"]).expect(0).out;
    let log = format!("log format {}", karyon_log::FORMAT_VERSION);
    for part in [env!("CARGO_PKG_VERSION"), &log, "safety marker 2", "grant 1", "person 2"] {
        assert!(version.contains(part), "{part}: {version}");
    }
}

#[test]
fn no_colour_where_none_is_wanted() {
    // `script` gives the program a terminal; without one there are no colours anyway.
    let on_a_terminal = |no_color: bool| {
        let place = Place::new();
        let mut command = std::process::Command::new("script");
        let program = format!("'{}' run --colour", env!("CARGO_BIN_EXE_karyon"));
        command
            .args(["-qec", &program, "/dev/null"])
            .env("KARYON_CONFIG_HOME", place.keys())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(std::process::Stdio::null());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.output().ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(coloured) = on_a_terminal(false) else {
        return crate::support::skipped("colours on a terminal: there is no `script`");
    };
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    assert!(!on_a_terminal(true).unwrap().contains("\u{1b}["));
    let place = Place::new();
    assert!(!place.karyon(&["run", "--colour"]).expect(2).err.contains('\u{1b}'));
}
