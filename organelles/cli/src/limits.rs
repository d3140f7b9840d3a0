//! What the limits of `guardian.conf` mean, for people: the guardian only keeps them.

use karyon_colony::names::nearest;
use karyon_safety::{Limits, hex};

/// Each number: its name, its unit, and what it bounds.
const NUMBERS: [(&str, &str, &str); 18] = [
    ("heartbeat_ms", "ms", "the runtime and the guardian greet each other so often"),
    ("heartbeat_limit_ms", "ms", "without a heartbeat for so long"),
    ("term_grace_ms", "ms", "from SIGTERM to SIGKILL"),
    ("asks_per_minute", "", "questions to the broker in a minute"),
    ("tasks_per_day", "", "tasks of agents' own accord in 24 hours"),
    ("rejections_in_sequence", "", "denials in sequence to one lease"),
    ("failures_in_sequence", "", "failed effects in sequence of one lease"),
    ("crashes_per_minute", "", "crashes of agents in a minute"),
    ("self_modifications_per_day", "", "attempts on Karyon itself in 24 hours"),
    ("stalled_step_s", "s", "one step that does not end"),
    ("cpu_s_per_day", "s", "processor time in 24 hours"),
    ("memory_mib", "MiB", "memory"),
    ("open_files", "", "open files"),
    ("processes", "", "processes"),
    ("disk_use_mib", "MiB", "size of the data directory"),
    ("free_space_mib", "MiB", "free space on its disk, at least"),
    ("clock_back_s", "s", "the clock behind what was recorded"),
    ("notify_limit_ms", "ms", "for the command that tells a person"),
];

/// A key as it is shown.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) unit: &'static str,
    pub(crate) what: &'static str,
}

/// Every key of `guardian.conf`.
pub(crate) fn table(limits: &Limits) -> Vec<Row> {
    let number = |(name, unit, what)| Row { name, value: limits.get(name).to_string(), unit, what };
    let other = |name, what, value| Row { name, value, unit: "", what };
    let command = limits.notify_command.as_ref().map(|path| path.display().to_string());
    let keys: Vec<String> = limits.resume_keys.iter().map(|key| hex(key)).collect();
    let host_stop = limits.host_stop.display().to_string();
    let (uid, required) = (limits.runtime_uid.to_string(), limits.require_namespaces.to_string());
    let others = [
        other(
            "notify_command",
            "the program that tells a person of a halt",
            command.unwrap_or_default(),
        ),
        other("resume_key", "public key that signs resumes", keys.join(" ")),
        other("host_stop", "the STOP file of the whole machine", host_stop),
        other("runtime_uid", "as whom the runtime runs when root starts it", uid),
        other("require_namespaces", "no start without namespaces", required),
    ];
    NUMBERS.into_iter().map(number).chain(others).collect()
}

/// What to write instead of a key that is none, which stands in the message.
pub(crate) fn did_you_mean(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("there is no key \"")?;
    let (unknown, _) = rest.split_once('"')?;
    let known = table(&Limits::default()).into_iter().map(|row| row.name);
    nearest(unknown, known, 1).first().map(|near| format!("did you mean {near}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_described_and_shown_with_its_own_value() {
        let limits = Limits { processes: 7, resume_keys: vec![[1; 32]; 2], ..Limits::default() };
        let shown: Vec<_> = table(&limits)
            .into_iter()
            .map(|row| (row.name, row.value))
            .filter(|(name, _)| *name != "memory_mib")
            .collect();
        let numbers = limits.numbers().filter(|(name, _)| *name != "memory_mib");
        let numbers: Vec<_> = numbers.map(|(name, value)| (name, value.to_string())).collect();
        let (ours, others) = shown.split_at(numbers.len());
        assert_eq!(ours, numbers);
        let key = "01".repeat(32);
        let keys = format!("{key} {key}");
        let expected = ["", keys.as_str(), "/run/karyon/STOP", "77001", "false"];
        assert!(others.iter().map(|(_, value)| value.as_str()).eq(expected));
    }

    #[test]
    fn a_key_that_is_none_has_one_that_is_near() {
        let folder = tempfile::tempdir().unwrap();
        for (line, near) in [
            ("heartbeat_mss = 50", Some("did you mean heartbeat_ms?")),
            ("task_per_day = 1", Some("did you mean tasks_per_day?")),
            ("resume_keys = 00", Some("did you mean resume_key?")),
            ("\"\\x = 1", None),
            ("processes = x", None),
        ] {
            std::fs::write(folder.path().join("guardian.conf"), line).unwrap();
            let error = Limits::load(folder.path()).unwrap_err();
            assert_eq!(did_you_mean(&error).as_deref(), near, "{error}");
        }
    }
}
