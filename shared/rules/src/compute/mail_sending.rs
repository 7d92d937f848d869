use super::common::search;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Amazon SES was asked for sending without limits (medium); sending was switched on for the account (medium); an
    /// address or domain to send from was added (low); one caller asked in five regions within ten minutes how much mail
    /// may be sent (medium), or asked outside the console for the quota, the identities and the state of sending within ten
    /// minutes (low). Deleting the address, or switching sending off, resolves it. `threshold` changes the number.
    /// ## Why it matters
    /// Stolen keys are used to send spam and phishing in the owner's name. It begins with these calls, and ends with a
    /// blocked account and a domain that nobody accepts mail from.
    /// ## What to do
    /// If nobody set up mail, delete the address, switch sending off, and stop the caller's credentials.
    /// ## False positives
    /// Setting up mail for a product: whoever does that can tell you which addresses are meant. A scanner of your own
    /// that looks into all regions: name it as `automation`.
    MailSending {
        id: "compute-mail-sending-prepared",
        title: "Sending mail through SES was prepared",
        severity: Low,
        confidence: Medium,
        catalogue: ["EXEC-10"],
        references: [attack(&["T1496"]), doc(&["Amazon SES API v2 Reference: PutAccountDetails"])],
        on: [
            On::Call("ses.amazonaws.com", &[
                "PutAccountDetails", "UpdateAccountSendingEnabled", "PutAccountSendingAttributes",
                "VerifyEmailIdentity", "VerifyDomainIdentity", "CreateEmailIdentity", "DeleteIdentity",
                "DeleteEmailIdentity",
            ]),
            On::Read("ses.amazonaws.com", &SURVEY),
        ],
    }
}

/// The calls by which somebody learns what can be sent, and from whom.
const SURVEY: [&str; 5] =
    ["GetSendQuota", "GetAccountSendingEnabled", "ListIdentities", "GetAccount", "ListEmailIdentities"];

/// How many of them make a survey.
const MOST: usize = 3;

/// The account's own settings, one for each region.
const ACCOUNT_SENDING: &str = "SES account sending";

