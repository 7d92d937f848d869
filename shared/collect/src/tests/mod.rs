//! Every question against hand-made answers: what it calls, all its pages, refusals, throttling, deletion, nonsense.

mod answers;
mod deployed;
mod shapes;
mod wire;

use std::collections::BTreeSet;
use std::time::Duration;

use keepwatch_core::posture::{Answer, Ask, Place, Question, Scope, State, ask};

use self::wire::{Mood, Wire};
use crate::operation;

/// Asks one question of one place, of an AWS in this mood.
fn asked(question: Question, mood: Mood) -> (Wire, State) {
    let wire = Wire::new(mood);
    let client = wire.client();
    let place = match question.scope() {
        Scope::Account | Scope::Home => Place::global(),
        Scope::Region => Place::region("eu-west-1"),
        Scope::Each(_) => Place::of("eu-west-1", "thing"),
    };
    let mut state = State::new("111122223333", "aws", &["eu-west-1".to_owned()], wire::at());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(crate::ask::answer(&client, question, place)).into_state(&mut state);
    (wire, state)
}

/// The IAM actions of the calls.
fn actions(calls: &BTreeSet<String>) -> BTreeSet<String> {
    let action = |call: &String| {
        let found = operation::ALL.iter().find(|one| format!("{}:{}", one.service.id, one.name) == *call);
        found.map_or_else(|| call.clone(), |one| one.action.to_owned())
    };
    calls.iter().map(action).collect()
}

/// The list of questions decides what a scan's role may do: an action too few breaks scans, one too many is a right for nothing.
#[test]
fn each_question_calls_exactly_what_its_actions_name() {
    for question in Question::ALL {
        let (wire, state) = asked(*question, Mood::default());
        assert_eq!(state.gaps(), [], "{question:?}");
        let named: BTreeSet<String> = question.actions().iter().map(|action| (*action).to_owned()).collect();
        assert_eq!(actions(&wire.calls()), named, "{question:?}");
    }
}

#[test]
fn every_list_is_read_to_its_last_page() {
    let mut paged = 0;
    for question in Question::ALL {
        let (wire, state) = asked(*question, Mood { paged: true, ..Mood::default() });
        assert_eq!(state.gaps(), [], "{question:?}");
        for call in wire.calls() {
            let own = operation::ALL.iter().find(|one| format!("{}:{}", one.service.id, one.name) == call);
            if own.is_none_or(|one| one.pages.is_none()) {
                continue;
            }
            let requests = wire.requests(&call);
            assert!(requests.iter().any(|request| request.contains("next-1")), "{call}: {requests:?}");
            paged += 1;
        }
    }
    assert!(paged > 30, "{paged}");
    let (_, state) = asked(Question::Volumes, Mood { paged: true, ..Mood::default() });
    assert_eq!(state.answer(ask::Volumes, &Place::region("eu-west-1")).value().unwrap().len(), 2);
    let (_, state) = asked(Question::Authorization, Mood { paged: true, ..Mood::default() });
    assert_eq!(state.answer(ask::Authorization, &Place::global()).value().unwrap().users.len(), 2);
}

/// Any of a question's calls may be the one that is refused, by a policy of the caller's or by one of the organization.
#[test]
fn a_refusal_names_the_action_and_nothing_takes_it_for_an_answer() {
    let by_scp = "User: u is not authorized to perform: x with an explicit deny in a service control policy";
    for question in Question::ALL {
        let (wire, _) = asked(*question, Mood::default());
        for call in wire.calls() {
            let mood = Mood { refused: BTreeSet::from([call.clone()]), refusal: by_scp, ..Mood::default() };
            let (_, state) = asked(*question, mood);
            let gaps = state.gaps();
            assert_eq!(gaps.len(), 1, "{question:?} without {call}");
            let expected = actions(&BTreeSet::from([call.clone()]));
            assert_eq!(gaps[0].2.action.as_ref(), expected.first(), "{question:?} without {call}");
            assert!(gaps[0].2.why.contains("service control policy"), "{}", gaps[0].2.why);
        }
    }
}

