"""Who may write items, send messages, take and publish them, and who may change that.

The emulator enforces no resource policy, and nothing here was tried on AWS. The policies of the translated template are
judged instead, with made-up names in place of its references: by an evaluation of our own and by the crate `iam-rs`,
which shares no code with it (tests/src/bin/policies.rs). Both must say what stands here.
"""

import copy
import json
import re
import subprocess

import pytest

from conftest import ROOT, listed

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
STACK = "keepwatch"
TABLES = ["FindingsTable", "JournalTable", "SettingsTable"]
DEAD_LETTERS = ["DeadLetterQueue", "InvocationDeadLetterQueue", "MailDeadLetterQueue"]
QUEUES = ["IntakeQueue", "RecheckQueue", *DEAD_LETTERS]
TOPICS = ["AlertTopic", "OpsTopic"]
CALLING_RULES = ["key-touched", "own-stopped", "own-touched", "scan", "sweep"]
ROLES = ["DetectRole", "NotifyRole", "ScanRole", "SecurityHubRole", "OperatorRole"]


class Deployed:
    """A template with its references resolved, as if CloudFormation had made up the names."""

    def __init__(self, template, stack=STACK, region="us-east-1", **conditions):
        self.resources = template.resources
        self.conditions = {"HasKey": False, "HasSecurityHub": True, "HasSigmaRules": False, "HasEmail": True}
        self.conditions |= conditions
        self.known = {
            "AWS::StackName": stack,
            "AWS::Region": region,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "KeyArn": f"arn:aws:kms:{region}:{ACCOUNT}:key/0f0f0f0f-0000-4000-8000-000000000000",
        }

    def name(self, logical_id):
        return f"{self.known['AWS::StackName']}-{logical_id}-A1B2C3"

    def arn(self, logical_id):
        region = self.known["AWS::Region"]
        kind = self.resources[logical_id]["Type"]
        name = self.name(logical_id)
        return {
            "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}",
            "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{name}",
            "AWS::Logs::LogGroup": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{name}:*",
            "AWS::SNS::Topic": f"arn:aws:sns:{region}:{ACCOUNT}:{name}",
            "AWS::SQS::Queue": f"arn:aws:sqs:{region}:{ACCOUNT}:{name}",
        }[kind]

    def resolve(self, value):
        """The value without intrinsic functions; None is AWS::NoValue."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            match function:
                case "Ref" if argument == "AWS::NoValue":
                    return None
                case "Ref" if argument in self.known:
                    return self.known[argument]
                case "Ref":
                    topic = self.resources[argument]["Type"] == "AWS::SNS::Topic"
                    return self.arn(argument) if topic else self.name(argument)
                case "Fn::GetAtt":
                    resource, attribute = argument if isinstance(argument, list) else argument.split(".")
                    assert attribute == "Arn", argument
                    return self.arn(resource)
                case "Fn::Sub":
                    return re.sub(r"\$\{([^}]+)\}", lambda found: self.substitute(found[1]), argument)
                case "Fn::If":
                    condition, met, unmet = argument
                    return self.resolve(met if self.conditions[condition] else unmet)
                case "Fn::Join":
                    separator, parts = argument
                    return separator.join(self.resolve(parts))
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not None}

    def substitute(self, reference):
        if reference.endswith(".Arn"):
            return self.arn(reference.removesuffix(".Arn"))
        return self.known[reference]

    def policy_of(self, logical_id):
        """The policy on a table, a queue or a topic; none where the template writes none."""
        properties = self.resources[logical_id]["Properties"]
        if logical_id in QUEUES:
            of_queues = [r for r in self.resources.values() if r["Type"] == "AWS::SQS::QueuePolicy"]
            (written,) = [r for r in of_queues if {"Ref": logical_id} in r["Properties"]["Queues"]]
            return self.resolve(written["Properties"]["PolicyDocument"])
        if logical_id in TOPICS:
            return self.resolve(self.resources[f"{logical_id}Policy"]["Properties"]["PolicyDocument"])
        policy = properties.get("ResourcePolicy", {}).get("PolicyDocument")
        return policy and self.resolve(policy)

    def policies_of_role(self, logical_id):
        role = self.resources.get(logical_id, {"Properties": {"Policies": []}})
        return [self.resolve(policy["PolicyDocument"]) for policy in role["Properties"]["Policies"]]

    def rules(self):
        """ARNs of the event rules of the template."""
        events = f"arn:aws:events:{self.known['AWS::Region']}:{ACCOUNT}:rule/"
        rules = [r for r in self.resources.values() if r["Type"] == "AWS::Events::Rule"]
        found = set()
        for rule in rules:
            name = self.resolve(rule["Properties"]["Name"])
            # A rule on another bus than the default one has the bus in its ARN. The template has one bus.
            on_bus = "keepwatch-regions/" if "EventBusName" in rule["Properties"] else ""
            found.add(f"{events}{on_bus}{name}")
        return found

    def own_arns(self):
        """What detect is told."""
        variables = self.resources["DetectFunction"]["Properties"]["Environment"]["Variables"]
        return self.resolve(variables["OWN_ARNS"]).split(",")


def judge(**asked):
    """What the program of tests/src/bin/policies.rs says."""
    program = ROOT / "target" / "debug" / "policies"
    assert program.exists(), "policies is not built. Run: cargo build --workspace --bins"
    done = subprocess.run([program], input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
POWER_USER = {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def person(arn, *policies, session=None):
    """A caller with credentials. aws:PrincipalArn is the role's ARN, and the principal is the session's."""
    context = {"aws:PrincipalArn": arn, "aws:PrincipalIsAWSService": False}
    return {"principal": {"AWS": session or arn}, "context": context, "policies": list(policies)}


def service(name, source):
    """An AWS service that calls for a resource. It has no identity policy and no aws:PrincipalArn."""
    account = source.split(":")[4] or ACCOUNT
    context = {"aws:PrincipalIsAWSService": True, "aws:SourceArn": source, "aws:SourceAccount": account}
    return {"principal": {"Service": name}, "context": context, "policies": []}


def role(name, *policies, account=ACCOUNT):
    session = f"arn:aws:sts::{account}:assumed-role/{name}/session"
    return person(f"arn:aws:iam::{account}:role/{name}", *policies, session=session)


def callers(deployed):
    """Everybody who might try, by name."""
    arn = deployed.arn
    found = {
        "administrator": person(f"arn:aws:iam::{ACCOUNT}:user/alice", policy(ALL)),
        "administrator role": role("Admin", policy(ALL)),
        "administrator role named like the operator": role("keepwatch-OperatorRole-EVIL", policy(ALL)),
        "power user": role("PowerUser", policy(POWER_USER)),
        # Root needs no policy; in its own account nothing but an explicit Deny stops it.
        "root": person(f"arn:aws:iam::{ACCOUNT}:root", policy(ALL)),
        "foreign administrator": role("Admin", policy(ALL), account=OTHER_ACCOUNT),
        "replication": role(
            "aws-service-role/replication.dynamodb.amazonaws.com/AWSServiceRoleForDynamoDBReplication",
            policy({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}),
        ),
        "EventBridge for a foreign rule": service(
            "events.amazonaws.com", f"arn:aws:events:us-east-1:{ACCOUNT}:rule/shop"
        ),
        "EventBridge for a rule named like ours": service(
            "events.amazonaws.com", f"arn:aws:events:us-east-1:{ACCOUNT}:rule/keepwatch-evil"
        ),
        "EventBridge for a rule on the forwarders' bus that is named otherwise": service(
            "events.amazonaws.com", f"arn:aws:events:us-east-1:{ACCOUNT}:rule/keepwatch-regions/keepwatch-evil"
        ),
        "EventBridge for a rule on a foreign bus that is named like ours": service(
            "events.amazonaws.com", f"arn:aws:events:us-east-1:{ACCOUNT}:rule/keepwatch-evil/keepwatch-recheck-1"
        ),
        "EventBridge for a rule of another account": service(
            "events.amazonaws.com", f"arn:aws:events:us-east-1:{OTHER_ACCOUNT}:rule/keepwatch-calls-1"
        ),
        "SNS for a foreign topic": service("sns.amazonaws.com", f"arn:aws:sns:us-east-1:{ACCOUNT}:shop"),
        "S3": service("s3.amazonaws.com", "arn:aws:s3:::shop"),
        "Scheduler": service(
            "scheduler.amazonaws.com", f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/default"
        ),
        "SQS for a foreign queue": service("sqs.amazonaws.com", f"arn:aws:sqs:us-east-1:{ACCOUNT}:shop"),
        "CloudWatch": service("cloudwatch.amazonaws.com", f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:shop"),
        "CloudWatch for another account": service(
            "cloudwatch.amazonaws.com", f"arn:aws:cloudwatch:us-east-1:{OTHER_ACCOUNT}:alarm:shop"
        ),
        # A target of an event rule that names a role: EventBridge publishes with that role's rights.
        "EventBridge with a role": role("Events", policy({"Effect": "Allow", "Action": "sns:*", "Resource": "*"})),
        "SNS for AlertTopic": service("sns.amazonaws.com", arn("AlertTopic")),
        "SNS for OpsTopic": service("sns.amazonaws.com", arn("OpsTopic")),
    }
    for rule in deployed.rules():
        found[f"EventBridge for {rule.split('/', 1)[1]}"] = service("events.amazonaws.com", rule)
    for name in ROLES:
        found[name] = role(deployed.name(name), *deployed.policies_of_role(name))
    return found


def allowed(deployed, actions, resources):
    """Who may call what, as (caller, action, logical id). Both engines agree, or the test fails."""
    asked, keys = [], []
    everybody = callers(deployed)
    for resource in resources:
        on_resource = deployed.policy_of(resource)
        for name, caller in everybody.items():
            for action in actions:
                shared = {"action": action, "resource": deployed.arn(resource), "principal": caller["principal"]}
                shared["context"] = {"aws:SecureTransport": True, **caller["context"]}
                keys.append((name, action, resource))
                asked.append({**shared, "policies": [on_resource] if on_resource else []})
                asked.append({**shared, "policies": caller["policies"]})
    answers = judge(requests=asked)["requests"]
    assert all(ours == theirs for ours, theirs in answers), "the engines disagree"
    verdicts = [ours for ours, _ in answers]
    granted = set()
    for key, by_resource, by_identity in zip(keys, verdicts[::2], verdicts[1::2], strict=True):
        both = {by_resource, by_identity}
        # Within an account one Allow is enough; for another account's caller the resource's policy must agree.
        needed = by_resource if key[0].startswith("foreign") else "Allow" if "Allow" in both else "none"
        if "Deny" not in both and needed == "Allow":
            granted.add(key)
    return granted


@pytest.fixture(scope="module")
def deployed(stack):
    return Deployed(stack)


WRITES = [
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
]


def test_items_are_written_by_the_functions_and_the_operator_and_nobody_else(deployed):
    assert allowed(deployed, WRITES, TABLES) == {
        ("DetectRole", "dynamodb:PutItem", "FindingsTable"),
        ("DetectRole", "dynamodb:PutItem", "JournalTable"),
        ("DetectRole", "dynamodb:UpdateItem", "JournalTable"),
        ("NotifyRole", "dynamodb:PutItem", "FindingsTable"),
        ("NotifyRole", "dynamodb:UpdateItem", "FindingsTable"),
        ("NotifyRole", "dynamodb:PutItem", "JournalTable"),
        ("NotifyRole", "dynamodb:UpdateItem", "JournalTable"),
        ("ScanRole", "dynamodb:PutItem", "FindingsTable"),
        ("ScanRole", "dynamodb:PutItem", "JournalTable"),
        ("ScanRole", "dynamodb:UpdateItem", "JournalTable"),
        ("OperatorRole", "dynamodb:PutItem", "FindingsTable"),
        ("OperatorRole", "dynamodb:PutItem", "SettingsTable"),
        ("OperatorRole", "dynamodb:DeleteItem", "SettingsTable"),
    }


def allowed_to_itself(deployed, name, action, resource, **context):
    """Whether a role's own policies let it call that, by both engines."""
    caller = callers(deployed)[name]
    asked = {"action": action, "resource": deployed.arn(resource), "principal": caller["principal"]}
    asked |= {"context": {**caller["context"], **context}, "policies": caller["policies"]}
    ((ours, theirs),) = judge(requests=[asked])["requests"]
    assert ours == theirs, "the engines disagree"
    return ours == "Allow"


