//! The intake queue as standard SQS keeps it: at least once, a visibility timeout, a receive count, a dead-letter queue.

use std::sync::Arc;

/// Six times the function's timeout, as AWS asks for.
pub(super) const VISIBILITY: i64 = 180_000;

/// Receives before SQS itself moves a message to the dead-letter queue: the most that it takes.
const MAX_RECEIVES: u32 = 1_000;

/// A message of the story.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// What it says.
    pub body: Arc<str>,
    /// When it is accepted.
    pub at: i64,
    /// Whether no redelivery can help.
    pub poison: bool,
}

/// A copy of a message in the queue.
#[derive(Clone, Debug)]
struct Copy {
    receipt: u64,
    message: usize,
    sent_at: i64,
    visible_at: i64,
    receives: u32,
}

/// What a poller gets.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// Stands for this copy.
    pub receipt: u64,
    /// The message.
    pub message: usize,
    /// How often it was delivered, this time included.
    pub receives: u32,
    /// When it was sent.
    pub sent_at: i64,
}

/// The queue and its dead-letter queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    copies: Vec<Copy>,
    /// Messages that nobody could work with.
    pub dead: Vec<usize>,
    issued: u64,
}

impl Queue {
    /// Takes a message in.
    pub(super) fn send(&mut self, message: usize, now: i64) {
        self.issued += 1;
        self.copies.push(Copy { receipt: self.issued, message, sent_at: now, visible_at: now, receives: 0 });
    }

    /// Hands out up to `most` visible messages.
    pub(super) fn receive(&mut self, most: usize, now: i64) -> Vec<Delivery> {
        let dead = &mut self.dead;
        self.copies.retain(|copy| {
            let exhausted = copy.visible_at <= now && copy.receives >= MAX_RECEIVES;
            if exhausted {
                dead.push(copy.message);
            }
            !exhausted
        });
        let visible = self.copies.iter_mut().filter(|copy| copy.visible_at <= now).take(most);
        visible
            .map(|copy| {
                copy.visible_at = now + VISIBILITY;
                copy.receives += 1;
                let Copy { receipt, message, receives, sent_at, .. } = *copy;
                Delivery { receipt, message, receives, sent_at }
            })
            .collect()
    }

    /// Makes a message visible again at once, as SQS does now and then.
    pub(super) fn duplicate(&mut self, receipt: u64, now: i64) {
        if let Some(copy) = self.copies.iter_mut().find(|copy| copy.receipt == receipt) {
            copy.visible_at = now;
        }
    }

    /// Hides a message for so long from now on.
    pub(super) fn hide(&mut self, receipt: u64, millis: i64, now: i64) {
        if let Some(copy) = self.copies.iter_mut().find(|copy| copy.receipt == receipt) {
            copy.visible_at = now + millis;
        }
    }

    /// A function gives a message up.
    pub(super) fn give_up(&mut self, receipt: u64) {
        let given_up = self.copies.iter().find(|copy| copy.receipt == receipt).map(|copy| copy.message);
        self.dead.extend(given_up);
        self.delete(receipt);
    }

    /// Deletes a message that was worked off.
    pub(super) fn delete(&mut self, receipt: u64) {
        self.copies.retain(|copy| copy.receipt != receipt);
    }

    /// When the next message is to be had.
    pub(super) fn next_visible(&self) -> Option<i64> {
        self.copies.iter().map(|copy| copy.visible_at).min()
    }

    /// Whether nothing waits and nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }
}
