"""What deploying needs and looks at beforehand, and that one that fails leaves nothing in the way of the next."""

import json
import re
import sys
from argparse import Namespace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from samtranslator.yaml_helper import yaml_parse

from conftest import ROOT, listed

sys.path.insert(0, str(ROOT / "tools"))
import before_deploy
import first_hour
import regions
import undeploy

POLICY = json.loads((ROOT / "infra" / "deploy-policy.json").read_text(encoding="utf-8"))
ACCOUNT = "111122223333"
REGION = "us-east-1"

# The most characters of a managed policy, white space not counted (IAM user guide, "IAM and AWS STS quotas").
LONGEST_POLICY = 6_144

# What CloudFormation's handlers say they may need and this stack never makes them do, with the reason.
NOT_NEEDED = {
    r"(kinesis|s3files|ec2|elasticfilesystem|firehose):": "no stream, network or file system",
    r"kms:": "only with a key of one's own (docs/customer-key.md), whose policy says who may",
    r"s3:": "SAM's bucket has statements of its own",
    r"billing:": "billing views of other accounts",
    r"dynamodb:(AssociateTableReplica|CreateTableReplica|ImportTable|DescribeImport)$": "no replica, no import",
    r"dynamodb:(BatchWriteItem|DeleteItem|GetItem|PutItem|Query|Scan|UpdateItem)$": "items of replicas and imports",
    r"dynamodb:\w+(KinesisStreamingDestination|ContributorInsights)$": "neither is set; describing them is allowed",
    r"iam:CreateServiceLinkedRole$": "for replicas and scaling",
    r"iam:(Attach|Detach)RolePolicy$": "roles have inline policies only",
    r"iam:(Delete|Put)RolePermissionsBoundary$": "no role has a boundary",
    r"lambda:(AssociateRuntimeAlias|PassCapacityProvider|PublishVersion|GetLayerVersion)$": "not set",
    r"lambda:(Put|Delete|Get)\w*(RecursionConfig|ScalingConfig|RuntimeManagementConfig|CodeSigningConfig)$": "not set",
    r"logs:\w*(BearerTokenAuthentication|DataProtectionPolicy|IndexPolicy|ResourcePolicy|LogDelivery)$": "not set",
    r"logs:(PutLogGroupDeletionProtection|AssociateKmsKey|DisassociateKmsKey)$": "not set, or with a key of one's own",
    r"logs:(CreateLogStream|DescribeLogStreams|PutLogEvents)$": "logs of imports",
    r"sns:PutDataProtectionPolicy$": "not set",
}

# What no handler names: SAM and the tools in tools/ call it.
BESIDE = {
    "cloudformation:ValidateTemplate",
    "dynamodb:ListTables",
    "ec2:DescribeRegions",
    "iam:SimulatePrincipalPolicy",
    "sqs:ListQueues",
}


def allowed():
    return {action for statement in POLICY["Statement"] for action in listed(statement["Action"])}


def handlers(stack):
    """What CloudFormation says that it needs to create, read, update and delete what the templates have."""
    types = {resource["Type"] for resource in stack.resources.values()}
    for name in ("forwarder.yaml", "forwarder-role.yaml"):
        body = yaml_parse((ROOT / "infra" / name).read_text(encoding="utf-8"))
        types |= {resource["Type"] for resource in body["Resources"].values()}
    needed = set()
    for kind in types:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
        assert schema.get("handlers"), kind
        for what, handler in schema["handlers"].items():
            needed |= set(handler["permissions"]) if what != "list" else set()
    return needed


def test_the_deployment_policy_has_what_the_resource_types_need_and_nothing_else(stack):
    """A resource of a new type fails here, until its actions are in the file or have a reason not to be."""
    needed = handlers(stack)
    spared = {action for action in needed if any(re.match(pattern, action) for pattern in NOT_NEEDED)}
    ours = {action for action in allowed() if not action.startswith(("cloudformation:", "s3:"))}
    described = {action for action in ours & spared if re.search(r":(Get|Describe)", action)}
    assert (needed - spared) - ours == set()
    assert ours - needed - BESIDE == set()
    assert ours & spared == described, "allowed and said not to be needed"
    for pattern in NOT_NEEDED:
        assert any(re.match(pattern, action) for action in needed), f"nothing needs {pattern} any more"


def test_the_deployment_policy_fits_into_a_managed_policy():
    assert len(re.sub(r"\s", "", json.dumps(POLICY))) <= LONGEST_POLICY


def test_the_deployment_policy_is_about_this_stack_alone():
    """What is allowed everywhere cannot be limited to a name, or only looks."""
    for statement in POLICY["Statement"]:
        if "*" in listed(statement["Resource"]):
            assert statement["Sid"] == "Everywhere"
            changes = {
                a for a in listed(statement["Action"]) if not re.search(r":(Describe|Get|List|Simulate|Validate)", a)
            }
            assert changes == {f"lambda:{verb}EventSourceMapping" for verb in ("Create", "Delete", "Update")} | {
                "sns:SetSubscriptionAttributes",
                "sns:Unsubscribe",
            }
        if "iam:PassRole" in listed(statement["Action"]):
            assert statement["Condition"]["StringEquals"]["iam:PassedToService"] == [
                "events.amazonaws.com",
                "lambda.amazonaws.com",
            ]


