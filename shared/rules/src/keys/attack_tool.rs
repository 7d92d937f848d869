use super::common::{Owner, exposed};
use crate::kit::prelude::*;

/// Names of tools and distributions that attack accounts, in lower case, as they stand in user agents. GuardDuty names the
/// distributions in its `PenTest:IAMUser` findings.
const TOOLS: [&str; 6] = ["trufflehog", "kali", "parrot", "pentoo", "pacu", "cloudfox"];

/// What Go's HTTP client calls itself. The authenticator of EKS asks AWS with it who stands behind each token, thousands of
/// times a day (aws-iam-authenticator, issue 375); TruffleHog, which is written in Go too, names itself.
const NAMELESS: [&str; 2] = ["Go-http-client/1.1", "Go-http-client/2.0"];

declare_rule! {
    /// ## What it detects
    /// A user agent that names a tool or a system made for attacks: TruffleHog, which tries keys that it has found somewhere,
    /// Pacu, CloudFox, or Kali, Parrot and Pentoo Linux.
    /// ## Why it matters
    /// TruffleHog calls GetCallerIdentity with keys from repositories, images and chats to see whether they work. Whoever ran
    /// it has your key, and now knows that it is good. The others are what an intruder works with.
    /// ## What to do
    /// Ask whether one of you is testing. If not, stop the key or the session, find out where the key was lying, and look at
    /// what it has done.
    /// ## False positives
    /// A test that you have ordered, and your own search for lost keys: suppress its user or role until it is over. A user
    /// agent is the caller's own words: its absence proves nothing.
    AttackTool {
        id: "attack-tool-used",
        title: "A tool made for attacks called an API",
        severity: Medium,
        confidence: Medium,
        catalogue: ["KEY-10", "KEY-11"],
        references: [
            doc(&["GuardDuty user guide: PenTest:IAMUser/KaliLinux"]),
            attack(&["T1078.004"]),
            attack(&["T1552.001"]),
        ],
        on: [
            On::ReadUnless { source: "sts.amazonaws.com", names: &["GetCallerIdentity"], agents: &NAMELESS },
            On::LongTermKey,
        ],
        failed_calls: true,
    }
}

impl Rule for AttackTool {
    fn prefilter(&self, header: &RecordHeader<'_>) -> bool {
        tool(header.user_agent).is_some()
    }

    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let agent = record.user_agent.or_empty();
        let Some(tool) = tool(agent) else { return Ok(()) };
        let who = &record.user_identity;
        let key = who.access_key_id.or_empty();
        let from = record.source_ip_address.get().unwrap_or("an address not named");
        let (call, name) = (record.event_name.or_empty(), caller_name(record));
        let tried = if record.failed() { "tried" } else { "made" };
        let title = format!("{name} {tried} {call} with {tool}, from {from}");
        let seen = if is_long_term_key(key) {
            exposed(cx, key, Owner::of(record), &title)
        } else {
            let issuer = &who.session_context.session_issuer.arn;
            let Some(subject) = issuer.get().or_else(|| who.arn.get()) else { return Ok(()) };
            let by = lookup("AccessKeyId", key);
            let options = [("--region", record.aws_region.or_empty()), ("--lookup-attributes", by.as_str())];
            let purpose = "What else has the session done? (repeat in every enabled region)";
            cx.failing(subject, title).global().step(purpose, "cloudtrail lookup-events", &options)
        };
        // A scanner that got an answer has shown that the key works.
        let found = tool == "trufflehog" && !record.failed();
        let severity = if found { Severity::High } else { Severity::Medium };
        let reason =
            format!("The user agent names {tool}, which is made to find or use other people's keys.");
        cx.report(seen.severity(severity).because(reason).aspect(tool).detail("User agent", agent));
        Ok(())
    }
}

/// The tool that a word of the user agent names: `-kali9-amd64` names Kali, `kalium` does not.
fn tool(agent: &str) -> Option<&'static str> {
    let lower = agent.to_ascii_lowercase();
    // Hardly any agent holds one at all, and whether it does is sooner known than what its words are.
    if !TOOLS.iter().any(|tool| lower.contains(tool)) {
        return None;
    }
    let mut words = lower.split(|c: char| !c.is_alphabetic());
    words.find_map(|word| TOOLS.iter().copied().find(|tool| *tool == word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn identity(agent: &str, key: &str) -> String {
        call("sts", "GetCallerIdentity", json!({"userAgent": agent, "userIdentity": {"accessKeyId": key}}))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&AttackTool, Severity::High, &identity("TruffleHog", KEY));
        assert_eq!(seen.title, "alice made GetCallerIdentity with trufflehog, from 203.0.113.7");
        assert_eq!((seen.subject.resource.as_str(), seen.subject.region.as_str()), (KEY, "global"));
        assert!(seen.steps[0].command.contains("update-access-key --user-name alice"), "{:?}", seen.steps);
        let kali = "aws-cli/2.15 Python/3.11 Linux/6.1.0-kali9-amd64";
        let seen = fires_at(&AttackTool, Severity::Medium, &identity(kali, "ASIAIOSFODNN7EXAMPLE"));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/alice");
        let changed = json!({"userAgent": "Boto3/1.34 Linux/5.18.0-14parrot1", "errorCode": "AccessDenied",
            "userIdentity": {"accessKeyId": KEY}});
        let seen = fires_at(&AttackTool, Severity::Medium, &call("s3", "ListBuckets", changed));
        assert!(seen.title.contains("alice tried ListBuckets with parrot"), "{}", seen.title);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AttackTool,
            &[
                identity("aws-cli/2.15.30", KEY),
                identity("kalium-agent/1.0 parroting pacumen", KEY),
                // Nobody asks EventBridge for all that sessions do.
                call("s3", "ListBuckets", json!({"userAgent": "kali"})),
            ],
        );
    }
}
