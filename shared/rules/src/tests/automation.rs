//! Who acts without a person.

use keepwatch_core::engine::automation::Automation;
use keepwatch_core::event::{Body, Event};
use serde_json::{Value, json};

use crate::testing::call;

fn of(changes: Value) -> Option<Automation> {
    let text = call("ec2", "RunInstances", changes);
    let event = Event::parse(&text).unwrap();
    let Body::CloudTrail(record) = &event.body else { panic!() };
    Automation::of(record, &["arn:aws:iam::111122223333:role/ci-*".to_owned()])
}

#[test]
fn a_person_is_a_person() {
    assert_eq!(of(json!({})), None);
    assert_eq!(of(json!({"userIdentity": {"invokedBy": "backup.amazonaws.com"}})), None);
}

#[test]
fn services_pipelines_stacks_and_tools() {
    let role = |arn: &str| json!({"userIdentity": {"sessionContext": {"sessionIssuer": {"arn": arn}}}});
    assert_eq!(of(json!({"userIdentity": {"type": "AWSService"}})), Some(Automation::Service));
    let linked = "arn:aws:iam::111122223333:role/aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO";
    assert_eq!(of(role(linked)), Some(Automation::Service));
    assert_eq!(of(role("arn:aws:iam::111122223333:role/ci-deploy")), Some(Automation::Listed));
    assert_eq!(of(role("arn:aws:iam::444455556666:role/ci-deploy")), None);
    let stack = json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}});
    assert_eq!(of(stack), Some(Automation::Stack));
    assert_eq!(of(json!({"userAgent": "HashiCorp Terraform/1.9"})), Some(Automation::Agent));
}
