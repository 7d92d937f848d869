//! Events in the order of their times, whatever files they stand in, in bounded memory.
//!
//! Folders of several regions and accounts each go through the whole time, one after the other. So what rules have something to
//! say of is put aside until all is read. What does not fit into memory is written to temporary files, each in order, which
//! are merged at the end; what was put aside as text is judged once more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};

use anyhow::{Context as _, anyhow};
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::replay::{Played, Player};

/// How much of a log is kept in memory, in bytes, as far as that can be told.
pub(super) const KEPT: usize = 64 << 20;

/// What an observation takes in memory beside the event's text, about.
const OBSERVATION: usize = 4 << 10;

/// Where an event stands: which of the files, and the line.
pub(super) type Place = (u32, u32);

/// An event that is put aside.
struct Item {
    place: Place,
    played: Box<Played>,
}

/// See the module.
pub(super) struct Ordered {
    kept: usize,
    items: Vec<Item>,
    bytes: usize,
    runs: Vec<File>,
}

impl Ordered {
    /// Nothing yet; about so many bytes are kept in memory.
    pub(super) fn new(kept: usize) -> Ordered {
        Ordered { kept, items: Vec::new(), bytes: 0, runs: Vec::new() }
    }

    /// Puts an event aside.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub(super) fn push(&mut self, place: Place, played: Box<Played>) -> anyhow::Result<()> {
        self.bytes +=
            size_of::<Played>() + 2 * played.text().len() + OBSERVATION * played.observations().count();
        self.items.push(Item { place, played });
        if self.bytes > self.kept {
            self.spill().context("cannot put events aside in a temporary file (TMPDIR says where)")?;
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.items.sort_unstable_by(|a, b| (a.played.order(), a.place).cmp(&(b.played.order(), b.place)));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut out = BufWriter::with_capacity(1 << 20, tempfile::tempfile()?);
        for Item { place, played } in self.items.drain(..) {
            let (untimed, at, id, text) = played.order();
            out.write_all(&[u8::from(untimed)])?;
            out.write_all(&at.map_or(0, Timestamp::millis).to_le_bytes())?;
            out.write_all(&place.0.to_le_bytes())?;
            out.write_all(&place.1.to_le_bytes())?;
            for text in [id, text] {
                out.write_all(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
                out.write_all(text.as_bytes())?;
            }
        }
        let mut file = out.into_inner().map_err(|error| error.into_error())?;
        file.rewind()?;
        self.runs.push(file);
        self.bytes = 0;
        Ok(())
    }

    /// Hands on all events in order.
    ///
    /// # Errors
    /// A temporary file that cannot be read, and what `each` returns.
    pub(super) fn each(
        mut self,
        player: &Player,
        mut each: impl FnMut(Place, Played) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.runs.is_empty() {
            self.sort();
            return self.items.into_iter().try_for_each(|item| each(item.place, *item.played));
        }
        self.spill().context("cannot put events aside in a temporary file (TMPDIR says where)")?;
        let lost = || "a temporary file cannot be read";
        let mut runs: Vec<Run> = self.runs.into_iter().map(Run::new).collect();
        let mut first = BinaryHeap::new();
        for (i, run) in runs.iter_mut().enumerate() {
            first.extend(run.next().with_context(lost)?.map(|event| Reverse((event, i))));
        }
        while let Some(Reverse((event, i))) = first.pop() {
            first.extend(runs[i].next().with_context(lost)?.map(|event| Reverse((event, i))));
            // It has been read before, from the same text.
            let mut played = player.again(&event.text).map_err(|error| anyhow!("{error}"))?;
            if !event.untimed {
                played.assume(Timestamp::from_millis(event.at));
            }
            each(event.place, played)?;
        }
        Ok(())
    }
}

/// An event of a temporary file. The order of the fields is the order of events; see [`Played::order`].
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Spilled {
    untimed: bool,
    at: i64,
    id: String,
    text: String,
    place: Place,
}

/// A temporary file, read from its beginning.
struct Run(BufReader<File>);

impl Run {
    fn new(file: File) -> Run {
        Run(BufReader::with_capacity(256 << 10, file))
    }

