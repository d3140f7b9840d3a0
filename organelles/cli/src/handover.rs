//! What a launcher hands over to the node that it becomes.
//!
//! A node cannot read the configuration: the guardian hides it. So the keys, the checkpoints and
//! the signed words that it needs come to it in a file in memory, which only it has open, and the
//! files that it is to read come to it open.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use karyon_guard::{LINK, inherit};
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{open_regular, read_open};
use karyon_statements::{Checkpoint, SignedGrant, SignedStatement};
use serde::{Deserialize, Serialize};

use crate::error::{CliError, Code};
use crate::grant::decode_hex;
use crate::output::hex;

/// Names the descriptor of the handover in a node's environment.
const HANDOVER: &str = "KARYON_HANDOVER";
/// The longest handover, bytes: keys, one signed word, and a checkpoint each of a few logs.
const HANDOVER_BYTES_MAX: u64 = 1024 * 1024;

/// A file that a command reads. The launcher opens it, the node finds it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Input {
    Scenario,
    Contacts,
    Engram,
    Terms,
    Change,
    /// What the launcher found, to be told once it is done.
    Report,
}

impl Input {
    const ALL: [Input; 6] = [
        Input::Scenario,
        Input::Contacts,
        Input::Engram,
        Input::Terms,
        Input::Change,
        Input::Report,
    ];

    /// Names its descriptor in a node's environment.
    const fn variable(self) -> &'static str {
        match self {
            Input::Scenario => "KARYON_INPUT_SCENARIO",
            Input::Contacts => "KARYON_INPUT_CONTACTS",
            Input::Engram => "KARYON_INPUT_ENGRAM",
            Input::Terms => "KARYON_INPUT_TERMS",
            Input::Change => "KARYON_INPUT_CHANGE",
            Input::Report => "KARYON_INPUT_REPORT",
        }
    }
}

/// What stands in a node's environment and means nothing to the commands that it runs.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    [HANDOVER, LINK].into_iter().chain(Input::ALL.map(Input::variable))
}

/// The files that a command reads.
#[derive(Default)]
pub(crate) struct Inputs {
    open: BTreeMap<Input, File>,
    /// Whether they were handed over: then nothing else is opened.
    are_given: bool,
}

impl Inputs {
    /// Reads a file of at most `most` bytes: the one at `path`, or in a node the one that the
    /// launcher opened there.
    pub(crate) fn read(&mut self, input: Input, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        read_open(self.file(input, path)?, most)
    }

    /// The same file, open: its place in the file is shared with whoever else has it open.
    pub(crate) fn file(&mut self, input: Input, path: &Path) -> io::Result<&File> {
        if !self.open.contains_key(&input) && !self.are_given {
            self.open.insert(input, open_regular(path)?);
        }
        let missing = || io::Error::new(io::ErrorKind::NotFound, "it was not handed over");
        self.open.get(&input).ok_or_else(missing)
    }

    /// Whether there is such a one already.
    pub(crate) fn holds(&self, input: Input) -> bool {
        self.open.contains_key(&input)
    }

    /// Makes a file in memory that the node will find as this input.
    pub(crate) fn give(&mut self, input: Input, bytes: &[u8]) -> io::Result<()> {
        self.open.insert(input, inherit::in_memory(bytes)?);
        Ok(())
    }

    /// Keeps them open for the program that this process becomes; what names them there.
    pub(crate) fn offer(&self) -> io::Result<Vec<(String, OsString)>> {
        self.open.iter().map(|(input, file)| inherit::offer(input.variable(), file)).collect()
    }

    /// What was handed over. Each descriptor is taken, needed or not: none survives into a
    /// command that the node runs.
    fn given() -> io::Result<Inputs> {
        let mut open = BTreeMap::new();
        for input in Input::ALL {
            if let Some(file) = inherit::take(input.variable())? {
                open.insert(input, File::from(file));
            }
        }
        Ok(Inputs { open, are_given: true })
    }
}

/// What a principal signed for this one start.
pub(crate) enum Said {
    Nothing,
    /// A grant, and the public key of who signed it.
    Grant(SignedGrant, PublicKey),
    Statement(SignedStatement),
}

/// Whose engrams are believed.
#[derive(Clone, Copy)]
pub(crate) struct Signers {
    pub(crate) this_node: PublicKey,
    /// The one that a person named.
    pub(crate) named: Option<PublicKey>,
}

