//! Reasons that people gave, and that no log holds yet.
//!
//! `safety/resumes` is a list: a line `karyon-safety-resumes-v2`, a line for each resume with
//! number, Unix time in seconds, the key that signed it or `-`, what the marker said before, and
//! the reason, parted by tabs, and a line with the digest of all that. It is written before the
//! marker, so a resume that took effect is never without its reason. A resume that was cut off
//! between the two files stays in the list as well; the next one gets a greater number.
//!
//! The next boot puts the list into its log and, once that is durable, calls
//! [`resumes_recorded`]. After a crash in between it finds the same resumes again, and knows
//! them by their numbers.

use std::path::{Path, PathBuf};

use crate::checked::{escape, seal, unescape, unseal};
use crate::files::{self, FileError, broken};
use crate::{SAFETY, hex, unhex};

const NAME: &str = "resumes";
const VERSION: &str = "karyon-safety-resumes-v2\n";

/// A resume by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HumanResume {
    /// The number of the `clear` that it wrote.
    pub n: u64,
    /// When, in seconds since 1970, by the clock of the machine.
    pub unix_seconds: u64,
    /// The key that signed it.
    pub signed_by: Option<[u8; 32]>,
    /// What the marker said before, in words, a halt's reason included.
    pub before: String,
    /// Why it was safe to go on.
    pub reason: String,
}

/// Where the list lies.
pub fn resumes_file(data: &Path) -> PathBuf {
    data.join(SAFETY).join(NAME)
}

/// The resumes that no boot has reported as recorded yet, oldest first.
///
/// # Errors
/// The list cannot be believed.
pub fn pending_resumes(data: &Path) -> Result<Vec<HumanResume>, String> {
    let path = resumes_file(data);
    files::read(&path, decode).map_err(broken(&path)).map(Option::unwrap_or_default)
}

/// Durably replaces the list.
///
/// # Errors
/// [`FileError`].
pub fn replace_resumes(data: &Path, list: &[HumanResume]) -> Result<(), FileError> {
    files::replace(data, NAME, &encode(list))
}

/// Takes the resumes with numbers up to `n` off the list: a log holds them durably.
///
/// # Errors
/// The list cannot be believed or written; then they stay.
pub fn resumes_recorded(data: &Path, n: u64) -> Result<(), String> {
    let (recorded, list): (Vec<_>, Vec<_>) =
        pending_resumes(data)?.into_iter().partition(|resume| resume.n <= n);
    match recorded.is_empty() {
        true => Ok(()),
        false => replace_resumes(data, &list).map_err(|error| error.to_string()),
    }
}

fn encode(list: &[HumanResume]) -> String {
    let lines = list.iter().map(|resume| {
        let HumanResume { n, unix_seconds, signed_by, before, reason } = resume;
        let key = signed_by.map_or("-".into(), |key| hex(&key));
        format!("{n}\t{unix_seconds}\t{key}\t{}\t{}\n", escape(before), escape(reason))
    });
    seal(&(VERSION.to_owned() + &lines.collect::<String>()))
}

fn decode(text: &str) -> Result<Vec<HumanResume>, String> {
    let parse = |lines: &str| lines.lines().map(decode_line).collect();
    Ok(unseal(text, VERSION, parse, |list: &Vec<HumanResume>| encode(list))?)
}

fn decode_line(line: &str) -> Option<HumanResume> {
    let mut fields = line.splitn(5, '\t');
    Some(HumanResume {
        n: fields.next()?.parse().ok()?,
        unix_seconds: fields.next()?.parse().ok()?,
        signed_by: match fields.next()? {
            "-" => None,
            key => Some(unhex(key)?),
        },
        before: unescape(fields.next()?)?,
        reason: unescape(fields.next()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checked::{FORM, UNSEALED};

    fn resume(n: u64) -> HumanResume {
        let (before, reason) = ("a\tb".into(), "c\nd".into());
        HumanResume { n, unix_seconds: 2, signed_by: (n == 1).then_some([255; 32]), before, reason }
    }

    fn place() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        crate::make_folder(dir.path(), SAFETY).unwrap();
        dir
    }

    #[test]
    fn what_is_recorded_leaves_and_the_others_stay() {
        let dir = place();
        assert_eq!(pending_resumes(dir.path()), Ok(vec![]));
        replace_resumes(dir.path(), &[resume(1), resume(2), resume(3)]).unwrap();
        for (n, left) in [(0, 3), (2, 1), (2, 1), (3, 0)] {
            resumes_recorded(dir.path(), n).unwrap();
            let list = pending_resumes(dir.path()).unwrap();
            assert_eq!(list, (4 - left..=3).map(resume).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_other_form_is_broken() {
        let dir = place();
        let path = resumes_file(dir.path());
        let refused = |text: &[u8], why: &str| {
            std::fs::write(&path, text).unwrap();
            let expected = format!("{} is broken: {why}", path.display());
            assert_eq!(pending_resumes(dir.path()), Err(expected.clone()));
            assert_eq!(resumes_recorded(dir.path(), 9), Err(expected));
            assert_eq!(std::fs::read(&path).unwrap(), text, "it is kept");
        };
        let good = encode(&[resume(1)]).into_bytes();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            refused(&bytes, UNSEALED);
        }
        for body in [
            "v2\n",
            "karyon-safety-resumes-v2\n1\t2\t-\tx\n",
            "karyon-safety-resumes-v2\n01\t2\t-\tx\ty\n",
            "karyon-safety-resumes-v2\n1\t2\tKEY\tx\ty\n",
        ] {
            refused(seal(body).as_bytes(), FORM);
        }
    }
}
