//! Ways to break the logic on purpose, from outside: at the ports and in the shells around core. A check that stays
//! content with its sabotage proves nothing.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Detect's messages are deleted when they are received, before anything is recorded.
    AckBeforeRecord,
    /// One bad message gives the whole batch back to the queue.
    WholeBatch,
    /// Writes of findings ignore the version that was read.
    BlindWrites,
    /// Receipts and the events that a finding remembers are forgotten.
    NoReceipts,
    /// Good news about a finding that is not there is thrown away.
    NoGoodNews,
    /// A finding forgets when it was mailed last.
    NoWindow,
    /// The mark that an alert was sent is never written.
    NoSentMark,
    /// Every claim is granted.
    AlwaysClaimed,
    /// A claim never ends by itself.
    NoLease,
    /// There is no sweep.
    NoSweep,
    /// The mail budget is always full.
    FullBudget,
    /// The notifier knows of no suppression.
    NoSuppressions,
    /// Sweeps never find what a suppression's end wakes.
    NoWaking,
    /// A restored table forgets what was sent.
    RestoreUnsent,
    /// Whoever asks who is subscribed is told that somebody is.
    AlwaysHeard,
    /// A subscription that was made anew looks like the one before.
    SameSubscription,
    /// The attacker writes good news that is hardly ahead of the clock, each time before a finding is read.
    PlausibleRows,
    /// Anybody's call stands in for the daily one.
    AnybodysCall,
    /// What detect notes of the daily call is lost.
    NoReturns,
    /// A daily call that was missed counts for two.
    HastyAlarm,
}

impl Sabotage {
    /// All of them.
    pub const ALL: &[Sabotage] = &[
        Sabotage::AckBeforeRecord,
        Sabotage::WholeBatch,
        Sabotage::BlindWrites,
        Sabotage::NoReceipts,
        Sabotage::NoGoodNews,
        Sabotage::NoWindow,
        Sabotage::NoSentMark,
        Sabotage::AlwaysClaimed,
        Sabotage::NoLease,
        Sabotage::NoSweep,
        Sabotage::FullBudget,
        Sabotage::NoSuppressions,
        Sabotage::NoWaking,
        Sabotage::RestoreUnsent,
        Sabotage::AlwaysHeard,
        Sabotage::SameSubscription,
        Sabotage::PlausibleRows,
        Sabotage::AnybodysCall,
        Sabotage::NoReturns,
        Sabotage::HastyAlarm,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Sabotage::AckBeforeRecord => "ack-before-record",
            Sabotage::WholeBatch => "whole-batch",
            Sabotage::BlindWrites => "blind-writes",
            Sabotage::NoReceipts => "no-receipts",
            Sabotage::NoGoodNews => "no-good-news",
            Sabotage::NoWindow => "no-window",
            Sabotage::NoSentMark => "no-sent-mark",
            Sabotage::AlwaysClaimed => "always-claimed",
            Sabotage::NoLease => "no-lease",
            Sabotage::NoSweep => "no-sweep",
            Sabotage::FullBudget => "full-budget",
            Sabotage::NoSuppressions => "no-suppressions",
            Sabotage::NoWaking => "no-waking",
            Sabotage::RestoreUnsent => "restore-unsent",
            Sabotage::AlwaysHeard => "always-heard",
            Sabotage::SameSubscription => "same-subscription",
            Sabotage::PlausibleRows => "plausible-rows",
            Sabotage::AnybodysCall => "anybodys-call",
            Sabotage::NoReturns => "no-returns",
            Sabotage::HastyAlarm => "hasty-alarm",
        }
    }

    /// By name.
    pub fn named(name: &str) -> Option<Sabotage> {
        Sabotage::ALL.iter().copied().find(|sabotage| sabotage.name() == name)
    }
}