def test_the_operator_writes_no_finding_about_keepwatch_itself(deployed):
    """Or he could end, or plant beforehand, the finding that tells of him."""

    def writes(key):
        context = {"dynamodb:LeadingKeys": [key]}
        return allowed_to_itself(deployed, "OperatorRole", "dynamodb:PutItem", "FindingsTable", **context)

    assert not writes("self-operator-taken-3f9a2c41d07be5a8")
    for kind in ["changed", "outdated", "silent"]:
        assert not writes(f"forwarder.{kind}-3f9a2c41d07be5a8")
    assert writes("forwarder.missing-3f9a2c41d07be5a8")
    assert writes("admin-inline-policy-3f9a2c41d07be5a8")
    # Several keys of one request: one that is Keepwatch's is enough.
    mixed = {"dynamodb:LeadingKeys": ["admin-inline-policy-3f9a2c41d07be5a8", "self-topic-changed-3f9a2c41d07be5a8"]}
    assert not allowed_to_itself(deployed, "OperatorRole", "dynamodb:PutItem", "FindingsTable", **mixed)
    # Settings have names of another kind.
    context = {"dynamodb:LeadingKeys": ["rule#self-operator-taken"]}
    assert allowed_to_itself(deployed, "OperatorRole", "dynamodb:PutItem", "SettingsTable", **context)


