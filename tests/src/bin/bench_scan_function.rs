//! What a daily run of the compiled `scan` takes: memory, CPU, time and calls, in front of a large account in seventeen regions whose
//! answers take time, at the share of a core that Lambda gives the function. Each account is scanned twice: the first run opens
//! all findings, the second one finds nothing new.
//!
//! `bench-scan-function --users 1000,5000 --latency 50 --tables 10 --iam-rate 20`: milliseconds of an answer, of one of the tables, and
//! calls a second that IAM allows. Ends with an error when a run of 1,000 users or fewer misses a bound.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use anyhow::{Context as _, Result, bail};
use keepwatch_tests::aws_stub::large::{Asked, Large, Size};
use keepwatch_tests::aws_stub::{AwsStub, QUEUE, TABLES};
use keepwatch_tests::events::sqs_batch;
use keepwatch_tests::function::{Function, binary};
use keepwatch_tests::runtime_api::Outcome;
use keepwatch_tests::throttle::Throttle;
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The size for which the bounds are.
const BOUND_FOR: usize = 1_000;

/// How many operations are named.
const NAMED: usize = 12;

struct Arguments {
    users: Vec<usize>,
    latency: Duration,
    tables: Duration,
    iam_rate: Option<f64>,
}

impl Arguments {
    fn read() -> Result<Arguments> {
        let millis = |value: &str| value.parse().map(Duration::from_millis);
        let mut read = Arguments {
            users: vec![1_000, 5_000],
            latency: Duration::from_millis(50),
            tables: Duration::from_millis(10),
            iam_rate: Some(20.0),
        };
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--users" => read.users = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--latency" => read.latency = millis(&value)?,
                "--tables" => read.tables = millis(&value)?,
                "--iam-rate" => read.iam_rate = Some(value.parse()?).filter(|rate| *rate > 0.0),
                _ => bail!(
                    "there is no argument {word}: --users 1000,5000 --latency 50 --tables 10 --iam-rate 20"
                ),
            }
        }
        Ok(read)
    }
}

/// What the template gives the function.
struct Given {
    memory_mb: u64,
    timeout: Duration,
}

impl Given {
    fn read() -> Result<Given> {
        // Only the common part names memory.
        let memory_mb = number(TEMPLATE, "MemorySize")?;
        let function =
            TEMPLATE.split("\n  ScanFunction:\n").nth(1).context("the template has no ScanFunction")?;
        Ok(Given { memory_mb, timeout: Duration::from_secs(number(function, "Timeout")?) })
    }
}

/// The first number of this name.
fn number(text: &str, name: &str) -> Result<u64> {
    let found = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
    found.with_context(|| format!("the template has no {name}"))?.parse().with_context(|| name.to_owned())
}

/// A daily run, with the invocations that go on with it.
struct Run {
    /// The longest of its invocations, and all of them.
    longest: Duration,
    wall: Duration,
    invocations: usize,
    cpu: Duration,
    peak: f64,
    /// Before the account was looked at: the event history.
    before: Duration,
    asked: Asked,
    answer: Value,
}

struct Bench {
    aws: AwsStub,
    account: Arc<Large>,
    scan: PathBuf,
    certificates: PathBuf,
    throttle: Throttle,
    given: Given,
}

impl Bench {
    fn new(users: usize, arguments: &Arguments) -> Result<Bench> {
        let aws = AwsStub::https()?;
        let size = Size { users, buckets: users / 2, in_region: users / 5 };
        let account = Arc::new(Large::new(size, arguments.latency, arguments.iam_rate));
        aws.look_at(Arc::clone(&account));
        aws.take_time(arguments.tables);
        let certificates = env::temp_dir().join(format!("keepwatch-bench-scan-{}.pem", process::id()));
        let roots = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        fs::write(&certificates, roots + aws.certificate().context("a stub with TLS has a certificate")?)?;
        let given = Given::read()?;
        let throttle = Throttle::of_memory(given.memory_mb);
        Ok(Bench { aws, account, scan: binary("scan")?, certificates, throttle, given })
    }

