"""Install the pinned Python tools into virtual environments under .tools/, once.

    python3 tools/install.py venv emulator

Each name is one requirements file beside this script and one folder under .tools/. They are separate because their
pins exclude each other: the emulator wants one exact botocore, the SAM CLI another, checkov a third.
A stamp in each folder holds a digest of everything the folder depends on, so a second run does nothing.
Nothing here needs a new Python: one that is too old must be able to say so.
"""

import hashlib
import os
import shutil
import subprocess
import sys

TOOLS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(os.path.dirname(TOOLS), ".tools")
OLDEST = (3, 10)
SETS = {
    "venv": ("requirements.txt", "SAM CLI, cfn-lint, pytest"),
    "emulator": ("requirements-emulator.txt", "the local AWS"),
    "checkov": ("requirements-checkov.txt", "checkov"),
    "build": ("requirements-build.txt", "cargo-lambda, zig"),
    "bench": ("requirements-bench.txt", "Cloudsplaining, Prowler's policy functions"),
    "moto": ("requirements-moto.txt", "moto"),
    "prowler": ("requirements-prowler.txt", "Prowler, 2.3 GB"),
    "sources": ("requirements-sources.txt", "AWS's managed policies and the lists of other tools"),
}


def fail(message):
    sys.stderr.write("installing tools: " + message + "\n")
    sys.exit(1)


def digest(name):
    """What the installed folder depends on: the pins, the interpreter, and where it stands (venvs do not move)."""
    pins = os.path.join(TOOLS, SETS[name][0])
    with open(pins, "rb") as handle:
        content = handle.read()
    facts = f"{sys.version} {os.path.realpath(sys.executable)} {os.path.join(ROOT, name)}"
    return hashlib.sha256(content + facts.encode()).hexdigest()


def install(name):
    requirements, what = SETS[name]
    target = os.path.join(ROOT, name)
    stamp = os.path.join(target, "installed")
    wanted = digest(name)
    try:
        with open(stamp) as handle:
            if handle.read() == wanted:
                return
    except OSError:
        pass
    print(f"installing tools: {what} into .tools/{name} (first run only) ...")
    sys.stdout.flush()
    shutil.rmtree(target, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        sys.stderr.write(made.stdout.decode(errors="replace"))
        fail("this Python has no working venv module. On Debian or Ubuntu: apt-get install python3-venv")
    pip = [os.path.join(target, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    log = os.path.join(ROOT, name + "-install.log")
    with open(log, "wb") as handle:
        done = subprocess.run(
            [*pip, "--no-deps", "-r", os.path.join(TOOLS, requirements)], stdout=handle, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        with open(log, errors="replace") as handle:
            text = handle.read()
        sys.stderr.write(text[-2000:])
        shutil.rmtree(target, ignore_errors=True)
        if any(sign in text for sign in ("NewConnectionError", "Max retries", "Temporary failure", "ConnectTimeout")):
            fail("the package index cannot be reached. Check the network or the proxy settings, then run make again.")
        fail(f"pip failed; its whole output is in .tools/{name}-install.log")
    with open(stamp, "w") as handle:
        handle.write(wanted)


def main():
    names = sys.argv[1:]
    unknown = [name for name in names if name not in SETS]
    if unknown or not names:
        fail("say which of: " + " ".join(SETS))
    if sys.version_info < OLDEST:
        needed, found = (".".join(map(str, version[:2])) for version in (OLDEST, sys.version_info))
        fail(f"Python {needed} or newer is needed and this is {found}. Install one and run: make PYTHON=python3.12 ...")
    if not os.path.isdir(ROOT):
        os.makedirs(ROOT)
    for name in names:
        install(name)


if __name__ == "__main__":
    main()
