//! A large account as scans see it: users, roles and policies, buckets, and what lies in seventeen regions, three of them busy.
//!
//! Nothing is stored: each answer is made from the number of the resource, with pages as long as AWS's and items about as long
//! as AWS's, for what an answer weighs is what is measured. Answers take time, and IAM may have a rate.

mod call;
mod contents;
mod ec2;
mod iam;
mod json;
mod rds;
mod s3;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Request, Response};
use crate::lock;

use call::{Call, xml};
pub use contents::Size;

/// What was asked so far.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Calls by service and operation, those included that were throttled.
    pub calls: BTreeMap<String, usize>,
    /// Calls by region.
    pub regions: BTreeMap<String, usize>,
    /// Calls that were throttled.
    pub throttled: usize,
    /// Bytes of all answers.
    pub bytes: usize,
    /// The longest answer: its bytes, and the operation.
    pub longest: (usize, String),
    /// When the first call came.
    pub first: Option<Instant>,
    /// The most calls that were under way at once.
    pub at_once: usize,
    under_way: usize,
    /// The same for each host: AWS has one for each service and region, and each has connections of its own.
    hosts: BTreeMap<(String, String), (usize, usize)>,
}

impl Asked {
    /// How many calls there were.
    pub fn total(&self) -> usize {
        self.calls.values().sum()
    }

    /// How many connections AWS's hosts would have had in all, and how many hosts there are.
    pub fn connections(&self) -> (usize, usize) {
        (self.hosts.values().map(|(_, most)| most).sum(), self.hosts.len())
    }
}

/// Calls that IAM still allows.
#[derive(Debug)]
struct Allowance {
    calls: f64,
    at: Instant,
}

/// The account.
#[derive(Debug)]
pub struct Large {
    size: Size,
    latency: Duration,
    /// How many calls a second IAM allows; it gives as many at once after a pause.
    iam_rate: Option<f64>,
    allowance: Mutex<Allowance>,
    asked: Mutex<Asked>,
}

impl Large {
    /// An account of this size, whose answers take so long.
    pub fn new(size: Size, latency: Duration, iam_rate: Option<f64>) -> Large {
        let allowance = Mutex::new(Allowance { calls: iam_rate.unwrap_or_default(), at: Instant::now() });
        Large { size, latency, iam_rate, allowance, asked: Mutex::default() }
    }

    /// What was asked since the last time that this was called.
    pub fn take_asked(&self) -> Asked {
        std::mem::take(&mut lock(&self.asked))
    }

    /// The answer to a call about the account; nothing for calls of the functions' own tables and queues.
    pub(super) fn answer(&self, request: &Request) -> Option<Response> {
        let credential = request.header("authorization")?.split("Credential=").nth(1)?;
        let mut scope = credential.split('/').skip(2);
        let (region, service) = (scope.next()?, scope.next()?);
        let call = Call::of(service, region, request)?;
        let host = (service.to_owned(), region.to_owned());
        let throttled = service == "iam" && !self.allowed();
        {
            let mut asked = lock(&self.asked);
            asked.first.get_or_insert_with(Instant::now);
            *asked.calls.entry(format!("{service}:{}", call.name)).or_default() += 1;
            *asked.regions.entry(region.to_owned()).or_default() += 1;
            asked.throttled += usize::from(throttled);
            asked.under_way += 1;
            asked.at_once = asked.at_once.max(asked.under_way);
            let (under_way, most) = asked.hosts.entry(host.clone()).or_default();
            *under_way += 1;
            *most = (*most).max(*under_way);
        }
        thread::sleep(self.latency);
        let response = match throttled {
            true => xml(
                400,
                "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>",
            ),
            false => self.told(&call),
        };
        let mut asked = lock(&self.asked);
        asked.under_way = asked.under_way.saturating_sub(1);
        if let Some((under_way, _)) = asked.hosts.get_mut(&host) {
            *under_way = under_way.saturating_sub(1);
        }
        asked.bytes += response.body.len();
        if response.body.len() > asked.longest.0 {
            asked.longest = (response.body.len(), call.name.clone());
        }
        Some(response)
    }

    fn allowed(&self) -> bool {
        let Some(rate) = self.iam_rate else { return true };
        let mut allowance = lock(&self.allowance);
        let passed = allowance.at.elapsed().as_secs_f64();
        allowance.at = Instant::now();
        allowance.calls = (allowance.calls + passed * rate).min(rate);
        let allowed = allowance.calls >= 1.0;
        allowance.calls -= f64::from(u8::from(allowed));
        allowed
    }

    fn told(&self, call: &Call) -> Response {
        match call.service.as_str() {
            "iam" => iam::answer(&self.size, call),
            "s3" => s3::answer(&self.size, call),
            "ec2" => ec2::answer(&self.size, call),
            "rds" => rds::answer(&self.size, call),
            "monitoring" => xml(200, format!("<{0}Response><{0}Result/></{0}Response>", call.name)),
            "cloudfront" => xml(200, "<DistributionList/>"),
            _ => json::answer(&self.size, call),
        }
    }
}
