"""What is kept: encrypted with our key, and still there after a mistake."""

import pytest

KEY = {"Fn::GetAtt": ["Key", "Arn"]}
HOLDS_DATA = {
    "AWS::DynamoDB::Table": lambda p: p["SSESpecification"]["KMSMasterKeyId"],
    "AWS::Lambda::Function": lambda p: p["KmsKeyArn"],
    "AWS::Logs::LogGroup": lambda p: p["KmsKeyId"],
    "AWS::SNS::Topic": lambda p: p["KmsMasterKeyId"],
    "AWS::SQS::Queue": lambda p: p["KmsMasterKeyId"],
}


@pytest.mark.parametrize("kind", HOLDS_DATA)
def test_everything_at_rest_is_encrypted_with_our_key(stack, kind):
    resources = stack.of_type(kind)
    assert resources
    for name, resource in resources.items():
        assert HOLDS_DATA[kind](resource["Properties"]) == KEY, name


def test_the_key_rotates(stack):
    assert stack.properties("Key")["EnableKeyRotation"] is True


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::SQS::Queue"])
def test_what_holds_evidence_outlives_the_stack(stack, kind):
    """And a first deployment that fails leaves nothing in the way of the next."""
    for name, resource in stack.of_type(kind).items():
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
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
    }
    assert variables("NotifyFunction") == {
        "FINDINGS_TABLE": {"Ref": "FindingsTable"},
        "JOURNAL_TABLE": {"Ref": "JournalTable"},
        "SETTINGS_TABLE": {"Ref": "SettingsTable"},
        "ALERT_TOPIC_ARN": {"Ref": "AlertTopic"},
        "REPORT_HOUR": {"Ref": "ReportHour"},
    }
    assert "Environment" not in stack.properties("SecurityHubFunction")


def test_nothing_in_the_stack_costs_money_for_standing_still(stack):
    """Two dollars a month: the key is one, and alarms past CloudWatch's ten free ones are ten cents each."""
    allowed = {
        "AWS::CloudWatch::Alarm",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
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
    keys = len(stack.of_type("AWS::KMS::Key")) * 1.00
    alarms = max(0, len(stack.of_type("AWS::CloudWatch::Alarm")) - 10) * 0.10
    assert keys + alarms <= 2.00
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert "TracingConfig" not in function["Properties"], name
        assert function["Properties"]["MemorySize"] <= 256, name
