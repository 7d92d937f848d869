//! Any text as an event, through all rules, to the mail. Nothing may panic, no JSON object may be refused, and reading
//! only a record's outline must find the same listeners as reading all of it.
#![no_main]

use std::sync::LazyLock;

use keepwatch_alert::{Alert, RelatedActs, Sender};
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::{Index, Interest, linear};
use keepwatch_core::event::log::{LogEntry, entries};
use keepwatch_core::event::{Event, Unreadable};
use keepwatch_core::finding::Finding;
use keepwatch_core::state::{Fact, Query, Value};
use keepwatch_rules::registry::{DOCUMENTED, RULES};
use libfuzzer_sys::fuzz_target;

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(RULES));

/// DynamoDB's limit for an item.
const MAX_ITEM: usize = 400 << 10;

/// SNS's limit for a message.
const MAX_MESSAGE: usize = 256 << 10;

fuzz_target!(|text: &str| {
    entries(text, &mut |entry| {
        let Ok(entry) = entry else { return };
        let event = entry.event();
        if let LogEntry::Record(outline, _) = &entry {
            let event = event.as_ref().expect("a record with an outline is an event");
            let heard = INDEX.listeners(event).next().is_some();
            assert_eq!(INDEX.interest(&outline.header()) != Interest::Nobody, heard);
        }
        if let Ok(event) = event {
            judge(&event);
        }
    });
    match Event::parse(text) {
        Ok(event) => judge(&event),
        // An envelope of a known kind that holds no object is refused, and goes to the dead-letter queue.
        Err(Unreadable::NoDetail) => {}
        Err(error) => {
            let value: Result<serde_json::Value, _> =
                serde_json::from_str(text.trim_start_matches('\u{feff}'));
            assert!(!value.is_ok_and(|value| value.is_object()), "{error}");
        }
    }
});

fn judge(event: &Event<'_>) {
    let found: Vec<&str> = INDEX.listeners(event).map(|rule| rule.about().id).collect();
    assert_eq!(found, linear(RULES, event));
    let evaluation =
        INDEX.evaluate_answering(event, &Config::default(), Timestamp::default(), |query| match query {
            Query::ExposedKey { .. } => Fact::Known(Value::Flag(true)),
            _ => Fact::Unavailable("AccessDenied".to_owned()),
        });
    for observation in &evaluation.observations {
        let Some(mut finding) = Finding::open(observation, None, None) else { continue };
        finding.apply(observation);
        let item = serde_json::to_string(&finding).expect("a finding can be written");
        assert!(item.len() < MAX_ITEM, "{} bytes", item.len());
        let alert = Alert::of(&finding, DOCUMENTED, &Sender::none(), &RelatedActs::default());
        assert!(
            alert.subject.len() <= 100 && !alert.subject.contains(|c: char| c.is_control()),
            "{}",
            alert.subject
        );
        assert!(alert.message().len() <= MAX_MESSAGE);
    }
}
