//! What the templates of this version say should be there, with the names that a deployed stack has given.
//!
//! The templates are part of the program, so that the doctor compares a deployment with nothing that somebody could have
//! changed. It reads as much of CloudFormation's language as the event rules, alarms and functions use; a test reads all of
//! them.

use anyhow::{Context as _, bail};
use keepwatch_base::partition::Partition;
use keepwatch_collect::deployed::Stack;
use serde_json::{Map, Value as Json};
use yaml_serde::Value;

/// template.yaml.
pub(crate) const HOME: &str = include_str!("../../../template.yaml");

/// infra/forwarder.yaml.
pub(crate) const FORWARDER: &str = include_str!("../../../infra/forwarder.yaml");

/// A deployed stack, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) account: String,
    pub(crate) region: String,
    /// The stack's name.
    pub(crate) name: String,
    pub(crate) stack: Stack,
}

/// A resource that should be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// Its logical id.
    pub(crate) id: String,
    /// Its properties, without what is not known here.
    pub(crate) properties: Json,
}

/// A template.
#[derive(Debug)]
pub(crate) struct Template {
    root: Value,
}

impl Template {
    /// # Errors
    /// Text that is no template.
    pub(crate) fn read(text: &str) -> anyhow::Result<Template> {
        Ok(Template { root: yaml_serde::from_str(text).context("the template cannot be read")? })
    }

    /// The resources of a type that this stack should have: those whose condition holds.
    ///
    /// # Errors
    /// What is written in a way that is not known here.
    pub(crate) fn of_type(&self, kind: &str, names: &Names) -> anyhow::Result<Vec<Wanted>> {
        self.read_of_type(kind, names, |_| true)
    }

    /// The functions that this stack should have: what each is called, and the types of what feeds it.
    ///
    /// # Errors
    /// What is written in a way that is not known here.
    pub(crate) fn functions(&self, names: &Names) -> anyhow::Result<Vec<(Wanted, Vec<String>)>> {
        let functions =
            self.read_of_type("AWS::Serverless::Function", names, |name| name == "FunctionName")?;
        let resources = self.root.get("Resources");
        let types = |id: &str| {
            let events =
                resources.and_then(|all| all.get(id)?.get("Properties")?.get("Events")?.as_mapping());
            let events = events.into_iter().flat_map(|events| events.values());
            events.filter_map(|event| event.get("Type")?.as_str().map(str::to_owned)).collect()
        };
        Ok(functions
            .into_iter()
            .map(|one| {
                let types = types(&one.id);
                (one, types)
            })
            .collect())
    }

    fn read_of_type(
        &self,
        kind: &str,
        names: &Names,
        reads: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<Wanted>> {
        let resolver = Resolver { template: self, names };
        let mut wanted = Vec::new();
        let resources =
            self.root.get("Resources").and_then(Value::as_mapping).context("it has no Resources")?;
        for (id, resource) in resources {
            let id = id.as_str().context("a resource has no name")?;
            if resource.get("Type").and_then(Value::as_str) != Some(kind) {
                continue;
            }
            if let Some(condition) = resource.get("Condition").and_then(Value::as_str)
                && !resolver.condition(condition)?
            {
                continue;
            }
            let mut properties =
                resource.get("Properties").and_then(Value::as_mapping).cloned().unwrap_or_default();
            properties.retain(|name, _| name.as_str().is_some_and(&reads));
            let properties =
                resolver.value(&Value::Mapping(properties)).with_context(|| format!("resource {id}"))?;
            wanted.push(Wanted { id: id.to_owned(), properties: properties.unwrap_or(Json::Null) });
        }
        Ok(wanted)
    }
}

/// An ARN's beginning, up to the region.
fn arn(service: &str, region: &str, account: &str, rest: &str, partition: &str) -> String {
    format!("arn:{partition}:{service}:{region}:{account}:{rest}")
}

impl Names {
    fn partition(&self) -> &'static str {
        Partition::of_region(&self.region).name
    }

    /// What `Ref` gives for a resource; nothing where the stack has none of this name.
    pub(crate) fn physical(&self, id: &str) -> Option<&str> {
        self.stack.resources.get(id).map(|resource| resource.physical_id.as_str())
    }

    /// The ARN of a resource.
    pub(crate) fn arn_of(&self, id: &str) -> Option<String> {
        let resource = self.stack.resources.get(id)?;
        let own = &resource.physical_id;
        let last = own.rsplit('/').next().unwrap_or(own);
        let made =
            |service, rest: &str| Some(arn(service, &self.region, &self.account, rest, self.partition()));
        match resource.kind.as_str() {
            "AWS::SQS::Queue" => made("sqs", last),
            "AWS::Lambda::Function" => made("lambda", &format!("function:{own}")),
            "AWS::Events::EventBus" => made("events", &format!("event-bus/{own}")),
            "AWS::DynamoDB::Table" => made("dynamodb", &format!("table/{own}")),
            "AWS::IAM::Role" => Some(arn("iam", "", &self.account, &format!("role/{own}"), self.partition())),
            _ => own.starts_with("arn:").then(|| own.clone()),
        }
    }

