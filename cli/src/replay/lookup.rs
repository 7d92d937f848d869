//! The account's own event history, fetched into a folder: `LookupEvents`, which has the management events of 90 days.
//!
//! AWS answers two calls a second for all of an account's callers in a region together, with fifty events each (CloudTrail API
//! reference, `LookupEvents`). So it is said first how long that takes, and a day that is there is not fetched again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::HumanCount;
use keepwatch_aws::AwsError;
use keepwatch_aws::history::CloudTrailHistory;
use keepwatch_aws::profiles;
use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_core::history::progress::Span;
use keepwatch_core::history::reconcile::Page;

use crate::failure::Failure;
use crate::progress;

/// How long the history goes back (CloudTrail user guide, "Working with CloudTrail event history").
const MOST_DAYS: u64 = 90;

const DAY: i64 = 86_400_000;

/// Where what happens to the account as a whole is told.
const GLOBAL: &str = "us-east-1";

/// Calls a second, as [`CloudTrailHistory`] paces them.
const CALLS: f64 = 1.0 / 0.6;

/// The most events of a page.
const PAGE: usize = 50;

/// What of the history is fetched.
#[derive(Args, Debug)]
pub(super) struct Lookup {
    /// Fetch the account's event history into this folder, with your AWS credentials, and replay it. What is there already is not
    /// fetched again, so that a run that was stopped goes on.
    #[arg(long, value_name = "DIR")]
    pub(super) lookup: Option<PathBuf>,
    /// How many days of it, today included; at most 90.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=MOST_DAYS), requires = "lookup")]
    days: u64,
    /// The profile of ~/.aws to take credentials from, for --lookup and for buckets. --region says which regions are looked up
    /// (without it the profile's, and us-east-1).
    #[arg(long)]
    profile: Option<String>,
}

/// A day of a region that is to be fetched.
struct Day<'a> {
    region: &'a str,
    span: Span,
    file: PathBuf,
}

impl Lookup {
    /// The profile that is named.
    pub(super) fn profile(&self) -> Option<&str> {
        self.profile.as_deref().filter(|profile| !profile.is_empty())
    }

    /// Fetches what is asked for and not there, and returns the folder.
    ///
    /// # Errors
    /// No credentials, what AWS refused, or a file that cannot be written.
    pub(super) async fn fetch(&self, regions: &[String]) -> anyhow::Result<Option<PathBuf>> {
        let Some(folder) = &self.lookup else { return Ok(None) };
        let config = profiles::config(self.profile(), regions.first().map(String::as_str)).await;
        let config = config
            .map_err(|error| Failure::aws(&format!("{error}: --profile and --region say where to look")))?;
        let history = CloudTrailHistory::new(&config);
        let mut all = regions.to_vec();
        if all.is_empty() {
            all.extend(config.region().map(ToString::to_string));
            if !all.iter().any(|region| region == GLOBAL) {
                all.push(GLOBAL.to_owned());
            }
        }
        let days = self.missing(folder, &all, now());
        if days.is_empty() {
            return Ok(Some(folder.clone()));
        }
        estimate(&history, &days).await?;
        let bar = progress::share("events fetched, days:");
        bar.set_length(days.len() as u64);
        progress::while_shown(&bar, async {
            for day in &days {
                day.fetch(&history).await?;
                bar.inc(1);
            }
            anyhow::Ok(())
        })
        .await?;
        Ok(Some(folder.clone()))
    }

    /// The days that are not in the folder, the latest first. Today is never there: it goes on.
    fn missing<'a>(&self, folder: &Path, regions: &'a [String], now: Timestamp) -> Vec<Day<'a>> {
        let today = now.millis().div_euclid(DAY);
        let days = i64::try_from(self.days).unwrap_or(i64::MAX);
        let mut missing = Vec::new();
        for begin in (today - days + 1..=today).rev().map(|day| day * DAY) {
            let from = Timestamp::from_millis(begin);
            for region in regions {
                let file = folder.join(region).join(format!("{}.jsonl.gz", from.date()));
                let span = Span { from, to: Timestamp::from_millis(begin + DAY - 1_000).min(now) };
                if begin == today * DAY || !file.exists() {
                    missing.push(Day { region, span, file });
                }
            }
        }
        missing
    }
}

/// Says how many events there are, about, and how long it takes to fetch them: of each day one page is looked at.
async fn estimate(history: &CloudTrailHistory, days: &[Day<'_>]) -> anyhow::Result<()> {
    let mut events = 0.0;
    for day in days {
        let page = history.whatever(day.region, day.span, None).await.map_err(|error| failed(&error, day))?;
        events += day.events(&page);
    }
    let pages = (events / PAGE as f64).ceil().max(days.len() as f64);
    let seconds = Duration::from_secs_f64(pages / CALLS);
    anstream::eprintln!(
        "about {} events in {} days of regions to fetch; AWS hands them out within {} or so. What is fetched is kept, and a run \
         that is stopped goes on where it was.",
        HumanCount(events as u64),
        days.len(),
        indicatif::HumanDuration(seconds),
    );
    Ok(())
}

impl Day<'_> {
    /// About how many events the day has, of which this is the latest page.
    fn events(&self, page: &Page) -> f64 {
        let count = page.events.len() as f64;
        let times = page.events.iter().filter_map(|event| {
            let event: serde_json::Value = serde_json::from_str(event).ok()?;
            Timestamp::parse(event["eventTime"].as_str()?)
        });
        match (&page.next, times.min()) {
            (Some(_), Some(earliest)) => {
                let seen = self.span.to.since(earliest).as_secs_f64().max(1.0);
                count * (self.span.to.since(self.span.from).as_secs_f64() / seen)
            }
            _ => count,
        }
    }

    /// Fetches it into a file, which is there once it is whole.
    async fn fetch(&self, history: &CloudTrailHistory) -> anyhow::Result<()> {
        let named = || format!("cannot write {}", self.file.display());
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).with_context(named)?;
        }
        let part = self.file.with_extension("part");
        let mut out = GzEncoder::new(fs::File::create(&part).with_context(named)?, Compression::default());
        let mut next: Option<String> = None;
        let mut missing = 0;
        loop {
            let page = history.whatever(self.region, self.span, next.as_deref()).await;
            let page = page.map_err(|error| failed(&error, self))?;
            for event in &page.events {
                writeln!(out, "{event}").with_context(named)?;
            }
            missing += page.missing;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        if missing > 0 {
            let (day, region) = (self.span.from.date(), self.region);
            anstream::eprintln!(
                "{missing} events of {day} in {region} come without their record and are left out"
            );
        }
        out.finish().with_context(named)?;
        fs::rename(&part, &self.file).with_context(named)?;
        Ok(())
    }
}

fn failed(error: &AwsError, day: &Day<'_>) -> Failure {
    Failure::aws(&format!(
        "{}: {error}. It needs cloudtrail:LookupEvents, and the region must be enabled; what was fetched is kept",
        day.region
    ))
}
