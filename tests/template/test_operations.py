"""Every operation of AWS that can change a resource of the stack is heard, or listed with the reason why not."""

import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import operations

LIST = operations.LIST.read_text(encoding="utf-8")
SERVICES = operations.json.loads(LIST)
FOUND = operations.changing()


def test_the_list_has_the_services_of_the_stack():
    assert set(SERVICES) == set(operations.SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_of_the_models_stands_in_the_list_once(service):
    """A new version of the models may bring new ones: `tools/operations.py` adds them, and a person decides."""
    assert sorted(operations.listed(SERVICES[service])) == sorted(FOUND[service])
    assert "undecided" not in SERVICES[service]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_said_to_name_nothing_has_no_parameter_that_could(service):
    said = set(SERVICES[service]["not heard"].get(operations.NAMES_NOTHING, []))
    assert said == {name for name, (_, naming) in FOUND[service].items() if not naming}


@pytest.mark.parametrize("service", SERVICES)
def test_a_reason_is_a_sentence(service):
    for reason in SERVICES[service]["not heard"]:
        assert reason.endswith("."), reason
        assert len(reason) > 20, reason


def test_the_names_of_cloudtrail_are_those_of_the_models():
    assert operations.written(operations.updated(SERVICES, FOUND)) == LIST


def test_what_is_done_to_the_owners_key_is_told(stack):
    told = {name for name, how in SERVICES["kms"]["heard"].items() if how["by"] == "KeyTouchedRule"}
    assert set(SERVICES["kms"]["heard"]) == told
    detail = stack.properties("KeyTouchedRule")["EventPattern"]["detail"]
    assert {name for calls in detail["$or"] for name in calls["eventName"]} == told | {
        # What KMS does by itself, which no operation is for.
        "DeleteExpiredKeyMaterial",
        "DeleteKey",
    }
