"""Start ministack, the emulator of AWS, with the behaviour it lacks and Keepwatch relies on.

Run by the Python of .tools/emulator, configured by environment variables (see cloud.py). Each change below says what
AWS does, what the emulator does, and which tests would otherwise prove nothing. They reach into private names of one
version, so that version and those names are checked first: a different ministack must fail here and not later.
"""

import contextvars
import importlib.metadata
import json
import os
import signal
import sys
import threading
import time

VERSION = "1.5.33"

installed = importlib.metadata.version("ministack")
if installed != VERSION:
    sys.exit(f"the local cloud needs ministack {VERSION} and found {installed}; run: make clean-tools, then try again")

import ministack.app as app
import ministack.core.iam_actions as actions
import ministack.core.iam_evaluator as policies
import ministack.core.responses as responses
import ministack.services.cloudformation.provisioners as provisioners
import ministack.services.cloudwatch as alarms
import ministack.services.dynamodb as dynamodb
import ministack.services.eventbridge as events
import ministack.services.lambda_svc as functions
import ministack.services.sqs as queues

RELIED_ON = {
    events: (
        "_dispatch_event _dispatch_to_event_bus _dispatch_to_lambda _event_bus_policies _event_buses _invoke_target "
        "_matches_pattern_view _now_ts _pattern_event_view _put_events _rules _targets"
    ),
    alarms: "_alarms _describe_alarms",
    functions: "_execute_function _execution_record_for_config _get_func_record_for_ref invoke_async_with_retry",
    actions: "extract_iam_action",
    app: "main pin_request_origin",
    dynamodb: "_put_resource_policy _resource_policies",
    responses: "set_request_region",
    policies: "_RESOURCE_POLICY_LOOKUPS _resolve_condition_key _role_name_from_assumed_arn",
    provisioners: "_RESOURCE_HANDLERS",
    queues: "_HANDLERS _get_q",
}
missing = [
    f"{module.__name__}.{name}"
    for module, names in RELIED_ON.items()
    for name in names.split()
    if not hasattr(module, name)
]
if missing:
    sys.exit("the local cloud does not know this ministack, which lacks " + ", ".join(missing))


# 1. Who may speak. AWS refuses PutEvents with a source that begins `aws.`, and so does the emulator: only AWS services
#    send those. Here the tests are AWS. AWS also keeps the time an entry carries, which the emulator replaces by now;
#    Trusted Advisor's events have no other time.
entry_time = contextvars.ContextVar("entry_time", default=None)
emulator_put_events = events._put_events
emulator_now = events._now_ts


def now():
    return entry_time.get() or emulator_now()


def put_events(data, allow_aws_source=True):
    entries = data.get("Entries", [])
    if not 1 <= len(entries) <= 10:
        return emulator_put_events(data, allow_aws_source)
    results = []
    for entry in entries:
        token = entry_time.set(entry.get("Time"))
        try:
            status, headers, body = emulator_put_events({**data, "Entries": [entry]}, True)
        finally:
            entry_time.reset(token)
        if status != 200:
            return status, headers, body
        results += json.loads(body)["Entries"]
    failed = sum("ErrorCode" in result for result in results)
    return status, headers, json.dumps({"FailedEntryCount": failed, "Entries": results}).encode()


events._now_ts = now
events._put_events = put_events


# 2. Which rules hear a read-only call. AWS gives Get*, List* and Describe* management events only to rules in state
#    ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS. The emulator gives such rules nothing and all others everything, so
#    a rule in the wrong state would pass every local test and stay deaf in the cloud.
READ_ONLY = ("Get", "List", "Describe")
READ_ONLY_BUT_HEARD = ("GetFederationToken", "GetSessionToken")


def hears(rule, event):
    state = rule.get("State")
    if state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
        return True
    if state != "ENABLED":
        return False
    if not str(event.get("DetailType", "")).endswith("via CloudTrail"):
        return True
    try:
        name = str(json.loads(event.get("Detail") or "{}").get("eventName", ""))
    except (AttributeError, ValueError):
        return True
    return name in READ_ONLY_BUT_HEARD or not name.startswith(READ_ONLY)


