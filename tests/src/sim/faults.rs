//! What goes wrong, and where: at every call of a port, before its effect or after.

use fastrand::Rng;

/// A call of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Get,
    Receipt,
    Passed,
    Write,
    Claim,
    End,
    Due,
    Waking,
    Visit,
    Read,
    Mark,
    Counts,
    Publish,
    Subscribers,
    Answer,
    /// Of the days of the daily call alone.
    Start,
}

impl Call {
    /// Its name in traces and counts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Call::Get => "read a finding",
            Call::Receipt => "read a receipt",
            Call::Passed => "read early good news",
            Call::Write => "write a finding",
            Call::Claim => "claim",
            Call::End => "end a claim",
            Call::Due => "read what is due",
            Call::Waking => "read what wakes",
            Call::Visit => "read all findings",
            Call::Read => "read the journal",
            Call::Mark => "write the journal",
            Call::Counts => "counters",
            Call::Publish => "publish",
            Call::Subscribers => "read who is subscribed",
            Call::Answer => "ask the account",
            Call::Start => "make the daily call",
        }
    }

    /// Those that may fail for a while.
    const ALL: [Call; 15] = [
        Call::Get,
        Call::Receipt,
        Call::Passed,
        Call::Write,
        Call::Claim,
        Call::End,
        Call::Due,
        Call::Waking,
        Call::Visit,
        Call::Read,
        Call::Mark,
        Call::Counts,
        Call::Publish,
        Call::Subscribers,
        Call::Answer,
    ];
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It works.
    Fine,
    /// The service throttles or fails, and nothing has happened.
    ErrorBefore,
    /// It has happened, and the answer is lost.
    ErrorAfter,
    /// The function dies, and nothing has happened.
    CrashBefore,
    /// It has happened, and the function dies.
    CrashAfter,
    /// A condition that held is said not to: DynamoDB's transaction conflicts look so.
    Refused,
    /// It has happened, the answer is lost, and the client's own retry is told that the condition does not hold.
    RefusedAfter,
}

const HOUR: i64 = 3_600_000;

/// How bad the weather of a seed is.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// Chance that a call crashes the function.
    pub crash: f64,
    /// Chance that a call fails.
    pub error: f64,
    /// Chance that a write is refused.
    pub refuse: f64,
    /// Chance that a call takes seconds or longer.
    pub stall: f64,
    /// Chance that a read of an index or of all findings is behind.
    pub stale: f64,
    /// Chance that something is delivered twice.
    pub duplicate: f64,
    /// Calls that always fail for a while.
    pub windows: Vec<(Call, i64, i64)>,
    /// When all this ends.
    pub until: i64,
}

impl Faults {
    /// A random weather until this time. One seed in eight is calm: what holds without faults is checked more strictly.
    pub(super) fn random(rng: &mut Rng, from: i64, until: i64) -> Faults {
        let stale = if rng.bool() { 0.3 } else { 0.0 };
        let (crash, error) = match rng.u8(..8) {
            0 => return Faults { stale, duplicate: 0.2, until, ..Faults::default() },
            1..=4 => (0.01, 0.02),
            5..=6 => (0.05, 0.05),
            _ => (0.15, 0.15),
        };
        let mut windows = Vec::new();
        if rng.u8(..3) == 0 {
            let call = Call::ALL[rng.usize(..Call::ALL.len())];
            let begin = rng.i64(from..until);
            // Now and then half a working day, or a long weekend.
            let length = match rng.u8(..32) {
                0 => 4 * HOUR,
                1 => 4 * 24 * HOUR,
                _ => rng.i64(10_000..HOUR),
            };
            windows.push((call, begin, begin + length));
        }
        let until = windows.iter().map(|(_, _, end)| *end).fold(until, i64::max);
        Faults {
            crash: crash * rng.f64() * 2.0,
            error: error * rng.f64() * 2.0,
            refuse: error * rng.f64(),
            stall: if rng.bool() { 0.02 } else { 0.0 },
            stale,
            duplicate: 0.15,
            windows,
            until,
        }
    }

    /// Whether nothing ever fails in this seed.
    pub(super) fn calm(&self) -> bool {
        self.crash == 0.0 && self.error == 0.0
    }

    /// What becomes of this call. Only writes can be refused.
    pub(super) fn fate(&self, rng: &mut Rng, call: Call, write: bool, now: i64) -> Fate {
        if now >= self.until || self.calm() {
            return Fate::Fine;
        }
        if self.windows.iter().any(|(of, from, to)| *of == call && (*from..*to).contains(&now)) {
            return Fate::ErrorBefore;
        }
        let roll = rng.f64();
        let after = rng.bool();
        if roll < self.crash {
            return if after { Fate::CrashAfter } else { Fate::CrashBefore };
        }
        if roll < self.crash + self.error {
            return if after { Fate::ErrorAfter } else { Fate::ErrorBefore };
        }
        if write && roll < self.crash + self.error + self.refuse {
            return if after { Fate::RefusedAfter } else { Fate::Refused };
        }
        Fate::Fine
    }

    /// How long one half of a call takes, in milliseconds.
    pub(super) fn latency(&self, rng: &mut Rng, now: i64) -> i64 {
        if now < self.until && self.stall > 0.0 && rng.f64() < self.stall {
            return rng.i64(1_000..45_000);
        }
        rng.i64(1..40)
    }
}
