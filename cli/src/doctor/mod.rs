//! `keepwatch doctor`: does what is deployed hear, judge and tell?
//!
//! One file has one group of questions: what it reads, what that means, and the tests in which every line has been seen to fail
//! and to be well. To add a group: a file with `judge`, and a line in [`judged`]. It only reads.

mod alarms;
mod canary;
mod clock;
pub(crate) mod deployment;
mod detectors;
pub(crate) mod functions;
pub(crate) mod line;
pub(crate) mod mail;
mod plan;
pub(crate) mod queues;
mod regions;
pub(crate) mod rules;
pub(crate) mod template;
pub(crate) mod trails;
mod version;

use std::process::ExitCode;

use clap::Args;
use keepwatch_aws::profiles::SdkConfig;
use keepwatch_collect::deployed::{
    alarms, daily_calls, health_answers, heard_regions, subscriptions, support_answers,
};
use keepwatch_collect::{Client, Fault};
use keepwatch_rules::registry::DOCUMENTED;

use self::deployment::Deployment;
use self::line::{Line, Standing};
use crate::account::Account;
use crate::output::{self, Output};
use crate::progress;

pub(crate) const HELP: &str = "\
Examples:
  keepwatch doctor
  keepwatch doctor --region eu-west-1 --stack keepwatch --profile audit
  keepwatch doctor --format ndjson | jq 'select(.standing == \"FAIL\")'

FAIL: something is not heard, not judged or not told. WARN: it works, and something should be thought of, or your credentials
may not read it; the line then names the action. It reads, and changes nothing.

Exit codes: 0 nothing fails, 1 something fails, 2 wrong use, 3 AWS refused or cannot be reached.";

/// Looks whether what is deployed hears, judges and tells.
#[derive(Args)]
pub(crate) struct Doctor {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Output,
    /// Look into dead letters as the stack's operator, and tell their kinds. Taking that role is logged and mailed.
    #[arg(long)]
    as_operator: bool,
    #[command(flatten)]
    account: Account,
}

/// # Errors
/// Wrong use, or AWS refused even to say whose credentials they are.
pub(crate) async fn run(doctor: &Doctor) -> anyhow::Result<ExitCode> {
    let home = doctor.account.open().await?;
    let bar = progress::spinner("asking AWS");
    let lines = progress::while_shown(&bar, async {
        let (client, caller) = deployment::asking(home.config()).await?;
        let client = match caller {
            Ok(account) => client.of(&account),
            Err(fault) => {
                // Of a clock that is wrong AWS says that the signature is.
                let clock = clock::judge(client.clocks());
                if clock.iter().any(|line| line.standing == Standing::Fail) {
                    return Ok(clock);
                }
                return Err(crate::failure::Failure::unasked(&fault, client.region()).into());
            }
        };
        let operator = match doctor.as_operator {
            true => Some(home.as_operator().await?),
            false => None,
        };
        judged(&client, operator.as_ref(), doctor.account.stack()).await
    })
    .await?;
    let region = home.region();
    output::print(doctor.format, &lines, DOCUMENTED, &region, |out| line::people(&lines, out))?;
    Ok(ExitCode::from(u8::from(lines.iter().any(|line| line.standing == Standing::Fail))))
}

/// All lines, in the order in which an event goes through what they are about.
async fn judged(client: &Client, operator: Option<&SdkConfig>, name: &str) -> anyhow::Result<Vec<Line>> {
    let region = client.region();
    let deployed = async {
        let found = Deployment::home(client, region, name).await?;
        match found {
            Ok(Some(deployment)) => of_stack(client, operator, &deployment).await,
            Ok(None) => {
                let text = format!("there is no stack {name} in {region}; --region and --stack name another");
                Ok(vec![Line::fail("stack", text).mend("make deploy")])
            }
            Err(fault) => Ok(vec![Line::unread("stack", &format!("stack {name} in {region}"), &fault)]),
        }
    };
    let of_account = async {
        let (trails, detectors, support, health) = tokio::join!(
            trails::read(client, region),
            detectors::read(client, region),
            support_answers(client),
            health_answers(client),
        );
        let trails = trails::judge(region, trails.as_deref());
        let rest = plan::judge(support.as_ref(), health.as_ref())
            .into_iter()
            .chain(detectors::judge(&detectors, region, client.account()))
            .collect::<Vec<_>>();
        (trails, rest)
    };
    let (deployed, (mut lines, rest)) = tokio::join!(deployed, of_account);
    lines.extend(deployed?);
    lines.extend(rest);
    lines.extend(clock::judge(client.clocks()));
    Ok(lines)
}

