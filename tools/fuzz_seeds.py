"""Write what the fuzzers begin with: the project's own fixtures, one input a file.

python3 tools/fuzz_seeds.py FOLDER
"""

import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).parent.parent
EVENTS = ["cli/tests/fixtures/events.jsonl", "tests/stories/demo.jsonl"]
POLICIES = "shared/core/src/policy/testdata/*.json"


def policies(value):
    """Every policy document in a table, however deep."""
    if isinstance(value, list):
        return [found for item in value for found in policies(item)]
    if isinstance(value, dict):
        if "Statement" in value:
            return [value]
        return policies(list(value.values()))
    return []


def write(folder, texts):
    folder.mkdir(parents=True, exist_ok=True)
    for text in texts:
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        (folder / name).write_text(text)


def main():
    folder = pathlib.Path(sys.argv[1])
    lines = [line for name in EVENTS for line in (ROOT / name).read_text().splitlines()]
    write(folder / "event", lines)
    tables = [json.loads(path.read_text()) for path in sorted(ROOT.glob(POLICIES))]
    write(folder / "policy", [json.dumps(policy) for policy in policies(tables)])


if __name__ == "__main__":
    main()
