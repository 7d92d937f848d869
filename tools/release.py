"""What a release is made of, and how a deployment uses one.

    python tools/release.py begin FOLDER         refuse what cannot become a release, before anything is compiled
    python tools/release.py pack FOLDER ARCH     the functions in target/lambda/, as one zip each
    python tools/release.py cli FOLDER BINARY    the command line with its manual and completions, as a .tar.gz
    python tools/release.py finish FOLDER        template, SBOM, notes, and SHA256SUMS over all of it
    python tools/release.py use FOLDER ARCH FILE check the sums, and write the template that deploys the zips to FILE

The same files give the same archives, byte for byte: names are sorted, and times, owners and modes are fixed. Only the
compressor has a say: another version of zlib may pack the same content into other bytes.
"""

import argparse
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import uuid
import zipfile
from pathlib import Path

import tomlkit

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "target" / "lambda"

# The architectures of Lambda: the target that is compiled for, and the machine number in the header of an ELF file
# (elf.h: EM_X86_64, EM_AARCH64).
ARCHITECTURES = {
    "x86_64": ("x86_64-unknown-linux-gnu", 62),
    "arm64": ("aarch64-unknown-linux-gnu", 183),
}

# The oldest time that a zip can hold (APPNOTE.TXT 4.4.6: years are counted from 1980).
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
CODE_URI = re.compile(r"(CodeUri: *)target/lambda/(\w+)/")
SUMS = "SHA256SUMS"
TEMPLATE = "template.yaml"
SBOM = "keepwatch.cdx.json"
NOTES = "NOTES.md"


class RefusedError(Exception):
    """The command cannot be carried out; the message says what to do."""


def functions(template):
    """The functions whose code a template takes from target/lambda/."""
    return [name for _, name in CODE_URI.findall(template)]


# --- archives ---


