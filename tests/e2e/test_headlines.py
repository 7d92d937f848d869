"""Each class of danger, from the event bus to the subscriber, through the compiled functions and the real template."""

import json

import pytest

from events import (
    ADMIN,
    AWS_POLICY,
    HARMLESS,
    call,
    health_exposed_key,
    put_user_policy,
    root,
    root_sign_in,
    trusted_advisor_exposed_key,
    unique,
)
from local_cloud import ACCOUNT, play, until


@pytest.fixture(autouse=True)
def nothing_refused(log_lines):
    """The roles allow all that the functions do: not one call of a test was refused."""
    yield
    lines = log_lines("DetectLogs") + log_lines("NotifyLogs")
    assert lines
    assert [line for line in lines if "not authorized" in line or "AccessDenied" in line] == []


def about(name):
    return lambda alert: name in alert.resource


def test_root_signs_in_without_mfa(cloud, mailbox, findings):
    play(cloud, root_sign_in(mfa="No"))
    alert = mailbox.wait_for(lambda a: a.rule == "root-console-sign-in", "root's sign-in")
    assert alert.severity == "CRITICAL"
    assert alert.status == "NEW"
    assert alert.account == ACCOUNT
    assert alert.subject.startswith("[CRITICAL] ")
    assert alert.subject.endswith(f" ({ACCOUNT})")
    assert "198.51.100.7" in alert.text
    assert findings.get(alert.finding_id)["resource"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_root_only_reads_and_is_heard(cloud, mailbox):
    """EventBridge gives this event to no rule in the plain state."""
    play(cloud, call("iam", "ListUsers", None, by=root(), read_only=True))
    alert = mailbox.wait_for(lambda a: "root" in a.rule and "ListUsers" in a.text, "root's read-only call")
    assert alert.resource == f"arn:aws:iam::{ACCOUNT}:root"


def test_an_exposed_key_is_one_finding_whoever_speaks(cloud, mailbox, findings):
    owner = unique("ci")
    iam = cloud.client("iam")
    iam.create_user(UserName=owner)
    key = iam.create_access_key(UserName=owner)["AccessKey"]["AccessKeyId"]

    play(cloud, health_exposed_key(key, owner))
    alert = mailbox.wait_for(about(key), "Health's notice")
    assert alert.severity == "CRITICAL"
    assert owner in alert.text
    assert f"update-access-key --user-name {owner} --access-key-id {key} --status Inactive" in alert.text

    play(cloud, trusted_advisor_exposed_key(key, owner))
    quarantine = {"userName": owner, "policyArn": f"{AWS_POLICY}/AWSCompromisedKeyQuarantineV3"}
    play(cloud, call("iam", "AttachUserPolicy", quarantine))

    def witnesses():
        (finding,) = findings.about(key)
        return len(finding["witnesses"])

    until(lambda: witnesses() == 3, "all three witnesses on the one finding")
    assert findings.about(owner) == []


def test_an_inline_policy_makes_an_administrator(cloud, mailbox, findings):
    name = unique("reporting")
    play(cloud, put_user_policy(name, ADMIN))
    alert = mailbox.wait_for(about(name), "the inline policy")
    assert alert.severity == "CRITICAL"
    assert f"delete-user-policy --user-name {name}" in alert.text
    (finding,) = findings.about(name)
    assert finding["finding_id"] == alert.finding_id
    assert finding["status"] == "NEW"


def test_a_managed_policy_of_aws_makes_an_administrator(cloud, mailbox):
    name = unique("thumbnailer")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    parameters = {"roleName": name, "policyArn": f"{AWS_POLICY}/AdministratorAccess"}
    play(cloud, call("iam", "AttachRolePolicy", parameters))
    assert mailbox.wait_for(about(name), "the attached policy").severity == "CRITICAL"


def test_a_managed_policy_of_the_account_is_read_live(cloud, mailbox):
    """The event has the policy's name only, and the name lies."""
    name = unique("auditor")
    created = cloud.client("iam").create_policy(PolicyName=unique("ReadOnly"), PolicyDocument=json.dumps(ADMIN))
    parameters = {"userName": name, "policyArn": created["Policy"]["Arn"]}
    play(cloud, call("iam", "AttachUserPolicy", parameters))
    assert mailbox.wait_for(about(name), "the attached policy").severity == "CRITICAL"


def test_joining_a_group_is_judged_by_what_the_group_may_do(cloud, mailbox):
    name, group = unique("intern"), unique("readers")
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    iam.create_group(GroupName=group)
    iam.put_group_policy(GroupName=group, PolicyName="reading", PolicyDocument=json.dumps(ADMIN))
    play(cloud, call("iam", "AddUserToGroup", {"userName": name, "groupName": group}))
    alert = mailbox.wait_for(lambda a: name in a.resource or group in a.resource, "the new member")
    assert alert.severity == "CRITICAL"
    assert name in alert.text
    assert group in alert.text


def test_switching_the_default_version_is_judged_by_that_version(cloud, mailbox):
    policy = unique("Pictures")
    iam = cloud.client("iam")
    arn = iam.create_policy(PolicyName=policy, PolicyDocument=json.dumps(HARMLESS))["Policy"]["Arn"]
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(ADMIN), SetAsDefault=False)
    version = made["PolicyVersion"]["VersionId"]
    play(cloud, call("iam", "SetDefaultPolicyVersion", {"policyArn": arn, "versionId": version}))
    alert = mailbox.wait_for(about(policy), "the switched version")
    assert alert.severity in ("HIGH", "CRITICAL")
    assert version in alert.text


def test_what_only_looks_dangerous_is_left_alone(cloud, mailbox, findings):
    harmless, dangerous = unique("AdministratorAccess"), unique("plain")
    play(cloud, put_user_policy(harmless, HARMLESS))
    play(cloud, put_user_policy(dangerous, ADMIN))
    mailbox.wait_for(about(dangerous), "the dangerous one")
    assert findings.about(harmless) == []
    assert not [alert for alert in mailbox.alerts if harmless in alert.resource]
