//! Server-sent events that go on after a broken connection, from where they were.

use std::time::{Duration, Instant};

use synod_protocol::http::client::{Client, EventStream, ServerSentEvent};

use crate::exit::{Fault, Result};
use crate::output::note;

/// How long a broken connection is tried again.
const PATIENCE: Duration = Duration::from_secs(300);

/// A stream that is resumed after the last event seen.
pub struct Follow<'a, P> {
    client: &'a Client,
    path: P,
    last: Option<String>,
    stream: Option<EventStream>,
    broken_since: Option<Instant>,
    told: bool,
    pause: Duration,
}

impl<'a, P: Fn(Option<i64>) -> String> Follow<'a, P> {
    /// Follows the path made from the number of the last event seen.
    pub fn new(client: &'a Client, path: P) -> Self {
        Self { client, path, last: None, stream: None, broken_since: None, told: false, pause: Duration::ZERO }
    }

    /// Opens the stream ahead; what is wrong, `next` will find.
    pub async fn open(&mut self) {
        self.stream = self.client.events(&(self.path)(None), None).await.ok();
    }

    /// The next event. Waits while the server is away, up to five minutes.
    pub async fn next(&mut self) -> Result<ServerSentEvent> {
        loop {
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => {
                    tokio::time::sleep(self.pause).await;
                    let path = (self.path)(self.last.as_deref().and_then(|id| id.parse().ok()));
                    match self.client.events(&path, self.last.as_deref()).await {
                        Ok(stream) => self.stream.insert(stream),
                        Err(e) if e.is_transient() => {
                            self.back_off(Fault::Client(e))?;
                            continue;
                        }
                        Err(e) => return Err(e.into()),
                    }
                }
            };
            match stream.next().await {
                Ok(Some(event)) => {
                    self.broken_since = None;
                    if std::mem::take(&mut self.told) {
                        note("connected again");
                    }
                    self.pause = Duration::ZERO;
                    if !event.id.is_empty() {
                        self.last = Some(event.id.clone());
                    }
                    return Ok(event);
                }
                // A server that shuts down ends its streams; another one, or the same later, goes on.
                Ok(None) => self.back_off(Fault::new(crate::exit::Exit::Unavailable, "the server ended the stream"))?,
                Err(e) => self.back_off(Fault::Client(e))?,
            }
        }
    }

    fn back_off(&mut self, fault: Fault) -> Result<()> {
        self.stream = None;
        let since = *self.broken_since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            return Err(fault);
        }
        // Most breaks are over at once; people hear of longer ones.
        if self.pause >= Duration::from_millis(400) && !self.told {
            self.told = true;
            note("the connection is lost; trying again");
        }
        self.pause = (self.pause * 2).clamp(Duration::from_millis(100), Duration::from_secs(5));
        Ok(())
    }
}
