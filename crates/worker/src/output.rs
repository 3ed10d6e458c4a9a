//! The bounded output of a task: head and tail are kept, what lies between is counted.
//!
//! The head is cut into numbered chunks that can be sent while the task runs; the tail is known
//! only at the end and goes with the result.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use synod_domain::Timestamp;
use synod_domain::task::{Segment, Stream};

/// How much output of a task is kept by default, in bytes.
pub const DEFAULT_LIMIT: usize = 1024 * 1024;
/// The largest bound that can be set: a result must fit into one message even when all of it needs escapes.
pub const MAX_LIMIT: usize = 2 * 1024 * 1024;
/// A chunk is complete at this size.
const CHUNK: usize = 64 * 1024;
/// A piece costs at least so much of the bound: its envelope takes room too.
const PIECE: usize = 64;

/// Numbered pieces of a task's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChunk {
    /// Its number within the task, from 0.
    pub chunk: u32,
    /// The pieces, in order.
    pub segments: Vec<Segment>,
}

/// All that is kept of a task's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The chunks; those sent before have the same numbers and content.
    pub chunks: Vec<OutputChunk>,
    /// SHA-256 over the bytes of all pieces in order; absent when there are none.
    pub digest: Option<String>,
    /// Whether output was dropped.
    pub truncated: bool,
}

/// Where an executor writes a task's output. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct OutputSink(Arc<Mutex<Buffer>>);

impl OutputSink {
    /// An empty output that keeps `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Buffer::new(limit.min(MAX_LIMIT)))))
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what a step wrote. A character cut in the middle waits for its rest.
    pub fn write(&self, step: u32, stream: Stream, at: Timestamp, bytes: &[u8]) {
        self.lock().write(step, stream, at, bytes);
    }

    /// Complete chunks that were not taken before; closes the one being filled.
    pub fn chunks_to_send(&self) -> Vec<OutputChunk> {
        self.lock().chunks_to_send()
    }

    /// Everything that is kept. Later writes are lost.
    pub fn finish(&self) -> Kept {
        self.lock().finish()
    }
}

#[derive(Debug)]
struct Piece {
    step: u32,
    stream: Stream,
    at: Timestamp,
    bytes: Vec<u8>,
}

impl Piece {
    fn cost(&self) -> usize {
        self.bytes.len().max(PIECE)
    }

    fn segment(&self) -> Segment {
        Segment::new(self.step, self.stream, self.at, &self.bytes)
    }
}

#[derive(Debug, Default)]
struct Buffer {
    head_left: usize,
    tail_limit: usize,
    /// Closed chunks.
    chunks: Vec<OutputChunk>,
    sent: usize,
    /// The chunk being filled.
    open: Vec<Segment>,
    open_cost: usize,
    head_closed: bool,
    tail: VecDeque<Piece>,
    tail_cost: usize,
    dropped: u64,
    /// The beginnings of characters whose rest was not read yet, by stream.
    cut: [Option<Piece>; 2],
}

impl Buffer {
    fn new(limit: usize) -> Self {
        Self { head_left: limit - limit / 2, tail_limit: limit / 2, ..Self::default() }
    }

    fn write(&mut self, step: u32, stream: Stream, at: Timestamp, bytes: &[u8]) {
        let slot = usize::from(stream == Stream::Stderr);
        let mut bytes = bytes.to_vec();
        match self.cut[slot].take() {
            Some(mut before) if before.step == step => {
                before.bytes.append(&mut bytes);
                bytes = before.bytes;
            }
            Some(before) => self.keep(before),
            None => {}
        }
        let rest = bytes.split_off(bytes.len() - cut_character(&bytes));
        if !rest.is_empty() {
            self.cut[slot] = Some(Piece { step, stream, at, bytes: rest });
        }
        if !bytes.is_empty() {
            self.keep(Piece { step, stream, at, bytes });
        }
    }

    fn keep(&mut self, mut piece: Piece) {
        if !self.head_closed {
            if piece.cost() <= self.head_left {
                self.add_to_head(&piece);
                return;
            }
            self.head_closed = true;
            let fits = boundary(&piece.bytes, self.head_left);
            if self.head_left >= PIECE && fits > 0 {
                let rest = piece.bytes.split_off(fits);
                self.add_to_head(&piece);
                piece.bytes = rest;
            }
            self.close_chunk();
        }
        self.tail_cost += piece.cost();
        self.tail.push_back(piece);
        self.trim_tail();
    }

    fn add_to_head(&mut self, piece: &Piece) {
        self.head_left -= piece.cost().min(self.head_left);
        self.open_cost += piece.cost();
        self.open.push(piece.segment());
        if self.open_cost >= CHUNK {
            self.close_chunk();
        }
    }

    fn trim_tail(&mut self) {
        while self.tail_cost > self.tail_limit {
            let Some(front) = self.tail.front_mut() else { return };
            let over = self.tail_cost - self.tail_limit;
            let cost = front.cost();
            // Cutting a piece below its least cost would win nothing.
            if front.bytes.len() >= over + PIECE {
                let mut start = over;
                while start < front.bytes.len() && start < over + 4 && is_continuation(front.bytes[start]) {
                    start += 1;
                }
                front.bytes.drain(..start);
                self.dropped += start as u64;
                self.tail_cost -= cost - front.cost();
            } else {
                self.dropped += front.bytes.len() as u64;
                self.tail_cost -= cost;
                self.tail.pop_front();
            }
        }
    }