OWN_CALLS = [
    ("DetectRole", "dynamodb:PutItem", "FindingsTable"),
    ("DetectRole", "dynamodb:UpdateItem", "JournalTable"),
    ("DetectRole", "sqs:ReceiveMessage", "IntakeQueue"),
    ("DetectRole", "sqs:DeleteMessage", "IntakeQueue"),
    ("NotifyRole", "dynamodb:UpdateItem", "FindingsTable"),
    ("NotifyRole", "sns:Publish", "AlertTopic"),
    ("NotifyRole", "sqs:SendMessage", "InvocationDeadLetterQueue"),
    ("ScanRole", "dynamodb:PutItem", "FindingsTable"),
    ("ScanRole", "iam:GetAccountAuthorizationDetails", "DetectRole"),
    ("ScanRole", "sqs:ReceiveMessage", "RecheckQueue"),
    ("SecurityHubRole", "sqs:SendMessage", "InvocationDeadLetterQueue"),
]


@pytest.mark.parametrize(("name", "action", "resource"), OWN_CALLS)
def test_a_functions_role_is_of_use_to_that_function_alone(deployed, name, action, resource):
    """Whoever may pass the role could give it to a function of his own, in a region that nobody watches."""

    def may(function):
        context = {} if function is None else {"lambda:SourceFunctionArn": function}
        return allowed_to_itself(deployed, name, action, resource, **context)

    suffix = name.removesuffix("Role").lower()
    own = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:keepwatch-{suffix}"
    assert may(own)
    assert may(f"{own}:7")  # a version of it
    # Lambda's own calls, which read queue and stream and give up records, do not say the function.
    assert may(None)
    for other in [
        own.replace("us-east-1", "eu-west-1"),
        own.replace(ACCOUNT, OTHER_ACCOUNT),
        f"{own}-evil",
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:shop",
    ]:
        assert not may(other), other


