"""What is kept: encrypted by AWS, with the owner's key only if he brings one, and still there after a mistake."""

import re

import pytest

from conftest import chosen

NONE = {"Ref": "AWS::NoValue"}
KEY = {"Ref": "KeyArn"}
# How each kind of resource takes a key. Without one AWS encrypts it with its own; SNS has none that alarms may use.
HOLDS_DATA = {
    "AWS::DynamoDB::Table": ("SSESpecification", {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}),
    "AWS::Lambda::Function": ("KmsKeyArn", KEY),
    "AWS::Logs::LogGroup": ("KmsKeyId", KEY),
    "AWS::SNS::Topic": ("KmsMasterKeyId", KEY),
    "AWS::SQS::Queue": ("KmsMasterKeyId", KEY),
}


def test_the_stack_has_no_key_that_somebody_could_cut(stack):
    """One call on a customer key (PutKeyPolicy, DisableKey) stops whatever hangs on it."""
    assert not [name for name, r in stack.resources.items() if r["Type"].startswith("AWS::KMS::")]
    assert stack.body["Parameters"]["KeyArn"]["Default"] == ""


@pytest.mark.parametrize("kind", HOLDS_DATA)
def test_a_key_is_used_only_if_the_owner_brings_one(stack, kind):
    name_of_key, with_key = HOLDS_DATA[kind]
    resources = stack.of_type(kind)
    assert resources
    for name, resource in resources.items():
        if name == "OpsTopic":
            assert name_of_key not in resource["Properties"]
            continue
        encryption = resource["Properties"][name_of_key]
        assert chosen(encryption) == (with_key, NONE), name
        assert encryption["Fn::If"][0] == "HasKey", name


def test_queues_without_a_key_are_encrypted_by_sqs(stack):
    for name, queue in stack.of_type("AWS::SQS::Queue").items():
        assert chosen(queue["Properties"]["SqsManagedSseEnabled"]) == (NONE, True), name


