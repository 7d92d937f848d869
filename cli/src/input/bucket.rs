//! Log files in a bucket: `s3://bucket/prefix`, fetched into one temporary file.
//!
//! The file has no name, so that nothing stays behind however the command ends, and no object's key is ever a path of this
//! computer.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use futures_util::{StreamExt as _, stream};
use indicatif::{HumanBytes, HumanCount};
use keepwatch_aws::profiles;
use keepwatch_base::time::Timestamp;

use super::names::{ENDINGS, is_digest};
use crate::failure::Failure;
use crate::progress;

/// How many objects are asked for ahead of the one that is written.
const AHEAD: usize = 16;

/// How often an object is asked for whose bytes stop to come.
const ATTEMPTS: usize = 3;

/// Trails write what happened within minutes, and seldom hours later (CloudTrail user guide, "How CloudTrail works").
const LATE: i64 = 86_400_000;

/// Only what happened between these times is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Between {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Between {
    /// Whether an object of this key may hold some of it. CloudTrail's keys have the day between slashes; others may hold
    /// anything.
    fn may_hold(self, key: &str) -> bool {
        let Some(day) = day(key) else { return true };
        let early = self.since.is_some_and(|since| day + LATE <= since.millis());
        let late = self.until.is_some_and(|until| day > until.millis() + LATE);
        !early && !late
    }
}

/// The midnight with which the day of a key begins, in milliseconds: `…/2026/03/31/…`.
fn day(key: &str) -> Option<i64> {
    let parts: Vec<&str> = key.split('/').collect();
    let dates = parts
        .windows(3)
        .filter(|date| [4, 2, 2].iter().zip(*date).all(|(length, part)| part.len() == *length));
    let mut days = dates.filter_map(|date| Timestamp::parse(&format!("{}T00:00:00Z", date.join("-"))));
    days.next().map(Timestamp::millis)
}

/// A bucket and the beginning of its keys.
#[derive(Debug, PartialEq, Eq)]
struct Named<'n> {
    bucket: &'n str,
    prefix: &'n str,
}

/// Whether a name is meant for a bucket.
pub(super) fn is_meant(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("s3://"))
}

fn named(path: &Path) -> anyhow::Result<Named<'_>> {
    let text = path.to_str().and_then(|text| text.strip_prefix("s3://")).unwrap_or_default();
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
    anyhow::ensure!(!bucket.is_empty(), "{} names no bucket: s3://BUCKET/PREFIX", path.display());
    Ok(Named { bucket, prefix })
}

/// What was fetched: one file, and where in it each object is.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Made with the first object.
    file: Option<File>,
    paths: Vec<PathBuf>,
    places: HashMap<PathBuf, (u64, u64)>,
    /// CloudTrail's digest files, which were passed over.
    pub(super) digests: usize,
}

impl Fetched {
    /// The objects as they are called, in the order of their keys.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The bytes of an object and how many they are; `None` for what is not of a bucket.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn open(&self, path: &Path) -> io::Result<Option<(io::Take<File>, u64)>> {
        let Some(((begin, size), file)) = self.places.get(path).zip(self.file.as_ref()) else {
            return Ok(None);
        };
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(*begin))?;
        Ok(Some((io::Read::take(file, *size), *size)))
    }
}

