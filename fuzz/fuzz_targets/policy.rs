//! Any text as an IAM policy. Nothing may panic, and an administrator's policy beside it makes an administrator unless it
//! denies something.
#![no_main]

use std::sync::LazyLock;

use keepwatch_policy::sharing::shares;
use keepwatch_policy::trust::{exposures, insiders, providers, trusted_services};
use keepwatch_policy::{Document, Effect, Held, Level, analyse};
use libfuzzer_sys::fuzz_target;

const OWN: &str = "111122223333";

static ADMIN: LazyLock<Document> = LazyLock::new(|| {
    Document::parse(r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#)
        .expect("it is a policy")
});

fuzz_target!(|text: &str| {
    let Ok(document) = Document::parse(text) else { return };
    let user = format!("arn:aws:iam::{OWN}:user/bob");
    for grantee in [None, Some(user.as_str())] {
        let alone = analyse(&[Held::managed("p", &document)], grantee);
        assert!(!alone.why().is_empty());
        let beside = analyse(&[Held::managed("p", &document), Held::managed("admin", &ADMIN)], grantee);
        let denies = document.statements.iter().any(|statement| statement.effect == Effect::Deny);
        assert!(denies || beside.level == Level::FullAdmin, "{beside:?}");
    }
    let trusted = ["444455556666".to_owned()];
    exposures(&document, OWN, &trusted);
    insiders(&document, OWN);
    providers(&document);
    trusted_services(&document);
    for service in ["s3", "kms", "sqs", "lambda"] {
        for share in shares(&document, service, OWN, &trusted) {
            assert!(!share.why().is_empty());
        }
    }
});
