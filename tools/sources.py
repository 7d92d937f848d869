"""What other projects publish about policies, as one JSON document on standard output.

    .tools/sources/bin/python tools/sources.py managed    AWS's managed policies: {"package", "updated", "policies"}
    .tools/sources/bin/python tools/sources.py paths      {"lists": {package: {name: [actions]}}}

The packages are pinned in tools/requirements-sources.txt. Their files are parsed, never imported.
"""

import ast
import importlib.metadata
import json
import re
import sys
from pathlib import Path

ACTION = re.compile("[a-z0-9-]+:[A-Z][A-Za-z]+$")


def folder(package):
    """Where a package's files are, without importing it."""
    distribution = importlib.metadata.distribution(package)
    return Path(str(distribution.locate_file(package)))


def name(package):
    return f"{package} {importlib.metadata.version(package)}"


def module(package, *parts):
    return ast.parse(folder(package).joinpath(*parts).read_text(encoding="utf-8"))


def assigned(tree, variable):
    """The literal that the file gives to a variable, at whatever depth."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == variable for target in targets):
            return ast.literal_eval(node.value)
    sys.exit(f"{variable} is not where it was: the package has changed, and tools/sources.py must as well")


def managed():
    text = assigned(module("moto", "iam", "aws_managed_policies.py"), "aws_managed_policies_data")
    policies = {
        policy: {"path": about["Path"], "document": about["Document"]} for policy, about in json.loads(text).items()
    }
    updated = max(about["UpdateDate"] for about in json.loads(text).values())
    return {"package": name("moto"), "updated": updated[:10], "policies": policies}


def prowler():
    tree = module("prowler", "providers", "aws", "services", "iam", "lib", "privilege_escalation.py")
    return assigned(tree, "privilege_escalation_policies_combination")


def cloudsplaining():
    return assigned(module("cloudsplaining", "shared", "constants.py"), "PRIVILEGE_ESCALATION_METHODS")


def pacu():
    tree = module("pacu", "modules", "iam__privesc_scan", "main.py")
    methods = {**assigned(tree, "role_escalation_methods"), **assigned(tree, "user_escalation_methods")}
    # True: needed. False: only of use.
    return {method: [a for a, needed in rights.items() if needed] for method, rights in methods.items()}


def principalmapper():
    """PMapper has no list: each file of edges asks for actions. Each of them is an entry of its own here."""
    found = {}
    for path in sorted((folder("principalmapper") / "graphing").glob("*_edges.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.match(node.value):
                found[f"{path.stem} {node.value}"] = [node.value]
    return found


def paths():
    readers = {"prowler": prowler, "cloudsplaining": cloudsplaining, "pacu": pacu, "principalmapper": principalmapper}
    lists = {
        name(package): {path: sorted(rights) for path, rights in read().items()} for package, read in readers.items()
    }
    return {"lists": lists}


def main():
    printed = {"managed": managed, "paths": paths}
    if len(sys.argv) != 2 or sys.argv[1] not in printed:
        sys.exit(__doc__)
    json.dump(printed[sys.argv[1]](), sys.stdout)


if __name__ == "__main__":
    main()