def files_of(folder):
    """Name within the folder and path of each file in it, sorted by name."""
    found = [(path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()]
    return sorted(found)


def mode_of(path):
    """What is a program for somebody is one for everybody; all else is only read."""
    return 0o755 if path.stat().st_mode & 0o111 else 0o644


def zipped(files):
    """A zip of (name, path) pairs, whatever their order and times."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in sorted(files):
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.create_system = 3  # Unix, so that the mode counts
            entry.external_attr = (0o100000 | mode_of(path)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=9)
    return out.getvalue()


def tarred(files, top):
    """A .tar.gz of (name, path) pairs under one folder, whatever their order, times and owners."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=9, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, path in sorted(files):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(content)
            entry.mode = mode_of(path)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def machine_of(binary):
    """The machine that an ELF file is for, as its number; nothing where it is none."""
    head = binary[:20]
    return int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else None


def pack(folder, arch, built=BUILT, template=ROOT / TEMPLATE):
    """One zip for each function that the template names."""
    machine = ARCHITECTURES[arch][1]
    for name in functions(template.read_text(encoding="utf-8")):
        program = built / name / "bootstrap"
        if not program.is_file():
            raise RefusedError(f"{program} is not built. Run: make build ARCH={arch}")
        if machine_of(program.read_bytes()) != machine:
            raise RefusedError(f"{program} is not built for {arch}. Run: make build ARCH={arch}")
        if (built / name / "sigma").exists():
            raise RefusedError(
                f"{built / name} holds rules of your own, which are no part of a release. Run: make build"
            )
        target = folder / f"{name}-{arch}.zip"
        target.write_bytes(zipped(files_of(built / name)))
        print(f"  {target}")


def cli(folder, binary):
    """The archive of the command line, for the machine that it was built on."""
    triple = host()
    top = f"keepwatch-{version()}-{triple}"
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        subprocess.run([binary, "man", made / "man"], check=True)
        files = [("keepwatch", binary), ("LICENSE", ROOT / "LICENSE")]
        files += [(f"man/man1/{name}", path) for name, path in files_of(made / "man")]
        for shell in ("bash", "elvish", "fish", "powershell", "zsh"):
            script = made / shell
            script.write_bytes(subprocess.run([binary, "completions", shell], check=True, capture_output=True).stdout)
            files.append((f"completions/keepwatch.{shell}", script))
        target = folder / f"{top}.tar.gz"
        target.write_bytes(tarred(files, top))
    print(f"  {target}")


# --- what is in it ---


def told(*command):
    """What a program of the project's tools prints."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RefusedError(f"{' '.join(map(str, command))} failed:\n{done.stderr.strip()}")
    return done.stdout


def version():
    cargo = tomlkit.parse((ROOT / "Cargo.toml").read_text(encoding="utf-8")).unwrap()
    return cargo["workspace"]["package"]["version"]


def host():
    """The target that this machine's compiler builds for."""
    return re.search(r"^host: (\S+)$", told("rustc", "-vV"), re.MULTILINE).group(1)


def tree(text):
    """The edges of `cargo tree --prefix depth`, as crate to crates; a crate is `name version`."""
    edges = {}
    above = []
    for line in text.splitlines():
        if not line.strip():
            continue
        depth, name, number = re.match(r"(\d+)(\S+) v(\S+)", line).groups()
        crate = f"{name} {number}"
        edges.setdefault(crate, set())
        del above[int(depth) :]
        if above:
            edges[above[-1]].add(crate)
        above.append(crate)
    return edges


def merged(graphs):
    """One graph of several."""
    whole = {}
    for graph in graphs:
        for crate, needs in graph.items():
            whole.setdefault(crate, set()).update(needs)
    return whole


def crates_of(package, targets, kinds):
    """What a package is built of, as cargo resolves it for these targets."""
    arguments = ["cargo", "tree", "--locked", "--prefix", "depth", "--edges", kinds, "--package", package]
    return merged(tree(told(*arguments, "--target", target)) for target in targets)


def expression(license_text):
    """Old crates part licences by a slash, which SPDX has not."""
    return re.sub(r" */ *", " OR ", license_text)


def sbom(products, linked, built, packages, hashes, about):
    """A CycloneDX 1.5 document (https://cyclonedx.org/docs/1.5/json/).

    `products` names the package of each program; `linked` is the graph of what is in the programs, `built` that of all
    that took part in making them; `packages` says of each crate what Cargo.toml says, `hashes` what Cargo.lock does.
    """

    def component(crate):
        name, number = crate.split()
        said = packages.get(crate, {})
        entry = {"type": "library", "bom-ref": crate, "name": name, "version": number}
        if name in products.values():
            entry["type"] = "application"
        if crate not in linked:
            # "excluded": it takes part in the build, and is not there at run time.
            entry["scope"] = "excluded"
        if said.get("license"):
            entry["licenses"] = [{"expression": expression(said["license"])}]
        if crate in hashes:
            entry["hashes"] = [{"alg": "SHA-256", "content": hashes[crate]}]
            entry["purl"] = f"pkg:cargo/{name}@{number}"
        if said.get("repository"):
            entry["externalReferences"] = [{"type": "vcs", "url": said["repository"]}]
        return entry

    roots = sorted(crate for crate in built if crate.split()[0] in products.values())
    main = {"type": "application", "bom-ref": "keepwatch", "name": "keepwatch", "version": about["version"]}
    main["licenses"] = [{"expression": about["license"]}]
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": about["time"],
            "component": main,
            "properties": [
                {"name": "keepwatch:commit", "value": about["commit"]},
                {"name": "keepwatch:rustc", "value": about["rustc"]},
                {"name": "keepwatch:targets", "value": " ".join(about["targets"])},
            ],
        },
        "components": [component(crate) for crate in sorted(built)],
        "dependencies": [{"ref": "keepwatch", "dependsOn": roots}]
        + [{"ref": crate, "dependsOn": sorted(needs)} for crate, needs in sorted(built.items())],
    }
    # The same release has the same number.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "serialNumber": f"urn:uuid:{number}", **body}