def test_rules_about_keepwatch_itself_are_named_so(deployed):
    """What the operator's role may not write is known by the name of the rule that a finding's key begins with."""
    source = ROOT / "shared/rules/src/self_protection"
    ids = re.findall(r'^        id: "([^"]+)"', "".join(file.read_text() for file in source.glob("*.rs")), re.MULTILINE)
    assert len(ids) > 5
    assert all(name.startswith("self-") for name in ids)


OWNERS = ["administrator", "administrator role", "administrator role named like the operator", "power user", "root"]


def test_reading_stays_free(deployed):
    reads = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PartiQLSelect", "dynamodb:Query", "dynamodb:Scan"]
    seen = allowed(deployed, reads, TABLES)
    assert {(who, what, table) for who in OWNERS for what in reads for table in TABLES} <= seen
    assert not {who for who, _, _ in seen if who.startswith(("foreign", "EventBridge", "SNS"))}


def test_the_owner_is_never_locked_out(deployed):
    """What says who may write can be changed by whom the account lets; that is on record, and is a finding."""
    changes = [
        "dynamodb:DeleteResourcePolicy",
        "dynamodb:DeleteTable",
        "dynamodb:GetResourcePolicy",
        "dynamodb:PutResourcePolicy",
        "dynamodb:RestoreTableToPointInTime",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:UpdateTable",
        "dynamodb:UpdateTimeToLive",
    ]
    of_tables = allowed(deployed, changes, TABLES)
    assert of_tables == {(who, what, table) for who in [*OWNERS, "replication"] for what in changes for table in TABLES}
    changes = ["sqs:AddPermission", "sqs:DeleteQueue", "sqs:RemovePermission", "sqs:SetQueueAttributes"]
    of_queues = allowed(deployed, changes, QUEUES)
    assert of_queues == {(who, what, queue) for who in OWNERS for what in changes for queue in QUEUES}
    changes = ["sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Unsubscribe"]
    of_topics = allowed(deployed, changes, TOPICS)
    by_role = {("EventBridge with a role", what, topic) for what in changes for topic in TOPICS}
    assert of_topics - by_role == {(who, what, topic) for who in OWNERS for what in changes for topic in TOPICS}


