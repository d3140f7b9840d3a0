//! Records of memories, as an agent's steps leave them, in blocks as the log has them.

use karyon_log::{Cause, Lane, Output, StepEncoder};
use karyon_log_writer::Block;
use karyon_log_writer::limits::BLOCK_BYTES;
use karyon_memory_ops::Write;
use karyon_types::{AgentId, LeaseId};

/// Encodes memories as steps of one agent.
#[derive(Default)]
pub struct Steps {
    encoder: StepEncoder,
    next: u64,
    blocks: Vec<Block>,
    bytes: usize,
}

impl Steps {
    /// Adds a step that remembers this, in the bytes of a [`Write`].
    pub fn push(&mut self, write: &[u8]) {
        let block = match self.blocks.last_mut() {
            Some(block) if block.body.len() < BLOCK_BYTES => block,
            _ => {
                let (lane, body) = (Lane::Ticks, Vec::with_capacity(BLOCK_BYTES + 1_024));
                self.blocks.push(Block { lane, count: 0, body, wall_ms: 0, seals: false });
                self.blocks.last_mut().expect("it was pushed")
            }
        };
        let before = block.body.len();
        self.encoder.begin(AgentId(1), self.next, &Cause::Input(0), 1);
        self.encoder.output(&Output::Remembered { lease: LeaseId(1), write });
        self.encoder.finish(&mut block.body);
        block.count += 1;
        self.next += 1;
        self.bytes += block.body.len() - before;
    }

    /// Bytes of records that were not taken yet.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The blocks with what was added since the last time.
    pub fn take(&mut self) -> Vec<Block> {
        self.bytes = 0;
        std::mem::take(&mut self.blocks)
    }
}

/// The bytes of writes, as agents hand them over.
pub fn encoded(writes: impl Iterator<Item = Write>) -> Vec<Vec<u8>> {
    let encode = |write: Write| {
        let mut bytes = Vec::new();
        write.encode(&mut bytes).expect("it keeps to the bounds");
        bytes
    };
    writes.map(encode).collect()
}

/// What the projector reads of blocks.
pub fn bodies(blocks: &[Block]) -> Vec<&[u8]> {
    blocks.iter().map(|block| block.body.as_slice()).collect()
}