/// Whoever may do neither is told of both, and need not scan again to hear of the second.
#[test]
fn a_question_of_two_calls_names_both_that_are_refused() {
    let calls = ["iam:GenerateCredentialReport".to_owned(), "iam:GetCredentialReport".to_owned()];
    let mood = Mood { refused: BTreeSet::from(calls.clone()), refusal: "no", ..Mood::default() };
    let (_, state) = asked(Question::CredentialReport, mood);
    let named: Vec<_> = state.gaps().into_iter().filter_map(|(.., missing)| missing.action).collect();
    assert_eq!(named, calls);
}

#[test]
fn throttling_delays_every_answer_and_loses_none() {
    for question in Question::ALL {
        let (wire, state) = asked(*question, Mood { throttled: 2, ..Mood::default() });
        assert_eq!(state.gaps(), [], "{question:?}");
        for call in wire.calls() {
            assert!(wire.requests(&call).len() > 2, "{call} was not tried again");
        }
    }
}

/// The configuration of these tests gives a try four seconds, as that of the functions does for the sake of events.
#[test]
fn a_scan_waits_for_an_answer_that_takes_long() {
    for question in [Question::Authorization, Question::AccessKeys, Question::Volumes, Question::BucketAcl] {
        for (seconds, gaps) in [(15, 0), (25, 1)] {
            let slow = Some(Duration::from_secs(seconds));
            let (_, state) = asked(question, Mood { slow, ..Mood::default() });
            assert_eq!(state.gaps().len(), gaps, "{question:?} after {seconds} s: {:?}", state.gaps());
        }
    }
}

/// Between the list and the look a bucket, a key, a user may be deleted.
#[test]
fn what_is_gone_is_absent() {
    for question in Question::ALL {
        if matches!(question.scope(), Scope::Each(_)) {
            let (_, state) = asked(*question, Mood { gone: true, ..Mood::default() });
            // GuardDuty has no code of its own for a detector that is not there.
            if *question != Question::Detector {
                assert_eq!(state.gaps(), [], "{question:?}");
            }
        }
    }
    let (_, state) = asked(Question::BucketAcl, Mood { gone: true, ..Mood::default() });
    assert_eq!(state.answer(ask::BucketAcl, &Place::of("eu-west-1", "thing")), Answer::Absent);
    let (_, state) = asked(Question::Organization, Mood { gone: true, ..Mood::default() });
    assert_eq!(state.answer(ask::Organization, &Place::global()), Answer::Absent);
}

/// A proxy that answers with a page of its own must not look like an account without anything in it.
#[test]
fn nonsense_is_no_answer() {
    for question in Question::ALL {
        for garbage in ["<html><body>Sign in</body>", "{\"oops\": ", "Sign in"] {
            // A bucket's policy is text of any kind; what it means the policy engine says.
            if *question == Question::BucketPolicy {
                continue;
            }
            let (_, state) = asked(*question, Mood { garbage: Some(garbage), ..Mood::default() });
            let gaps = state.gaps();
            assert_eq!(gaps.len(), 1, "{question:?}: {garbage}");
            assert_eq!(gaps[0].2.action, None);
        }
    }
}

/// The value of an answer that is known.
fn known<A: Ask>(ask: A, question: Question, place: &Place) -> A::Value
where
    A::Value: Clone,
{
    let (_, state) = asked(question, Mood::default());
    state.answer(ask, place).value().map(|value| (*value).clone()).unwrap()
}

