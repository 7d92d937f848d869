"""Each function may do what it does, and nothing else."""

import json
import re
import subprocess

import pytest

from conftest import ROOT, listed

ACTIONS = {
    "DetectRole": {
        "Intake": {
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        },
        "GivenUp": {"sqs:SendMessage"},
        "Findings": {"dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem"},
        "Journal": {
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        },
        "Settings": {"dynamodb:Scan"},
        "Encryption": {"kms:Decrypt", "kms:GenerateDataKey"},
        "MessagesOfAnEarlierKey": {"kms:Decrypt"},
        "ItemsOfAnEarlierKey": {"kms:Decrypt"},
        "Logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "ReadIdentities": {
            "iam:GetAccessKeyLastUsed",
            "iam:GetGroup",
            "iam:GetGroupPolicy",
            "iam:GetInstanceProfile",
            "iam:GetPolicy",
            "iam:GetPolicyVersion",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:GetUserPolicy",
            "iam:ListAccessKeys",
            "iam:ListAttachedGroupPolicies",
            "iam:ListAttachedRolePolicies",
            "iam:ListAttachedUserPolicies",
            "iam:ListEntitiesForPolicy",
            "iam:ListGroupPolicies",
            "iam:ListGroupsForUser",
            "iam:ListRolePolicies",
            "iam:ListUserPolicies",
        },
        "ReadWhoHoldsAPolicy": {"iam:GetAccountAuthorizationDetails"},
        "ReadPermissionSets": {
            "sso:DescribePermissionSet",
            "sso:GetInlinePolicyForPermissionSet",
            "sso:ListAccountAssignmentsForPrincipal",
            "sso:ListCustomerManagedPolicyReferencesInPermissionSet",
            "sso:ListManagedPoliciesInPermissionSet",
        },
        "FindIdentityCenter": {"sso:ListInstances"},
    },
    "NotifyRole": {
        "Stream": {
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        },
        "Findings": {
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        },
        "Due": {"dynamodb:Query"},
        "Journal": {
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        },
        "Settings": {"dynamodb:Scan"},
        "Alerts": {"sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish"},
        "FirstLook": {"sqs:SendMessage"},
        "Operations": {"sns:ListSubscriptionsByTopic", "sns:Publish"},
        "GivenUp": {"sqs:SendMessage"},
        "DeadLetters": {"sqs:GetQueueAttributes"},
        "Encryption": {"kms:Decrypt", "kms:GenerateDataKey"},
        "ItemsOfAnEarlierKey": {"kms:Decrypt"},
        "Logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
    },
    "ScanRole": {
        "EventHistory": {"cloudtrail:LookupEvents"},
        "Canary": {"cloudtrail:StartLogging"},
        "Intake": {"sqs:SendMessage"},
        "Recheck": {
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        },
        "Findings": {"dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan"},
        "Settings": {"dynamodb:Scan"},
        "Journal": {
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        },
        # What the checks ask: compared with the compiled checks below.
        "LookAtTheAccount": None,
        "GivenUp": {"sqs:SendMessage"},
        "Encryption": {"kms:Decrypt", "kms:GenerateDataKey"},
        "ItemsOfAnEarlierKey": {"kms:Decrypt"},
        "MessagesOfAnEarlierKey": {"kms:Decrypt"},
        "Logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
    },
    "SecurityHubRole": {
        "Stream": {
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        },
        "Import": {"securityhub:BatchImportFindings"},
        "GivenUp": {"sqs:SendMessage"},
        "Encryption": {"kms:Decrypt", "kms:GenerateDataKey"},
        "ItemsOfAnEarlierKey": {"kms:Decrypt"},
        "Logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
    },
    "OperatorRole": {
        "Findings": {"dynamodb:GetItem", "dynamodb:PutItem"},
        "Settings": {"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan"},
        "DeadLetters": {
            "sqs:CancelMessageMoveTask",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ListMessageMoveTasks",
            "sqs:ReceiveMessage",
            "sqs:StartMessageMoveTask",
        },
        "Redrive": {"sqs:GetQueueAttributes", "sqs:SendMessage"},
        "Encryption": {"kms:Decrypt", "kms:GenerateDataKey"},
    },
}

# What a role is denied besides; test_resource_policies.py judges it.
DENIED = {
    "DetectRole": {"OwnFunctionOnly"},
    "NotifyRole": {"OwnFunctionOnly"},
    "ScanRole": {"OwnFunctionOnly"},
    "SecurityHubRole": {"OwnFunctionOnly"},
    "OperatorRole": {"NothingAboutKeepwatch"},
}

FUNCTIONS = ["DetectRole", "NotifyRole", "ScanRole", "SecurityHubRole"]

TABLE_NAME = "kms:EncryptionContext:aws:dynamodb:tableName"

# How roles name the tables, whose policies name the roles: a reference each way would be a circle.
TABLE = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}-"

