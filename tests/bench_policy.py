"""What it costs to judge an IAM policy, and what is found: Keepwatch's engine, Cloudsplaining and Prowler in one run.

    python tests/bench_policy.py BENCH_POLICY [POLICIES.jsonl]

BENCH_POLICY is the compiled turn of Keepwatch. Without a file the policies are those of the engine's own tests: each is
dangerous, because its holder can make itself administrator or is one, or harmless. Other files have one object a line:
{"policy": {...}, "dangerous": true}; without "dangerous" the document counts for the time alone.

Each reads the JSON text and judges it. They take turns, so that a busy moment of the machine falls on all, and the
fastest turn of each counts. `make bench-policy` runs it.
"""

import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

TABLES = pathlib.Path(__file__).parent.parent / "shared/policy/src/testdata"
DANGEROUS = {"full-admin": True, "privilege-escalation": True, "ordinary": False}
ROUNDS = 3


def own_policies():
    """Policies of the engine's tests that are one document for one holder: what the peers can judge as well."""
    for name, dangerous in DANGEROUS.items():
        for row in json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8")):
            if len(row["policies"]) == 1 and isinstance(row["policies"][0], dict) and "grantee" not in row:
                yield row["policies"][0], dangerous


def given_policies(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                row = json.loads(line)
                yield row["policy"], row.get("dangerous")


def cloudsplaining():
    from cloudsplaining.scan.policy_document import PolicyDocument

    return lambda text: bool(PolicyDocument(json.loads(text)).allows_privilege_escalation)


def prowler():
    from prowler.providers.aws.services.iam.lib.policy import check_admin_access
    from prowler.providers.aws.services.iam.lib.privilege_escalation import check_privilege_escalation

    def judge(text):
        policy = json.loads(text)
        return bool(check_admin_access(policy) or check_privilege_escalation(policy))

    return judge


def turn(judge, texts):
    """Seconds for all documents, and each verdict; None where the peer cannot read the document."""
    verdicts = []
    begin = time.perf_counter()
    for text in texts:
        try:
            verdicts.append(judge(text))
        except Exception:
            verdicts.append(None)
    return time.perf_counter() - begin, verdicts


def own_turn(binary, file):
    done = subprocess.run([binary, file], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return told["seconds"], told["dangerous"]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    binary = sys.argv[1]
    policies = list(given_policies(sys.argv[2]) if len(sys.argv) == 3 else own_policies())
    if not policies:
        sys.exit("there are no policies")
    texts = [json.dumps(policy) for policy, _ in policies]
    expected = [dangerous for _, dangerous in policies]
    logging.disable(logging.CRITICAL)  # The peers log what they cannot read, and count it as harmless.
    peers = {
        f"Cloudsplaining {version('cloudsplaining')}": cloudsplaining(),
        f"Prowler {version('prowler')}, its functions": prowler(),
    }
    seconds, verdicts = {}, {}
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.write("\n".join(texts))
        file.flush()
        for _ in range(ROUNDS):
            for name in ["Keepwatch", *peers]:
                took, found = own_turn(binary, file.name) if name == "Keepwatch" else turn(peers[name], texts)
                seconds[name] = min(took, seconds.get(name, took))
                verdicts[name] = found
    whose = sys.argv[2] if len(sys.argv) == 3 else "Keepwatch's own tests"
    print(f"{len(texts)} policies of {whose}\n")
    print(f"{'':30}{'µs a policy':>12}{'ratio':>10}{'dangerous found':>20}{'harmless alarmed':>20}{'unread':>8}")
    for name, took in seconds.items():
        found = verdicts[name]

        def share(kind, found=found):
            of = [verdict for verdict, dangerous in zip(found, expected) if dangerous is kind]
            return f"{sum(verdict is True for verdict in of)} of {len(of)}"

        micros, ratio = took / len(texts) * 1e6, took / seconds["Keepwatch"]
        unread = sum(verdict is None for verdict in found)
        print(f"{name:30}{micros:12.1f}{ratio:10.1f}{share(True):>20}{share(False):>20}{unread:8}")


if __name__ == "__main__":
    main()
