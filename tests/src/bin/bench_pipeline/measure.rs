//! One run under one load.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use keepwatch_tests::aws_stub::ALERTS;
use keepwatch_tests::pipeline::{JOURNAL, Pipeline};

use crate::mix::{Mix, critical, critical_account};
use crate::{LATENCY, cost};

/// How many CRITICAL findings there are a second, besides the load.
const CRITICALS: u32 = 4;

/// How long the queue may take to become empty after the last event.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// Events a second, besides the CRITICAL ones.
    pub(crate) rate: u32,
    /// Whether half of them are one principal's.
    pub(crate) hot: bool,
}

/// What came of it.
pub(crate) struct Measured {
    load: Load,
    events: usize,
    /// Events a second that were judged, until the queue was empty.
    reached: f64,
    failed: u64,
    given_up: usize,
    later: usize,
    errors: usize,
    criticals: usize,
    /// From the queue to SNS, in order; those that were never published are left out.
    alerts: Vec<Duration>,
    written: f64,
    /// The item that most was written of, and its units.
    hottest: (String, f64),
    conflicts: usize,
    cost: f64,
    /// How long a batch of detect took, and how many cores the functions and the rest used.
    batch: Duration,
    cores: (f64, f64),
    /// How many cores had nothing to do, where the system tells.
    idle: Option<f64>,
}

/// Runs a load for so long, and until the queue is empty.
pub(crate) fn run(mix: &Mix, load: Load, period: Duration) -> Result<Measured> {
    let pipeline = Pipeline::start(LATENCY)?;
    let aws = &pipeline.aws;
    // Each process makes its connections and reads the settings before it is measured.
    for number in 0..50 {
        pipeline.send(mix.ordinary(90_000_000 + number));
    }
    if !pipeline.drained(PATIENCE) {
        bail!("the pipeline does not become warm");
    }
    let before = (pipeline.tally(), aws.units(), pipeline.cpu(), pipeline.failed());
    let (began, idle_before) = (Instant::now(), idle());
    let (mut events, mut sent) = (0, Vec::new());
    // One clock for both: what is due next is sent next.
    let lifted = NoBudget::of(&pipeline);
    loop {
        let passed = began.elapsed();
        if passed >= period {
            break;
        }
        while (events as f64) < passed.as_secs_f64() * f64::from(load.rate) {
            pipeline.send(if load.hot { mix.with_hot(events) } else { mix.ordinary(events) });
            events += 1;
        }
        if (sent.len() as f64) < passed.as_secs_f64() * f64::from(CRITICALS) {
            let body = critical(sent.len());
            sent.push(Instant::now());
            pipeline.send(body);
        }
        thread::sleep(Duration::from_millis(1));
    }
    let drained = pipeline.drained(PATIENCE);
    drop(lifted);
    let idle =
        idle().zip(idle_before).map(|(after, before)| (after - before) / began.elapsed().as_secs_f64());
    let last = pipeline.tally().last.map_or(period, |last| last.duration_since(began));
    let took = period.max(last);
    let cpu = pipeline.cpu();
    let cores =
        |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64() / took.as_secs_f64();
    let cores = (cores(cpu.0, before.2.0), cores(cpu.1, before.2.1));
    let tally = pipeline.tally();
    let units = aws.units();
    let alerts = told(&pipeline, &sent);
    let mut spent = units.clone();
    spent.read -= before.1.read;
    spent.written -= before.1.written;
    let mut during = tally;
    during.batches -= before.0.batches;
    during.notified -= before.0.notified;
    let all = events + sent.len();
    let worked = tally.worked.saturating_sub(before.0.worked);
    let hottest = units.of_items.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let mut measured = Measured {
        load,
        events,
        reached: all as f64 / took.as_secs_f64(),
        failed: pipeline.failed() - before.3,
        given_up: aws.given_up().len(),
        later: tally.given_back,
        errors: tally.errors,
        criticals: sent.len(),
        alerts,
        written: spent.written,
        hottest: hottest.map(|((table, key), units)| (format!("{table} {key}"), *units)).unwrap_or_default(),
        conflicts: units.conflicts,
        cost: cost::of(all, &during, &spent, aws, worked),
        batch: (tally.judging - before.0.judging) / u32::try_from(during.batches.max(1)).unwrap_or(1),
        cores,
        idle,
    };
    if !drained {
        measured.errors += pipeline.waiting().max(1);
    }
    Ok(measured)
}

/// As long as it lives there is no mail budget, which is another matter: eight at once, then four a minute.
struct NoBudget(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl NoBudget {
    fn of(pipeline: &Pipeline) -> NoBudget {
        let (over, aws) = (Arc::new(AtomicBool::new(false)), Arc::clone(&pipeline.aws));
        let ended = Arc::clone(&over);
        let lifting = thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                aws.remove(JOURNAL, "budget");
                thread::sleep(Duration::from_millis(5));
            }
        });
        NoBudget(over, Some(lifting))
    }
}

