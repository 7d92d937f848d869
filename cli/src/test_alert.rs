//! `keepwatch test-alert`: a harmless event through everything that is deployed.
//!
//! It calls `StartLogging` on a trail whose name it makes up. There is no such trail, so nothing happens; CloudTrail logs the call
//! all the same, and it goes the way of every other: EventBridge, the intake queue, detect, the findings table, notify, the topic.
//! The rule `self-test-alert` knows the name, and its mail says that it is a test.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use keepwatch_collect::deployed::{heard_calls, start_nothing};
use keepwatch_collect::{Client, Fault};
use keepwatch_core::finding::record::FindingStore as _;
use keepwatch_core::finding::{AlertState, Finding, Status, finding_id};
use keepwatch_core::observation::Subject;
use keepwatch_rules::test_alert::{TEST, subject_of_tests, trail_of_test};

use crate::account::{Account, Home};
use crate::doctor::deployment::{self, Deployment};
use crate::doctor::line::{Line, Standing};
use crate::doctor::rules::WantedRule;
use crate::doctor::template::FORWARDER;
use crate::doctor::{functions, of_alerts, queues, rules, trails};
use crate::failure::{Failure, told};

pub(crate) const HELP: &str = "\
Examples:
  keepwatch test-alert
  keepwatch test-alert --region eu-west-1     an event of that region, by its forwarder

It needs cloudtrail:StartLogging, and what keepwatch doctor reads. The call is about a trail that does not exist and changes
nothing. CloudTrail takes five minutes on average to tell of a call, and promises no time.

Exit codes: 0 the mail is published and somebody is subscribed, 1 a hop is broken, 2 wrong use, 3 AWS refused or cannot be reached.";

/// The call of a test.
const CALL: &str = "StartLogging";

/// The rule that hears it.
const RULE: &str = "self-test-alert";

/// How often the findings table is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the event history is: two questions a second are all that an account may put.
const PAUSE_OF_HISTORY: Duration = Duration::from_secs(15);

/// Sends a harmless event through everything that is deployed.
#[derive(Args)]
pub(crate) struct TestAlert {
    /// How many seconds to wait for the mail's publication.
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
    #[command(flatten)]
    account: Account,
}

/// The stack, and the forwarder that an event of another region takes.
struct Path {
    home: Home,
    client: Client,
    deployment: Deployment,
    /// Where the event happens, with the forwarder that is there; nothing where that is home.
    elsewhere: Option<(Client, Deployment)>,
}

impl Path {
    fn stack(&self) -> &str {
        &self.deployment.names.name
    }

    /// Where the event happens, and who asks there.
    fn at(&self) -> (&Client, &str) {
        match &self.elsewhere {
            Some((client, forwarder)) => (client, &forwarder.names.region),
            None => (&self.client, &self.deployment.names.region),
        }
    }
}

/// How far the event has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    in_history: bool,
    judged: bool,
}

