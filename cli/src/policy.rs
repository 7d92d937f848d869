//! `keepwatch policy`: what policy documents say, without an account.

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use keepwatch_aws::runtime::now;
use keepwatch_base::arn::{Arn, is_account_id};
use keepwatch_base::text::clean;
use keepwatch_policy::sharing::{self, Share};
use keepwatch_policy::trust::{self, Comer, Provider};
use keepwatch_policy::{Document, Effect, Grant, Grantee, Held, Level, Origin, Source, StatementId, explain};
use serde_json::{Value, json};

use crate::Format;
use crate::table::table;

const HELP: &str = "Examples:
  keepwatch policy explain deploy.json
  keepwatch policy explain --holder arn:aws:iam::111122223333:user/bob own.json group.json
  aws iam get-role --role-name deploy | keepwatch policy explain --account 111122223333 -
  aws s3api get-bucket-policy --bucket photos | keepwatch policy explain --account 111122223333 --format ndjson -

Several files of an identity are judged together, as the policies of one holder; trust policies and policies on resources are
judged one by one. What nobody may do is not told: docs/policy.md says what is judged and what is not.";

/// The most bytes of a file. AWS accepts a fraction of it.
const MAX_BYTES: u64 = 8 << 20;

/// What policies say.
#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Explains IAM policy documents: who may do what, and which policy and statement says so.
    #[command(after_help = HELP)]
    Explain(Explain),
}

#[derive(Args)]
pub(crate) struct Explain {
    /// Files with one policy each, as the console shows it or as the AWS CLI prints it; - for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the policies hang on (told by their principals and actions if not given).
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Kind>,
    /// The account that they belong to; without it every account counts as an outside one.
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<String>,
    /// ARN of the user, role or group that holds the policies: a right over oneself differs from one over others.
    #[arg(long, value_name = "ARN", value_parser = holder)]
    holder: Option<String>,
    /// The service whose resource it is, as actions name it, such as s3 (told by the statements if not given).
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What a policy hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A user, group, role or permission set.
    Identity,
    /// A role, as the policy that says who may assume it.
    Trust,
    /// A resource: a bucket, a key, a queue.
    Resource,
}

fn account(text: &str) -> Result<String, String> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account is twelve digits".to_owned()) }
}

fn holder(text: &str) -> Result<String, String> {
    let holds = |arn: Arn<'_>| {
        let kind = arn.resource.split('/').next().unwrap_or_default();
        arn.service == "iam" && is_account_id(arn.account) && ["user", "role", "group"].contains(&kind)
    };
    match Arn::parse(text).is_some_and(holds) {
        true => Ok(text.to_owned()),
        false => {
            Err("write the ARN of a user, role or group, such as arn:aws:iam::111122223333:user/bob"
                .to_owned())
        }
    }
}

/// A policy that was read.
#[derive(Debug)]
struct Policy {
    /// The file, or `-`.
    file: String,
    name: String,
    origin: Origin,
    document: Document,
    /// What it hangs on, where what stands around it says so.
    kind: Option<Kind>,
}

/// # Errors
/// A file that cannot be read or is no policy, files of different types, or output that cannot be written.
pub(crate) fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    let PolicyCommand::Explain(explain) = command;
    let policies: Vec<Policy> = explain.files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    let kind = explain.kind_of(&policies)?;
    let mut out = io::stdout().lock();
    match kind {
        Kind::Identity => explain.identity(&policies, &mut out)?,
        Kind::Trust => policies.iter().try_for_each(|policy| explain.trust(policy, &mut out))?,
        Kind::Resource => policies.iter().try_for_each(|policy| explain.resource(policy, &mut out))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Policy> {
    let file = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    let text = text(path).with_context(|| format!("cannot read {file}"))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let read = inside(&text).unwrap_or_else(|| Inside::of(text.clone(), None, Origin::Managed));
    let document = Document::parse(&read.text).with_context(|| file.clone())?;
    Ok(Policy { name: read.name.unwrap_or(stem), origin: read.origin, kind: read.kind, file, document })
}

fn text(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)?,
        false => fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?,
    };
    if read as u64 == MAX_BYTES {
        bail!("it is larger than any policy that AWS accepts");
    }
    String::from_utf8(bytes).context("it is not UTF-8")
}

/// A policy within what the AWS CLI printed.
struct Inside {
    text: String,
    name: Option<String>,
    origin: Origin,
    kind: Option<Kind>,
}

impl Inside {
    fn of(text: String, kind: Option<Kind>, origin: Origin) -> Inside {
        Inside { text, name: None, origin, kind }
    }
}

