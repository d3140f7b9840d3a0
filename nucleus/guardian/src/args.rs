//! What the guardian is asked to do.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Starts a program in a namespace of its own, watches it, and can always end it.

Usage: karyon-guardian --data DIR [--tighten KEY=VALUE]... -- PROGRAM [ARG]...

  --data DIR           the program's data directory; its safety files are in DIR/safety
  --tighten KEY=VALUE  a limit that is tighter than that of the machine's guardian.conf

`karyon run` and every other command that acts starts it by itself. Signals: SIGTERM, SIGINT and
SIGHUP ask the program to end in good order, SIGQUIT ends it at once.
Exit codes: the program's; 4: halted, or not permitted to start; 1: failure; 2: usage.
";

/// A start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) data: PathBuf,
    pub(crate) tighten: Vec<String>,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

/// Reads the arguments behind the program's name; `Ok(None)`: help was asked for.
pub(crate) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Option<Asked>, String> {
    let (mut data, mut tighten) = (None, Vec::new());
    loop {
        let word = words.next().ok_or("no program was given: … -- PROGRAM")?;
        let mut value = || words.next().ok_or(format!("{} needs a value", word.display()));
        match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--data") => data = Some(PathBuf::from(value()?)),
            Some("--tighten") => tighten.push(value()?.to_string_lossy().into_owned()),
            Some("--") => break,
            Some(_) | None => return Err(format!("unknown argument {}", word.display())),
        }
    }
    Ok(Some(Asked {
        data: data.ok_or("--data DIR is missing")?,
        tighten,
        program: words.next().ok_or("no program was given behind --")?.into(),
        arguments: words.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Option<Asked>, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn arguments() {
        let asked = parsed("--data d --tighten a=1 --tighten b=2 -- p --data x").unwrap().unwrap();
        let expected = Asked {
            data: "d".into(),
            tighten: vec!["a=1".into(), "b=2".into()],
            program: "p".into(),
            arguments: vec!["--data".into(), "x".into()],
        };
        assert_eq!(asked, expected);
        assert_eq!(parsed("--data d --help"), Ok(None));
        for words in ["", "--data", "--data d", "--data d --", "-- p", "x", "--data d p"] {
            assert!(parsed(words).is_err(), "{words}");
        }
    }
}
