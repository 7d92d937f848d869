"""Write the EventBridge rules of template.yaml from the patterns that the compiled rules ask for.

    keepwatch rules patterns | python tools/event_rules.py template.yaml      rewrite the generated block
    keepwatch rules patterns | python tools/event_rules.py --check template.yaml     exit 1 if it differs

What a rule listens to is written once, in its Rust file. This is the only other place that knows it.
"""

import json
import re
import sys
import textwrap

import yaml

BEGIN = "  # begin generated event rules (make patterns); do not edit by hand\n"
END = "  # end generated event rules\n"
BLOCK = re.compile(r"^  # begin generated event rules.*?^  # end generated event rules\n", re.DOTALL | re.MULTILINE)

# EventBridge refuses a longer pattern. The limit counts the JSON as it is sent.
LONGEST_PATTERN = 2048

STATES = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")

RULE = """\
  {logical_id}:
    Type: AWS::Events::Rule
    Properties:
      Name: !Sub '${{AWS::StackName}}-{name}'
      State: {state}{why}
      EventPattern:
{pattern}
      Targets:
        - Id: intake
          Arn: !GetAtt IntakeQueue.Arn
          RetryPolicy: {{MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185}}
          DeadLetterConfig: {{Arn: !GetAtt DeadLetterQueue.Arn}}

"""

WHY = {
    "ENABLED": "",
    # Without this state EventBridge withholds every call whose name begins with Get, List or Describe.
    "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS": " # read-only calls too",
}


WIDTH = 120

# From the envelope inwards, then as the rules gave them.
ORDER = ("source", "detail-type", "detail", "eventSource", "eventName")


def logical_id(name):
    """`trusted-advisor` becomes `TrustedAdvisorRule`."""
    return "".join(part.capitalize() for part in name.split("-")) + "Rule"


def flow(value):
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    # Plain where YAML reads it back as the same text, quoted where it would see a number, a boolean or an indicator.
    plain = isinstance(value, str) and re.fullmatch(r"[\w./ -]+", value) and yaml.safe_load(value) == value
    return value if plain else json.dumps(value)


def lines(pattern, indent):
    """A pattern as YAML: lists on one line, or broken between their items where they are too long for it."""
    pad = " " * indent
    rank = {key: place for place, key in enumerate(ORDER)}
    for key, value in sorted(pattern.items(), key=lambda item: rank.get(item[0], len(ORDER))):
        line = f"{pad}{key}: {flow(value)}"
        if isinstance(value, dict):
            yield f"{pad}{key}:"
            yield from lines(value, indent + 2)
        elif len(line) <= WIDTH:
            yield line
        else:
            yield f"{pad}{key}: ["
            yield from textwrap.wrap(
                ", ".join(flow(item).replace(" ", "\0") for item in value),
                WIDTH,
                initial_indent=pad + "  ",
                subsequent_indent=pad + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            yield f"{pad}]"


def block(rules):
    """The text between the markers, markers included."""
    parts = [BEGIN, "\n"]
    for rule in rules:
        name, state, pattern = rule["name"], rule["state"], rule["pattern"]
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
            raise ValueError(f"{name!r} is not a kebab-case rule name")
        if state not in STATES:
            raise ValueError(f"{name}: unknown state {state!r}")
        size = len(json.dumps(pattern, separators=(",", ":")))
        if size > LONGEST_PATTERN:
            raise ValueError(f"{name}: the pattern has {size} characters; EventBridge takes {LONGEST_PATTERN}")
        text = "\n".join(lines(pattern, 8)).replace("\0", " ")
        parts.append(RULE.format(logical_id=logical_id(name), name=name, state=state, why=WHY[state], pattern=text))
    parts.append(END)
    return "".join(parts)


def rewrite(template, rules):
    """The template with its generated block made anew."""
    if len(BLOCK.findall(template)) != 1:
        raise ValueError("the template must hold the two markers of the generated block once")
    fresh = block(rules)
    return BLOCK.sub(lambda _: fresh, template)


def main(arguments):
    check = "--check" in arguments
    paths = [a for a in arguments if a != "--check"]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    rules = json.load(sys.stdin)
    with open(paths[0], encoding="utf-8") as handle:
        before = handle.read()
    after = rewrite(before, rules)
    if check:
        if before != after:
            print(f"{paths[0]} does not listen to what the rules ask for. Run: make patterns", file=sys.stderr)
            return 1
        return 0
    if before != after:
        with open(paths[0], "w", encoding="utf-8") as handle:
            handle.write(after)
    print(f"{paths[0]}: {len(rules)} event rules, {'rewritten' if before != after else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