def dispatch_event(event, view=None):
    view = view or events._pattern_event_view(event)
    bus = event.get("EventBusName", "default")
    passed = set(event.get("_DispatchPath") or ())
    for key, rule in list(events._rules.items()):
        pattern = rule.get("EventPattern")
        if not pattern or key in passed or rule.get("EventBusName", "default") != bus or not hears(rule, event):
            continue
        if events._matches_pattern_view(pattern, view, f"rule {key}"):
            for target in events._targets.get(key, []):
                events._invoke_target(target, event, rule, view)


events._dispatch_event = dispatch_event


# 3. Buses of other regions. AWS carries an event to the bus of another region, and the event keeps the region that it
#    comes from. The emulator drops it, as it does for other targets, and writes its own region into what it carries.
def dispatch_to_event_bus(spec, event, rule, _event_path, _target_input=None):
    there = contextvars.copy_context()

    def arrive():
        responses.set_request_region(spec.region)
        bus = spec.resource.split("/", 1)[1]
        if bus in events._event_buses:
            dispatch_event({**event, "EventBusName": bus})
        else:
            events.logger.warning("there is no bus %s in %s for rule %s", bus, spec.region, rule.get("Name"))

    there.run(arrive)


events._dispatch_to_event_bus = dispatch_to_event_bus


# 4. A rule that targets a function invokes it asynchronously: AWS retries twice, then gives the event to the
#    function's failure destination. The emulator invokes once and forgets, though it has the retrying kind for others.
def dispatch_to_lambda(arn, payload):
    record, config, name = functions._get_func_record_for_ref(arn)
    if record and config:
        functions.invoke_async_with_retry(functions._execution_record_for_config(record, config), json.loads(payload))
    else:
        events.logger.warning("rule target %s is no function", name)


events._dispatch_to_lambda = dispatch_to_lambda


# 5. A stream batch that a function answers with batchItemFailures is retried by AWS. The emulator reads that answer for
#    queues only and takes a stream's batch as done, which loses the alert. Reporting it as an error keeps the batch:
#    coarser than AWS, which would go on from the failed record, but nothing is lost.
emulator_execute = functions._execute_function


def execute_function(record, event):
    result = emulator_execute(record, event)
    records = event.get("Records") if isinstance(event, dict) else None
    from_stream = bool(records) and records[0].get("eventSource") == "aws:dynamodb"
    body = result.get("body")
    if from_stream and not result.get("error") and isinstance(body, dict) and body.get("batchItemFailures"):
        body = {"errorType": "BatchItemFailures", "errorMessage": json.dumps(body)}
        return {**result, "error": True, "body": body}
    return result


functions._execute_function = execute_function


# 6. TLS. AWS's endpoints have it and the loopback one has not. Without this the template's TLS-only policies, which the
#    emulator does apply to callers, would deny every publish.
emulator_pin_request_origin = app.pin_request_origin
app.pin_request_origin = lambda address, _secure: emulator_pin_request_origin(address, True)


# 7. The policies of tables. AWS keeps them and applies them, as the emulator does for queues. The emulator drops what a
#    template says and applies none to tables; and it takes the session of a role for aws:PrincipalArn, which on AWS is
#    the role.
table_handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]


def with_policy(name, attributes, properties):
    document = (properties.get("ResourcePolicy") or {}).get("PolicyDocument")
    if document:
        dynamodb._put_resource_policy({"ResourceArn": attributes["Arn"], "Policy": json.dumps(document)})
    else:
        dynamodb._resource_policies.pop(attributes["Arn"], None)
    return name, attributes


def create_table(logical_id, properties, stack, make=table_handlers["create"]):
    return with_policy(*make(logical_id, properties, stack), properties)


def update_table(physical_id, old, new, stack, logical_id=None, change=table_handlers["update"]):
    return with_policy(*change(physical_id, old, new, stack, logical_id), new)


