//! The node's side of the boundary, for the life of a run.

use std::sync::Arc;

use karyon_boundary::{About, Grounds, Server};
use karyon_colony::life::{Settings, VERSION};
use karyon_log::Control;
use karyon_metrics::{Listener, Loopback, MetricsError, Run};
use karyon_runtime::{DataDir, Node, Progress, Recorder};

use crate::error::CliError;
use crate::output;

/// Answers whoever asks about the run, until it is dropped. A run that cannot be asked runs all
/// the same.
pub(crate) fn open(
    node: &Node,
    boot: u32,
    authority: &[Control],
    settings: &Settings,
) -> Option<Server> {
    let desk = Arc::clone(settings.desk.as_ref()?);
    let about = About {
        karyon: VERSION.into(),
        log: node.log(),
        boot,
        grounds: Grounds::recorded(authority),
    };
    match Server::open(node.dir(), about, desk) {
        Ok(server) => Some(server),
        Err(error) => {
            output::note(&format!("note: nobody can ask about this run: {error}"));
            None
        }
    }
}

/// Takes the port for metrics, before anything is recorded: whoever asks for them and cannot have
/// them hears of it at once.
pub(crate) fn take_port(
    place: Option<Loopback>,
    dir: &DataDir,
) -> Result<Option<Listener>, CliError> {
    place.map(|place| Listener::bind(place, dir)).transpose().map_err(|error| {
        let refused = CliError::failure(error.to_string());
        match error {
            MetricsError::Io { .. } => {
                refused.with_hint("choose another port, or 0 for any that is free")
            }
            MetricsError::NoGuardian => refused,
        }
    })
}

/// Tells whoever asks there what is counted, until it is dropped. The run has begun: what goes
/// wrong now does not end it.
pub(crate) fn tell_metrics(
    port: Option<Listener>,
    node: &Node,
    boot: u32,
    progress: &Arc<Progress>,
) -> Option<karyon_metrics::Server> {
    let port = port?;
    let address = port.address();
    let run = Run {
        version: VERSION.into(),
        log: node.log().to_string(),
        boot,
        progress: Arc::clone(progress),
        status: node.recorder.as_ref().and_then(Recorder::status),
    };
    match port.serve(run) {
        Ok(server) => {
            output::note(&format!("metrics: http://{address}/metrics"));
            Some(server)
        }
        Err(error) => {
            output::note(&format!("note: nobody is told of metrics: {error}"));
            None
        }
    }
}
