//! Waiting for a condition without a runtime: a change is announced, every waiter looks again.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Announces that something changed. Cheap when nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    wakers: Mutex<Vec<Waker>>,
}

impl Signal {
    /// Wakes all waiters once.
    pub(crate) fn announce(&self) {
        let woken = std::mem::take(&mut *self.wakers.lock());
        for waker in woken {
            waker.wake();
        }
    }

    /// Resolves with the first `Some` that `look` gives; it is asked now and after every announcement.
    pub(crate) fn until<T, F: FnMut() -> Option<T>>(&self, look: F) -> Until<'_, F> {
        Until { signal: self, look }
    }
}

/// See [`Signal::until`].
pub(crate) struct Until<'a, F> {
    signal: &'a Signal,
    look: F,
}

impl<T, F: FnMut() -> Option<T> + Unpin> Future for Until<'_, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        if let Some(found) = (self.look)() {
            return Poll::Ready(found);
        }
        // Registered first, then asked again: an announcement in between is not lost.
        {
            let mut wakers = self.signal.wakers.lock();
            if !wakers.iter().any(|w| w.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
        }
        match (self.look)() {
            Some(found) => Poll::Ready(found),
            None => Poll::Pending,
        }
    }
}