def test_what_tells_that_the_key_is_touched_depends_on_no_key_queue_or_function(stack):
    rule = stack.resources["KeyTouchedRule"]
    assert rule["Condition"] == "HasKey"
    assert rule["Properties"]["State"] == "ENABLED"
    (target,) = rule["Properties"]["Targets"]
    assert target["Arn"] == {"Ref": "OpsTopic"}
    assert "KmsMasterKeyId" not in stack.properties("OpsTopic")
    allowed = {s["Sid"]: s for s in stack.statements("OpsTopicPolicy")}["EventRules"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert (allowed["Action"], allowed["Resource"]) == ("sns:Publish", {"Ref": "OpsTopic"})


def test_every_call_that_can_take_the_key_away_is_told(stack):
    """Which calls these are, test_operations.py reads from AWS's model."""
    pattern = stack.properties("KeyTouchedRule")["EventPattern"]
    assert pattern["detail-type"] == ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"]
    detail = pattern["detail"]
    of_the_key, of_stores = detail["$or"]
    assert of_the_key["resources"] == {"ARN": [KEY]}
    assert set(of_stores) == {"eventName"}
    # A stack of somebody else's works through CloudFormation: it is heard like anybody.
    assert detail["userIdentity"] == {
        "invokedBy": [{"exists": False}, {"anything-but": ["dynamodb.amazonaws.com", "lambda.amazonaws.com"]}]
    }


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::Logs::LogGroup", "AWS::SQS::Queue"])
def test_what_holds_evidence_outlives_the_stack(stack, kind):
    """And a first deployment that fails leaves nothing in the way of the next: but for tables, which are protected."""
    policy = "Retain" if kind == "AWS::DynamoDB::Table" else "RetainExceptOnCreate"
    for name, resource in stack.of_type(kind).items():
        assert resource["DeletionPolicy"] == policy, name
        assert resource["UpdateReplacePolicy"] == "Retain", name


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::Logs::LogGroup", "AWS::SQS::Queue", "AWS::SNS::Topic"])
def test_what_outlives_the_stack_does_not_take_a_name_from_the_next(stack, kind):
    names = {"LogGroupName", "QueueName", "TableName", "TopicName"}
    for name, resource in stack.of_type(kind).items():
        assert not names & set(resource.get("Properties", {})), name


def test_findings_are_protected_and_their_changes_are_streamed(stack):
    table = stack.properties("FindingsTable")
    assert table["KeySchema"] == [{"AttributeName": "finding_id", "KeyType": "HASH"}]
    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_sweeps_find_what_is_due_without_reading_every_finding(stack):
    (index,) = stack.properties("FindingsTable")["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "due"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["due", "due_at"]


@pytest.mark.parametrize(("name", "key"), [("JournalTable", "entry"), ("SettingsTable", "setting_id")])
def test_the_other_tables_are_protected_too(stack, name, key):
    table = stack.properties(name)
    assert table["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_journal_forgets_and_the_settings_do_not(stack):
    """A suppression that vanished by itself would be one that nobody was told of."""
    assert stack.properties("JournalTable")["TimeToLiveSpecification"]["Enabled"] is True
    assert "TimeToLiveSpecification" not in stack.properties("SettingsTable")


def test_functions_log_to_declared_groups_that_forget_in_time(stack):
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        group = function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        assert stack.properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
    assert stack.body["Parameters"]["LogRetentionDays"]["Default"] == 365


def test_functions_run_rust_for_either_architecture(stack):
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        properties = function["Properties"]
        assert properties["Runtime"] == "provided.al2023", name
        assert properties["Handler"] == "bootstrap", name
        assert properties["Architectures"] == [{"Ref": "Architecture"}], name


def test_functions_are_told_what_they_need_and_nothing_else(stack):
    def variables(name):
        return stack.properties(name)["Environment"]["Variables"]

    assert variables("DetectFunction") == {
        "FINDINGS_TABLE": {"Ref": "FindingsTable"},
        "JOURNAL_TABLE": {"Ref": "JournalTable"},
        "SETTINGS_TABLE": {"Ref": "SettingsTable"},
        "SIGMA_RULES": {"Ref": "SigmaRules"},
        "STACK_NAME": {"Ref": "AWS::StackName"},
        "TRUSTED_ACCOUNTS": {"Ref": "TrustedAccounts"},
        # What it holds is tested by what detect makes of the policies (test_resource_policies.py).
        "OWN_ARNS": variables("DetectFunction")["OWN_ARNS"],
    }
    assert variables("NotifyFunction") == {
        "FINDINGS_TABLE": {"Ref": "FindingsTable"},
        "JOURNAL_TABLE": {"Ref": "JournalTable"},
        "SETTINGS_TABLE": {"Ref": "SettingsTable"},
        "ALERT_TOPIC_ARN": {"Ref": "AlertTopic"},
        "OPS_TOPIC_ARN": {"Ref": "OpsTopic"},
        "RECHECK_QUEUE_URL": {"Ref": "RecheckQueue"},
        "DEAD_LETTER_QUEUE_URL": {"Ref": "DeadLetterQueue"},
        "INVOCATION_DEAD_LETTER_QUEUE_URL": {"Ref": "InvocationDeadLetterQueue"},
        "MAIL_DEAD_LETTER_QUEUE_URL": {"Ref": "MailDeadLetterQueue"},
        "REPORT_HOUR": {"Ref": "ReportHour"},
        "MAIL_WINDOW_MINUTES": {"Ref": "MailWindowMinutes"},
        "TIME_ZONE": {"Ref": "TimeZone"},
    }
    assert "Environment" not in stack.properties("SecurityHubFunction")


def test_a_time_zone_is_a_name_of_the_iana_database_and_nothing_else(stack):
    """A typing error is refused when it is deployed, as far as a pattern can know; `notify` takes UTC for the rest."""
    parameter = stack.body["Parameters"]["TimeZone"]
    assert parameter["Default"] == "UTC"
    assert "Europe/Berlin" in parameter["ConstraintDescription"]
    fits = re.compile(parameter["AllowedPattern"]).fullmatch
    for name in [
        "UTC",
        "Europe/Berlin",
        "America/Argentina/Buenos_Aires",
        "America/Port-au-Prince",
        "Etc/GMT+12",
        "EST5EDT",
        "GMT0",
    ]:
        assert fits(name), name
    for name in ["", "Europe/", "+02:00", "Europe Berlin", "../UTC", "Europe/Berlin\n", "a/b/c/d"]:
        assert not fits(name), name


def test_a_budget_is_made_where_there_is_a_sum_and_somebody_to_tell(stack):
    assert stack.resources["MonthlyCosts"]["Condition"] == "HasBudget"
    assert stack.body["Conditions"]["HasBudget"] == {
        "Fn::And": [
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "MonthlyBudget"}, 0]}]},
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlertEmail"}, ""]}]},
        ]
    }
    assert stack.body["Parameters"]["MonthlyBudget"]["Default"] == 0
    budget = stack.properties("MonthlyCosts")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": {"Ref": "MonthlyBudget"}, "Unit": "USD"}
    kinds = {notice["Notification"]["NotificationType"] for notice in budget["NotificationsWithSubscribers"]}
    assert kinds == {"ACTUAL", "FORECASTED"}
    for notice in budget["NotificationsWithSubscribers"]:
        assert notice["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": {"Ref": "AlertEmail"}}]


def test_nothing_in_the_stack_costs_money_for_standing_still(stack):
    """A key is a dollar a month, and an alarm past CloudWatch's ten free ones is ten cents."""
    allowed = {
        # One that only mails is free.
        "AWS::Budgets::Budget",
        "AWS::CloudWatch::Alarm",
        # Three dashboards of 50 metrics are free (tests/template/test_dashboard.py).
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::Events::EventBus",
        "AWS::Events::EventBusPolicy",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }
    assert {resource["Type"] for resource in stack.resources.values()} <= allowed
    assert len(stack.of_type("AWS::CloudWatch::Alarm")) <= 10
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert "TracingConfig" not in function["Properties"], name
        assert function["Properties"]["MemorySize"] <= 256, name