    fn next(&mut self) -> io::Result<Option<Spilled>> {
        let mut untimed = [0];
        if self.0.read(&mut untimed)? == 0 {
            return Ok(None);
        }
        let at = i64::from_le_bytes(self.bytes()?);
        let place = (u32::from_le_bytes(self.bytes()?), u32::from_le_bytes(self.bytes()?));
        let (id, text) = (self.text()?, self.text()?);
        Ok(Some(Spilled { untimed: untimed != [0], at, id, text, place }))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn text(&mut self) -> io::Result<String> {
        let length = u32::from_le_bytes(self.bytes()?);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.0.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use keepwatch_core::engine::Config;
    use keepwatch_core::event::log::entries;
    use keepwatch_rules::registry;
    use serde_json::json;

    use super::*;

    fn player() -> Player {
        Player::new(registry::RULES, Config::default())
    }

    fn sign_in(id: u64, minute: u64) -> String {
        json!({
            "eventVersion": "1.08", "eventID": format!("{id:04}"), "eventTime": format!("2026-03-01T12:{minute:02}:00Z"),
            "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn",
            "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.7", "recipientAccountId": "111122223333",
            "userIdentity": {"type": "Root", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root"},
            "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"},
        })
        .to_string()
    }

    /// Ids and titles in the order in which they are handed on.
    fn ordered(kept: usize, log: &[String]) -> Vec<(String, String)> {
        let player = player();
        let mut all = Ordered::new(kept);
        for (line, text) in log.iter().enumerate() {
            entries(text, &mut |entry| {
                let played = player.play(&entry.unwrap()).unwrap();
                all.push((0, u32::try_from(line).unwrap()), Box::new(played)).unwrap();
            });
        }
        let mut handed_on = Vec::new();
        all.each(&player, |_, played| {
            let title = played.observations().next().map(|seen| seen.title.clone()).unwrap_or_default();
            handed_on.push((played.id.clone(), title));
            Ok(())
        })
        .unwrap();
        handed_on
    }

    #[test]
    fn a_time_that_was_assumed_is_not_lost_on_disk() {
        let player = player();
        let at = Timestamp::parse("2026-03-01T12:34:00Z").unwrap();
        let text = sign_in(1, 0).replacen("2026-03-01T12:00:00Z", "yesterday", 1);
        for kept in [KEPT, 0] {
            let mut all = Ordered::new(kept);
            entries(&text, &mut |entry| {
                let mut played = player.play(&entry.unwrap()).unwrap();
                played.assume(at);
                all.push((0, 1), Box::new(played)).unwrap();
            });
            let mut handed_on = 0;
            all.each(&player, |_, played| {
                handed_on += 1;
                assert_eq!(played.at, Some(at));
                assert!(played.observations().next().is_some());
                assert!(played.observations().all(|seen| seen.event.time == at));
                Ok(())
            })
            .unwrap();
            assert_eq!(handed_on, 1);
        }
    }

    /// Little memory and much of it tell the same, in the order of time and not of the log.
    #[test]
    fn what_is_put_aside_on_disk_comes_back_as_it_was() {
        let log: Vec<String> = (0..400).map(|i| sign_in(i, (i * 37) % 60)).collect();
        let at_once = ordered(KEPT, &log);
        let times: Vec<u64> = at_once.iter().map(|(id, _)| (id.parse::<u64>().unwrap() * 37) % 60).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert!(at_once.iter().all(|(_, title)| title.contains("Root")), "{at_once:?}");
        assert_eq!(ordered(20_000, &log), at_once);
        assert_eq!(ordered(0, &log), at_once, "each event in a file of its own");
    }
}
