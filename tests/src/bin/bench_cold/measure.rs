//! The measurements.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use keepwatch_tests::aws_stub::{AwsStub, OWN_ARNS};
use keepwatch_tests::events::{root_sign_in, sqs_batch, uninteresting};
use keepwatch_tests::function::{self, Function};
use keepwatch_tests::runtime_api::Outcome;
use keepwatch_tests::throttle::Throttle;

/// Starts of each function.
pub(crate) const RUNS: usize = 21;

/// Alerts after the first one of a process, and how many of them are not yet warm.
const ALERTS: usize = 12;
const WARMING: usize = 4;

const QUIET_EVENTS: usize = 500;

/// Long enough for a throttled process to have its whole quota again, as a function has that waited for an event.
const PAUSE: Duration = Duration::from_millis(60);

/// A throttle that stops and continues in turn must be met at all of its phases alike: no pause is a multiple of its
/// period.
fn pause(turn: usize) -> Duration {
    PAUSE + Duration::from_millis((7 * turn % 20) as u64)
}

/// Where systems keep their bundle of root certificates; Lambda's is the first.
const BUNDLES: [&str; 4] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// The binaries and the AWS they talk to.
pub(crate) struct Bench {
    pub(crate) noop: PathBuf,
    pub(crate) detect: PathBuf,
    /// What the certificates file holds, for the reader of the table.
    pub(crate) roots: String,
    tls: AwsStub,
    plain: AwsStub,
    certificates: PathBuf,
}

/// Milliseconds from spawn to first `/next`.
#[derive(Default)]
pub(crate) struct Starts {
    pub(crate) noop: Vec<f64>,
    pub(crate) tls: Vec<f64>,
    pub(crate) plain: Vec<f64>,
}

/// A function at its daily work.
pub(crate) struct Quiet {
    pub(crate) cpu_us: f64,
    pub(crate) resident: f64,
    pub(crate) peak: f64,
}

/// Seconds that alerts took, and their CPU seconds.
#[derive(Default)]
pub(crate) struct Alerts {
    pub(crate) cold: Vec<f64>,
    pub(crate) warm: Vec<f64>,
    pub(crate) cold_cpu: Vec<f64>,
    pub(crate) warm_cpu: Vec<f64>,
}

impl Bench {
    /// Finds the binaries and starts an AWS with TLS and one without.
    pub(crate) fn new() -> Result<Bench> {
        let (tls, plain) = (AwsStub::https()?, AwsStub::http()?);
        // Reading the roots is most of a start, so the function gets as many as a real system has.
        let bundle = BUNDLES.iter().find(|path| Path::new(path).is_file());
        let mut roots = bundle.map(fs::read_to_string).transpose()?.unwrap_or_default();
        let count = roots.matches("BEGIN CERTIFICATE").count();
        roots.push_str(tls.certificate().context("a stub with TLS has a certificate")?);
        let certificates = std::env::temp_dir().join(format!("keepwatch-bench-{}.pem", process::id()));
        fs::write(&certificates, roots)?;
        Ok(Bench {
            noop: function::binary("noop")?,
            detect: function::binary("detect")?,
            roots: format!("{count} of this system, and the stub's"),
            tls,
            plain,
            certificates,
        })
    }

    /// MiB of the empty function and of detect.
    pub(crate) fn sizes(&self) -> Result<(f64, f64)> {
        let size = |path: &Path| -> Result<f64> { Ok(fs::metadata(path)?.len() as f64 / MIB) };
        Ok((size(&self.noop)?, size(&self.detect)?))
    }

    /// Starts all in turn, so that whatever else the machine does disturbs all alike.
    pub(crate) fn starts(&self) -> Result<Starts> {
        let mut starts = Starts::default();
        for _ in 0..RUNS {
            for (binary, aws, times) in [
                (&self.noop, &self.tls, &mut starts.noop),
                (&self.detect, &self.tls, &mut starts.tls),
                (&self.detect, &self.plain, &mut starts.plain),
            ] {
                let (_function, took) = self.start(binary, aws)?;
                times.push(took.as_secs_f64() * 1_000.0);
            }
        }
        Ok(starts)
    }

