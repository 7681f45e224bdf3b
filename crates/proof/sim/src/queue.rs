//! What is to happen when. What is to happen at the same time happens in the order in which it was said.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events by their time.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Reverse<Due<E>>>,
    said: u64,
}

#[derive(Debug)]
struct Due<E> {
    at: (u64, u64),
    event: E,
}

impl<E> Queue<E> {
    /// Nothing is to happen.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), said: 0 }
    }

    /// Something is to happen at a time.
    pub fn put(&mut self, when: u64, event: E) {
        self.said += 1;
        self.heap.push(Reverse(Due { at: (when, self.said), event }));
    }

    /// What happens next, and when, if that is no later than `until`.
    pub fn next(&mut self, until: u64) -> Option<(u64, E)> {
        self.heap.peek().filter(|Reverse(next)| next.at.0 <= until)?;
        self.heap.pop().map(|Reverse(next)| (next.at.0, next.event))
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<E> Eq for Due<E> {}