/// The policy in an answer of `get-policy-version`, `get-user-policy` and its kin, `get-role`, `get-bucket-policy` and its kin;
/// nothing where the text is no such answer.
fn inside(text: &str) -> Option<Inside> {
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    if value.get("Statement").is_some() {
        return None;
    }
    let at = |pointer: &str| {
        value.pointer(pointer).filter(|found| found.is_object() || found.is_string()).map(|found| match found
        {
            Value::String(text) => text.clone(),
            object => object.to_string(),
        })
    };
    let name = || value.get("PolicyName").and_then(Value::as_str).map(str::to_owned);
    let (identity, trust, resource) = (Some(Kind::Identity), Some(Kind::Trust), Some(Kind::Resource));
    if let Some(text) = at("/PolicyVersion/Document") {
        return Some(Inside::of(text, identity, Origin::Managed));
    }
    if let Some(text) = at("/PolicyDocument") {
        return Some(Inside { name: name(), ..Inside::of(text, identity, Origin::Inline) });
    }
    if let Some(text) = at("/Role/AssumeRolePolicyDocument").or_else(|| at("/AssumeRolePolicyDocument")) {
        return Some(Inside::of(text, trust, Origin::Inline));
    }
    let of_resource = ["/Policy", "/policy", "/ResourcePolicy", "/Attributes/Policy", "/policyText"];
    let text = of_resource.iter().find_map(|pointer| at(pointer))?;
    Some(Inside::of(text, resource, Origin::Inline))
}

/// What a document hangs on, by what its statements have.
fn kind_of(document: &Document) -> Kind {
    let names_principals = document
        .statements
        .iter()
        .any(|statement| !statement.principals.is_empty() || statement.not_principals.is_some());
    // A role is no resource that its trust policy would name.
    let assumes = document.statements.iter().all(|statement| {
        let calls = statement.actions.iter().chain(statement.not_actions.iter().flatten());
        let sts = |action: &String| action == "*" || action.to_ascii_lowercase().starts_with("sts:");
        statement.resources.is_empty() && statement.not_resources.is_none() && calls.clone().all(sts)
    });
    match (names_principals, assumes) {
        (false, _) => Kind::Identity,
        (true, true) => Kind::Trust,
        (true, false) => Kind::Resource,
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Identity => "identity",
            Kind::Trust => "trust",
            Kind::Resource => "resource",
        }
    }
}

impl Explain {
    fn kind_of(&self, policies: &[Policy]) -> anyhow::Result<Kind> {
        if let Some(kind) = self.kind {
            return Ok(kind);
        }
        let mut kinds =
            policies.iter().map(|policy| (policy, policy.kind.unwrap_or_else(|| kind_of(&policy.document))));
        let Some((first, kind)) = kinds.next() else { bail!("name at least one file") };
        match kinds.find(|(_, other)| *other != kind) {
            None => Ok(kind),
            Some((other, odd)) => bail!(
                "{} looks like a policy of type {}, and {} like one of type {}: explain them one by one, or say --type",
                first.file,
                kind.word(),
                other.file,
                odd.word()
            ),
        }
    }

    /// The holder's account, or the one that was named.
    fn own_account(&self) -> &str {
        let of_holder = || self.holder.as_deref().and_then(Arn::parse).map(|arn| arn.account);
        self.account.as_deref().or_else(of_holder).unwrap_or_default()
    }

