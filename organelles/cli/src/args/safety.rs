//! Arguments of the commands about stopping and going on.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon halt --reason \"it writes to the wrong people\" --data runs/rumour-1
  karyon halt --reason \"maintenance\" --data office --json

Asks the guardian, which ends everything below it at once. A guardian that does not take the word
within two seconds is killed, and with it everything below. Where nothing runs, nothing starts any
more. Afterwards: karyon safety resume. Another way to the same: touch DIR/safety/STOP.")]
pub(crate) struct Halt {
    /// Why: one line of at most 1,000 bytes, for whoever resumes
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Safety {
    /// Say whether a start is permitted, what guards it, and within which limits
    Status(Status),
    /// End safe mode, with a reason that is recorded
    Resume(SafetyResume),
    /// Sign, as a principal, that safe mode may end
    Sign(Sign),
}

impl Safety {
    /// Whether the answer is all that is wanted.
    pub(super) fn asks(&self) -> bool {
        matches!(self, Safety::Status(_))
    }

    /// Whether the answer is for a machine.
    pub(super) fn json(&self) -> bool {
        match self {
            Safety::Status(args) => args.json,
            Safety::Resume(args) => args.json,
            Safety::Sign(args) => args.json,
        }
    }
}

#[derive(ClapArgs)]
#[command(after_help = "Example:\n  karyon safety status --data runs/rumour-1")]
pub(crate) struct Status {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon safety resume --reason \"checked the cause: a full disk\" --data runs/rumour-1
  karyon safety resume --reason \"checked\" --signature resume.txt --data runs/rumour-1

Refused while the file safety/STOP is there; remove it yourself first. Where guardian.conf names a
resume_key, a signature by it is needed: see karyon safety sign.")]
pub(crate) struct SafetyResume {
    /// Why it is safe to go on
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// A signed statement, for this halt and this reason
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon safety sign --reason \"checked\" --as ada --expires-in 1h --out resume.txt --data runs/rumour-1

Shows what is signed. The signature is for one log, one halt and this reason, and is used once:
  karyon safety resume --reason \"checked\" --signature resume.txt --data runs/rumour-1
It counts where guardian.conf names the public key as a resume_key: karyon key show.")]
pub(crate) struct Sign {
    /// Why it is safe to go on
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The principal who signs
    #[arg(long = "as", value_name = "PRINCIPAL")]
    pub(crate) principal: String,
    /// How long it is valid: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    pub(crate) expires_in: u64,
    /// Where the signed statement goes; must not be there
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The longest that a signature may be valid, seconds: a month, as a statement of what a person
/// looked at does not stay true.
const VALID_S_MAX: u64 = 30 * 86_400;

/// Seconds from a text such as `90s`, `30m`, `1h` or `2d`.
fn seconds(text: &str) -> Result<u64, String> {
    let unit = |suffix, seconds: u64| Some((text.strip_suffix(suffix)?, seconds));
    let found = unit("s", 1).or(unit("m", 60)).or(unit("h", 3_600)).or(unit("d", 86_400));
    let seconds = found.and_then(|(number, unit)| number.parse::<u64>().ok()?.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=VALID_S_MAX).contains(seconds));
    seconds.ok_or_else(|| "expected a time from 1s to 30d, such as 90s, 30m, 1h or 2d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expected) in
            [("1s", Some(1)), ("30m", Some(1_800)), ("1h", Some(3_600)), ("30d", Some(2_592_000))]
        {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        for text in ["", "1", "h", "0s", "31d", "-1h", "1.5h", "1 h", "99999999999999999999s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