/// The lines about a home stack.
async fn of_stack(
    client: &Client,
    operator: Option<&SdkConfig>,
    deployment: &Deployment,
) -> anyhow::Result<Vec<Line>> {
    let Deployment { names, template } = deployment;
    let region = names.region.as_str();
    let wanted_rules = rules::wanted(template, names)?;
    let wanted_alarms = alarms::wanted(template, names)?;
    let prefix = format!("{}-", names.name);
    let (found_rules, found_alarms, functions, queues, mail, enabled, heard, daily) = tokio::join!(
        rules::found(client, names, &wanted_rules, &prefix),
        alarms(client, region, &prefix),
        functions::read(client, template, names),
        deployment.queues(client, operator),
        of_mail(client, deployment),
        client.regions(),
        heard(client, deployment),
        daily(client, deployment),
    );
    let of_regions = regions::Facts {
        home: region,
        enabled: enabled.as_deref(),
        heard: heard.as_ref(),
        version: template::forwarder_version()?,
        now: client.now(),
    };
    let mut lines = regions::judge(&of_regions);
    lines.extend(rules::judge(&wanted_rules, found_rules.as_deref(), region, version::is_same(&names.stack)));
    lines.extend(canary::judge(&canary::Facts {
        found: daily.as_ref(),
        stack: &names.name,
        region,
        logs: names.physical("ScanLogs").unwrap_or("SCAN_LOGS"),
        now: client.now(),
    }));
    lines.extend(queues::judge(&queues?, names));
    lines.extend(functions::judge(&functions?, region));
    lines.extend(mail);
    lines.extend(alarms::judge(&wanted_alarms, found_alarms.as_deref(), names));
    lines.extend(version::judge(&names.stack, &names.name, region));
    Ok(lines)
}

/// The forwarders that were heard.
async fn heard(
    client: &Client,
    deployment: &Deployment,
) -> Result<std::collections::BTreeMap<String, keepwatch_collect::deployed::Heard>, Fault> {
    let names = &deployment.names;
    match names.physical("JournalTable") {
        Some(journal) => heard_regions(client, &names.region, journal).await,
        None => Err(Fault::Failed("the stack has no journal".to_owned())),
    }
}

/// The daily calls.
async fn daily(
    client: &Client,
    deployment: &Deployment,
) -> Result<Option<keepwatch_core::canary::Canary>, Fault> {
    let names = &deployment.names;
    match names.physical("JournalTable") {
        Some(journal) => daily_calls(client, &names.region, journal).await,
        None => Err(Fault::Failed("the stack has no journal".to_owned())),
    }
}

/// The lines about both topics.
async fn of_mail(client: &Client, deployment: &Deployment) -> Vec<Line> {
    let mut lines = of_alerts(client, deployment).await;
    lines.extend(of_topic(client, deployment, "OpsTopic", "operational alarms").await);
    lines
}

/// The same of the alerts alone.
pub(crate) async fn of_alerts(client: &Client, deployment: &Deployment) -> Vec<Line> {
    of_topic(client, deployment, "AlertTopic", "alerts").await
}

async fn of_topic(client: &Client, deployment: &Deployment, id: &str, what: &str) -> Vec<Line> {
    let names = &deployment.names;
    match names.physical(id) {
        Some(topic) => {
            let found = subscriptions(client, &names.region, topic).await;
            mail::judge(what, topic, &names.region, found.as_deref())
        }
        None => vec![Line::fail("mail", format!("the stack has no {id}")).mend("make deploy")],
    }
}