    /// A run by the clock, in a process of its own, as once a day.
    fn run(&self) -> Result<Run> {
        let certificates = self.certificates.to_str().context("the temporary folder's name is not UTF-8")?;
        let own = [
            ("AWS_ENDPOINT_URL", self.aws.endpoint()),
            ("SSL_CERT_FILE", certificates),
            ("AWS_LAMBDA_FUNCTION_NAME", "keepwatch-scan"),
            ("INTAKE_QUEUE_URL", QUEUE),
            ("RECHECK_QUEUE_URL", QUEUE),
            ("WATCHED_REGIONS", "us-east-1"),
        ];
        let function = Function::start(&self.scan, &[&own[..], &TABLES[..]].concat(), Stdio::inherit())?;
        function.started_in().context("scan did not start")?;
        let _throttled = self.throttle.apply(function.pid())?;
        self.account.take_asked();
        let began = Instant::now();
        let (mut longest, mut invocations) = (Duration::ZERO, 0);
        let (mut event, mut answer) = ("{}".to_owned(), Value::Null);
        loop {
            invocations += 1;
            let limit = self.given.timeout;
            let reply = function.invoke_within(&event, limit).with_context(|| {
                format!("invocation {invocations} did not end within {} s", limit.as_secs())
            })?;
            longest = longest.max(reply.took);
            match reply.outcome {
                Outcome::Response(text) if event == "{}" => answer = serde_json::from_str(&text)?,
                Outcome::Response(text) if !text.contains("itemIdentifier") => {}
                outcome => bail!("invocation {invocations} failed: {outcome:?}"),
            }
            match self.aws.take_messages().pop() {
                Some(message) => event = sqs_batch(&[("m", &message)]),
                None => break,
            }
        }
        let asked = self.account.take_asked();
        Ok(Run {
            longest,
            wall: began.elapsed(),
            invocations,
            cpu: function.cpu()?,
            peak: function.memory("VmHWM")?,
            before: asked.first.map(|first| first.duration_since(began)).unwrap_or_default(),
            asked,
            answer,
        })
    }

    /// Prints a run; whether it keeps the bounds.
    fn tell(&self, out: &mut impl io::Write, name: &str, run: &Run) -> Result<bool> {
        let Given { memory_mb, timeout } = &self.given;
        let share = 100.0 * run.peak / *memory_mb as f64;
        let of_time = 100.0 * run.longest.as_secs_f64() / timeout.as_secs_f64();
        let (connections, hosts) = run.asked.connections();
        writeln!(
            out,
            "  {name}: {:.0} MiB at the peak, {share:.0} % of {memory_mb}; {:.1} s of CPU; {:.0} s in {} invocations, the longest {:.0} s, {of_time:.0} % of {}",
            run.peak,
            run.cpu.as_secs_f64(),
            run.wall.as_secs_f64(),
            run.invocations,
            run.longest.as_secs_f64(),
            timeout.as_secs()
        )?;
        writeln!(
            out,
            "    event history {:.0} s; {} calls, {} of them throttled by IAM, {:.1} MB of answers, the longest {} KB ({})",
            run.before.as_secs_f64(),
            run.asked.total(),
            run.asked.throttled,
            run.asked.bytes as f64 / 1e6,
            run.asked.longest.0 / 1_000,
            run.asked.longest.1
        )?;
        writeln!(
            out,
            "    {} calls at once at most; AWS's {hosts} hosts would have had {connections} connections",
            run.asked.at_once
        )?;
        writeln!(out, "    answer: {}", run.answer)?;
        Ok(run.peak <= *memory_mb as f64 && run.longest * 2 <= *timeout && run.invocations == 1)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.certificates);
    }
}

/// The most frequent, with their counts.
fn most(counts: &BTreeMap<String, usize>, named: usize) -> String {
    let mut all: Vec<(&String, &usize)> = counts.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words: Vec<String> = all.iter().take(named).map(|(name, count)| format!("{name} {count}")).collect();
    words.join(", ")
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::read()?;
    let mut out = io::stdout().lock();
    let mut met = true;
    for users in &arguments.users {
        let bench = Bench::new(*users, &arguments)?;
        writeln!(
            out,
            "{users} users; answers of AWS take {} ms, of the tables {} ms, IAM allows {} calls a second; {}",
            arguments.latency.as_millis(),
            arguments.tables.as_millis(),
            arguments.iam_rate.map_or_else(|| "all".to_owned(), |rate| rate.to_string()),
            bench.throttle.name()
        )?;
        for (number, name) in ["first run", "second run"].into_iter().enumerate() {
            let run = bench.run()?;
            let kept = bench.tell(&mut out, name, &run)?;
            met &= kept || *users > BOUND_FOR;
            if number == 0 {
                writeln!(out, "    by operation: {}", most(&run.asked.calls, NAMED))?;
                writeln!(out, "    by region: {}", most(&run.asked.regions, usize::MAX))?;
            }
        }
    }
    let word = if met { "met" } else { "missed" };
    writeln!(
        out,
        "\nAt {BOUND_FOR} users one invocation, in the function's memory and half of its time: {word}"
    )?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