def bill(products, places, about):
    """The SBOM of these programs, each for its targets, from what cargo says."""

    def graph(kinds):
        return merged(crates_of(package, places[name], kinds) for name, package in products.items())

    # One program's own features decide what is in it, so `cargo tree` is asked for each; `cargo metadata` would give
    # what the features of all packages come to together.
    metadata = json.loads(told("cargo", "metadata", "--locked", "--format-version", "1"))
    packages = {f"{package['name']} {package['version']}": package for package in metadata["packages"]}
    lock = tomlkit.parse((ROOT / "Cargo.lock").read_text(encoding="utf-8")).unwrap()
    hashes = {f"{one['name']} {one['version']}": one["checksum"] for one in lock["package"] if "checksum" in one}
    return sbom(products, graph("normal,no-proc-macro"), graph("normal,build"), packages, hashes, about)


def changes(changelog, number):
    """The part of the changelog about a version; what is not released yet where there is none."""
    parts = dict(re.findall(r"^## \[?([^\]\s]+)\]?[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL))
    text = (parts.get("Unreleased", "").strip() or parts.get(number, "")).strip()
    if not text:
        raise RefusedError(f"CHANGELOG.md says nothing of {number}, and nothing is unreleased")
    return text


def oldest_glibc(binary):
    """The glibc that a Linux program asks for, by the names of its symbols; nothing where it asks for none."""
    found = {tuple(map(int, number.split(b"."))) for number in re.findall(rb"GLIBC_(\d+\.\d+)", binary)}
    return ".".join(map(str, max(found))) if found else None


def notes(folder, about, changelog):
    """What somebody who has the folder must know."""
    lines = [f"# Keepwatch {about['version']}", ""]
    lines += [f"Commit {about['commit']}, built by {about['rustc']} on {about['host']}.", "", "## What is here", ""]
    for path in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            name = next(entry for entry in archive.getnames() if entry.endswith("/keepwatch"))
            glibc = oldest_glibc(archive.extractfile(name).read())
        needs = f"; it needs glibc {glibc} or newer" if glibc else ""
        lines.append(f"* `{path.name}`: the command line, its manual and completions{needs}")
    for arch in ARCHITECTURES:
        zips = ", ".join(f"`{path.name}`" for path in sorted(folder.glob(f"*-{arch}.zip")))
        if zips:
            lines.append(f"* {zips}: the functions for Lambda on {arch}")
    lines += [
        f"* `{TEMPLATE}`: what is deployed; `{SBOM}`: every crate in it with licence and checksum (CycloneDX)",
        "",
        "From a checkout of the same commit, `make deploy FROM=this-folder` checks the sums and deploys. Nothing is",
        f"compiled. By hand: `sha256sum --check {SUMS}`. The sums find what was damaged on its way. Whoever could",
        "change a file here could change its sum as well, so take the folder from a place that you trust.",
        "",
        "## What was not tried",
        "",
        "* The tests run debug builds of the same commit in a local AWS, not these files.",
    ]
    for arch, (triple, _) in ARCHITECTURES.items():
        if not list(folder.glob(f"*-{arch}.zip")):
            lines.append(f"* {arch}: its functions are not in this release, and were not built.")
        elif triple.split("-")[0] != about["host"].split("-")[0]:
            lines.append(f"* {arch}: its functions were compiled on another kind of machine, and never run.")
    lines += [
        f"* The command line was built for {about['host']} only.",
        "",
        "## Changes",
        "",
        changes(changelog, about["version"]),
    ]
    return "\n".join(lines) + "\n"


def sums(folder):
    """SHA256SUMS, as sha256sum writes and checks it."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}" for name, path in files_of(folder) if name != SUMS
    ]
    return "\n".join(lines) + "\n"


def begin(folder):
    """An empty folder, if everything is committed."""
    if told("git", "status", "--porcelain", "--untracked-files=no").strip():
        raise RefusedError("there are changes that are not committed, and a release is what its commit says")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{folder} is there, and not empty. Remove it, or name another: make release RELEASE=dir")
    folder.mkdir(parents=True, exist_ok=True)


def finish(folder):
    """All that is not an archive."""
    template = (ROOT / TEMPLATE).read_text(encoding="utf-8")
    archs = [arch for arch in ARCHITECTURES if list(folder.glob(f"*-{arch}.zip"))]
    if not archs:
        raise RefusedError(f"{folder} has no functions. Run: make release")
    commit, time = told("git", "log", "-1", "--format=%H %cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ").split()
    about = {
        "version": version(),
        "license": "Apache-2.0",
        "commit": commit,
        "time": time,
        "rustc": told("rustc", "--version").strip(),
        "host": host(),
        "targets": [ARCHITECTURES[arch][0] for arch in archs],
    }
    products = {name: f"keepwatch-{name}" for name in functions(template)}
    places = dict.fromkeys(products, about["targets"])
    if list(folder.glob("*.tar.gz")):
        products["cli"] = "keepwatch-cli"
        places["cli"] = [about["host"]]

    bom = bill(products, places, about)
    (folder / SBOM).write_text(json.dumps(bom, indent=2) + "\n", encoding="utf-8")
    (folder / TEMPLATE).write_text(template, encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (folder / NOTES).write_text(notes(folder, about, changelog), encoding="utf-8")
    (folder / SUMS).write_text(sums(folder), encoding="utf-8")
    print(f"  {folder}/{SUMS} and all that it names")


# --- deploying one ---


def check(folder):
    """The names that SHA256SUMS has, when each file is as it says."""
    listed = folder / SUMS
    if not listed.is_file():
        raise RefusedError(f"{folder} is no release: it has no {SUMS}. `make release` writes one")
    names = set()
    for line in listed.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"([0-9a-f]{64}) [ *]([\w.-]+)", line)
        if match is None:
            raise RefusedError(f"{listed} has a line that is no checksum and name: {line[:100]}")
        digest, name = match.groups()
        path = folder / name
        if not path.is_file():
            raise RefusedError(f"{path} is missing. Fetch the release again")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise RefusedError(f"{path} is not what {SUMS} says. Fetch the release again; do not deploy this one")
        names.add(name)
    return names


def use(folder, arch, target):
    """Check a release, and write its template with the zips as code."""
    folder = folder.resolve()
    names = check(folder)
    # What no sum vouches for is not deployed.
    if TEMPLATE not in names:
        raise RefusedError(f"{folder / SUMS} does not name {TEMPLATE}. Fetch the release again")
    template = (folder / TEMPLATE).read_text(encoding="utf-8")
    wanted = functions(template)
    missing = [name for name in wanted if f"{name}-{arch}.zip" not in names]
    if missing:
        has = [other for other in ARCHITECTURES if all(f"{name}-{other}.zip" in names for name in wanted)]
        raise RefusedError(
            f"{folder} has no functions for {arch}, but for {' and '.join(has) or 'no architecture'}. "
            + (f"Say ARCH={has[0]}" if has else "Fetch the release again")
        )
    # A path in JSON's quotes is one in YAML's.
    written = CODE_URI.sub(lambda found: found[1] + json.dumps(str(folder / f"{found[2]}-{arch}.zip")), template)
    target.write_text(written, encoding="utf-8")
    print(f"{folder}: {len(names)} files are as {SUMS} says")
    if template != (ROOT / TEMPLATE).read_text(encoding="utf-8"):
        print(
            f"note: {TEMPLATE} here is of another version than the release's. The release's is deployed; check out its"
        )
        print(
            f"commit ({NOTES} there names it) before `make deploy-regions`, so that other regions get the same version"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("begin", "pack", "cli", "finish", "use"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        if name in ("pack", "use"):
            command.add_argument("arch", choices=ARCHITECTURES)
        if name == "cli":
            command.add_argument("binary", type=Path)
        if name == "use":
            command.add_argument("file", type=Path)
    asked = parser.parse_args()
    try:
        if asked.command == "use":
            use(asked.folder, asked.arch, asked.file)
        elif asked.command == "begin":
            begin(asked.folder)
        elif asked.command == "pack":
            pack(asked.folder, asked.arch)
        elif asked.command == "cli":
            cli(asked.folder, asked.binary.resolve())
        else:
            finish(asked.folder)
    except RefusedError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