    fn identity(&self, policies: &[Policy], out: &mut impl Write) -> anyhow::Result<()> {
        let held: Vec<Held<'_>> = policies
            .iter()
            .map(|Policy { origin, name, document, .. }| Held { origin: *origin, name, document })
            .collect();
        // Where nobody is named it is some user of the account, as the member of a group is.
        let anybody = self.account.as_ref().map(|account| format!("arn:aws:iam::{account}:group/{NO_NAME}"));
        let arn = self.holder.as_deref().or(anybody.as_deref());
        let grant = explain(&held, Grantee { arn, at: Some(now()) });
        match self.format {
            Format::Ndjson => {
                let mut verdict = serde_json::to_value(&grant)?;
                verdict["type"] = json!(Kind::Identity.word());
                verdict["holder"] = json!(self.holder);
                verdict["why"] = json!(grant.why());
                verdict["ability"] = json!(grant.ability().to_string());
                for (reason, told) in grant.reasons.iter().zip(members(&mut verdict["reasons"])) {
                    told["why"] = json!(grant.tell(reason));
                }
                writeln!(out, "{verdict}")?;
            }
            Format::Table => {
                let holder = self.holder.as_deref().map_or("the holder", |holder| holder);
                writeln!(out, "{}: {} {}", grant.level.as_str(), clean(holder, 300), grant.ability())?;
                if grant.level == Level::Ordinary {
                    return Ok(());
                }
                let mut table = table(["ALLOWED", "POLICY", "STATEMENT", "ON CONDITION"]);
                for reason in &grant.reasons {
                    let mut what = reason.what();
                    for (policy, sources) in by_policy(&reason.statements) {
                        let statements: Vec<String> =
                            sources.iter().map(|source| place(&source.statement)).collect();
                        let conditions =
                            sources.iter().flat_map(|source| &source.conditions).map(ToString::to_string);
                        let conditions: Vec<String> = conditions.collect();
                        let policy = policy_name(&grant, policy);
                        table.add_row([what, policy, statements.join("\n"), conditions.join("\n")]);
                        // Of a power that several policies give together, each has a line of its own.
                        what = "  together with".to_owned();
                    }
                }
                writeln!(out, "\n{table}")?;
            }
        }
        Ok(())
    }

    fn trust(&self, policy: &Policy, out: &mut impl Write) -> anyhow::Result<()> {
        let own = self.own_account();
        let document = &policy.document.clone().as_of(now());
        let exposures = trust::exposures(document, own, &[]);
        let (insiders, providers) = (trust::insiders(document, own), trust::providers(document));
        let services = trust::trusted_services(document);
        if self.format == Format::Ndjson {
            let openings = exposures.iter().map(|one| told(one, one.who(), one.why()));
            let verdict = json!({
                "type": Kind::Trust.word(),
                "policy": policy.file,
                "openings": openings.collect::<Result<Vec<_>, _>>()?,
                "insiders": insiders,
                "providers": providers,
                "services": services,
            });
            writeln!(out, "{verdict}")?;
            return Ok(());
        }
        self.head(policy, exposures.len(), "opening for outsiders", "openings for outsiders", out)?;
        let mut table = table(["WHO MAY ASSUME THE ROLE", "OUTSIDE", "STATEMENT", "WHY"]);
        for one in &exposures {
            let outside = if one.guarded { "yes, narrowed" } else { "yes" };
            table.add_row([&one.who(), outside, &place(&one.statement), &one.why()]);
        }
        let inside =
            insiders.iter().map(|one| (one.to_string(), "it is named, and needs no policy of its own"));
        let services =
            services.iter().map(|one| (one.clone(), "AWS's service, for whoever can pass the role"));
        let open = |provider: &&Provider| {
            exposures.iter().any(|one| match &one.comer {
                Comer::Oidc { host, .. } | Comer::Named { provider: host, .. } => {
                    host.eq_ignore_ascii_case(&provider.name)
                }
                Comer::Saml(name) => *name == provider.name,
                _ => false,
            })
        };
        let providers = providers.iter().filter(|one| !open(one));
        let providers = providers.map(|one| (one.to_string(), "as far as its claims are met"));
        let others: Vec<(String, &str)> = inside.chain(services).chain(providers).collect();
        for (who, why) in &others {
            table.add_row([who.as_str(), "no", "", why]);
        }
        if exposures.len() + others.len() > 0 {
            writeln!(out, "\n{table}")?;
        }
        Ok(())
    }

    fn resource(&self, policy: &Policy, out: &mut impl Write) -> anyhow::Result<()> {
        let service = match self.service.clone().or_else(|| service_of(&policy.document)) {
            Some(service) => service,
            None => bail!(
                "{}: no statement says whose resource it is: say --service s3, or whichever it is",
                policy.file
            ),
        };
        let document = policy.document.clone().as_of(now());
        let shares = sharing::shares(&document, &service, self.own_account(), &[]);
        if self.format == Format::Ndjson {
            let openings = shares.iter().map(|one| told(one, one.whom(), one.why()));
            let verdict = json!({
                "type": Kind::Resource.word(),
                "policy": policy.file,
                "service": service,
                "openings": openings.collect::<Result<Vec<_>, _>>()?,
            });
            writeln!(out, "{verdict}")?;
            return Ok(());
        }
        self.head(policy, shares.len(), "opening for outsiders", "openings for outsiders", out)?;
        let mut table = table(["WHO", "MAY", "STATEMENT", "NARROWED BY"]);
        for one in &shares {
            table.add_row([one.whom(), one.ability(), place(&one.statement), narrowed(one)]);
        }
        if !shares.is_empty() {
            writeln!(out, "\n{table}")?;
        }
        Ok(())
    }

