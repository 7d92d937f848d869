"""Compares what a scanner says of a seeded account with the truth: of each truth, whether the scanner is right.

Prowler's answer is its OCSF file, read by way of prowler_checks.txt; Keepwatch's is `--format ndjson --all`.

    right        what is so
    false-pass   fine, where it is not
    silent       nothing, where something is wrong
    false-fail   wrong, where all is well
    unknown      that it does not know, or that a person must look
    no-check     nothing, because no check of the scanner's covers the practice
"""

import collections
import json
import pathlib
from typing import NamedTuple

HERE = pathlib.Path(__file__).parent
WORDS = {
    "failing": "fail",
    "passing": "pass",
    "not-applicable": "na",
    "informational": "info",
    "manual": "manual",
    "unknown": "unknown",
}
# Of some practices only these checks of Prowler's ask the practice's question; what its others say of the practice
# counts neither for it nor against it.
ELIGIBLE = {
    "P08": {"iam_password_policy_expires_passwords_within_90_days_or_less"},
    "P13": {"iam_user_hardware_mfa_enabled"},
    "P15": set(),
    "P22": {"awslambda_function_no_secrets_in_variables"},
    "P26": {"iam_role_cross_account_readonlyaccess_policy"},
    "P27": {
        "iam_customer_attached_policy_no_administrative_privileges",
        "iam_inline_policy_no_administrative_privileges",
    },
    "P29": {"iam_policy_allows_privilege_escalation"},
    "P32": {"iam_user_administrator_access_policy"},
    "P33": {"iam_policy_allows_privilege_escalation", "iam_inline_policy_allows_privilege_escalation"},
    "P40": {
        "s3_bucket_public_access",
        "s3_bucket_policy_public_write_access",
        "s3_bucket_public_list_acl",
        "s3_bucket_public_write_acl",
    },
    "P44": {"ec2_ebs_public_snapshot"},
    "P47": {"backup_plans_exist"},
    "P57": {"cloudtrail_multi_region_enabled_logging_management_events"},
    "P67": set(),
    "P70": {"account_security_contact_information_is_registered"},
}
# What Prowler says of these is about the account, whatever resource it names.
OF_ACCOUNT = {"P07", "P08", "P09", "P16", "P36", "P57", "P66", "P67", "P69", "P70"}
ROOT_NAMES = (":root", ":mfa", "password-policy", ":account")


class Said(NamedTuple):
    """A line of a scanner's: the resource, the part of it or its name, the region, the verdict."""

    resource: str
    name: str
    region: str
    verdict: str


def of_keepwatch(path):
    """Lines by practice."""
    said = collections.defaultdict(list)
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            one = Said(row["resource"], row["aspect"] or row["resource"], row["region"], WORDS[row["verdict"]])
            for practice in row["practice"]:
                said[practice].append(one)
    return said


def of_prowler(path):
    """Lines by practice."""
    practices = collections.defaultdict(set)
    for line in (HERE / "prowler_checks.txt").read_text().splitlines():
        practice, check = line.split()
        practices[check].add(practice)
    practices["iam_user_administrator_access_policy"].add("P32")
    for check in list(practices):
        if "privilege_escalation" in check:
            practices[check].add("P33")
    words = {"PASS": "pass", "FAIL": "fail", "MANUAL": "manual"}
    said = collections.defaultdict(list)
    for row in json.loads(pathlib.Path(path).read_text(encoding="utf-8")):
        check, resource = row["metadata"]["event_code"], row["resources"][0]
        for practice in practices.get(check, ()):
            if check in ELIGIBLE.get(practice, {check}):
                texts = [resource.get(field, "") for field in ("uid", "name", "region")]
                said[practice].append(Said(*texts, words[row["status_code"]]))
    return said


def key_slots(truths):
    """The place of each access key among its user's: Prowler names keys so. Keys were seeded in this order."""
    slots = collections.defaultdict(list)
    for truth in truths:
        user, _, key = truth["resource"].partition("#")
        if key.startswith("AKIA") and key not in slots[user]:
            slots[user].append(key)
    return slots


def last(arn):
    return arn.split(":")[-1].split("/")[-1]


def is_about(one, resource, slots):
    """Whether a line is about a resource, or about the part of it that follows a `#`."""
    base, _, part = resource.partition("#")
    if one.resource == resource:
        return True
    if part and (one.resource == part or one.resource.endswith("/" + part)):
        return True  # it names the key or policy itself
    service = base.split(":")[2]
    alike = one.resource.startswith("arn:") and one.resource.split(":")[2] == service
    if one.resource != base and not (alike and last(one.resource) == last(base)):
        return False
    user = last(base)
    if part.startswith("AKIA"):
        slot = slots[base].index(part) + 1
        return one.name in (part, user, f"{user}-access-key-{slot}", f"{user}/AccessKey{slot}")
    return not part or one.name in (part, user, f"{user}/{part}")


def found(truth, said, slots, is_prowler):
    """The lines about what a truth is about."""
    resource, practice = truth["resource"], truth["practice"]
    lines = said.get(practice, [])
    if resource == "account" or resource.endswith(":root"):
        if not is_prowler:
            return [one for one in lines if ":user/" not in one.resource and "#" not in one.resource]
        named = lambda one: one.resource.endswith(ROOT_NAMES) or "root_account" in one.name  # noqa: E731
        return [one for one in lines if practice in OF_ACCOUNT or named(one)]
    if resource.startswith("region/"):
        return [one for one in lines if one.region == resource.removeprefix("region/")]
    about = [one for one in lines if is_about(one, resource, slots)]
    if about:
        return about
    # What could not be listed is unknown as a whole.
    whole = (one for one in lines if one.resource.endswith(":root") and one.region in ("global", truth["region"]))
    return [one for one in whole if one.verdict == "unknown"]


def kind(truth, lines, has_check):
    """How a scanner does by one truth."""
    wanted = {truth["verdict"], *truth.get("alt", ())}
    verdicts = {one.verdict for one in lines}
    word = next((word for word in ("fail", "unknown", "manual", "pass", "info", "na") if word in verdicts), "silent")
    if not has_check:
        return "no-check"
    by_hand = word == "manual" and "unknown" in wanted
    if word in wanted or by_hand or (word == "silent" and wanted & {"na", "info", "pass"}):
        return "right"
    if word in ("unknown", "manual"):
        return "unknown"
    if "fail" in wanted:
        return "silent" if word == "silent" else "false-pass"
    return "false-fail" if word == "fail" else "right"


def score(truths, said, is_prowler=False):
    """How often a scanner is what, and what it is wrong about."""
    slots, kinds, wrong = key_slots(truths), collections.Counter(), []
    for truth in truths:
        lines = found(truth, said, slots, is_prowler)
        what = kind(truth, lines, truth["practice"] in said)
        kinds[what] += 1
        if what in ("false-pass", "silent", "false-fail"):
            wrong.append(f"{what}: {truth['practice']} {truth['resource']} in {truth['region']}: {truth['why']}")
    return kinds, wrong