#[test]
fn answers_are_read_field_by_field() {
    let (region, thing) = (Place::region("eu-west-1"), Place::of("eu-west-1", "thing"));
    let volume = known(ask::Volumes, Question::Volumes, &region).remove(0);
    assert_eq!((volume.encrypted, volume.attached_to.as_deref()), (false, Some("i-1")));
    assert_eq!(volume.tags, [("team".to_owned(), "a & b".to_owned())]);
    let group = known(ask::SecurityGroups, Question::SecurityGroups, &region).remove(0);
    assert_eq!(group.ingress[0].ranges, ["0.0.0.0/0", "::/0"]);
    assert_eq!((group.ingress[0].from_port, group.egress[0].protocol.as_str()), (Some(22), "-1"));
    let rules = known(ask::SecurityGroupRules, Question::SecurityGroupRules, &region);
    assert_eq!(
        (rules[0].range.as_deref(), rules[0].egress, rules[0].to_port),
        (Some("::/0"), false, Some(22))
    );
    assert_eq!(
        (rules[1].prefix_list.as_deref(), rules[1].egress, rules[1].from_port),
        (Some("pl-1"), true, None)
    );
    let alarms = known(ask::BillingAlarms, Question::BillingAlarms, &Place::global());
    assert_eq!(
        alarms.iter().map(|one| (one.name.as_str(), one.actions)).collect::<Vec<_>>(),
        [("bill", 1), ("sum", 0)]
    );
    assert_eq!(known(ask::PrefixList, Question::PrefixList, &thing), ["203.0.113.0/24"]);
    let acl = known(ask::BucketAcl, Question::BucketAcl, &thing);
    assert_eq!(acl.grants.iter().filter(|grant| grant.is_public()).count(), 1);
    let buckets = known(ask::Buckets, Question::Buckets, &Place::global());
    assert!(buckets.iter().all(|bucket| bucket.region == "eu-west-1"), "EU is eu-west-1: {buckets:?}");
    let key = known(ask::KmsKey, Question::KmsKey, &thing);
    assert_eq!(key.deletion.map(|at| at.millis()), Some(1_796_000_000_123));
    let policies = known(ask::Authorization, Question::Authorization, &Place::global()).policies;
    assert_eq!((policies[0].name.as_str(), policies[0].document.as_str()), ("p", "%7B%7D"));
    let recorders = known(ask::ConfigRecorders, Question::ConfigRecorders, &region);
    assert_eq!(recorders.iter().map(|one| one.internal).collect::<Vec<_>>(), [false, true]);
    let quotas = known(ask::Quotas, Question::Quotas, &region);
    assert_eq!((quotas[0].limit, quotas[0].used), (5.0, Some(7.5)));
    let domains = known(ask::Domains, Question::Domains, &region);
    assert_eq!(domains.len(), 2, "six names are two calls");
    let (_, state) = asked(Question::CredentialReport, Mood::default());
    let made = match state.answer(ask::CredentialReport, &Place::global()) {
        Answer::Known(_, made) => made,
        other => panic!("{other:?}"),
    };
    assert_eq!(made.to_string(), "2026-11-22T08:00:00Z", "the report's own time counts");
}

#[test]
fn no_secret_is_kept() {
    let (_, state) = asked(Question::Functions, Mood::default());
    let text = state.to_json().unwrap();
    assert!(text.contains("AKIA************MPLE"), "{text}");
    assert!(!text.contains("wJalrXUtnFEMI") && !text.contains("AKIAIOSFODNN7EXAMPLE"), "{text}");
    assert_eq!(State::from_json(&text).unwrap(), state);
    let older = text.replace("\"keepwatch_state\":1", "\"keepwatch_state\":0");
    assert!(State::from_json(&older).unwrap_err().to_string().contains("form 0"));
    assert!(State::from_json("{}").is_err());
}

#[test]
fn regions_that_are_off_are_left_out() {
    let wire = Wire::new(Mood::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = wire.client();
    assert_eq!(runtime.block_on(client.regions()).unwrap(), ["af-south-1", "eu-west-1"]);
    assert_eq!(runtime.block_on(client.caller()).unwrap().account, "111122223333");
}

#[test]
fn a_list_without_an_end_is_no_list() {
    // The page names itself as the next one for ever.
    let wire = Wire::new(Mood::default());
    let client = wire.client();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    static LOOP: operation::Operation = operation::Operation {
        pages: Some(("NextToken", "volumeSet/item/volumeId")),
        ..operation::DESCRIBE_VOLUMES_FOR_TESTS
    };
    let found = runtime.block_on(client.pages(&LOOP, "eu-west-1", crate::client::Input::none()));
    assert!(format!("{found:?}").contains("no last page"), "{found:?}");
}