def test_messages_are_sent_by_what_the_template_has_send_them_and_by_nobody_else(deployed):
    rules = {f"EventBridge for {rule.split('/', 1)[1]}" for rule in deployed.rules()}
    assert len(rules) > 12
    into_intake = {*rules, "OperatorRole", "ScanRole"}
    topics = {"SNS for AlertTopic", "SNS for OpsTopic"}
    # The rules that call a function, and those that publish.
    calling = {f"EventBridge for {STACK}-{rule}" for rule in CALLING_RULES}
    into_dead_letters = {
        "DeadLetterQueue": {*rules, *topics, "DetectRole"},
        "InvocationDeadLetterQueue": {*calling, "NotifyRole", "ScanRole", "SecurityHubRole"},
        "MailDeadLetterQueue": {*calling, *topics},
    }
    assert allowed(deployed, ["sqs:SendMessage"], QUEUES) == {
        *((who, "sqs:SendMessage", "IntakeQueue") for who in into_intake),
        *((who, "sqs:SendMessage", queue) for queue, senders in into_dead_letters.items() for who in senders),
        # A run that was cut is gone on with, and notify asks once for what the welcome mail tells. What rules send that
        # is no change of an answer is left alone.
        *((who, "sqs:SendMessage", "RecheckQueue") for who in {*rules, "NotifyRole", "OperatorRole", "ScanRole"}),
    }


def test_messages_are_taken_by_detect_and_scan_and_dead_letters_by_the_operator(deployed):
    take = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:PurgeQueue", "sqs:ReceiveMessage"]
    assert allowed(deployed, take, QUEUES) == {
        ("DetectRole", "sqs:ChangeMessageVisibility", "IntakeQueue"),
        ("DetectRole", "sqs:DeleteMessage", "IntakeQueue"),
        ("DetectRole", "sqs:ReceiveMessage", "IntakeQueue"),
        ("ScanRole", "sqs:ChangeMessageVisibility", "RecheckQueue"),
        ("ScanRole", "sqs:DeleteMessage", "RecheckQueue"),
        ("ScanRole", "sqs:ReceiveMessage", "RecheckQueue"),
        *(("OperatorRole", what, queue) for what in take if what != "sqs:PurgeQueue" for queue in DEAD_LETTERS),
    }


def test_notify_alone_publishes_alerts_and_it_and_services_alone_publish_to_operations(deployed):
    """Nobody forges a mail with rights of his own. An event rule of somebody's can: nothing tells it from ours."""
    rules = {who for who in callers(deployed) if who.startswith("EventBridge for")}
    assert allowed(deployed, ["sns:Publish"], TOPICS) == {
        ("NotifyRole", "sns:Publish", "AlertTopic"),
        *((who, "sns:Publish", "OpsTopic") for who in {*rules, "CloudWatch", "NotifyRole"}),
    }


def test_an_alarm_is_not_lost_where_a_request_does_not_say_that_it_is_a_services(deployed):
    alarm = callers(deployed)["CloudWatch"]
    context = {"aws:SecureTransport": True, "aws:SourceAccount": ACCOUNT}
    asked = {"action": "sns:Publish", "resource": deployed.arn("OpsTopic"), "principal": alarm["principal"]}
    asked |= {"context": context, "policies": [deployed.policy_of("OpsTopic")]}
    assert judge(requests=[asked])["requests"] == [["Allow", "Allow"]]


