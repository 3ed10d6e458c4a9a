//! `synod logs`: the output of a run's nodes.

use std::collections::BTreeMap;

use clap::Args;
use synod_domain::task::Stream;
use synod_protocol::http::client::{ClientError, escape, with_query};
use synod_protocol::http::run::Run;
use synod_protocol::http::task::{OutputChunk, OutputList, OutputQuery};

use super::API;
use crate::exit::{Exit, Fault, Result};
use crate::output::{Colour, Out, clean_lines, note};
use crate::session::App;
use crate::stream::Follow;

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The run, by id or a unique beginning of it
    run: String,
    /// Only of this node
    #[arg(long)]
    node: Option<String>,
    /// Go on until the run has ended
    #[arg(short, long)]
    follow: bool,
    /// The bytes as they were written, without the node's name before each line
    #[arg(long)]
    raw: bool,
}

/// Shows output.
pub async fn logs(args: LogsArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let run: Run = client.get(&format!("{API}/runs/{}", escape(&args.run))).await?;
    let path = format!("{API}/runs/{}/output", escape(&run.summary.id));
    let query = |follow, after| with_query(&path, &OutputQuery { node: args.node.clone(), follow, after });
    let mut printer = Printer::new(app.out, args.raw, args.node.is_none());
    let over = run.summary.phase.ended();
    let list: Option<OutputList> = match args.follow && !over {
        true => None,
        false => match client.get(&query(false, None)).await {
            // Too much for one answer comes as a stream, which ends by itself when the run has ended.
            Err(e) if over && e.code() == Some("SYN-1009") => None,
            other => Some(other?),
        },
    };
    let Some(list) = list else {
        let mut stream = Follow::new(&client, |after| query(true, after));
        loop {
            let event = stream.next().await?;
            match event.event.as_str() {
                "end" => break,
                "output" | "" => {
                    let chunk: OutputChunk = serde_json::from_str(&event.data).map_err(|e| Fault::Client(ClientError::Answer(e.to_string())))?;
                    if app.out.structured() {
                        app.out.value_line(&chunk)?;
                    } else {
                        app.out.bytes(&printer.feed(&chunk))?;
                    }
                }
                _ => {}
            }
        }
        app.out.bytes(&printer.finish())?;
        return Ok(Exit::Ok);
    };
    if app.out.structured() {
        return app.out.value(&list).map(|()| Exit::Ok);
    }
    if list.items.is_empty() && !args.raw {
        note(&format!("no output; the run is {}", run.summary.phase));
    }
    printer.expect(list.items.iter().map(|chunk| chunk.node.as_str()));
    for chunk in &list.items {
        app.out.bytes(&printer.feed(chunk))?;
    }
    app.out.bytes(&printer.finish())?;
    Ok(Exit::Ok)
}

/// Puts the node's name before each line of output.
pub struct Printer<'a> {
    out: &'a Out,
    raw: bool,
    named: bool,
    width: usize,
    open: BTreeMap<(String, bool), Vec<u8>>,
}

impl<'a> Printer<'a> {
    /// Raw bytes, or lines with or without names.
    pub fn new(out: &'a Out, raw: bool, named: bool) -> Self {
        Self { out, raw, named, width: 0, open: BTreeMap::new() }
    }

    /// Makes room for these names.
    pub fn expect<'n>(&mut self, nodes: impl Iterator<Item = &'n str>) {
        self.width = nodes.map(|node| node.chars().count()).chain([self.width]).max().unwrap_or(0).min(32);
    }

    /// What to write for a piece of output: whole lines only, unless raw.
    pub fn feed(&mut self, chunk: &OutputChunk) -> Vec<u8> {
        let mut text = Vec::new();
        self.expect(std::iter::once(chunk.node.as_str()));
        for segment in &chunk.segments {
            if self.raw {
                text.extend(segment.bytes());
                continue;
            }
            let key = (chunk.node.clone(), segment.stream == Stream::Stderr);
            let mut bytes = self.open.remove(&key).unwrap_or_default();
            if segment.dropped_bytes > 0 {
                if !bytes.is_empty() {
                    self.line(&chunk.node, &std::mem::take(&mut bytes), &mut text);
                }
                self.line(&chunk.node, format!("… {} bytes dropped …", segment.dropped_bytes).as_bytes(), &mut text);
            }
            bytes.extend(segment.bytes());
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let rest = bytes.split_off(end + 1);
                bytes.pop();
                self.line(&chunk.node, &bytes, &mut text);
                bytes = rest;
            }
            if !bytes.is_empty() {
                self.open.insert(key, bytes);
            }
        }
        text
    }

    /// Lines that were never ended.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for ((node, _), bytes) in std::mem::take(&mut self.open) {
            self.line(&node, &bytes, &mut text);
        }
        text
    }

    fn line(&self, node: &str, bytes: &[u8], text: &mut Vec<u8>) {
        if self.named {
            let name = format!("{:<width$} |", clean_lines(node), width = self.width);
            let colour = Colour::Node(node.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte)) % 6);
            text.extend(self.out.paint(colour, &name).as_bytes());
            text.push(b' ');
        }
        if self.out.terminal {
            // A node must not steer the terminal of whoever looks.
            let line = String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes));
            text.extend(clean_lines(&line).as_bytes());
        } else {
            text.extend(bytes);
        }
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use synod_domain::Timestamp;
    use synod_domain::task::Segment;

    fn chunk(node: &str, pieces: &[(&[u8], Stream, u64)]) -> OutputChunk {
        let segments = pieces
            .iter()
            .map(|(bytes, stream, dropped)| Segment { dropped_bytes: *dropped, ..Segment::new(0, *stream, Timestamp(0), bytes) })
            .collect();
        OutputChunk { id: 1, task: "r.0".into(), node: node.into(), chunk: 0, segments }
    }

    #[test]
    fn lines_are_put_together_and_named() {
        let out = Out::plain(Format::Table);
        let mut printer = Printer::new(&out, false, true);
        printer.expect(["web-10"].into_iter());
        let mut text = printer.feed(&chunk("web-1", &[(b"one\ntw", Stream::Stdout, 0), (b"err\n", Stream::Stderr, 0)]));
        text.extend(printer.feed(&chunk("web-10", &[(b"x\n", Stream::Stdout, 0)])));
        text.extend(printer.feed(&chunk("web-1", &[(b"o\nthree", Stream::Stdout, 0), (b"\xff\n", Stream::Stdout, 9)])));
        text.extend(printer.finish());
        assert_eq!(
            String::from_utf8_lossy(&text),
            "web-1  | one\nweb-1  | err\nweb-10 | x\nweb-1  | two\nweb-1  | three\nweb-1  | … 9 bytes dropped …\nweb-1  | \u{fffd}\n"
        );
    }

    #[test]
    fn raw_is_raw() {
        let out = Out::plain(Format::Table);
        let mut printer = Printer::new(&out, true, true);
        assert_eq!(printer.feed(&chunk("a", &[(b"x\xff\0", Stream::Stdout, 5), (b"y", Stream::Stderr, 0)])), b"x\xff\0y");
        assert!(printer.finish().is_empty());
    }
}
