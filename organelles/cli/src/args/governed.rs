//! Arguments of the memory verbs: what a principal records, recalls and erases.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as ClapArgs, ValueEnum};
use karyon_memory_ops::MemoKind;

/// What a memory is to whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindOf {
    /// Something that is so
    Fact,
    /// Something that was decided, and binds until it is superseded
    Decision,
    /// Something that was learned, and should be minded
    Lesson,
    /// Something that was seen, whatever it means
    Observation,
}

impl From<KindOf> for MemoKind {
    fn from(kind: KindOf) -> MemoKind {
        match kind {
            KindOf::Fact => MemoKind::Fact,
            KindOf::Decision => MemoKind::Decision,
            KindOf::Lesson => MemoKind::Lesson,
            KindOf::Observation => MemoKind::Observation,
        }
    }
}

/// How long a memory is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Until somebody erases it.
    Forever,
    /// So many seconds from now on.
    For(i64),
    /// To a moment: a date.
    To(String),
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Keep, String> {
        if text == "forever" {
            return Ok(Keep::Forever);
        }
        let units = [('h', HOUR), ('d', DAY), ('w', 7 * DAY), ('y', 365 * DAY)];
        let found =
            units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, seconds)));
        let Some((number, seconds)) = found else { return Ok(Keep::To(text.to_owned())) };
        let number = number.parse().ok().filter(|number: &i64| *number > 0);
        let seconds = number.and_then(|number| number.checked_mul(*seconds));
        seconds.map(Keep::For).ok_or_else(|| {
            "expected a number of hours, days, weeks or years (12h, 90d, 4w, 2y), a date \
             (2027-12-31), or forever"
                .into()
        })
    }
}

/// What is to be remembered, and who answers.
#[derive(ClapArgs)]
pub(crate) struct Telling {
    /// Whom or what it is about; sealed, the log never learns it
    pub(crate) subject: String,
    /// Under which key: one memory holds for each subject and key. Not sealed
    pub(crate) key: String,
    /// What it says; sealed
    pub(crate) text: String,
    /// Why it is kept; recorded as the reason of the grant
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// How long: 12h, 90d, 4w, 2y, a date, or forever; past --since, or it would never hold
    #[arg(long, value_name = "HOW_LONG", value_parser = Keep::from_str)]
    pub(crate) keep: Keep,
    /// What it is [default: what is superseded, else a fact]
    #[arg(long, value_enum)]
    pub(crate) kind: Option<KindOf>,
    /// Who answers for it [default: who answered for what is superseded, else the principal]
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// A word by which it is found; several may be given [default: those of what is superseded]
    #[arg(long, value_name = "WORD", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) tag: Vec<String>,
    /// What it rests on: a record ('#17'), a file, an address, words; several may be given
    #[arg(long, value_name = "WHAT")]
    pub(crate) evidence: Vec<String>,
    /// From when on it is so [default: now]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Who signs [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// The data directory: a new one, or one with a complete run
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon memory remember acme payment-terms \"30 days net\" --reason \"agreed in May\" --keep 2y --data office
  karyon memory remember deploys friday \"none after noon\" --kind decision --reason \"two outages\" \\
      --keep forever --tag release --evidence '#17' --data office

What it says, whom it is about, its tags and evidence are sealed under a key of the subject; who
answers, the key, the kind, the reason and how long it is kept are not. A data directory that is
not there is made.")]
pub(crate) struct Remember {
    #[command(flatten)]
    pub(crate) telling: Telling,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon memory supersede acme payment-terms \"14 days net\" --reason \"new contract\" --keep 2y --data office

What holds at --since is replaced: it is no longer in the default answer from then on, and its kind,
owner and tags are taken over unless they are given anew. One that begins later is in the way, unless
it was forgotten: `karyon memory forget SUBJECT --id ID` takes it back. What was replaced stays in the
history, which says what replaced it and why:
  karyon memory recall --subject acme --key payment-terms --history --data office")]
pub(crate) struct Supersede {
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// Which memories are asked for.
#[derive(ClapArgs)]
pub(crate) struct Wanted {
    /// About this subject
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) subject: Option<String>,
    /// Under this key
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) key: Option<String>,
    /// Of this kind; several may be given, each with --kind or behind a comma
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) kind: Vec<KindOf>,
    /// For which this one answers
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) owner: Option<String>,
    /// With this tag
    #[arg(long, value_name = "WORD", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) tag: Option<String>,
    /// As of this moment: of one that is over also what has expired since, of one to come only what
    /// is kept until then [default: what holds now]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    /// As it was recorded up to this record ('#N' or N), or by the end of a tick of the run (tick:N)
    #[arg(long, value_name = "POS")]
    pub(crate) as_recorded: Option<String>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon memory recall --data office                                  (everything that holds)
  karyon memory recall payment net --data office                      (with both words somewhere)
  karyon memory recall --subject acme --key payment-terms --history --data office
  karyon memory recall --kind decision --at 2026-05-01 --data office

