//! Errors at the edge: what happened, what to do, and the exit code.

use std::path::Path;
use std::process::ExitCode;

use karyon_colony::life::LifeError;
use karyon_exit::{ExportError, ImportError};
use karyon_graph::GraphError;
use karyon_log::LogError;
use karyon_log_writer::LogFailed;
use karyon_memory::{DeedError, JournalError, LineageError, RecallError, TransplantError};
use karyon_runtime::{DataDirError, NodeError, RecordError, RunError};
use karyon_verify::VerifyError;

use crate::command::sweep;
use crate::divergence;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok,
    Failure,
    /// What was compared differs; as of `diff`, not a failure, and the same number.
    Different,
    Refused,
    Halted,
    VerificationFailed,
    /// Done, but with agents that a step which did not return took along.
    AgentsLost,
    Interrupted {
        signal: u32,
    },
}

impl Code {
    pub(crate) fn number(self) -> u8 {
        match self {
            Code::Ok => 0,
            Code::Failure | Code::Different => 1,
            Code::Refused => 3,
            Code::Halted => 4,
            Code::VerificationFailed => 5,
            Code::AgentsLost => 6,
            Code::Interrupted { signal } => 128u8.saturating_add(signal as u8),
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code.number())
    }
}

/// An error for a person.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl CliError {
    /// A plain failure.
    pub(crate) fn failure(message: impl Into<String>) -> CliError {
        CliError { code: Code::Failure, message: message.into(), hint: None }
    }

    /// That a data directory holds no log.
    pub(crate) fn unrecorded(data: &Path) -> CliError {
        let error = CliError::failure(format!("nothing was recorded in {}", data.display()));
        match data.join(sweep::PLAN).exists() {
            true => error.with_hint(format!(
                "it holds a sweep; its runs are {}, …",
                sweep::run_folder(data, 0).display()
            )),
            false => error,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> CliError {
        self.hint = Some(hint.into());
        self
    }
}

/// The error's words and those of its causes that are not in them already.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl From<karyon_keys::KeyError> for CliError {
    fn from(error: karyon_keys::KeyError) -> CliError {
        // What was kept as evidence about a log is no longer what it was.
        let code = match error.is_broken_checkpoint() {
            true => Code::VerificationFailed,
            false => Code::Failure,
        };
        CliError { code, message: words(&error), hint: None }
    }
}

impl From<DataDirError> for CliError {
    fn from(error: DataDirError) -> CliError {
        CliError::failure(words(&error))
    }
}

impl From<VerifyError> for CliError {
    fn from(error: VerifyError) -> CliError {
        let code = if error.is_refutation() { Code::VerificationFailed } else { Code::Failure };
        let hint = match &error {
            VerifyError::WrongKey { found, .. } => Some(format!(
                "if another machine wrote it, give that node's public key with --key FILE; to go \
                 on with it here, bring that machine's node.key as retired/{found}.key beside the \
                 keys here (docs/operating.md, Backup)"
            )),
            VerifyError::Forked { .. } => Some(
                "keep the directory as it is, and the checkpoint: together they are the evidence; \
                 if you put an older copy there yourself, bring the newer one back"
                    .into(),
            ),
            VerifyError::Log(_)
            | VerifyError::Input { .. }
            | VerifyError::Checkpoint { .. }
            | VerifyError::Io { .. } => None,
        };
        CliError { code, message: words(&error), hint }
    }
}

impl From<LogError> for CliError {
    fn from(error: LogError) -> CliError {
        VerifyError::from(error).into()
    }
}

