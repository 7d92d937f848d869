//! Values that requests might carry, made of those that conditions write.

use std::net::IpAddr;

use keepwatch_base::network::Cidr;
use keepwatch_base::time::Timestamp;

use super::operator::{Kind, Operator, Value, date, shown};

/// Stands for what a stranger chooses freely, and for what AWS gives it: it is like no text that a policy holds.
pub(crate) const FILL: &str = "~";
/// The account of a stranger, who may be anybody.
pub(crate) const FRESH: &str = "~~~~~~~~~~~~";

/// More than the largest range that is not taken for the world: a /8.
const MANY_ADDRESSES: u64 = 1 << 24;

/// A value to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) text: String,
    /// How many characters a condition fixes before the first wildcard; `None` where it writes the whole value.
    pub(crate) fixed: Option<usize>,
}

/// What makes a difference to this condition: a value that fits each of its own, and one next to it. Wildcards stand for the
/// account and the name of `fill`.
pub(crate) fn candidates(operator: Operator, values: &[Value], fill: (&str, &str)) -> Vec<Candidate> {
    let literal = |text: String| Candidate { text, fixed: None };
    match operator.kind {
        Kind::Address => addresses(values),
        Kind::Bool => ["true", "false"].map(|text| literal(text.to_owned())).into(),
        Kind::Number(_) => {
            let numbers = values.iter().filter_map(|value| value.pattern.trim().parse::<f64>().ok());
            // One more or less makes no other number of a large one.
            let near = |n: f64| [n - 1.0, n.next_down(), n, n.next_up(), n + 1.0];
            numbers.flat_map(|n| near(n).map(|n| literal(n.to_string()))).collect()
        }
        Kind::Date(_) => {
            let second = std::time::Duration::from_secs(1);
            // As seconds, which a date of any year can be written in, with zeros that tell them from a year.
            let seconds = |time: Timestamp| format!("{:020}", time.millis().div_euclid(1000));
            let written = values.iter().filter_map(|value| Some((&value.pattern, date(&value.pattern)?)));
            written
                .flat_map(|(text, t)| [seconds(t.minus(second)), text.clone(), seconds(t.plus(second))])
                .map(literal)
                .collect()
        }
        // AWS's own ids are in small letters, however the policy writes them.
        Kind::Equals { ignore_case: true } => {
            let spellings = |value: &Value| [value.pattern.clone(), value.pattern.to_ascii_lowercase()];
            values.iter().flat_map(spellings).flat_map(|text| texts(&text, fill)).collect()
        }
        Kind::Equals { .. } | Kind::Like | Kind::Arn | Kind::Null | Kind::Unknown => {
            values.iter().flat_map(|value| texts(&value.pattern, fill)).collect()
        }
    }
}

/// Texts that fit a pattern.
fn texts(pattern: &str, (owner, name): (&str, &str)) -> Vec<Candidate> {
    let Some(fixed) = pattern.find(['*', '?']) else {
        return vec![Candidate { text: shown(pattern), fixed: None }];
    };
    let with = |star: &str| shown(&pattern.replace('?', FILL).replace('*', star));
    let mut all = vec![with(""), with(name), with(owner)];
    all.extend(
        ["", ":role/~", ":user/~"]
            .map(|rest| with(&format!("arn:aws:iam::{owner}{}", rest.replace(FILL, name)))),
    );
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    if let [arn, partition, service, region, account, resource] = parts.as_slice() {
        let part = |text: &str, star: &str| shown(&text.replace('?', FILL).replace('*', star));
        let bucket = *service == "s3";
        let account = match account.contains(['*', '?']) {
            true if bucket => String::new(),
            true => owner.to_owned(),
            false => shown(account),
        };
        let region = if bucket { part(region, "") } else { part(region, "us-east-1") };
        for (service, resource) in [
            (part(service, "iam"), part(resource, name)),
            (part(service, "iam"), part(resource, &format!("role/{name}"))),
        ] {
            all.push(format!(
                "{}:{}:{service}:{region}:{account}:{resource}",
                part(arn, "arn"),
                part(partition, "aws")
            ));
        }
    }
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|text| Candidate { text, fixed: Some(fixed) }).collect()
}

/// An address of each range. Those of the internet, of its halves and of long lists of large ranges are anybody's.
fn addresses(values: &[Value]) -> Vec<Candidate> {
    let ranges: Vec<Cidr> = values.iter().filter_map(|value| Cidr::parse(&value.pattern)).collect();
    let all: u64 = ranges.iter().filter(|range| !range.is_private()).map(Cidr::ipv4_addresses).sum();
    let anybody = |range: &Cidr| !range.is_private() && (range.is_world() || all > MANY_ADDRESSES);
    let inside = |range: &Cidr| {
        let text = range.to_string();
        let first: Option<IpAddr> = text.split('/').next().and_then(|address| address.parse().ok());
        first.map(|address| Candidate { text: address.to_string(), fixed: anybody(range).then_some(0) })
    };
    // Whoever can come from the internet does: a private range beside it guards nothing.
    let (private, public): (Vec<&Cidr>, Vec<&Cidr>) = ranges.iter().partition(|range| range.is_private());
    public.into_iter().chain(private).filter_map(inside).collect()
}