/// Fetches what a name means that begins with `s3://`.
///
/// # Errors
/// No credentials, what AWS refused, a prefix without log files, or a temporary file that cannot be written.
pub(super) async fn fetch(
    path: &Path,
    profile: Option<&str>,
    between: Between,
    fetched: &mut Fetched,
) -> anyhow::Result<()> {
    let named = named(path)?;
    let config = profiles::config(profile, None).await;
    let config = config.map_err(|error| Failure::aws(&format!("{error}: --profile says whose to take")))?;
    let (client, objects) = list(&config, &named, path).await?;
    let (mut wanted, mut bytes, mut others) = (Vec::new(), 0, 0_usize);
    for (key, size) in objects {
        let lower = key.to_ascii_lowercase();
        if !ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
            others += 1;
        } else if lower.split('/').any(is_digest) {
            fetched.digests += 1;
        } else if between.may_hold(&key) {
            bytes += size;
            wanted.push(key);
        }
    }
    if wanted.is_empty() {
        let but = if others > 0 { ": what there is has other endings" } else { "" };
        let path = path.display();
        anyhow::bail!(
            "{path} has no files of the time that is asked for that end in {}{but}",
            ENDINGS.join(", ")
        );
    }
    let all = if between.since.is_none() { "; --since fetches less" } else { "" };
    anstream::eprintln!(
        "{}: files to fetch into a temporary file (TMPDIR says where): {}, together {}{all}",
        path.display(),
        HumanCount(wanted.len() as u64),
        HumanBytes(bytes),
    );
    let file = match &mut fetched.file {
        Some(file) => file,
        none => {
            none.insert(tempfile::tempfile().context("cannot make a temporary file (TMPDIR says where)")?)
        }
    };
    let bar = progress::share("files fetched:");
    bar.set_length(wanted.len() as u64);
    let work = async {
        // The answers' heads come ahead, their bytes as they are written: memory is bounded however large an object is.
        let answers = stream::iter(&wanted).map(async |key| (key, get(&client, named.bucket, key).await));
        let mut answers = std::pin::pin!(answers.buffered(AHEAD));
        while let Some((key, answer)) = answers.next().await {
            let place = keep(&client, named.bucket, key, answer?, file).await?;
            let shown = PathBuf::from(format!("s3://{}/{key}", named.bucket));
            fetched.places.insert(shown.clone(), place);
            fetched.paths.push(shown);
            bar.inc(1);
        }
        anyhow::Ok(())
    };
    progress::while_shown(&bar, work).await
}

/// All objects with their sizes, in the order of their keys, and a client for the bucket's own region.
async fn list(
    config: &profiles::SdkConfig,
    named: &Named<'_>,
    path: &Path,
) -> anyhow::Result<(Client, Vec<(String, u64)>)> {
    let mut client = Client::from_conf(settings(config, None));
    let (mut all, mut from, mut moved) = (Vec::new(), None, false);
    loop {
        let page = client.list_objects_v2().bucket(named.bucket).prefix(named.prefix);
        let page = match page.set_continuation_token(from.take()).send().await {
            Ok(page) => page,
            Err(error) => match elsewhere(&error).filter(|_| !moved) {
                Some(region) => {
                    moved = true;
                    client = Client::from_conf(settings(config, Some(region)));
                    continue;
                }
                None => return Err(refused(&error, "s3:ListBucket", &path.display().to_string()).into()),
            },
        };
        let objects = page.contents.unwrap_or_default().into_iter();
        all.extend(objects.filter_map(|object| {
            let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            Some((object.key?, size))
        }));
        from = page.next_continuation_token;
        if from.is_none() {
            return Ok((client, all));
        }
    }
}

/// An endpoint of one's own, such as a local cloud's, answers for all buckets under its one name.
fn settings(config: &profiles::SdkConfig, region: Option<String>) -> aws_sdk_s3::Config {
    let settings = aws_sdk_s3::config::Builder::from(config);
    let region = region.map(Region::new).or_else(|| config.region().cloned());
    settings.region(region).force_path_style(config.endpoint_url().is_some()).build()
}

/// The region in which a bucket is that was asked for in another one (S3 API reference, "Request redirection").
fn elsewhere<E>(error: &SdkError<E>) -> Option<String> {
    error.raw_response()?.headers().get("x-amz-bucket-region").map(str::to_owned)
}

async fn get(client: &Client, bucket: &str, key: &str) -> Result<GetObjectOutput, Failure> {
    let answer = client.get_object().bucket(bucket).key(key).send().await;
    answer.map_err(|error| refused(&error, "s3:GetObject", &format!("s3://{bucket}/{key}")))
}

