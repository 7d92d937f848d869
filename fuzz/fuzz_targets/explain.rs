//! Any lines as the policies of one holder, as a trust policy and as a policy on a resource, explained. Reasons must be facts that
//! hold: each names statements that are there and allow, and the verdict is that of the short way. Sentences must be safe to show.
#![no_main]

use keepwatch_policy::sharing::shares;
use keepwatch_policy::trust::{exposures, insiders, providers};
use keepwatch_policy::{Document, Effect, Gives, Held, Level, analyse, explain};
use libfuzzer_sys::fuzz_target;

const OWN: &str = "111122223333";
const USER: &str = "arn:aws:iam::111122223333:user/bob";

/// The most policies that are read of one input: each more multiplies the time.
const MOST: usize = 4;

/// The most characters of a sentence; the longest names three actions of three ways.
const LONGEST: usize = 4_000;

fuzz_target!(|text: &str| {
    let documents: Vec<Document> =
        text.lines().take(MOST).filter_map(|line| Document::parse(line).ok()).collect();
    let held: Vec<Held<'_>> = documents
        .iter()
        .enumerate()
        .map(|(i, document)| match i % 2 {
            0 => Held::managed("p", document),
            _ => Held::inline("p", document),
        })
        .collect();
    for holder in [None, Some(USER)] {
        let (short, long) = (analyse(&held, holder), explain(&held, holder));
        assert_eq!(
            (short.level, short.conditional, &short.paths),
            (long.level, long.conditional, &long.paths)
        );
        assert_eq!((short.why(), short.ability()), (long.why(), long.ability()));
        assert_eq!(long.reasons.is_empty(), long.level == Level::Ordinary);
        safe(&long.why());
        assert!(long.ability().to_string().chars().count() <= 80);
        let whole = long.reasons.iter().any(|reason| reason.gives == Gives::Iam);
        let told = long.reasons.iter().filter(|reason| matches!(reason.gives, Gives::Path { .. })).count();
        assert!(whole || told == long.paths.len(), "{told} of {:?}", long.paths);
        for reason in &long.reasons {
            assert!(!reason.statements.is_empty(), "{reason:?}");
            for source in &reason.statements {
                let statement = &documents[source.policy].statements[source.statement.number - 1];
                assert_eq!((statement.effect, &statement.sid), (Effect::Allow, &source.statement.sid));
                assert!(source.conditions.iter().all(|one| statement.conditions.contains(one)));
            }
            safe(&long.tell(reason));
        }
    }
    for document in &documents {
        for exposure in exposures(document, OWN, &[]) {
            safe(&exposure.why());
            safe(&exposure.who());
        }
        insiders(document, OWN).iter().for_each(|insider| safe(&insider.to_string()));
        providers(document).iter().for_each(|provider| safe(&provider.to_string()));
        for service in ["s3", "kms", "lambda"] {
            for share in shares(document, service, OWN, &[]) {
                assert!(document.statements[share.statement.number - 1].effect == Effect::Allow);
                safe(&share.why());
                safe(&share.whom());
            }
        }
    }
});

/// A sentence that a terminal and a mail can show.
fn safe(sentence: &str) {
    assert!(!sentence.is_empty() && sentence.chars().count() <= LONGEST, "{sentence}");
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!sentence.contains(odd), "{sentence:?}");
}