    fn attribute(&self, id: &str, attribute: &str) -> Option<String> {
        match attribute {
            "Arn" => self.arn_of(id),
            "QueueName" | "TopicName" => self.physical(id)?.rsplit(['/', ':']).next().map(str::to_owned),
            _ => None,
        }
    }
}

struct Resolver<'r> {
    template: &'r Template,
    names: &'r Names,
}

impl Resolver<'_> {
    /// A value as JSON; nothing for `AWS::NoValue`.
    fn value(&self, value: &Value) -> anyhow::Result<Option<Json>> {
        Ok(Some(match value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Number(_) => serde_json::to_value(value)?,
            Value::String(text) => Json::String(text.clone()),
            Value::Sequence(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<anyhow::Result<Vec<_>>>()?;
                Json::Array(items.into_iter().flatten().collect())
            }
            Value::Mapping(fields) => {
                let mut object = Map::new();
                for (name, value) in fields {
                    let name = name.as_str().context("a key is no text")?;
                    if let Some(value) = self.value(value)? {
                        object.insert(name.to_owned(), value);
                    }
                }
                Json::Object(object)
            }
            Value::Tagged(tagged) => {
                return self.call(&tagged.tag.to_string(), &tagged.value);
            }
        }))
    }

    fn call(&self, function: &str, argument: &Value) -> anyhow::Result<Option<Json>> {
        let text = || argument.as_str().with_context(|| format!("{function} of no text"));
        Ok(match function {
            "!Ref" if text()? == "AWS::NoValue" => None,
            "!Ref" => Some(Json::String(self.reference(text()?)?)),
            "!GetAtt" => Some(Json::String(self.reference(text()?)?)),
            "!Sub" => Some(Json::String(self.substituted(text()?)?)),
            "!If" => {
                let parts = argument.as_sequence().context("!If of no list")?;
                let [condition, yes, no] = parts.as_slice() else { bail!("!If needs three parts") };
                let holds = self.condition(condition.as_str().context("!If of no condition")?)?;
                self.value(if holds { yes } else { no })?
            }
            other => bail!("{other} is not known here"),
        })
    }

    /// What a name stands for: one of AWS's own, a parameter, a resource, or an attribute of one.
    fn reference(&self, name: &str) -> anyhow::Result<String> {
        let names = self.names;
        let own = match name {
            "AWS::AccountId" => Some(names.account.clone()),
            "AWS::Partition" => Some(names.partition().to_owned()),
            "AWS::Region" => Some(names.region.clone()),
            "AWS::StackName" => Some(names.name.clone()),
            _ => None,
        };
        let parameter = || self.parameter(name);
        let resource = || match name.split_once('.') {
            Some((id, attribute)) => names.attribute(id, attribute),
            None => names.physical(name).map(str::to_owned),
        };
        own.or_else(parameter).or_else(resource).with_context(|| format!("the stack has no {name}"))
    }

    fn parameter(&self, name: &str) -> Option<String> {
        if let Some(given) = self.names.stack.parameters.get(name) {
            return Some(given.clone());
        }
        match self.template.root.get("Parameters")?.get(name)?.get("Default")? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn substituted(&self, text: &str) -> anyhow::Result<String> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').context("${ without }")?;
            out.push_str(before);
            out.push_str(&self.reference(name)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn condition(&self, name: &str) -> anyhow::Result<bool> {
        let conditions = self.template.root.get("Conditions");
        let condition =
            conditions.and_then(|all| all.get(name)).with_context(|| format!("no condition {name}"))?;
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> anyhow::Result<bool> {
        let Value::Tagged(tagged) = condition else { bail!("a condition is no function") };
        let parts = tagged.value.as_sequence().context("a condition of no list")?;
        match (tagged.tag.to_string().as_str(), parts.as_slice()) {
            ("!Not", [inner]) => Ok(!self.holds(inner)?),
            ("!And", all) => all.iter().try_fold(true, |so_far, one| Ok(self.holds(one)? && so_far)),
            ("!Or", any) => any.iter().try_fold(false, |so_far, one| Ok(self.holds(one)? || so_far)),
            ("!Equals", [one, other]) => Ok(self.plain(one)? == self.plain(other)?),
            (other, _) => bail!("{other} is no condition that is known here"),
        }
    }

    /// A parameter is a text, whatever is written.
    fn plain(&self, value: &Value) -> anyhow::Result<String> {
        Ok(match self.value(value)?.unwrap_or(Json::Null) {
            Json::String(text) => text,
            other => other.to_string(),
        })
    }
}

/// The version of the event rules that a forwarder of this version has: it stands in the name of its heartbeat.
///
/// # Errors
/// A template without one.
pub(crate) fn forwarder_version() -> anyhow::Result<&'static str> {
    let (_, rest) = FORWARDER.split_once("-heartbeat-").context("the forwarder has no heartbeat")?;
    rest.get(..16).context("the forwarder's heartbeat has no version")
}

/// Names of a stack for tests: every resource of the template is there.
#[cfg(test)]
pub(crate) fn names_for_tests(text: &str, parameters: &[(&str, &str)]) -> Names {
    use std::collections::BTreeMap;

    use keepwatch_collect::deployed::Resource;

    let template = Template::read(text).unwrap();
    let mut resources = BTreeMap::new();
    for (id, resource) in template.root["Resources"].as_mapping().unwrap() {
        let id = id.as_str().unwrap();
        let kind = resource["Type"].as_str().unwrap().replace("::Serverless::", "::Lambda::");
        let name = format!("keepwatch-{id}-1A");
        let physical_id = match kind.as_str() {
            "AWS::SQS::Queue" => format!("https://sqs.us-east-1.amazonaws.com/111122223333/{name}"),
            "AWS::SNS::Topic" => format!("arn:aws:sns:us-east-1:111122223333:{name}"),
            _ => name,
        };
        resources.insert(id.to_owned(), Resource { kind, physical_id });
    }
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Names {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        name: "keepwatch".to_owned(),
        stack: Stack {
            status: "CREATE_COMPLETE".to_owned(),
            parameters: parameters.iter().map(own).collect(),
            outputs: BTreeMap::from([("Version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
            resources,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_ON: &[(&str, &str)] = &[
        ("AlertEmail", "a@example.com"),
        ("KeyArn", "arn:aws:kms:us-east-1:111122223333:key/1"),
        ("SecurityHub", "enabled"),
        ("SigmaRules", "all"),
    ];

    fn ids(kind: &str, parameters: &[(&str, &str)]) -> Vec<String> {
        let names = names_for_tests(HOME, parameters);
        let all = Template::read(HOME).unwrap().of_type(kind, &names).unwrap();
        all.into_iter().map(|wanted| wanted.id).collect()
    }

    #[test]
    fn every_rule_alarm_and_queue_of_the_templates_is_read() {
        for (text, parameters) in
            [(HOME, &[][..]), (HOME, ALL_ON), (FORWARDER, &[("HomeAccount", "111122223333")])]
        {
            let template = Template::read(text).unwrap();
            let names = names_for_tests(text, parameters);
            for kind in ["AWS::Events::Rule", "AWS::CloudWatch::Alarm", "AWS::SQS::Queue"] {
                let found = template.of_type(kind, &names).unwrap();
                let written = text.matches(&format!("\n    Type: {kind}\n")).count();
                assert!(found.len() <= written);
                assert!(parameters.len() < 4 || found.len() == written, "{kind}: {}", found.len());
                let json =
                    serde_json::to_string(&found.iter().map(|one| &one.properties).collect::<Vec<_>>())
                        .unwrap();
                assert!(!json.contains("${"), "{json}");
            }
        }
    }

    #[test]
    fn a_condition_leaves_out_what_the_stack_has_not() {
        let rules = |parameters| ids("AWS::Events::Rule", parameters);
        assert!(!rules(&[]).contains(&"KeyTouchedRule".to_owned()));
        assert!(rules(ALL_ON).contains(&"KeyTouchedRule".to_owned()));
        assert!(!ids("AWS::CloudWatch::Alarm", &[]).contains(&"SecurityHubErrors".to_owned()));
    }

    #[test]
    fn names_become_what_the_stack_has() {
        let names = names_for_tests(HOME, &[]);
        let rules = Template::read(HOME).unwrap().of_type("AWS::Events::Rule", &names).unwrap();
        let rule = rules.iter().find(|rule| rule.id == "OperatorRule").unwrap();
        assert_eq!(rule.properties["Name"], "keepwatch-operator");
        let target = &rule.properties["Targets"][0]["Arn"];
        assert_eq!(target, "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-1A");
        let role = &rule.properties["EventPattern"]["detail"]["requestParameters"]["roleArn"][0];
        assert_eq!(role, "arn:aws:iam::111122223333:role/keepwatch-OperatorRole-1A");
    }

    #[test]
    fn the_forwarder_says_its_version() {
        let version = forwarder_version().unwrap();
        assert!(version.len() == 16 && version.bytes().all(|byte| byte.is_ascii_hexdigit()), "{version}");
    }
}