/// Writes an object behind the others, and says where.
async fn keep(
    client: &Client,
    bucket: &str,
    key: &str,
    mut answer: GetObjectOutput,
    file: &mut File,
) -> anyhow::Result<(u64, u64)> {
    const UNWRITTEN: &str = "cannot write the temporary file (TMPDIR says where)";
    let begin = file.seek(SeekFrom::End(0)).context(UNWRITTEN)?;
    let mut attempt = 1;
    loop {
        let broken = loop {
            match answer.body.next().await {
                Some(Ok(bytes)) => file.write_all(&bytes).context(UNWRITTEN)?,
                Some(Err(error)) => break error,
                None => return Ok((begin, file.stream_position().context(UNWRITTEN)? - begin)),
            }
        };
        if attempt == ATTEMPTS {
            return Err(Failure::aws(&format!("s3://{bucket}/{key} breaks off: {broken}")).into());
        }
        attempt += 1;
        file.set_len(begin).context(UNWRITTEN)?;
        file.seek(SeekFrom::Start(begin)).context(UNWRITTEN)?;
        answer = get(client, bucket, key).await?;
    }
}

/// What AWS said, and what it needs.
fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>, action: &str, what: &str) -> Failure {
    let said = match error {
        SdkError::ServiceError(said) => {
            let error = said.err();
            // An answer to HEAD, and some proxies', have neither.
            let code = error.code().unwrap_or("an answer without a code");
            format!("{code}: {}", error.message().unwrap_or("no reason is given"))
        }
        SdkError::DispatchFailure(failed) => {
            let said = failed.as_connector_error().map(|error| format!("{error:?}"));
            format!("S3 could not be reached: {}", said.unwrap_or_default())
        }
        other => other.to_string(),
    };
    let kms = if action == "s3:GetObject" {
        ", and kms:Decrypt where the log files are encrypted with a key"
    } else {
        ""
    };
    Failure::aws(&format!("{what}: {said}. It needs {action}{kms}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_is_a_bucket_and_the_beginning_of_keys() {
        let name = |text| {
            named(Path::new(text)).map(|named| (named.bucket.to_owned(), named.prefix.to_owned())).unwrap()
        };
        assert_eq!(name("s3://trail"), ("trail".to_owned(), String::new()));
        assert_eq!(name("s3://trail/"), ("trail".to_owned(), String::new()));
        assert_eq!(
            name("s3://trail/AWSLogs/111122223333/"),
            ("trail".to_owned(), "AWSLogs/111122223333/".to_owned())
        );
        assert!(named(Path::new("s3://")).unwrap_err().to_string().contains("s3://BUCKET/PREFIX"));
        assert!(!is_meant(Path::new("s3/trail")));
    }

    #[test]
    fn only_objects_of_the_days_that_are_asked_for_are_fetched() {
        let key = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/31/111122223333_CloudTrail_x.json.gz";
        let at = |text: &str| Timestamp::parse(text);
        let holds = |since, until, key| Between { since, until }.may_hold(key);
        assert!(holds(None, None, key));
        assert!(holds(at("2026-03-31T23:59:59Z"), None, key));
        assert!(!holds(at("2026-04-01T00:00:00Z"), None, key));
        assert!(holds(None, at("2026-03-31T00:00:01Z"), key));
        assert!(
            holds(None, at("2026-03-30T00:00:00Z"), key),
            "what happened at the end of a day is written on the next one"
        );
        assert!(!holds(None, at("2026-03-29T23:00:00Z"), key));
        for key in
            ["export.csv", "2026/3/31/x.json", "2026/13/45/x.json", "20/26/03/x.json", "é/03/31/x.json"]
        {
            assert!(holds(at("2027-01-01T00:00:00Z"), None, key), "{key} may hold anything");
        }
    }

    #[test]
    fn objects_lie_one_behind_the_other_and_are_read_alone() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"firstsecond").unwrap();
        let mut fetched = Fetched { file: Some(file), ..Fetched::default() };
        fetched.places.insert("s3://b/1".into(), (0, 5));
        fetched.places.insert("s3://b/2".into(), (5, 6));
        let read = |name: &str| {
            let (mut bytes, _) = fetched.open(Path::new(name)).unwrap().unwrap();
            let mut text = String::new();
            io::Read::read_to_string(&mut bytes, &mut text).unwrap();
            text
        };
        assert_eq!((read("s3://b/2"), read("s3://b/1")), ("second".to_owned(), "first".to_owned()));
        assert!(fetched.open(Path::new("a.json")).unwrap().is_none());
    }
}