def test_the_names_that_the_template_gives_begin_with_the_stacks(stack):
    """Else the policy, which is about keepwatch-*, would not cover them."""
    for name, resource in stack.resources.items():
        for key in ("Name", "FunctionName", "DashboardName"):
            given = resource.get("Properties", {}).get(key)
            if isinstance(given, dict) and "Fn::Sub" in given:
                assert given["Fn::Sub"].startswith("${AWS::StackName}-"), name


def test_what_is_protected_from_deletion_is_never_deleted_by_a_rollback(stack):
    """CloudFormation deletes what has RetainExceptOnCreate when a first deployment fails.

    That says its user guide, "DeletionPolicy attribute". DynamoDB refuses that for a protected table (developer guide,
    "Using deletion protection"), and the stack ends in ROLLBACK_FAILED. Such a table stays behind, empty;
    `make undeploy EVERYTHING=yes` removes it.
    """
    protected = 0
    for name, resource in stack.resources.items():
        if any("DeletionProtection" in key and value is True for key, value in resource.get("Properties", {}).items()):
            protected += 1
            assert resource["DeletionPolicy"] == "Retain", name
    assert protected == 3


# --- What make deploy looks at first. ---


@pytest.fixture
def clients(monkeypatch):
    """Stubbed clients, one for each service, which must be asked for all that they are told to answer."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    stubs = {}

    def client(service, region):
        return stubs[service].client

    for service in ("cloudformation", "iam", "sts"):
        stubs[service] = Stubber(boto3.client(service, region_name=REGION))
        stubs[service].activate()
    monkeypatch.setattr(before_deploy, "client", client)
    yield stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


ADMIN = f"arn:aws:iam::{ACCOUNT}:user/alice"


def answers(iam, decide):
    """IAM's answer to each question about the policy file."""
    for statement in POLICY["Statement"]:
        actions = listed(statement["Action"])
        for start in range(0, len(actions), before_deploy.AT_ONCE):
            results = [
                {"EvalActionName": action, "EvalDecision": decide(action)}
                for action in actions[start : start + before_deploy.AT_ONCE]
            ]
            iam.add_response("simulate_principal_policy", {"EvaluationResults": results, "IsTruncated": False})


def looked(arn):
    return before_deploy.look_at_permissions(REGION, ACCOUNT, "aws", arn, "keepwatch")


def test_who_may_everything_is_told_so(clients):
    answers(clients["iam"], lambda _: "allowed")
    assert looked(ADMIN) == "all that infra/deploy-policy.json has"


def test_what_is_refused_is_named_before_the_build(clients):
    answers(clients["iam"], lambda action: "implicitDeny" if action == "iam:CreateRole" else "allowed")
    with pytest.raises(before_deploy.WillFailError) as refusal:
        looked(ADMIN)
    assert f"iam:CreateRole on arn:aws:iam::{ACCOUNT}:role/keepwatch-x: implicitDeny" in str(refusal.value)
    assert "dynamodb" not in str(refusal.value)


def test_a_session_is_asked_about_by_the_arn_of_its_role(clients):
    role = f"arn:aws:iam::{ACCOUNT}:role/team/deployer"
    described = {"RoleName": "deployer", "Path": "/team/", "RoleId": "AROAEXAMPLEEXAMPLE", "Arn": role}
    clients["iam"].add_response(
        "get_role", {"Role": {**described, "CreateDate": "2026-01-01"}}, {"RoleName": "deployer"}
    )
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/alice"
    assert before_deploy.source_of(REGION, arn) == role


def test_what_may_not_be_looked_at_is_said_and_stops_nothing(clients):
    clients["iam"].add_client_error("simulate_principal_policy", "AccessDenied")
    assert looked(ADMIN).startswith("not looked at: AWS refuses")
    assert looked(f"arn:aws:sts::{ACCOUNT}:federated-user/alice").startswith("not looked at")
    assert "root" in looked(f"arn:aws:iam::{ACCOUNT}:root")


@pytest.mark.parametrize("code", sorted(before_deploy.NOT_ACCEPTED))
def test_credentials_that_are_not_accepted_say_what_to_do(clients, code):
    clients["sts"].add_client_error("get_caller_identity", code)
    with pytest.raises(before_deploy.WillFailError, match="sign in again; or the region is not enabled"):
        before_deploy.identity(REGION)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("ROLLBACK_COMPLETE", "make undeploy EVERYTHING=yes"),
        ("ROLLBACK_FAILED", "make undeploy EVERYTHING=yes"),
        ("UPDATE_IN_PROGRESS", "wait until"),
        ("UPDATE_COMPLETE", None),
        ("UPDATE_ROLLBACK_COMPLETE", None),
        ("REVIEW_IN_PROGRESS", None),
    ],
)
def test_a_stack_that_takes_no_deployment_is_told_before_the_build(clients, status, hint):
    stack = {"StackName": "keepwatch", "CreationTime": "2026-01-01", "StackStatus": status}
    clients["cloudformation"].add_response("describe_stacks", {"Stacks": [stack]})
    if hint is None:
        assert before_deploy.look_at_stack(REGION, "keepwatch") == status
    else:
        with pytest.raises(before_deploy.WillFailError, match=hint):
            before_deploy.look_at_stack(REGION, "keepwatch")