def table_policy_for_arn(arn):
    kept = dynamodb._resource_policies.get(arn.split("/index/")[0])
    return (kept["Policy"], arn.split(":")[4]) if kept else None


emulator_condition_key = policies._resolve_condition_key


def condition_key(key, context):
    value = emulator_condition_key(key, context)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
        return f"arn:aws:iam::{context.principal_account}:role/{policies._role_name_from_assumed_arn(value)}"
    return value


table_handlers.update(create=create_table, update=update_table)
dynamodb.table_policy_for_arn = table_policy_for_arn
policies._RESOURCE_POLICY_LOOKUPS["dynamodb"] = ("dynamodb", "table_policy_for_arn")
policies._resolve_condition_key = condition_key


# 8. The policies of event buses. The emulator keeps them and has no resource of a template for them. It applies none:
#    what they deny is tested on the template (tests/template/test_forwarder.py).
def create_bus_policy(logical_id, properties, _stack):
    bus = properties["EventBusName"]
    kept = events._event_bus_policies.setdefault(bus, {"Version": "2012-10-17", "Statement": []})
    kept["Statement"].append({"Sid": properties["StatementId"], **properties["Statement"]})
    return f"{bus}|{properties['StatementId']}", {}


def update_bus_policy(physical_id, old, new, stack, logical_id=None):
    delete_bus_policy(physical_id, old)
    return create_bus_policy(logical_id, new, stack)


def delete_bus_policy(_physical_id, properties):
    kept = events._event_bus_policies.get(properties["EventBusName"], {"Statement": []})
    kept["Statement"] = [s for s in kept["Statement"] if s.get("Sid") != properties["StatementId"]]


provisioners._RESOURCE_HANDLERS["AWS::Events::EventBusPolicy"] = {
    "create": create_bus_policy,
    "update": update_bus_policy,
    "delete": delete_bus_policy,
}


# 9. Batches of SQS. The right to the action for one message is the right to the one for many (SQS API reference,
#    `AddPermission`). The emulator asks for a right of its own, which IAM does not know.
def iam_action(*request, emulator_iam_action=actions.extract_iam_action):
    action = emulator_iam_action(*request)
    return action.removesuffix("Batch") if action and action.startswith("sqs:") else action


actions.extract_iam_action = iam_action


# 10. What an alarm does. In XML the emulator leaves out whether an alarm acts, and whom it tells.
emulator_describe_alarms = alarms._describe_alarms


def describe_alarms(*arguments, **keywords):
    status, headers, body = emulator_describe_alarms(*arguments, **keywords)
    if b"<MetricAlarms>" not in body:
        return status, headers, body
    for name, alarm in alarms._alarms.items():
        told = "".join(f"<member>{arn}</member>" for arn in alarm.get("AlarmActions", []))
        enabled = str(alarm.get("ActionsEnabled", True)).lower()
        more = f"<ActionsEnabled>{enabled}</ActionsEnabled><AlarmActions>{told}</AlarmActions>"
        begin = f"<AlarmName>{name}</AlarmName>".encode()
        body = body.replace(begin, begin + more.encode())
    return status, headers, body


alarms._describe_alarms = describe_alarms


# 11. Haste. A function asks its queue to hide a message for as long as the template has the queue hide it. A test that
#     cannot wait three minutes for a failed message sets the queue to hide messages for two seconds, and means both.
emulator_hide_batch = queues._HANDLERS["ChangeMessageVisibilityBatch"]


def hide_batch(data, url):
    own = int(queues._get_q(data.get("QueueUrl", url))["attributes"].get("VisibilityTimeout", "30"))
    for entry in data.get("Entries", []):
        entry["VisibilityTimeout"] = min(own, int(entry.get("VisibilityTimeout", own)))
    return emulator_hide_batch(data, url)


queues._HANDLERS["ChangeMessageVisibilityBatch"] = hide_batch


def end_with(parent):
    """Stop, with every function still running, when the test run that started us is gone without saying goodbye."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(os.getpgrp(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    sys.argv = ["ministack"]
    app.main()
