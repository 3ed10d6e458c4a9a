//! A few connections that are kept open, for either database. Whoever asks gets the one used last: what a database keeps for
//! a connection, such as its plans, is then worked out for few of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_domain::Result;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::dialect::away;

/// Places for connections, and those that are open and not in use.
pub(crate) struct Pool<C> {
    most: u32,
    permits: Arc<Semaphore>,
    idle: Idle<C>,
}

type Idle<C> = Arc<Mutex<Vec<C>>>;

/// The right to use a connection.
pub(crate) struct Place<C> {
    idle: Idle<C>,
    _permit: OwnedSemaphorePermit,
}

impl<C> Pool<C> {
    /// A pool of at most so many connections, the first of which is open.
    pub fn new(most: u32, first: C) -> Self {
        Self { most, permits: Arc::new(Semaphore::new(most as usize)), idle: Arc::new(Mutex::new(vec![first])) }
    }

    /// Takes a place, once one is free. It is waited for no longer than that.
    pub async fn place(&self, patience: Duration) -> Result<Place<C>> {
        let permit = timeout(patience, self.permits.clone().acquire_owned()).await.map_err(away)?.map_err(away)?;
        Ok(Place { idle: self.idle.clone(), _permit: permit })
    }

    /// How many connections are open, and how many of them are not in use.
    pub fn counts(&self) -> (usize, usize) {
        let idle = lock(&self.idle).len();
        (idle + (self.most as usize).saturating_sub(self.permits.available_permits()), idle)
    }

    /// Whether no connection is given any more.
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    /// Waits until every connection has come back, and returns them to be closed.
    pub async fn close(&self) -> Vec<C> {
        // Fails only when it is closed already.
        let all = self.permits.acquire_many(self.most).await;
        self.permits.close();
        drop(all);
        std::mem::take(&mut *lock(&self.idle))
    }
}

impl<C> Place<C> {
    /// The connection used last, when one is open.
    pub fn known(&self) -> Option<C> {
        lock(&self.idle).pop()
    }

    /// Takes all that are open and not in use, so that nobody gets one of them.
    pub fn forget(&self) -> Vec<C> {
        std::mem::take(&mut *lock(&self.idle))
    }

    /// Leaves the connection to the next one; returns the one used longest ago when `old` says so.
    pub fn leave(self, connection: C, old: impl FnOnce(&C) -> bool) -> Option<C> {
        let mut idle = lock(&self.idle);
        let first = idle.first().is_some_and(old).then(|| idle.remove(0));
        idle.push(connection);
        first
    }
}

fn lock<C>(idle: &Mutex<Vec<C>>) -> MutexGuard<'_, Vec<C>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