class Formation:
    """CloudFormation with one stack."""

    def __init__(self, status):
        self.status, self.calls = status, []

    def describe_stacks(self, **asked):
        if self.status is None:
            answer = {
                "Error": {"Code": "ValidationError", "Message": f"Stack with id {asked['StackName']} does not exist"}
            }
            raise ClientError(answer, "DescribeStacks")
        return {"Stacks": [{**asked, "StackStatus": self.status}]}

    def delete_stack(self, **_):
        self.calls.append("delete")
        self.status = None

    def create_stack(self, **_):
        self.calls.append("create")

    def update_stack(self, **_):
        self.calls.append("update")

    def get_waiter(self, _):
        return self

    def wait(self, **_):
        pass


@pytest.mark.parametrize(
    ("status", "calls"),
    [
        (None, ["create"]),
        ("REVIEW_IN_PROGRESS", ["delete", "create"]),
        ("ROLLBACK_COMPLETE", ["delete", "create"]),
        ("ROLLBACK_FAILED", ["delete", "create"]),
        ("CREATE_FAILED", ["delete", "create"]),
        ("DELETE_FAILED", ["delete", "create"]),
        ("UPDATE_ROLLBACK_COMPLETE", ["update"]),
        ("CREATE_COMPLETE", ["update"]),
    ],
)
def test_a_forwarder_that_takes_no_update_is_removed_first(monkeypatch, status, calls):
    cloud = Formation(status)
    monkeypatch.setattr(regions, "client", lambda *_: cloud)
    said = regions.deployed("eu-west-1", "keepwatch-forwarder", "forwarder.yaml", {})
    assert cloud.calls == calls
    assert said == {"update": "updated", "create": "created"}[calls[-1]]


class AskedError(Exception):
    """The region that a tool works in."""


@pytest.mark.parametrize("tool", [before_deploy, undeploy, regions], ids=lambda tool: tool.__name__)
@pytest.mark.parametrize(
    ("saved", "given", "expected"),
    [
        ({}, [], ("keepwatch", "us-east-1")),
        ({"stack": "watch", "home": "eu-west-1"}, [], ("watch", "eu-west-1")),
        ({"stack": "watch", "home": "eu-west-1"}, ["--stack", "mine", "REGION", "eu-north-1"], ("mine", "eu-north-1")),
        ({"stack": "watch", "home": None}, ["REGION", "eu-north-1"], ("watch", "eu-north-1")),
    ],
)
def test_what_is_said_goes_before_what_is_saved(monkeypatch, tool, saved, given, expected):
    option = "--home" if tool is regions else "--region"
    arguments = [option if word == "REGION" else word for word in given]
    monkeypatch.setattr(regions, "saved", lambda: saved)

    def stop(service, region):
        raise AskedError(region)

    monkeypatch.setattr(tool, "client", stop)
    what = ["undeploy", "all"] if tool is regions else []
    monkeypatch.setattr(sys, "argv", [tool.__name__, *what, *arguments])
    with pytest.raises(AskedError, match=f"^{expected[1]}$"):
        tool.main()
    hour = first_hour.Hour(Namespace(stack="mine" if "mine" in given else None, region=[None, *given][-1]))
    assert (hour.stack, hour.region) == expected


def test_no_stack_is_a_first_deployment(clients):
    clients["cloudformation"].add_client_error("describe_stacks", "ValidationError", "Stack with id x does not exist")
    assert before_deploy.look_at_stack(REGION, "keepwatch") is None


def test_the_simulation_is_asked_about_a_resource_of_this_stack():
    named = before_deploy.concrete
    arguments = (ACCOUNT, "aws-us-gov", "us-gov-west-1", "watch")
    assert named("arn:aws:dynamodb:*:*:table/keepwatch-*", *arguments) == (
        f"arn:aws-us-gov:dynamodb:us-gov-west-1:{ACCOUNT}:table/watch-x"
    )
    assert named("arn:aws:iam::*:role/keepwatch-*", *arguments) == f"arn:aws-us-gov:iam::{ACCOUNT}:role/watch-x"
    assert named("*", *arguments) == "*"


# --- What make undeploy keeps. ---


def test_undeploy_knows_how_to_remove_whatever_the_template_keeps(stack):
    kept = {name: r["Type"] for name, r in stack.resources.items() if "Retain" in r.get("DeletionPolicy", "")}
    assert undeploy.keeping() == kept
    assert set(kept.values()) == set(undeploy.KINDS)
