//! `operations.json` lists every operation of AWS that can change a resource of ours (tools/operations.py says how). Of each
//! that is said to be heard, this tries whether it is.

use serde_json::{Value, json};

use crate::testing::*;
use keepwatch_core::engine::On;

/// An operation that a rule of this crate hears; what the template's own rules hear is tried in tests/template.
fn heard() -> Vec<(String, String, Value)> {
    let services: Value = serde_json::from_str(include_str!("operations.json")).unwrap();
    let of = |service: &Value| {
        let source = service["source"].as_str().unwrap().to_owned();
        let each = |(name, how): (&String, &Value)| (source.clone(), name.clone(), how.clone());
        service["heard"].as_object().unwrap().iter().map(each).collect::<Vec<_>>()
    };
    let all = services.as_object().unwrap().values().flat_map(of);
    all.filter(|(.., how)| how["by"] != "KeyTouchedRule").collect()
}

#[test]
fn every_operation_that_is_said_to_be_heard_is() {
    let all = heard();
    assert!(all.len() > 100, "{}", all.len());
    for (source, operation, how) in all {
        let rule = rule(how["by"].as_str().unwrap());
        let own = json!([operation]);
        let names = how.get("names").unwrap_or(&own).as_array().unwrap().clone();
        for name in names.iter().map(|name| name.as_str().unwrap()) {
            let listens = rule.meta().on.iter().any(
                |on| matches!(on, On::Call(service, calls) if *service == source && calls.contains(&name)),
            );
            assert!(listens, "{} does not listen to {name} of {source}", how["by"]);
            let changes = json!({"requestParameters": how["request"], "responseElements": how["response"]});
            let service = source.trim_end_matches(".amazonaws.com");
            let seen = observe(rule, &call(service, name, changes));
            assert!(!seen.is_empty(), "{} has nothing to say of {name} of {source}", how["by"]);
        }
    }
}