# Where a statement must name every resource, and why.
EVERY_RESOURCE = {
    ("DetectRole", "ReadWhoHoldsAPolicy"): "iam:GetAccountAuthorizationDetails knows no resource",
    ("DetectRole", "FindIdentityCenter"): "sso:ListInstances knows no resource",
    ("ScanRole", "EventHistory"): "cloudtrail:LookupEvents knows no resource",
    ("ScanRole", "LookAtTheAccount"): "lists know no resource, and what is on them is anybody's guess",
}


def needed_by_checks():
    """The actions that `keepwatch scan` asks for, but for who it is, which Lambda tells the function."""
    program = ROOT / "target" / "debug" / "keepwatch"
    assert program.exists(), "keepwatch is not built. Run: cargo build --workspace --bins"
    done = subprocess.run([program, "scan", "--print-policy"], capture_output=True, text=True, check=True)
    actions = {action for s in json.loads(done.stdout)["Statement"] for action in listed(s["Action"])}
    return actions - {"sts:GetCallerIdentity"}


def test_a_scan_only_reads():
    """By the verb of the action; the report is AWS's own copy of what it lists anyway."""
    reading = re.compile(r"[a-z0-9-]+:(Describe|Get|List|View)\w+")
    writing = {action for action in needed_by_checks() if not reading.fullmatch(action)}
    assert writing == {"iam:GenerateCredentialReport"}
    # Nothing of what is in buckets, tables, queues, secrets and parameters.
    contents = re.compile(
        r"s3:GetObject|dynamodb:|sqs:|secretsmanager:|ssm:GetParameter|kms:Decrypt|lambda:GetFunction"
    )
    assert not [action for action in needed_by_checks() if contents.match(action)]


def allowing(stack, role):
    """The statements that let the role do something."""
    return [s for s in stack.statements(role) if s["Effect"] == "Allow"]


def test_the_daily_call_can_start_no_trail_of_anybody(stack):
    (canary,) = [s for s in allowing(stack, "ScanRole") if s["Sid"] == "Canary"]
    trail = "arn:${AWS::Partition}:cloudtrail:${AWS::Region}:${AWS::AccountId}:trail/${AWS::StackName}-canary-*"
    assert canary["Resource"] == {"Fn::Sub": trail}
    # So does scan name it.
    assert 'const MARK: &str = "-canary-";' in (ROOT / "shared" / "core" / "src" / "canary.rs").read_text()


def test_each_function_has_a_role_of_its_own_and_sam_adds_none(stack):
    assert set(stack.of_type("AWS::IAM::Role")) == set(ACTIONS)
    assert not stack.of_type("AWS::IAM::Policy")
    assert not stack.of_type("AWS::IAM::ManagedPolicy")
    for role in FUNCTIONS:
        function = role.replace("Role", "Function")
        assert stack.properties(function)["Role"] == {"Fn::GetAtt": [role, "Arn"]}


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_has_exactly_these_actions(stack, role):
    properties = stack.properties(role)
    assert not properties.get("ManagedPolicyArns")
    denied = [s for s in stack.statements(role) if s["Effect"] == "Deny"]
    assert {s["Sid"] for s in denied} == DENIED.get(role, set())
    statements = allowing(stack, role)
    wanted = {sid: actions or needed_by_checks() for sid, actions in ACTIONS[role].items()}
    assert {s["Sid"]: set(listed(s["Action"])) for s in statements} == wanted
    assert all("NotAction" not in s and "NotResource" not in s for s in [*statements, *denied])
    assert not any("*" in action for s in statements for action in listed(s["Action"]))


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_reaches_every_resource_only_where_listed(stack, role):
    for statement in allowing(stack, role):
        if "*" in listed(statement["Resource"]):
            assert (role, statement["Sid"]) in EVERY_RESOURCE


@pytest.mark.parametrize("role", FUNCTIONS)
def test_only_lambda_may_take_a_functions_role(stack, role):
    (trust,) = stack.properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def test_detect_cannot_publish_and_nobody_can_delete(stack):
    """Who judges does not speak, who speaks does not judge, and neither can make a finding vanish."""
    detect = {action for actions in ACTIONS["DetectRole"].values() for action in actions}
    notify = {action for actions in ACTIONS["NotifyRole"].values() for action in actions}
    assert not {action for action in detect if action.startswith("sns:")}
    assert not {action for action in notify if action in ("sqs:ReceiveMessage", "sqs:DeleteMessage")}
    assert not {action for action in detect | notify if "Delete" in action} - {"sqs:DeleteMessage"}
    # What is silenced is for people to say.
    for role in ("DetectRole", "NotifyRole"):
        (settings,) = [s for s in stack.statements(role) if s["Sid"] == "Settings"]
        assert listed(settings["Action"]) == ["dynamodb:Scan"]