impl Rule for MailSending {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, place) = (caller_name(record), region_option(record));
        if record.event_name.or_empty() == "GetSendQuota" {
            // Whether a caller looks for a region to send from. Mail is sent from one or two.
            let title = |who: &str, count| {
                format!("{who} asked {count} regions within ten minutes how much mail may be sent")
            };
            let why = "Whoever holds a stolen key tries every region for one that may send to anybody.";
            search(record, cx, Severity::Medium, title, why)?;
        }
        if SURVEY.contains(&record.event_name.or_empty()) {
            return survey(record, cx);
        }
        let request = record.request();
        let name = record.event_name.or_empty();
        let enabled = flag_at(request, &["enabled"]).or_else(|| flag_at(request, &["sendingEnabled"]));
        let settings = ["UpdateAccountSendingEnabled", "PutAccountSendingAttributes"].contains(&name);
        let identity = ["emailIdentity", "emailAddress", "domain", "identity"]
            .iter()
            .find_map(|key| text_at(request, &[key]));
        let seen = match (name, identity) {
            ("PutAccountDetails", _) => cx
                .failing(
                    ACCOUNT_SENDING,
                    format!("{who} asked AWS to lift the limits on sending mail in {}", place.1),
                )
                .aspect("limits")
                .severity(Severity::Medium)
                .because("Outside of the sandbox the account can send to anybody.")
                .detail_if("Kind of mail", record.param(&["mailType"]))
                .step("What may the account send?", "sesv2 get-account", &[place]),
            // The parameter is left out where it is false.
            _ if settings && enabled != Some(true) => {
                let title = format!("{who} switched off sending mail in {}", place.1);
                cx.report(cx.passing(ACCOUNT_SENDING, title).aspect("sending"));
                return Ok(());
            }
            _ if settings => cx
                .failing(ACCOUNT_SENDING, format!("{who} switched on sending mail in {}", place.1))
                .aspect("sending")
                .severity(Severity::Medium)
                .because("Sending had been switched off, which AWS does too when it sees abuse.")
                .step("Switch it off", "ses update-account-sending-enabled", &[place, ("--no-enabled", "")]),
            (_, Some(identity)) => {
                let arn = record.arn("ses", &format!("identity/{identity}"));
                if name.starts_with("Delete") {
                    cx.report(cx.passing(arn, format!("{who} deleted {identity} from SES")));
                    return Ok(());
                }
                cx.failing(arn, format!("{who} added {identity} to SES to send mail from"))
                    .because("Once it is confirmed, mail can be sent in its name.")
                    .step(
                        "Is it confirmed?",
                        "sesv2 get-email-identity",
                        &[place, ("--email-identity", identity)],
                    )
                    .step(
                        "Delete it",
                        "sesv2 delete-email-identity",
                        &[place, ("--email-identity", identity)],
                    )
            }
            _ => return Ok(()),
        };
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// One caller who asks for all that SES tells of sending. The console's pages ask for the same.
fn survey(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    let expected = record.from_console.is_ignore_case("true")
        || record.user_identity.invoked_by.get().is_some()
        || matches!(cx.automation(), Some(Automation::Service | Automation::Listed));
    if expected {
        return Ok(());
    }
    let by = acting_principal(record);
    let counted = cx.count_distinct(&format!("{by} asks"), record.event_name.or_empty(), TEN_MINUTES)?;
    if counted.count < MOST {
        return Ok(());
    }
    let seen = cx
        .failing(by, format!("{} asked what mail may be sent, and from which addresses", caller_name(record)))
        .aspect("survey")
        .severity(Severity::Low)
        .because("Whoever wants to send in somebody else's name begins with these questions.");
    cx.report(stop_caller(what_else(seen, record), record));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn ses(name: &str, request: Value) -> String {
        call("ses", name, json!({"requestParameters": request}))
    }

    fn resolves(bad: &str, good: &str) {
        let seen = observe(&MailSending, good);
        assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{good}");
        assert_eq!(seen[0].finding_id(), fired(&MailSending, bad).finding_id());
    }

    #[test]
    fn fires_and_resolves() {
        let limits = ses("PutAccountDetails", json!({"mailType": "TRANSACTIONAL"}));
        let seen = fires_at(&MailSending, Severity::Medium, &limits);
        assert_eq!(seen.title, "alice asked AWS to lift the limits on sending mail in us-east-1");
        let on = ses("UpdateAccountSendingEnabled", json!({"enabled": "true"}));
        fires_at(&MailSending, Severity::Medium, &on);
        resolves(&on, &ses("UpdateAccountSendingEnabled", json!({"enabled": false})));
        resolves(&on, &ses("UpdateAccountSendingEnabled", json!(null)));
        resolves(&on, &ses("PutAccountSendingAttributes", json!({"sendingEnabled": false})));
        let added = ses("VerifyEmailIdentity", json!({"emailAddress": "news@example.com"}));
        let seen = fires_at(&MailSending, Severity::Low, &added);
        assert_eq!(seen.title, "alice added news@example.com to SES to send mail from");
        resolves(&added, &ses("DeleteIdentity", json!({"identity": "news@example.com"})));
        resolves(&added, &ses("DeleteEmailIdentity", json!({"emailIdentity": "news@example.com"})));
        fired(&MailSending, &ses("CreateEmailIdentity", json!({"emailIdentity": "example.com"})));
        fired(&MailSending, &ses("VerifyDomainIdentity", json!({"domain": "example.com"})));
    }

    #[test]
    fn a_search_through_the_regions() {
        let quota = call("ses", "GetSendQuota", json!({"readOnly": true}));
        let alice = "arn:aws:iam::111122223333:user/alice";
        let window = |count| [among(&MailSending, alice, "us-east-1", TEN_MINUTES, count)];
        let seen = fired_with(&MailSending, &quota, &window(5));
        assert_eq!((seen.severity, seen.subject.resource.as_str()), (Severity::Medium, alice));
        assert_eq!(seen.title, "alice asked 5 regions within ten minutes how much mail may be sent");
        assert!(observe_with(&MailSending, &quota, &window(4)).is_empty());
    }

    #[test]
    fn a_survey_of_what_can_be_sent() {
        let alice = "arn:aws:iam::111122223333:user/alice asks";
        let asked = |name: &str, changes: Value| {
            let count = [among(&MailSending, alice, name, TEN_MINUTES, 3)];
            observe_with(&MailSending, &call("ses", name, changes), &count)
        };
        for name in SURVEY {
            let seen = asked(name, json!({"readOnly": true}));
            assert_eq!((seen.len(), seen[0].severity), (1, Severity::Low), "{name}");
            assert_eq!(seen[0].title, "alice asked what mail may be sent, and from which addresses");
            assert!(observe(&MailSending, &call("ses", name, json!({}))).is_empty());
            for changes in [
                json!({"sessionCredentialFromConsole": "true"}),
                json!({"userIdentity": {"invokedBy": "pinpoint.amazonaws.com"}}),
            ] {
                assert!(asked(name, changes).is_empty());
            }
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &MailSending,
            &[
                ses("VerifyEmailIdentity", json!(null)),
                ses("CreateEmailIdentity", json!({"emailIdentity": ["a"]})),
                call("ses", "PutAccountDetails", json!({"errorCode": "ConflictException"})),
                ses("SendEmail", json!({"emailIdentity": "news@example.com"})),
                ses("GetSendQuota", json!(null)),
            ],
        );
    }
}