/// # Errors
/// Wrong use, or what AWS refused.
pub(crate) async fn run(test: &TestAlert) -> anyhow::Result<ExitCode> {
    let path = match find(&test.account).await? {
        Ok(path) => path,
        Err(line) => return broken("regions", &[line]),
    };
    let hops = hops(&path).await?;
    if let Some((hop, lines)) = hops.iter().find(|(_, lines)| fails(lines)) {
        say("nothing was sent")?;
        return broken(hop, lines);
    }
    let (client, region) = path.at();
    let began = Instant::now();
    let since = client.now().minus(Duration::from_secs(60));
    let number = short_hash(&[&client.now().to_string(), &std::process::id().to_string(), client.account()]);
    let trail = trail_of_test(path.stack(), &number);
    call(client, region, &trail).await?;
    hop(began, &format!("{CALL} was called in {region} on {trail}, which does not exist"))?;

    let table = path.home.findings().await?;
    let subject = Subject {
        account: client.account().to_owned(),
        region: region.to_owned(),
        resource: subject_of_tests(path.stack()),
        aspect: None,
    };
    let id = finding_id(RULE, &subject);
    let (mut seen, mut asked, mut put_off) = (Seen::default(), None::<Instant>, false);
    while began.elapsed() < Duration::from_secs(test.wait) {
        if !seen.in_history && asked.is_none_or(|at| at.elapsed() >= PAUSE_OF_HISTORY) {
            asked = Some(Instant::now());
            // Whoever may not ask for the history waits without it.
            if heard_calls(client, region, CALL, since)
                .await
                .is_ok_and(|all| all.iter().any(|one| one.contains(&trail)))
            {
                seen.in_history = true;
                hop(began, "CloudTrail has it in its event history")?;
            }
        }
        let finding = table.table.get(&id).await.map_err(|error| table.failed(&error))?;
        if let Some(finding) = finding.filter(|finding| is_of(finding, &trail)) {
            if !seen.judged {
                seen.judged = true;
                hop(began, &format!("detect has judged it: finding {id}"))?;
            }
            match stage(&finding) {
                Stage::Published => {
                    hop(began, "notify has published the mail; its subject has the word TEST")?;
                    return last_hop(&path).await;
                }
                Stage::Nobody(why) => return broken("settings", &[Line::fail("settings", why)]),
                Stage::PutOff(until) if !put_off => {
                    put_off = true;
                    hop(
                        began,
                        &format!(
                            "notify has put it off until {until}: the mail budget, or the topic refuses it"
                        ),
                    )?;
                }
                Stage::PutOff(_) | Stage::Waits => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    say(&format!("no mail was published within {} s", test.wait))?;
    let mut again = self::hops(&path).await?;
    if seen.judged {
        // As long as nobody is subscribed alerts stay due.
        again.push(("mail", of_alerts(&path.client, &path.deployment).await));
    }
    let (hop, lines) = culprit(seen, &again);
    broken(hop, &lines)
}

/// Finds the home stack: in the region, or where the forwarder in it says that it is.
async fn find(account: &Account) -> anyhow::Result<Result<Path, Line>> {
    let there = account.open().await?;
    let client = deployment::client(there.config()).await?;
    let (region, name) = (there.region(), account.stack());
    let found = |found: Result<Option<Deployment>, Fault>, region: &str| {
        found.map_err(|fault| Failure::unasked(&fault, region))
    };
    if let Some(deployment) = found(Deployment::home(&client, &region, name).await?, &region)? {
        return Ok(Ok(Path { home: there, client, deployment, elsewhere: None }));
    }
    let of_forwarder = format!("{name}-forwarder");
    let forwarder = Deployment::of(&client, &region, &of_forwarder, name, FORWARDER).await?;
    let Some(forwarder) = found(forwarder, &region)? else {
        let text = format!(
            "{region} has neither the stack {name} nor its forwarder: nobody hears what happens there"
        );
        return Ok(Err(Line::fail("regions", text).mend(format!("make deploy-regions REGIONS={region}"))));
    };
    let Some(at) = forwarder.names.stack.parameters.get("HomeRegion").cloned() else {
        bail!("the forwarder {of_forwarder} in {region} does not say which region its home stack is in");
    };
    let home = account.in_region(&at).open().await?;
    let own = deployment::client(home.config()).await?;
    let Some(deployment) = found(Deployment::home(&own, &at, name).await?, &at)? else {
        let text = format!("the forwarder in {region} sends to the stack {name} in {at}, and there is none");
        return Ok(Err(Line::fail("regions", text).mend("make deploy")));
    };
    Ok(Ok(Path { home, client: own, deployment, elsewhere: Some((client, forwarder)) }))
}

/// Calls what has no effect.
async fn call(client: &Client, region: &str, trail: &str) -> anyhow::Result<()> {
    match start_nothing(client, region, trail).await {
        Ok(()) => Ok(()),
        Err(Fault::Refused(refusals)) => {
            let action = refusals.first().map(|one| one.action.as_str()).unwrap_or_default();
            Err(Failure::aws(&format!(
                "your credentials need {action}, which changes nothing here: {}",
                told(&refusals)
            ))
            .into())
        }
        Err(fault) => Err(Failure::unasked(&fault, region).into()),
    }
}

/// Whether it is the finding as this test left it.
fn is_of(finding: &Finding, trail: &str) -> bool {
    let witnesses = finding.witnesses.values().chain(&finding.strongest);
    let mut details = witnesses.flat_map(|witness| &witness.details);
    details.any(|(label, value)| label == TEST && value == trail)
}

/// Where the finding's alert stands.
#[derive(Debug, PartialEq)]
enum Stage {
    Waits,
    PutOff(Timestamp),
    Published,
    /// Nobody is to be told.
    Nobody(String),
}

fn stage(finding: &Finding) -> Stage {
    let alert = &finding.alert;
    match alert.state {
        AlertState::Sent => Stage::Published,
        AlertState::Deferred => Stage::PutOff(Timestamp::from_millis(alert.due_at.unwrap_or_default())),
        AlertState::Pending | AlertState::Claimed => Stage::Waits,
        AlertState::None if finding.status == Status::Suppressed || finding.silence.is_some() => {
            Stage::Nobody("a suppression silences the test: keepwatch suppress list".to_owned())
        }
        AlertState::None => Stage::Nobody(format!(
            "nobody is to be told of finding {}: keepwatch tune list shows what is set for {RULE}",
            finding.finding_id
        )),
    }
}

/// The hops in order, with what the doctor says of each.
async fn hops(path: &Path) -> anyhow::Result<Vec<(&'static str, Vec<Line>)>> {
    let (client, region) = path.at();
    let home = &path.deployment;
    let trails = trails::read(client, region).await;
    let mut hops = vec![("CloudTrail", trails::judge(region, trails.as_deref()))];
    let of_home = rules::wanted(&home.template, &home.names)?;
    if let Some((client, forwarder)) = &path.elsewhere {
        let wanted = rules::wanted(&forwarder.template, &forwarder.names)?;
        hops.push(("forwarder", of_rules(client, forwarder, wanted, brings).await));
        let over = |rule: &WantedRule| rule.name.ends_with("-regions");
        hops.push(("home bus", of_rules(&path.client, home, of_home, over).await));
    } else {
        hops.push(("event rule", of_rules(&path.client, home, of_home, brings).await));
    }
    let mut queues = home.queues(&path.client, None).await?;
    queues.retain(|queue| queue.id == "IntakeQueue");
    hops.push(("intake queue", queues::judge(&queues, &home.names)));
    let functions = functions::read(&path.client, &home.template, &home.names).await?;
    let (detect, others): (Vec<_>, Vec<_>) =
        functions.into_iter().partition(|one| one.id == "DetectFunction");
    let notify: Vec<_> = others.into_iter().filter(|one| one.id == "NotifyFunction").collect();
    hops.push(("detect", functions::judge(&detect, &home.names.region)));
    hops.push(("notify", functions::judge(&notify, &home.names.region)));
    Ok(hops)
}

/// What the doctor says of some of a stack's event rules.
async fn of_rules(
    client: &Client,
    deployment: &Deployment,
    mut wanted: Vec<WantedRule>,
    keep: impl Fn(&WantedRule) -> bool,
) -> Vec<Line> {
    let names = &deployment.names;
    wanted.retain(keep);
    let found = rules::found(client, names, &wanted, &format!("{}-", names.name)).await;
    // Whatever its version, the rule must hear the call.
    rules::judge(&wanted, found.as_deref(), &names.region, true)
}

/// Whether the rule is to bring the call to detect. Re-checks leave out calls that failed.
fn brings(rule: &WantedRule) -> bool {
    let Some(detail) = rule.pattern.as_ref().map(|pattern| &pattern["detail"]) else { return false };
    let lists = |field: &str, text: &str| {
        detail[field].as_array().is_some_and(|all| all.iter().any(|one| one == text))
    };
    lists("eventName", CALL)
        && lists("eventSource", "cloudtrail.amazonaws.com")
        && detail.get("errorCode").is_none()
}

fn fails(lines: &[Line]) -> bool {
    lines.iter().any(|line| line.standing == Standing::Fail)
}

/// The hop to blame where no mail came: the first that is broken behind those that the event has passed, or the next one.
fn culprit(seen: Seen, hops: &[(&'static str, Vec<Line>)]) -> (&'static str, Vec<Line>) {
    let passed = |hop: &str| seen.judged && !["notify", "mail"].contains(&hop);
    if let Some((hop, lines)) = hops.iter().find(|(hop, lines)| !passed(hop) && fails(lines)) {
        return (hop, lines.clone());
    }
    let (hop, text) = if seen.judged {
        ("notify", "detect has judged the event and notify has not published its mail: look at notify's log")
    } else if seen.in_history {
        (
            "event rule",
            "CloudTrail has the call and detect has not judged it; nothing between them looks broken. CloudTrail tells \
             EventBridge by best effort: try again, and look at detect's log",
        )
    } else {
        (
            "CloudTrail",
            "CloudTrail does not show the call yet. It promises no time: try again with a longer --wait",
        )
    };
    (hop, vec![Line::fail(hop, text)])
}

/// Whether anybody gets the mail.
async fn last_hop(path: &Path) -> anyhow::Result<ExitCode> {
    let lines = of_alerts(&path.client, &path.deployment).await;
    if !fails(&lines) {
        say("every hop works; look whether the mail is in the mailbox, and not in its spam")?;
        return Ok(ExitCode::SUCCESS);
    }
    broken("mail", &lines)
}

/// Names the hop that is broken.
fn broken(hop: &str, lines: &[Line]) -> anyhow::Result<ExitCode> {
    let mut out = anstream::stdout().lock();
    for line in lines.iter().filter(|line| line.standing == Standing::Fail) {
        writeln!(out, "BROKEN  {hop}: {}", line.text)?;
        if let Some(command) = &line.mend {
            writeln!(out, "        {command}")?;
        }
    }
    Ok(ExitCode::from(1))
}

fn hop(began: Instant, text: &str) -> anyhow::Result<()> {
    say(&format!("{:>5} s  {text}", began.elapsed().as_secs()))
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush().map_err(io::Error::into)
}

#[cfg(test)]
mod tests {
    use keepwatch_core::engine::Config;
    use keepwatch_core::engine::dispatch::Index;
    use keepwatch_core::event::Event;
    use keepwatch_core::observation::Observation;
    use keepwatch_core::state::Answer;
    use keepwatch_rules::registry::RULES;
    use serde_json::json;

    use super::*;
    use crate::doctor::template::{HOME, Template, names_for_tests};

    const TRAIL: &str = "keepwatch-test-alert-0123456789abcdef";

    /// What the rules make of the call, as CloudTrail tells of it.
    fn judged() -> Vec<Observation> {
        let event = json!({
            "eventID": "6b2a5e0c-0000-4000-8000-000000000001", "eventTime": "2026-03-01T12:00:00Z", "eventType": "AwsApiCall",
            "eventSource": "cloudtrail.amazonaws.com", "eventName": CALL, "awsRegion": "eu-west-1", "readOnly": false,
            "errorCode": "TrailNotFoundException", "requestParameters": {"name": TRAIL},
            "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice", "userName": "alice"},
        })
        .to_string();
        let event = Event::parse(&event).unwrap();
        let config = Config { stack: "keepwatch".to_owned(), ..Config::default() };
        let now = Timestamp::parse("2026-03-01T12:05:00Z").unwrap();
        let unknown = |_: &_| Answer::Unavailable("a test".to_owned());
        let mut seen = Index::new(RULES).evaluate_answering(&event, &config, now, unknown).observations;
        seen.retain(|one| one.rule.id == RULE);
        seen
    }

    /// The command waits for the finding of this id; another id, and it would wait for ever.
    #[test]
    fn the_finding_is_known_by_its_id_and_the_name_of_the_trail() {
        let seen = judged();
        assert_eq!(seen.len(), 2);
        let subject = Subject {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            resource: subject_of_tests("keepwatch"),
            aspect: None,
        };
        assert_eq!(seen[0].finding_id(), finding_id(RULE, &subject));
        let mut finding = Finding::open(&seen[0], None, None).unwrap();
        finding.apply(&seen[1]);
        assert!(is_of(&finding, TRAIL) && !is_of(&finding, "keepwatch-test-alert-fedcba9876543210"));
        assert_eq!(trail_of_test("keepwatch", "0123456789abcdef"), TRAIL);

        assert_eq!(stage(&finding), Stage::Waits);
        let until = Timestamp::parse("2026-03-01T12:06:00Z").unwrap();
        (finding.alert.state, finding.alert.due_at) = (AlertState::Deferred, Some(until.millis()));
        assert_eq!(stage(&finding), Stage::PutOff(until));
        finding.alert.state = AlertState::None;
        assert!(matches!(stage(&finding), Stage::Nobody(_)));
        finding.alert.state = AlertState::Sent;
        assert_eq!(stage(&finding), Stage::Published);
    }

    #[test]
    fn one_rule_brings_the_call_at_home_and_one_in_each_region() {
        for (text, parameters) in [(HOME, &[][..]), (FORWARDER, &[("HomeAccount", "111122223333")])] {
            let names = names_for_tests(text, parameters);
            let mut wanted = rules::wanted(&Template::read(text).unwrap(), &names).unwrap();
            wanted.retain(brings);
            assert_eq!(wanted.len(), 1, "{wanted:?}");
        }
    }

    #[test]
    fn the_hop_that_is_broken_is_named() {
        let works = || vec![Line::ok("x", "well")];
        let fails = || vec![Line::fail("x", "broken")];
        let names = ["CloudTrail", "event rule", "intake queue", "detect", "notify"];
        let hops = |broken: &str| -> Vec<(&'static str, Vec<Line>)> {
            names.into_iter().map(|hop| (hop, if hop == broken { fails() } else { works() })).collect()
        };
        let (nothing, judged) = (Seen::default(), Seen { in_history: true, judged: true });
        for broken in names {
            assert_eq!(culprit(nothing, &hops(broken)).0, broken);
        }
        // What it has passed is not to blame, whatever it looks like by now.
        assert_eq!(culprit(judged, &hops("event rule")).0, "notify");
        assert_eq!(culprit(judged, &hops("notify")).1, fails());
        // Nothing looks broken: it is where the event has not come.
        assert_eq!(culprit(nothing, &hops("")).0, "CloudTrail");
        assert_eq!(culprit(Seen { in_history: true, judged: false }, &hops("")).0, "event rule");
    }
}
