//! What happens inside, told on standard error to an operator who asked for it.
//!
//! Where nobody did, nothing is installed, and each place that could tell something looks at one
//! number and goes on.

use std::io::IsTerminal as _;
use std::str::FromStr;

use clap::ValueEnum;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::error::CliError;

/// Where the level stands that no argument gives.
const VARIABLE: &str = "KARYON_LOG";
/// Whose words are told: not those of the libraries, which may be about anything.
const OURS: &str = "karyon";

/// How it is told: lines of words, or a JSON object a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Levels {
    /// Something is told at all.
    some: bool,
    targets: Targets,
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Levels, String> {
        let mut levels = Levels { some: false, targets: Targets::new() };
        for part in text.split(',') {
            let (target, level) = part.split_once('=').unwrap_or((OURS, part));
            // The library takes an empty word for a level.
            let known = Some(level).filter(|level| !level.is_empty());
            let known = known.and_then(|level| level.parse::<LevelFilter>().ok());
            let level = known.ok_or_else(|| {
                format!("{level:?} is no level: use off, error, warn, info, debug or trace")
            })?;
            if !target.starts_with(OURS) {
                return Err(format!("{target:?} is no module of {OURS}, such as karyon_runtime"));
            }
            levels.some |= level != LevelFilter::OFF;
            levels.targets = levels.targets.with_target(target, level);
        }
        Ok(levels)
    }
}

/// Begins to tell, if it is asked for: by an argument, or else by the environment.
pub(crate) fn begin(asked: Option<Levels>, format: Format) -> Result<(), CliError> {
    let levels = match (asked, std::env::var(VARIABLE)) {
        (Some(asked), _) => asked,
        (None, Ok(text)) if text.is_empty() => return Ok(()),
        (None, Ok(text)) => text
            .parse()
            .map_err(|error| CliError::failure(format!("the variable {VARIABLE}: {error}")))?,
        (None, Err(std::env::VarError::NotPresent)) => return Ok(()),
        (None, Err(error)) => {
            return Err(CliError::failure(format!("the variable {VARIABLE}: {error}")));
        }
    };
    if !levels.some {
        return Ok(());
    }
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !is_plain)
        .with_thread_names(true)
        .with_span_events(FmtSpan::CLOSE)
        // Nobody has to be there to hear it; a complaint of that could end a scheduler.
        .log_internal_errors(false);
    let begun = match format {
        Format::Text => registry().with(lines.with_filter(levels.targets)).try_init(),
        Format::Json => registry().with(lines.json().with_filter(levels.targets)).try_init(),
    };
    begun.map_err(|error| CliError::failure(format!("nothing can be told: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for (text, some) in [
            ("info", Some(true)),
            ("TRACE", Some(true)),
            ("off", Some(false)),
            ("warn,karyon_log_writer=debug", Some(true)),
            ("off,karyon_runtime::engine=trace", Some(true)),
            ("", None),
            ("loud", None),
            ("info,", None),
            ("ractor=trace", None),
            ("karyon_runtime", None),
            ("karyon_runtime=", None),
        ] {
            assert_eq!(text.parse::<Levels>().ok().map(|levels| levels.some), some, "{text}");
        }
        let levels: Levels = "warn,karyon_log_writer=debug".parse().unwrap();
        let tells = |target| levels.targets.would_enable(target, &tracing::Level::DEBUG);
        assert!(tells("karyon_log_writer::writer") && !tells("karyon_runtime::engine"));
        assert!(!levels.targets.would_enable("ractor::actor", &tracing::Level::ERROR));
    }
}