/// What a node knows from its launcher.
pub(crate) struct Handover {
    /// Where it works: no relative path, whatever the command line says.
    pub(crate) data: PathBuf,
    /// The same, as a person is shown it.
    pub(crate) shown: PathBuf,
    /// The key of this log.
    pub(crate) key: SecretKey,
    /// What was kept of this log elsewhere: it must extend each.
    pub(crate) known: Vec<Checkpoint>,
    pub(crate) said: Said,
    pub(crate) signers: Option<Signers>,
}

/// A handover as it is written: JSON, bytes as hexadecimal digits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    data: OsString,
    shown: OsString,
    key: String,
    known: Vec<(String, u64, String)>,
    grant: Option<(String, String)>,
    statement: Option<String>,
    signers: Option<(String, Option<String>)>,
}

impl Handover {
    /// Writes it into memory, to be passed on; what names it in the environment.
    pub(crate) fn offer(&self) -> io::Result<(File, (String, OsString))> {
        let (grant, statement) = match &self.said {
            Said::Nothing => (None, None),
            Said::Grant(grant, key) => (Some((hex(&grant.encode()), key.to_string())), None),
            Said::Statement(statement) => (None, Some(hex(&statement.encode()))),
        };
        let known = self.known.iter();
        let written = Written {
            data: self.data.clone().into(),
            shown: self.shown.clone().into(),
            key: self.key.seed_hex(),
            known: known.map(|at| (at.origin.clone(), at.size, hex(&at.root))).collect(),
            grant,
            statement,
            signers: self.signers.map(|signers| {
                (signers.this_node.to_string(), signers.named.map(|key| key.to_string()))
            }),
        };
        let file = inherit::in_memory(&serde_json::to_vec(&written)?)?;
        let name = inherit::offer(HANDOVER, &file)?;
        Ok((file, name))
    }

    /// Takes what came along; `None`: this process is no node.
    pub(crate) fn take() -> Result<Option<(Handover, Inputs)>, CliError> {
        let Some(file) = inherit::take(HANDOVER).map_err(|error| broken(&error))? else {
            return Ok(None);
        };
        let bytes = read_open(&file.into(), HANDOVER_BYTES_MAX).map_err(|error| broken(&error))?;
        let inputs = Inputs::given().map_err(|error| broken(&error))?;
        Ok(Some((Handover::decode(&bytes)?, inputs)))
    }

    fn decode(bytes: &[u8]) -> Result<Handover, CliError> {
        let Written { data, shown, key, known, grant, statement, signers } =
            serde_json::from_slice(bytes).map_err(|error| broken(&error))?;
        let public =
            |text: &String| PublicKey::from_hex(text).ok_or_else(|| broken(&"a key is none"));
        let checkpoint = |(origin, size, root): (String, u64, String)| {
            let root = decode_hex(&root).and_then(|root| root.try_into().ok());
            let root = root.ok_or_else(|| broken(&"a root has 32 bytes"))?;
            Ok::<_, CliError>(Checkpoint { origin, size, root })
        };
        let said = match (&grant, &statement) {
            (None, None) => Said::Nothing,
            (Some((signed, key)), None) => Said::Grant(
                SignedGrant::decode(&signed_bytes(signed)?).map_err(malformed)?,
                public(key)?,
            ),
            (None, Some(signed)) => {
                Said::Statement(SignedStatement::decode(&signed_bytes(signed)?).map_err(malformed)?)
            }
            (Some(_), Some(_)) => return Err(broken(&"it holds two signed words")),
        };
        let signers = signers.map(|(node, named)| {
            let named = named.as_ref().map(public).transpose()?;
            Ok::<_, CliError>(Signers { this_node: public(&node)?, named })
        });
        let key = SecretKey::from_seed_hex(&key);
        Ok(Handover {
            data: data.into(),
            shown: shown.into(),
            key: key.ok_or_else(|| broken(&"the node key is none"))?,
            known: known.into_iter().map(checkpoint).collect::<Result<_, _>>()?,
            said,
            signers: signers.transpose()?,
        })
    }
}

fn broken(why: &dyn std::fmt::Display) -> CliError {
    CliError::failure(format!("what the launcher handed over cannot be read: {why}"))
        .with_hint("start the command anew; nothing of it is to be set by hand")
}

fn signed_bytes(text: &str) -> Result<Vec<u8>, CliError> {
    decode_hex(text).ok_or_else(|| malformed("it is not hexadecimal"))
}

/// Whatever a principal did not sign is refused like a signature that does not fit.
fn malformed(why: impl std::fmt::Display) -> CliError {
    let message = format!("refused: what was signed cannot be read: {why} (malformed_statement)");
    CliError { code: Code::Refused, message, hint: None }
}