What is erased is shown where its subject is named: that it is erased, by whom, when and why, never
what it said. What has expired by the moment that is asked about (now, or --at one to come), and what
holds only from a later moment on, is left out and counted.
What says otherwise of the same subject and key is shown beside it as a contradiction.")]
pub(crate) struct Recall {
    /// Words that must all be in it, in any case
    #[arg(value_name = "WORD", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Every version, with what replaced it and why; needs --subject and --key, takes no WORD
    #[arg(long, requires = "subject", requires = "key", conflicts_with_all = ["words", "kind", "owner", "tag"])]
    pub(crate) history: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon memory brief --data office
  karyon memory brief --subject acme --json --data office

What holds now: decisions, lessons, facts, observations, the newest first, each with its record, who
answers for it and what it rests on; then what agents know, here or where an engram came from.
`karyon why '#N'` goes on from there.")]
pub(crate) struct Brief {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Of what agents know, at most so many facts, the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon memory forget acme --key payment-terms --reason \"sent in error\" --data office
  karyon memory forget acme --id '#12.0' --reason \"not true\" --data office    (one version)
  karyon memory forget acme --dry-run --data office                           (what would go)
  karyon memory forget acme --reason \"they asked for it\" --data office      (all about acme, for good)

Before all about a subject is forgotten, a terminal asks; where nobody can be asked, --yes is needed.
Of a subject whose name is not known, its number in the log (~7) is taken.

The keys are destroyed: what was sealed under them cannot be read any more, in the log, in the memory
or in a copy of the data directory. That it was erased, by whom and why stays in the log, which
verifies as before. A subject that was forgotten as a whole cannot be remembered again.
What cannot be held: copies of the key file that somebody made, and what was given away in the open.")]
pub(crate) struct Forget {
    /// Whom or what, by name or as ~NUMBER
    pub(crate) subject: String,
    /// Only what was remembered under this key, wherever it came from; KEY@LOG: what came from there
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Only this one, by the id that `karyon memory recall --json` shows ('#12.0'), or by its record
    #[arg(long, value_name = "ID", conflicts_with = "key")]
    pub(crate) id: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Show what would be forgotten, and forget nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before all about a subject is forgotten
    #[arg(long)]
    pub(crate) yes: bool,
    /// Who signs [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon memory expire --data office

Erases what was to be kept no longer than now. It is found by an index: the cost grows with what
expires, not with what is kept. Until then expired memories are only left out of answers.")]
pub(crate) struct Expire {
    /// Who signs [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long() {
        assert_eq!("forever".parse(), Ok(Keep::Forever));
        assert_eq!("12h".parse(), Ok(Keep::For(43_200)));
        assert_eq!("2y".parse(), Ok(Keep::For(2 * 365 * 86_400)));
        assert_eq!("2027-12-31".parse(), Ok(Keep::To("2027-12-31".into())));
        for text in ["0d", "-1d", "xd", "9223372036854775807y", "d"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }
}