    fn close_chunk(&mut self) {
        if !self.open.is_empty() {
            let segments = std::mem::take(&mut self.open);
            self.push_chunk(segments);
        }
        self.open_cost = 0;
    }

    fn push_chunk(&mut self, segments: Vec<Segment>) {
        let chunk = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        self.chunks.push(OutputChunk { chunk, segments });
    }

    fn chunks_to_send(&mut self) -> Vec<OutputChunk> {
        self.close_chunk();
        let fresh = self.chunks[self.sent.min(self.chunks.len())..].to_vec();
        self.sent = self.chunks.len();
        fresh
    }

    fn finish(&mut self) -> Kept {
        for slot in 0..self.cut.len() {
            if let Some(piece) = self.cut[slot].take() {
                self.keep(piece);
            }
        }
        self.close_chunk();
        let mut dropped = std::mem::take(&mut self.dropped);
        let truncated = dropped > 0;
        let (mut segments, mut cost) = (Vec::new(), 0);
        for piece in std::mem::take(&mut self.tail) {
            let mut segment = piece.segment();
            segment.dropped_bytes = std::mem::take(&mut dropped);
            cost += piece.cost();
            segments.push(segment);
            if cost >= CHUNK {
                self.push_chunk(std::mem::take(&mut segments));
                cost = 0;
            }
        }
        if !segments.is_empty() {
            self.push_chunk(segments);
        }
        let chunks = std::mem::take(&mut self.chunks);
        let mut hash = Sha256::new();
        for segment in chunks.iter().flat_map(|chunk| &chunk.segments) {
            hash.update(segment.bytes());
        }
        let digest = (!chunks.is_empty()).then(|| format!("sha256:{}", hex::encode(hash.finalize())));
        Kept { chunks, digest, truncated }
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// How many bytes at the end are the beginning of a character whose rest is missing.
fn cut_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        if is_continuation(byte) {
            continue;
        }
        let wanted = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return if wanted > back { back } else { 0 };
    }
    0
}

/// The largest place at or before `at` that does not lie within a character.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    at - cut_character(&bytes[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(kept: &Kept) -> Vec<u8> {
        kept.chunks.iter().flat_map(|c| &c.segments).flat_map(Segment::bytes).collect()
    }

    #[test]
    fn characters_are_not_cut_between_reads() {
        let sink = OutputSink::new(1000);
        for byte in "aé€😀z".bytes() {
            sink.write(0, Stream::Stdout, Timestamp(1), &[byte]);
        }
        sink.write(0, Stream::Stderr, Timestamp(2), b"\xff\xfe");
        let kept = sink.finish();
        assert!(!kept.truncated);
        let texts: Vec<_> = kept.chunks[0].segments.iter().map(|s| s.text.clone()).collect();
        assert_eq!(texts, ["a", "é", "€", "😀", "z"].iter().map(|t| Some((*t).to_owned())).chain([None]).collect::<Vec<_>>());
    }

    #[test]
    fn head_and_tail_stay_and_the_rest_is_counted() {
        let sink = OutputSink::new(20_000);
        for n in 0..1000 {
            sink.write(0, Stream::Stdout, Timestamp(n), format!("{n:0>99}\n").as_bytes());
        }
        let kept = sink.finish();
        let text = String::from_utf8(bytes_of(&kept)).unwrap();
        assert!(kept.truncated && text.len() <= 20_000 && text.len() > 19_000, "{}", text.len());
        assert!(text.starts_with(&format!("{:0>99}\n", 0)) && text.ends_with(&format!("{:0>99}\n", 999)));
        let dropped: Vec<u64> = kept.chunks.iter().flat_map(|c| &c.segments).map(|s| s.dropped_bytes).filter(|n| *n > 0).collect();
        assert_eq!(dropped, [100_000 - text.len() as u64]);
    }

    proptest! {
        /// However it is written and streamed, what was sent is what is kept, bytes add up, and the bound holds.
        #[test]
        fn streamed_chunks_reappear(
            limit in 0usize..3000,
            writes in proptest::collection::vec((any::<bool>(), 0u32..3, proptest::collection::vec(any::<u8>(), 0..400), any::<bool>()), 0..40),
        ) {
            let sink = OutputSink::new(limit);
            let mut streamed = Vec::new();
            let mut total = 0;
            for (n, (err, step, bytes, take)) in writes.iter().enumerate() {
                let stream = if *err { Stream::Stderr } else { Stream::Stdout };
                sink.write(*step, stream, Timestamp(n as i64), bytes);
                total += bytes.len();
                if *take {
                    streamed.extend(sink.chunks_to_send());
                }
            }
            let kept = sink.finish();
            prop_assert_eq!(&kept.chunks[..streamed.len()], &streamed[..]);
            for (n, chunk) in kept.chunks.iter().enumerate() {
                prop_assert_eq!(chunk.chunk as usize, n);
            }
            let all = bytes_of(&kept);
            let dropped: u64 = kept.chunks.iter().flat_map(|c| &c.segments).map(|s| s.dropped_bytes).sum();
            prop_assert!(all.len() <= limit);
            if !kept.truncated {
                prop_assert_eq!(all.len(), total);
            } else if dropped > 0 {
                prop_assert_eq!(all.len() as u64 + dropped, total as u64);
            }
        }
    }
}