def test_securityhub_reads_the_stream_alone_and_imports_into_this_accounts_own_product(stack):
    """It sends what the stream has; neither tables nor topics are its business."""
    resources = {s["Sid"]: s["Resource"] for s in allowing(stack, "SecurityHubRole")}
    assert resources == {
        "Stream": {"Fn::Sub": f"{TABLE}FindingsTable-*/stream/*"},
        "Import": {
            "Fn::Sub": "arn:${AWS::Partition}:securityhub:${AWS::Region}:${AWS::AccountId}"
            ":product/${AWS::AccountId}/default"
        },
        "GivenUp": {"Fn::GetAtt": ["InvocationDeadLetterQueue", "Arn"]},
        "Encryption": {"Ref": "KeyArn"},
        "ItemsOfAnEarlierKey": {"Fn::Sub": "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"},
        "Logs": {"Fn::GetAtt": ["SecurityHubLogs", "Arn"]},
    }


@pytest.mark.parametrize("role", ACTIONS)
def test_a_role_reaches_the_tables_of_this_stack_alone(stack, role):
    for statement in stack.statements(role):
        for action in listed(statement["Action"]):
            if action.startswith("dynamodb:"):
                assert re.fullmatch(
                    re.escape(TABLE) + r"\w+Table-\*(/index/due|/stream/\*)?", statement["Resource"]["Fn::Sub"]
                )


def test_every_rule_has_a_name_the_queue_policy_admits(stack):
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        assert rule["Properties"]["Name"]["Fn::Sub"].startswith("${AWS::StackName}-"), name


@pytest.mark.parametrize("policy", ["QueuePolicy", "DeadLetterPolicy", "AlertTopicPolicy", "OpsTopicPolicy"])
def test_nobody_is_served_without_tls_and_everybody_is_only_denied(stack, policy):
    everybody = [s for s in stack.statements(policy) if s["Principal"] == "*"]
    assert {s["Effect"] for s in everybody} == {"Deny"}
    assert everybody[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_all_queues_and_topics_have_those_policies(stack):
    of_queues = stack.of_type("AWS::SQS::QueuePolicy").values()
    queues = [queue for written in of_queues for queue in written["Properties"]["Queues"]]
    assert queues == [{"Ref": n} for n in stack.of_type("AWS::SQS::Queue")]
    for topic in stack.of_type("AWS::SNS::Topic"):
        assert stack.properties(f"{topic}Policy")["Topics"] == [{"Ref": topic}]


def test_a_role_uses_the_owners_key_only_where_there_is_one(stack):
    for role in ACTIONS:
        (policy,) = stack.properties(role)["Policies"]
        (choice,) = [s["Fn::If"] for s in policy["PolicyDocument"]["Statement"] if "Fn::If" in s]
        condition, statement, otherwise = choice
        assert (condition, statement["Sid"], otherwise) == ("HasKey", "Encryption", {"Ref": "AWS::NoValue"})
        assert statement["Resource"] == {"Ref": "KeyArn"}


def test_what_an_earlier_key_encrypted_is_read_through_our_own_queue_and_tables_alone(stack):
    """A stack that had a key of its own is upgraded with messages in its queue and records in its stream."""
    for role in ACTIONS:
        for statement in stack.statements(role):
            if not statement["Sid"].endswith("OfAnEarlierKey"):
                continue
            assert statement["Action"] == "kms:Decrypt"
            conditions = {operator: set(keys) for operator, keys in statement["Condition"].items()}
            assert conditions in (
                {"StringEquals": {"kms:ViaService", "kms:EncryptionContext:aws:sqs:arn"}},
                {"StringEquals": {"kms:ViaService"}, "StringLike": {"kms:EncryptionContext:aws:dynamodb:tableName"}},
            )
            for name in listed(statement["Condition"].get("StringLike", {}).get(TABLE_NAME, [])):
                assert re.fullmatch(r"\$\{AWS::StackName\}-\w+Table-\*", name["Fn::Sub"])


def test_no_rule_targets_an_encrypted_topic(stack):
    """EventBridge sends no aws:SourceAccount to KMS for topics, so a careful key would refuse it."""
    encrypted = {n for n, topic in stack.of_type("AWS::SNS::Topic").items() if "KmsMasterKeyId" in topic["Properties"]}
    assert encrypted == {"AlertTopic"}
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Properties"]["Targets"]:
            assert target["Arn"].get("Ref") not in encrypted, name


@pytest.mark.parametrize(
    ("role", "policy", "needed"),
    [
        (
            "DetectRole",
            "detect",
            {"sqs:ReceiveMessage", "sqs:DeleteMessage", "dynamodb:GetItem", "dynamodb:PutItem"},
        ),
        ("NotifyRole", "notify", {"dynamodb:GetRecords", "dynamodb:Query", "dynamodb:UpdateItem", "sns:Publish"}),
        ("ScanRole", "scan", {"cloudtrail:LookupEvents", "sqs:SendMessage", "dynamodb:PutItem"}),
    ],
)
def test_the_policies_hold_what_the_rule_on_roles_looks_for(stack, role, policy, needed):
    """`self-role-changed` takes a policy of these names without one of these actions for another stack's."""
    (inline,) = stack.properties(role)["Policies"]
    assert inline["PolicyName"] == policy
    unconditional = {action for s in allowing(stack, role) if "Condition" not in s for action in listed(s["Action"])}
    assert needed <= unconditional
