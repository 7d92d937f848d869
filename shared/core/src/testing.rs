//! What tests are written with: CloudTrail's event history and the journal in memory, and futures that are done at once. The
//! tests of other crates, and those in `tests/`, have it with the feature `testing`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use keepwatch_base::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::history::decisive::Lookup;
use crate::history::progress::Span;
use crate::history::reconcile::{EventHistory, Page};
use crate::memory::journal::{Entry, Journal};

/// The most records of a page (CloudTrail API reference, `LookupEvents`).
const A_PAGE: usize = 50;

/// How long a page takes, in milliseconds.
const PAUSE: i64 = 1_000;

/// What comes of a future that waits for nothing.
///
/// # Panics
/// When it waits.
pub fn done<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

/// A refusal of AWS's.
#[derive(Debug, thiserror::Error)]
#[error("AccessDeniedException: no")]
pub struct Refused;

/// Records with their times, the latest first. A page that is longer than CloudTrail's comes as several.
pub type Records = Vec<(Timestamp, String)>;

/// An event history in memory. Each page that it tells moves its clock on by a second.
#[derive(Debug, Default)]
pub struct History {
    /// What it tells of each call, by the call's name.
    pub calls: BTreeMap<String, Vec<Records>>,
    /// What it tells of any resource.
    pub resources: Vec<Records>,
    /// What it refuses to tell of: names of calls.
    pub refused: Mutex<BTreeSet<&'static str>>,
    /// What it was asked: region, name, and which part.
    pub asked: Mutex<Vec<(String, String, Span)>>,
    /// What its clock says, in milliseconds since 1970.
    pub clock: AtomicI64,
}

impl History {
    /// A history of these records; its clock stands at this time.
    pub fn of(records: impl IntoIterator<Item = Value>, now: Timestamp) -> History {
        let mut calls: BTreeMap<String, Vec<Records>> = BTreeMap::new();
        for record in records {
            let pages = calls.entry(record["eventName"].as_str().unwrap().to_owned()).or_default();
            if pages.is_empty() {
                pages.push(Records::new());
            }
            pages[0].push(timed(&record));
        }
        for page in calls.values_mut().flatten() {
            page.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        }
        History { calls, clock: AtomicI64::new(now.millis()), ..History::default() }
    }

    /// What its clock says.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    /// Moves its clock on.
    pub fn pass(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }
}

/// These records, a list for each page.
pub fn pages(pages: &[Vec<Value>]) -> Vec<Records> {
    pages.iter().map(|page| page.iter().map(timed).collect()).collect()
}

fn timed(record: &Value) -> (Timestamp, String) {
    (Timestamp::parse(record["eventTime"].as_str().unwrap()).unwrap(), record.to_string())
}

impl EventHistory for History {
    type Error = Refused;

    async fn page(
        &self,
        region: &str,
        lookup: Lookup<'_>,
        span: Span,
        next: Option<&str>,
    ) -> Result<Page, Refused> {
        self.pass(PAUSE);
        self.asked.lock().unwrap().push((region.to_owned(), lookup.name().to_owned(), span));
        if self.refused.lock().unwrap().contains(lookup.name()) {
            return Err(Refused);
        }
        let told = match lookup {
            Lookup::Resource(_) => Some(&self.resources),
            Lookup::Call(_) | Lookup::Root => self.calls.get(lookup.name()),
        };
        let mut pages: Vec<Vec<&String>> = Vec::new();
        for page in told.into_iter().flatten() {
            let fits = |(time, _): &&(Timestamp, String)| (span.from..=span.to).contains(time);
            let all: Vec<&String> = page.iter().filter(fits).map(|(_, record)| record).collect();
            let first = pages.len();
            pages.extend(all.chunks(A_PAGE).map(<[_]>::to_vec));
            if pages.len() == first {
                pages.push(Vec::new());
            }
        }
        let number: usize = next.map_or(0, |next| next.parse().unwrap());
        Ok(Page {
            events: pages.get(number).into_iter().flatten().map(|record| (*record).clone()).collect(),
            next: (number + 1 < pages.len()).then(|| (number + 1).to_string()),
            missing: 0,
        })
    }
}

/// A journal in memory: nothing in it expires, and nothing is counted.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Mutex<BTreeMap<String, (Value, u64)>>,
    /// Whether the next write is refused, and then whether it is written all the same.
    refuses: Mutex<Option<bool>>,
}

impl Memory {
    /// A journal whose first write is refused: nothing was written, or the answer to the attempt that wrote was lost.
    pub fn refusing(is_written: bool) -> Memory {
        Memory { refuses: Mutex::new(Some(is_written)), ..Memory::default() }
    }
}

impl Journal for Memory {
    type Error = Infallible;

    async fn read<T: DeserializeOwned + Send>(&self, key: &str) -> Result<Option<Entry<T>>, Infallible> {
        let entry = self.entries.lock().unwrap().get(key).cloned();
        Ok(entry.map(|(value, version)| Entry { value: serde_json::from_value(value).unwrap(), version }))
    }

    async fn write<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        expected: Option<u64>,
        _: Timestamp,
    ) -> Result<bool, Infallible> {
        let refused = self.refuses.lock().unwrap().take();
        let mut entries = self.entries.lock().unwrap();
        if refused == Some(false) || entries.get(key).map(|(_, version)| *version) != expected {
            return Ok(false);
        }
        entries.insert(key.to_owned(), (serde_json::to_value(value).unwrap(), expected.unwrap_or(0) + 1));
        Ok(refused.is_none())
    }

    async fn count(&self, _: &str, _: &[(&str, u64)], _: Timestamp) -> Result<(), Infallible> {
        Ok(())
    }

    async fn counts(&self, _: &str) -> Result<BTreeMap<String, u64>, Infallible> {
        Ok(BTreeMap::new())
    }
}