    /// The line above a table.
    fn head(
        &self,
        policy: &Policy,
        count: usize,
        one: &str,
        many: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let count = match count {
            0 => format!("no {one}"),
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        writeln!(out, "{}: {count}", clean(&policy.file, 300))?;
        if self.own_account().is_empty() {
            writeln!(out, "no --account is given, so that every account counts as an outside one")?;
        }
        Ok(())
    }
}

/// A name that no group can have.
const NO_NAME: &str = "~";

/// A fact with the words that tell it.
fn told(fact: &impl serde::Serialize, who: String, why: String) -> serde_json::Result<Value> {
    let mut told = serde_json::to_value(fact)?;
    told["who_in_words"] = json!(who);
    told["why"] = json!(why);
    Ok(told)
}

fn members(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}

fn policy_name(grant: &Grant, policy: usize) -> String {
    grant.policies.get(policy).map(|policy| clean(&policy.name, 128)).unwrap_or_default()
}

/// The statements of each policy, in their order.
fn by_policy(sources: &[Source]) -> Vec<(usize, Vec<&Source>)> {
    let mut all: Vec<(usize, Vec<&Source>)> = Vec::new();
    for source in sources {
        match all.last_mut() {
            Some((policy, sources)) if *policy == source.policy => sources.push(source),
            _ => all.push((source.policy, vec![source])),
        }
    }
    all
}

/// `2`, or `2 "Deploy"`.
fn place(statement: &StatementId) -> String {
    match statement.sid {
        Some(_) => format!("{} {statement}", statement.number),
        None => statement.number.to_string(),
    }
}

fn narrowed(share: &Share) -> String {
    match (&share.condition, share.guard) {
        (Some(condition), _) => condition.to_string(),
        (None, Some(_)) => "a condition on whom the service acts for".to_owned(),
        (None, None) => String::new(),
    }
}

/// The service that the statements of a policy on a resource name, by their resources' ARNs or else by their actions.
fn service_of(document: &Document) -> Option<String> {
    let allows = || document.statements.iter().filter(|statement| statement.effect == Effect::Allow);
    let by_arn =
        allows().flat_map(|one| &one.resources).find_map(|one| Some(Arn::parse(one)?.service.to_owned()));
    let by_action = || {
        let actions = allows().flat_map(|one| &one.actions);
        actions.filter_map(|action| Some(action.split_once(':')?.0.to_ascii_lowercase())).next()
    };
    by_arn.or_else(by_action).filter(|service| !service.contains(['*', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text).unwrap()
    }

    #[test]
    fn the_type_is_told_by_the_statements() {
        for (text, kind) in [
            (r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#, Kind::Identity),
            (r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}"#, Kind::Identity),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#,
                Kind::Trust,
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}"#,
                Kind::Resource,
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}}"#,
                Kind::Resource,
            ),
        ] {
            assert_eq!(kind_of(&document(text)), kind, "{text}");
        }
    }

    #[test]
    fn what_the_aws_cli_prints_is_unpacked() {
        let policy = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        let quoted = Value::from(policy).to_string();
        for (answer, kind, name) in [
            (
                format!(r#"{{"PolicyVersion":{{"Document":{policy},"VersionId":"v1"}}}}"#),
                Kind::Identity,
                None,
            ),
            (
                format!(r#"{{"UserName":"bob","PolicyName":"own","PolicyDocument":{policy}}}"#),
                Kind::Identity,
                Some("own"),
            ),
            (format!(r#"{{"Role":{{"AssumeRolePolicyDocument":{policy}}}}}"#), Kind::Trust, None),
            (format!(r#"{{"Policy":{quoted}}}"#), Kind::Resource, None),
        ] {
            let found = inside(&answer).unwrap();
            assert_eq!((found.kind, found.name.as_deref()), (Some(kind), name), "{answer}");
            assert_eq!(document(&found.text), document(policy));
        }
        assert!(inside(policy).is_none() && inside("{broken").is_none());
    }

    #[test]
    fn the_service_is_told_by_arns_or_actions() {
        let of = |action: &str, resource: &str| {
            service_of(&document(&format!(
                r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"{resource}"}}}}"#
            )))
        };
        assert_eq!(of("*", "arn:aws:s3:::photos/*").as_deref(), Some("s3"));
        assert_eq!(of("KMS:Decrypt", "*").as_deref(), Some("kms"));
        assert_eq!(of("*", "*"), None);
    }
}