    /// Memory after one event, CPU over many that no rule matches.
    pub(crate) fn quiet(&self, binary: &Path) -> Result<Quiet> {
        let mut quiet = Quiet { cpu_us: f64::INFINITY, resident: 0.0, peak: 0.0 };
        for _ in 0..3 {
            let (function, _) = self.start(binary, &self.tls)?;
            self.alert(&function, 1)?;
            quiet.resident = quiet.resident.max(function.memory("VmRSS")?);
            let event = sqs_batch(&[("m", &uninteresting("e"))]);
            for _ in 0..QUIET_EVENTS / 5 {
                invoke(&function, &event)?;
            }
            let before = function.cpu()?;
            for _ in 0..QUIET_EVENTS {
                invoke(&function, &event)?;
            }
            let spent = function.cpu()?.saturating_sub(before);
            quiet.cpu_us = quiet.cpu_us.min(spent.as_secs_f64() * 1e6 / QUIET_EVENTS as f64);
            quiet.peak = quiet.peak.max(function.memory("VmHWM")?);
        }
        Ok(quiet)
    }

    /// The first alert of each process and the warm ones of the same process, all throttled.
    pub(crate) fn alerts(&self, throttle: &Throttle) -> Result<Alerts> {
        let mut alerts = Alerts::default();
        for run in 0..RUNS {
            let (function, _) = self.start(&self.detect, &self.tls)?;
            let _throttled = throttle.apply(function.pid())?;
            for number in 0..=ALERTS {
                thread::sleep(pause(3 * run + number));
                let before = function.cpu()?;
                // Another account each time: a new finding, read and written, and not a duplicate.
                let took = self.alert(&function, 100 + run * (ALERTS + 1) + number)?.as_secs_f64();
                // It asks for the next event after its answer; that belongs to the event, and ends soon.
                thread::sleep(PAUSE);
                let spent = function.cpu()?.saturating_sub(before).as_secs_f64();
                match number {
                    0 => {
                        alerts.cold.push(took);
                        alerts.cold_cpu.push(spent);
                    }
                    1..=WARMING => {}
                    _ => {
                        alerts.warm.push(took);
                        alerts.warm_cpu.push(spent);
                    }
                }
            }
        }
        let written = self.tls.items().len();
        if written < RUNS * (ALERTS + 1) {
            bail!("{written} findings were written: detect did not do the work that was measured");
        }
        Ok(alerts)
    }

    fn start(&self, binary: &Path, aws: &AwsStub) -> Result<(Function, Duration)> {
        let certificates = self.certificates.to_str().context("the temporary folder's name is not UTF-8")?;
        let settings = [
            ("AWS_ENDPOINT_URL", aws.endpoint()),
            ("SSL_CERT_FILE", certificates),
            ("FINDINGS_TABLE", "findings"),
            ("JOURNAL_TABLE", "journal"),
            ("SETTINGS_TABLE", "settings"),
            ("STACK_NAME", "keepwatch"),
            ("OWN_ARNS", OWN_ARNS),
        ];
        let function = Function::start(binary, &settings, Stdio::inherit())?;
        let took = function.started_in().with_context(|| format!("{} did not start", binary.display()))?;
        Ok((function, took))
    }

    fn alert(&self, function: &Function, account: usize) -> Result<Duration> {
        let account = format!("{account:012}");
        invoke(function, &sqs_batch(&[("m", &root_sign_in(&account, "e"))]))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.certificates);
    }
}

fn invoke(function: &Function, event: &str) -> Result<Duration> {
    let reply = function.invoke(event).context("the function did not answer")?;
    match reply.outcome {
        Outcome::Response(text) if !text.contains("itemIdentifier") => Ok(reply.took),
        outcome => bail!("the function failed on an event: {outcome:?}"),
    }
}

const MIB: f64 = 1_048_576.0;

/// Seconds as milliseconds.
pub(crate) fn millis(seconds: f64) -> f64 {
    seconds * 1_000.0
}

/// The middle one; not a number when there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