impl From<GraphError> for CliError {
    fn from(error: GraphError) -> CliError {
        match error {
            GraphError::Log(error) => error.into(),
            GraphError::Page(error) => CliError::failure(format!("--after: {}", words(&error))),
            damaged @ GraphError::Damaged { .. } => CliError::failure(words(&damaged))
                .with_hint("`karyon memory rebuild --data DIR` builds it anew from the log"),
            other => CliError::failure(words(&other)),
        }
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> CliError {
        match error {
            JournalError::Log(error) => error.into(),
            JournalError::File(error) => (*error).into(),
            JournalError::Index(_)
            | JournalError::Changed { .. }
            | JournalError::Unreadable { .. } => CliError::failure(words(&error)),
        }
    }
}

impl From<LineageError> for CliError {
    fn from(error: LineageError) -> CliError {
        match error {
            LineageError::Journal(error) => error.into(),
            LineageError::Graph(error) => error.into(),
            LineageError::NoRecord { .. }
            | LineageError::NoCause { .. }
            | LineageError::Missing { .. } => CliError::failure(words(&error)),
        }
    }
}

impl From<TransplantError> for CliError {
    fn from(error: TransplantError) -> CliError {
        match error {
            TransplantError::Graph(error) | TransplantError::Recall(RecallError::Graph(error)) => {
                error.into()
            }
            TransplantError::Journal(error) => error.into(),
            TransplantError::Node(error) => error.into(),
            TransplantError::Deed(DeedError::Journal(error)) => error.into(),
            TransplantError::Recall(RecallError::Forged { .. }) => {
                CliError { code: Code::VerificationFailed, message: words(&error), hint: None }
            }
            TransplantError::Grant(_)
            | TransplantError::Deed(DeedError::Denied(_))
            | TransplantError::UnknownSigner { .. }
            | TransplantError::OtherSigner { .. }
            | TransplantError::TwoPasts { .. }
            | TransplantError::OwnPast { .. } => {
                CliError { code: Code::Refused, message: words(&error), hint: None }
            }
            TransplantError::Engram(_)
            | TransplantError::NotInLog { .. }
            | TransplantError::OtherNode { .. }
            | TransplantError::Nothing
            | TransplantError::Superseded { .. }
            | TransplantError::TooFar { .. }
            | TransplantError::NoPrincipal
            | TransplantError::Locked
            | TransplantError::Mixed { .. }
            | TransplantError::Governed { .. }
            | TransplantError::TooManyGoverned { .. }
            | TransplantError::TooHeavy { .. }
            | TransplantError::Owner { .. }
            | TransplantError::NotGoverned { .. }
            | TransplantError::OwnLog => CliError::failure(words(&error)),
        }
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> CliError {
        match error {
            ExportError::Log(error) => error.into(),
            ExportError::Memory(error) => error.into(),
            ExportError::Audit(error) => error.into(),
            ExportError::Exists { ref path } if path.extension().is_some_and(|e| e == "part") => {
                CliError::failure(words(&error)).with_hint(
                    "an export that was killed leaves a file that ends with .part: remove it, \
                     unless another one is being written",
                )
            }
            ExportError::Exists { .. }
            | ExportError::Unreadable { .. }
            | ExportError::Grew
            | ExportError::Name { .. }
            | ExportError::TooMany { .. }
            | ExportError::Io { .. } => CliError::failure(words(&error)),
        }
    }
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> CliError {
        let message = words(&error);
        let (code, hint) = match error {
            ImportError::Verify(VerifyError::WrongKey { found, .. }) => {
                let hint = format!(
                    "if you got that key from its owner in another way, name it: --trust {found}"
                );
                (Code::Refused, Some(hint))
            }
            ImportError::Verify(error) => {
                let CliError { code, hint, .. } = error.into();
                (code, hint)
            }
            error if error.is_refutation() => (Code::VerificationFailed, None),
            _ => (Code::Failure, None),
        };
        CliError { code, message, hint }
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> CliError {
        let code = match &error {
            NodeError::SafeMode { .. } | NodeError::Stop { .. } | NodeError::Guardian(_) => {
                Code::Halted
            }
            NodeError::Verify(error) if error.is_refutation() => Code::VerificationFailed,
            NodeError::OtherState { .. } => Code::VerificationFailed,
            NodeError::DataDir(_)
            | NodeError::NothingRecorded { .. }
            | NodeError::NoRun { .. }
            | NodeError::Unfinished { .. }
            | NodeError::Verify(_)
            | NodeError::Mismatch { .. }
            | NodeError::Log(_)
            | NodeError::Marker(_)
            | NodeError::Resume(_)
            | NodeError::Io { .. }
            | NodeError::Sign(_) => Code::Failure,
        };
        let hint = match &error {
            NodeError::Log(failed) => Some(log_hint(failed)),
            NodeError::Verify(VerifyError::WrongKey { found, .. }) => Some(format!(
                "a log goes on with the node key that began it: bring that machine's node.key as \
                 retired/{found}.key beside the keys here (docs/operating.md, Backup)"
            )),
            NodeError::Io { source, .. } if is_full(source.kind()) => Some(
                "free some space, then `karyon safety resume --reason …` and `karyon resume`; \
                 should nothing be recorded yet, that says so"
                    .into(),
            ),
            _ => None,
        };
        CliError { code, message: words(&error), hint }
    }
}

impl From<LifeError> for CliError {
    fn from(error: LifeError) -> CliError {
        match error {
            LifeError::Node(error) => error.into(),
            LifeError::Run(error) => run_error(&error),
            LifeError::Grant(_) => {
                CliError { code: Code::Refused, message: words(&error), hint: None }
            }
            LifeError::Memory(error) => {
                let code = CliError::from(error);
                CliError {
                    message: format!(
                        "the run is recorded, but its memory cannot be built: {}",
                        code.message
                    ),
                    ..code
                }
            }
            LifeError::Scenario(_)
            | LifeError::Contacts(_)
            | LifeError::Unknown(_)
            | LifeError::Beyond { .. }
            | LifeError::Copy { .. } => CliError::failure(words(&error)),
        }
    }
}

pub(crate) fn run_error(error: &RunError) -> CliError {
    let mut message = words(error);
    let (code, hint) = match error {
        RunError::Record(RecordError::Log(failed)) => (Code::Failure, Some(log_hint(failed))),
        RunError::Record(RecordError::Diverged(first)) => {
            for line in divergence::lines(first) {
                message.push_str("\n  ");
                message.push_str(&line);
            }
            (Code::VerificationFailed, None)
        }
        RunError::Schedule { .. } | RunError::Record(RecordError::Committed(_)) => {
            (Code::VerificationFailed, None)
        }
        // Only a comparison ends so, and whoever asked for one takes it for no error.
        RunError::Record(RecordError::Reached) => (Code::Failure, None),
        RunError::Lease { .. } => (Code::Refused, None),
        RunError::Full(_)
        | RunError::Change { .. }
        | RunError::Tree(_)
        | RunError::NotFree(_)
        | RunError::SpaceOfSubjects
        | RunError::Closed { .. }
        | RunError::Recall { .. }
        | RunError::Memory { .. } => (Code::Failure, None),
        RunError::Stuck(_) => (
            Code::Failure,
            Some(
                "`karyon safety resume --reason \"…\"` and `karyon resume` try that step again"
                    .into(),
            ),
        ),
        RunError::OutputBound { .. }
        | RunError::RecordBound { .. }
        | RunError::State { .. }
        | RunError::MailboxBound { .. }
        | RunError::IntensityExceeded { .. }
        | RunError::NotStarted { .. }
        | RunError::RootGaveUp { .. }
        | RunError::Runtime(_) => (Code::Failure, karyon_runtime::first_crash().map(first)),
    };
    CliError { code, message, hint }
}

fn first(words: String) -> String {
    format!("the first crash said: {words}")
}

fn is_full(kind: std::io::ErrorKind) -> bool {
    matches!(kind, std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

fn log_hint(failed: &LogFailed) -> String {
    let kept = "what was recorded before is intact (`karyon audit verify` tells)";
    match failed.kind {
        kind if is_full(kind) => format!(
            "free some space, then `karyon safety resume --reason …` and `karyon resume`; {kept}"
        ),
        _ => format!("{kept}; look at the disk before `karyon safety resume` and `karyon resume`"),
    }
}