impl Drop for NoBudget {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

/// For how many seconds the cores had nothing to do since the system began, in all.
fn idle() -> Option<f64> {
    // The fourth number of the first line, in hundredths of a second.
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let hundredths = text.lines().next()?.split_whitespace().nth(4)?.parse::<f64>().ok()?;
    Some(hundredths / 100.0)
}

/// How long each CRITICAL alert took, in order.
fn told(pipeline: &Pipeline, sent: &[Instant]) -> Vec<Duration> {
    let mails = pipeline.aws.published().into_iter().zip(pipeline.aws.published_at());
    let mut at = HashMap::new();
    for (mail, when) in mails.filter(|(mail, _)| mail.get("TopicArn").is_some_and(|topic| topic == ALERTS)) {
        let subject = mail.get("Subject").cloned().unwrap_or_default();
        if subject.starts_with("[CRITICAL] ") {
            at.entry(subject.rsplit(' ').next().unwrap_or_default().to_owned()).or_insert(when);
        }
    }
    let of = |(number, sent): (usize, &Instant)| {
        at.get(&format!("({})", critical_account(number))).map(|when| when.duration_since(*sent))
    };
    let mut took: Vec<Duration> = sent.iter().enumerate().filter_map(of).collect();
    took.sort_unstable();
    took
}

impl Measured {
    pub(crate) const HEADING: &str = "load               events/s  reached   events  failed  given up  p50, ms  p99, ms  ratio  write units  USD a million";

    /// The nearest rank; an alert that was never sent took forever.
    fn percentile(&self, part: f64) -> f64 {
        let rank = (self.criticals as f64 * part).ceil() as usize;
        self.alerts.get(rank.saturating_sub(1)).map_or(f64::INFINITY, |took| took.as_secs_f64() * 1_000.0)
    }

    pub(crate) fn ratio(&self, unloaded: &Measured) -> f64 {
        self.percentile(0.99) / unloaded.percentile(0.99)
    }

    pub(crate) fn nothing_failed(&self) -> bool {
        self.failed == 0 && self.given_up == 0 && self.errors == 0 && self.alerts.len() == self.criticals
    }

    /// Whether the rate was not reached, and no core had anything left to give: then the machine is measured, not Keepwatch.
    pub(crate) fn machine_is_the_limit(&self) -> bool {
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        self.reached < 0.9 * f64::from(self.load.rate) && self.idle.is_some_and(|idle| idle < 0.15 * cores)
    }

    /// What the load itself cost and wrote: the CRITICAL alerts do not count, which are many beside ten events a second.
    fn own(&self, unloaded: &Measured, all: f64, of_unloaded: f64) -> f64 {
        let alone = of_unloaded / unloaded.criticals.max(1) as f64;
        (all - alone * self.criticals as f64) / self.events.max(1) as f64
    }

    pub(crate) fn line(&self, unloaded: &Measured) -> String {
        let Load { name, rate, .. } = self.load;
        let start = format!(
            "{name:<18} {rate:>8} {:>8.0} {:>8} {:>7} {:>9}",
            self.reached, self.events, self.failed, self.given_up
        );
        let times = format!(
            "{:>8.0} {:>8.0} {:>5.1}x",
            self.percentile(0.5),
            self.percentile(0.99),
            self.ratio(unloaded)
        );
        if rate == 0 {
            return format!("{start} {times}");
        }
        let units = self.own(unloaded, self.written, unloaded.written);
        let cost = 1e6 * self.own(unloaded, self.cost, unloaded.cost);
        format!("{start} {times} {units:>12.2} {cost:>14.2}")
    }

    /// What a line does not say.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut all = vec![format!(
            "most written: {}, {:.0} units; {} writes met a transaction; {:.0} ms a batch; cores: {:.1} functions, {:.1} queue \
             and AWS, {:.1} idle",
            self.hottest.0,
            self.hottest.1,
            self.conflicts,
            self.batch.as_secs_f64() * 1_000.0,
            self.cores.0,
            self.cores.1,
            self.idle.unwrap_or_default()
        )];
        if self.reached < 0.9 * f64::from(self.load.rate) {
            let limit = if self.machine_is_the_limit() {
                "all cores were busy, so that this says how fast the machine is; p99 is not judged"
            } else {
                "cores were idle: the pipeline is what is slow"
            };
            all.push(format!(
                "{:.0} events a second were reached, not {}; {limit}",
                self.reached, self.load.rate
            ));
        }
        if self.alerts.len() < self.criticals {
            // They are still due: the sweep of the next minute finds them.
            all.push(format!(
                "{} of {} CRITICAL alerts were not sent",
                self.criticals - self.alerts.len(),
                self.criticals
            ));
        }
        if self.later > 0 {
            all.push(format!("{} deliveries were given back, to wait or to be tried again", self.later));
        }
        if self.errors > 0 {
            all.push(format!("{} invocations failed or messages were left", self.errors));
        }
        all
    }
}
