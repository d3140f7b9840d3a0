//! The metrics as text: OpenMetrics 1.0, which Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use karyon_log_writer::WriterStatus;
use karyon_runtime::{Followed, Progress};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is read of a run.
#[derive(Clone)]
pub struct Run {
    /// The version of Karyon.
    pub version: String,
    /// The log that it writes.
    pub log: String,
    /// Which start of it this is, from 1.
    pub boot: u32,
    /// How far it has come.
    pub progress: Arc<Progress>,
    /// How far its log has come; `None`: it is sealed, and only compared.
    pub status: Option<Arc<WriterStatus>>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("log", &self.log).finish_non_exhaustive()
    }
}

/// All metrics of `run` as they are now.
///
/// # Errors
/// None that is known: writing to a string does not fail.
pub fn text(run: &Run) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("karyon");
    registry.register_collector(Box::new(Now(run.clone())));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Now(Run);

impl Collector for Now {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        sheet.about(&self.0)?;
        sheet.run(&self.0.progress)?;
        let Some(status) = &self.0.status else { return Ok(()) };
        sheet.log(status)?;
        sheet.memory(&self.0.progress.memory, status)
    }
}

struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        // Beyond 2^63 no count comes.
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        let encoder = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    fn about(&mut self, run: &Run) -> fmt::Result {
        let labels = [
            ("version", run.version.clone()),
            ("log", run.log.clone()),
            ("boot", run.boot.to_string()),
        ];
        let info = Info::new(labels.to_vec());
        let help = "Which run this is";
        let encoder = self.0.encode_descriptor("run", help, None, MetricType::Info)?;
        info.encode(encoder)
    }

    fn run(&mut self, progress: &Progress) -> fmt::Result {
        let now = progress.tally.read();
        let counts = now.counts;
        for (name, help, value) in [
            ("inputs", "External inputs released", progress.inputs.load(Ordering::Relaxed)),
            ("inputs_lost", "External inputs that nobody handled", counts.inputs_lost),
            ("steps", "Steps that ended well", counts.steps),
            ("messages_sent", "Messages that agents wanted to send", counts.sent),
            ("messages_delivered", "Messages that were handled", counts.delivered),
            ("messages_denied", "Messages that the gate denied", counts.denied),
            ("messages_refused", "Messages refused under pressure", counts.refused),
            (
                "messages_refused_speculative",
                "Speculative messages among those refused",
                counts.refused_speculative,
            ),
            ("messages_dead_lettered", "Messages that nobody handled", counts.dead_lettered),
            ("memories_written", "Memories that were written", counts.remembered),
            ("memories_denied", "Memories that the gate denied", counts.forgone),
            ("crashes", "Steps that failed", counts.crashes),
            ("restarts", "Agents that were started again", counts.restarts),
            ("exits", "Agents that ended because one that they were linked to did", counts.exits),
            ("arrangements_denied", "Timers, monitors and links denied", counts.unarranged),
        ] {
            self.counter(name, help, value)?;
        }
        for (name, help, value) in [
            ("tick", "The tick that runs", progress.tick.load(Ordering::Relaxed)),
            (
                "waiting",
                "1 while all that is left to do waits for paused agents",
                u64::from(progress.waiting.load(Ordering::Relaxed) != 0),
            ),
            ("mailbox_messages", "Messages that the next tick delivers", now.on_the_way),
            ("mailbox_held", "What waits for paused agents", now.held),
            ("mailbox_deepest", "Most messages of one agent in the last tick", now.deepest),
            ("mailbox_deepest_ever", "Most messages of one agent in any tick", now.deepest_ever),
        ] {
            self.gauge(name, help, None, value)?;
        }
        Ok(())
    }

    fn log(&mut self, status: &WriterStatus) -> fmt::Result {
        self.counter("log_records", "Durable records of the log", status.records())?;
        self.counter("log_commits", "Durable commits of the log", status.commits())?;
        let help = "Bytes of the log";
        self.gauge("log_size", help, Some(&Unit::Bytes), status.bytes())?;
        let help = "Records that were made and are not durable";
        self.gauge("log_lag_records", help, None, status.lag())?;
        let failed = u64::from(status.failure().is_some());
        self.gauge("log_failed", "1 once the log cannot be written any more", None, failed)?;
        self.commit_times(status)
    }

    /// A run in which nobody remembers has no memory that follows it, and says that it is not behind.
    fn memory(&mut self, memory: &Followed, status: &WriterStatus) -> fmt::Result {
        let read = memory.records.load(Ordering::Relaxed);
        let is_begun = memory.is_begun.load(Ordering::Relaxed);
        let lag = if is_begun { status.records().saturating_sub(read) } else { 0 };
        let help = "Durable records that the memory has not read";
        self.gauge("memory_lag_records", help, None, lag)?;
        self.gauge("memory_records", "Records of the log that the memory has read", None, read)?;
        let waits = memory.waits.load(Ordering::Relaxed);
        self.counter("memory_waits", "How often the run waited for its memory", waits)?;
        let restarts = memory.restarts.load(Ordering::Relaxed);
        let help = "How often the memory failed to follow the log and began again";
        self.counter("memory_restarts", help, restarts)
    }

    fn commit_times(&mut self, status: &WriterStatus) -> fmt::Result {
        let times = status.commit_times();
        let bounds = times
            .buckets
            .iter()
            .map(|(most, count)| (most.map_or(f64::INFINITY, |most| most.as_secs_f64()), *count));
        let buckets: Vec<_> = bounds.collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let help = "How long commits take, fdatasync included";
        let unit = Some(&Unit::Seconds);
        let mut encoder =
            self.0.encode_descriptor("log_commit", help, unit, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(times.sum.as_secs_f64(), count, &buckets, None)
    }
}