def test_nobody_else_gives_up_messages_into_the_queues(stack):
    """SQS moves dead letters without asking the policy of the queue they go to."""
    for queue in ("IntakeQueue", "RecheckQueue"):
        assert stack.properties(queue)["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}


def test_the_operator_is_taken_by_the_accounts_own_callers_alone_and_not_for_long(deployed):
    properties = deployed.resources["OperatorRole"]["Properties"]
    (trust,) = deployed.resolve(properties["AssumeRolePolicyDocument"])["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
        # Elsewhere the rule that hears it would be deaf.
        "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    }
    assert properties["MaxSessionDuration"] == 3600


def test_a_rule_is_there_only_after_the_policy_that_lets_it_send(stack):
    """And the policy only after the function that is told what is in it, or it would be mailed as tampering."""
    for name in ["QueuePolicy", "DeadLetterPolicy", "AlertTopicPolicy", "OpsTopicPolicy"]:
        assert stack.resources[name]["DependsOn"] == "DetectFunction", name
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        calls = rule["Properties"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}-") in CALLING_RULES
        assert rule["DependsOn"] == (["QueuePolicy", "DeadLetterPolicy"] if calls else "QueuePolicy"), name


# Names that DynamoDB takes in a table's policy, of which it refuses one with any other name ("DynamoDB API operations
# supported by resource-based policies"; PartiQL's as in "IAM security policies with PartiQL for DynamoDB").
TAKEN_BY_DYNAMODB = {*WRITES, "dynamodb:GetItem", "dynamodb:PutResourcePolicy", "dynamodb:DeleteResourcePolicy"}


def test_aws_takes_the_policies(stack):
    """Of the longest stack name that the longest rule name leaves, in a region with a long name."""
    longest = 64 - len("-key-touched")
    large = Deployed(stack, stack="k" * longest, region="ap-southeast-2", HasKey=True)
    for table in TABLES:
        document = large.policy_of(table)
        assert len(json.dumps(document)) < 20 * 1024  # "Resource-based policy considerations", with white space
        for statement in document["Statement"]:
            assert set(listed(statement["Action"])) <= TAKEN_BY_DYNAMODB
    # SQS developer guide, "Quotas related to policies".
    assert len(json.dumps(large.policy_of("MailDeadLetterQueue"))) <= 8192
    document = large.policy_of("IntakeQueue")
    assert len(json.dumps(document)) <= 8192
    assert len(document["Statement"]) <= 20
    keys = [key for statement in document["Statement"] for keys in statement["Condition"].values() for key in keys]
    assert len(keys) <= 10
    # SQS refuses an eighth action in a statement ("OverLimit").
    assert all(len(listed(statement["Action"])) <= 7 for statement in document["Statement"])


# --- What the rules on Keepwatch itself say of these policies when somebody sets them ---


def setting(deployed, resource, document, by_deployment):
    """The event of a call that sets a policy."""
    text = json.dumps(document)
    who = {"type": "IAMUser", "userName": "alice", "arn": f"arn:aws:iam::{ACCOUNT}:user/alice", "accountId": ACCOUNT}
    if by_deployment:
        who |= {"invokedBy": "cloudformation.amazonaws.com"}
    if resource in QUEUES:
        url = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{deployed.name(resource)}"
        call = ("sqs", "SetQueueAttributes", {"queueUrl": url, "attributes": {"Policy": text}})
    elif resource in ROLES:
        name = deployed.resolve(deployed.resources[resource]["Properties"]["Policies"][0]["PolicyName"])
        request = {"roleName": deployed.name(resource), "policyName": name, "policyDocument": text}
        call = ("iam", "PutRolePolicy", request)
    elif resource in TOPICS:
        request = {"topicArn": deployed.arn(resource), "attributeName": "Policy", "attributeValue": text}
        call = ("sns", "SetTopicAttributes", request)
    else:
        call = ("dynamodb", "PutResourcePolicy", {"resourceArn": deployed.arn(resource), "policy": text})
    source, name, request = call
    return {
        "source": f"aws.{source}",
        "detail-type": "AWS API Call via CloudTrail",
        "account": ACCOUNT,
        "region": "us-east-1",
        "time": "2026-03-01T12:00:00Z",
        "id": "6b2a5e0c-0000-4000-8000-000000000002",
        "detail": {
            "eventVersion": "1.11",
            "eventID": "6b2a5e0c-0000-4000-8000-000000000001",
            "eventTime": "2026-03-01T12:00:00Z",
            "eventType": "AwsApiCall",
            "eventSource": f"{source}.amazonaws.com",
            "eventName": name,
            "awsRegion": "us-east-1",
            "sourceIPAddress": "203.0.113.7",
            "userAgent": "aws-cli/2.15.30",
            "userIdentity": who,
            "recipientAccountId": ACCOUNT,
            "requestParameters": request,
        },
    }


def observed(deployed, resource, documents, by_deployment):
    told = [
        {"event": setting(deployed, resource, document, by_deployment), "own_arns": deployed.own_arns()}
        for document in documents
    ]
    return judge(events=told)["events"]


@pytest.mark.parametrize("by_deployment", [True, False])
@pytest.mark.parametrize("has_security_hub", [True, False])
@pytest.mark.parametrize("resource", [*TABLES, *QUEUES, *TOPICS])
def test_the_templates_own_policy_is_good_news(stack, resource, has_security_hub, by_deployment):
    deployed = Deployed(stack, HasSecurityHub=has_security_hub)
    (seen,) = observed(deployed, resource, [deployed.policy_of(resource)], by_deployment)
    assert {verdict for _, verdict, _ in seen} == {"Passing"}


def lists_in(statement):
    """The lists of a statement that say whom and what it is about, each as a path into it."""
    yield ("Action",)
    yield ("Resource",)
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            yield ("Condition", operator, key)


def changed(document):
    """The policy with one thing changed, in every way."""

    def edited(number, path, edit):
        copied = copy.deepcopy(document)
        place = copied["Statement"][number]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = edit(listed(place[path[-1]]))
        return copied

    for number, statement in enumerate(document["Statement"]):
        for path in lists_in(statement):
            values = listed(statement[path[0]] if len(path) == 1 else statement["Condition"][path[1]][path[2]])
            for left_out in values:
                yield edited(number, path, lambda given, out=left_out: [one for one in given if one != out] or ["none"])
            more = {"Action": "dynamodb:GetItem", "Resource": "arn:aws:sqs:us-east-1:111122223333:shop"}
            more = more.get(path[0], f"arn:aws:iam::{ACCOUNT}:role/keepwatch-OperatorRole-EVIL")
            yield edited(number, path, lambda given, one=more: [*given, one])
            if values != ["*"]:
                yield edited(number, path, lambda given: ["*", *given[1:]])
        for member, value in [
            ("Effect", "Allow" if statement["Effect"] == "Deny" else "Deny"),
            ("Principal", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}),
            ("Condition", {"ArnEquals": {"aws:PrincipalArn": "*"}}),
        ]:
            copied = copy.deepcopy(document)
            copied["Statement"][number][member] = value
            yield copied
        without = copy.deepcopy(document)
        del without["Statement"][number]
        if without["Statement"]:
            yield without
        negated = copy.deepcopy(document)
        negated["Statement"][number]["NotAction"] = negated["Statement"][number].pop("Action")
        yield negated
    further = copy.deepcopy(document)
    further["Statement"].append({"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"})
    yield further


@pytest.mark.parametrize("by_deployment", [True, False])
@pytest.mark.parametrize("resource", [*TABLES, *QUEUES, *TOPICS])
def test_the_same_with_one_thing_changed_is_tampering(deployed, resource, by_deployment):
    own = deployed.policy_of(resource)
    documents = list(changed(own))
    assert len(documents) > 15
    severity = "HIGH" if resource in TOPICS else "CRITICAL"
    for document, seen in zip(documents, observed(deployed, resource, documents, by_deployment), strict=True):
        assert [one[:2] for one in seen] == [[severity, "Failing"]], document


@pytest.mark.parametrize("resource", ROLES)
def test_what_the_template_denies_a_role_is_known_and_any_other_denial_is_not(deployed, resource):
    """`self-role-changed` says which: a denial that no deployment writes is in the reason."""
    (own,) = deployed.policies_of_role(resource)
    documents = [own]
    for number, statement in enumerate(own["Statement"]):
        if statement["Effect"] != "Deny":
            continue
        for path in lists_in(statement):
            for edit in (lambda given: [*given, "arn:aws:s3:::shop"], lambda given: given[1:] or ["none"]):
                copied = copy.deepcopy(own)
                place = copied["Statement"][number]
                for step in path[:-1]:
                    place = place[step]
                place[path[-1]] = edit(listed(place[path[-1]]))
                documents.append(copied)
        without = copy.deepcopy(own)
        del without["Statement"][number]["Condition"]
        documents.append(without)
    assert len(documents) > 7
    told = observed(deployed, resource, documents, True)
    reasons = [" ".join(reason for _, _, reason in seen) for seen in told]
    assert "denies" not in reasons[0]
    assert all("denies" in reason for reason in reasons[1:]), reasons
