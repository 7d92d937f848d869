"""What `make release` writes, and what `make deploy FROM=folder` takes."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import release

FUNCTIONS = ["detect", "notify", "securityhub", "scan"]


def elf(machine, rest=b""):
    """The beginning of a program for a machine."""
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + rest


def built(folder, machine=62, time=1_000_000_000, names=FUNCTIONS):
    """What `make build` leaves, written in this order and at this time."""
    for name in names:
        place = folder / name
        (place / "lib").mkdir(parents=True)
        for file, mode in (("lib/data", 0o640), ("bootstrap", 0o775), ("a.txt", 0o600)):
            path = place / file
            path.write_bytes(elf(machine, name.encode() * 1000) if file == "bootstrap" else file.encode())
            path.chmod(mode)
            os.utime(path, (time, time))
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    """A release of both architectures."""
    made = tmp_path / "a release"
    made.mkdir()
    for arch, (_, machine) in release.ARCHITECTURES.items():
        release.pack(made, arch, built(tmp_path / f"built-{arch}", machine))
    (made / "template.yaml").write_bytes((ROOT / "template.yaml").read_bytes())
    (made / "SHA256SUMS").write_text(release.sums(made))
    return made


def test_the_same_files_give_the_same_zips(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    release.pack(tmp_path / "one", "x86_64", built(tmp_path / "first"))
    # Another day, another order, and group rights of another umask.
    later = built(tmp_path / "second", time=1_700_000_000, names=FUNCTIONS[::-1])
    for path in later.rglob("*"):
        path.chmod(path.stat().st_mode & ~0o022)
    release.pack(tmp_path / "two", "x86_64", later)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == len(FUNCTIONS)


def test_the_order_of_files_does_not_matter_and_their_content_does(tmp_path):
    files = release.files_of(built(tmp_path / "built") / "detect")
    for packed in (release.zipped, lambda files: release.tarred(files, "top")):
        before = packed(files)
        assert packed(files[::-1]) == before
        (tmp_path / "built" / "detect" / "a.txt").write_text("other")
        assert packed(files) != before
        (tmp_path / "built" / "detect" / "a.txt").write_bytes(b"a.txt")
        assert packed(files) == before


def test_a_zip_is_what_lambda_starts(folder):
    with zipfile.ZipFile(folder / "detect-x86_64.zip") as archive:
        assert archive.namelist() == ["a.txt", "bootstrap", "lib/data"]
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
        assert modes == {"a.txt": 0o644, "bootstrap": 0o755, "lib/data": 0o644}
        assert archive.read("bootstrap") == elf(62, b"detect" * 1000)


def test_the_archive_of_the_command_line_has_nothing_of_the_machine(tmp_path):
    files = release.files_of(built(tmp_path / "built") / "scan")
    with tarfile.open(fileobj=io.BytesIO(release.tarred(files, "keepwatch"))) as archive:
        for entry in archive.getmembers():
            assert (entry.uid, entry.gid, entry.uname, entry.mtime) == (0, 0, "", 0)
        assert archive.getmember("keepwatch/bootstrap").mode == 0o755


def test_a_build_for_another_machine_is_not_packed(tmp_path):
    with pytest.raises(release.RefusedError, match=r"is not built for arm64. Run: make build ARCH=arm64"):
        release.pack(tmp_path, "arm64", built(tmp_path / "built"))
    with pytest.raises(release.RefusedError, match=r"is not built. Run: make build ARCH=x86_64"):
        release.pack(tmp_path, "x86_64", tmp_path / "nothing")


def test_own_rules_are_no_part_of_a_release(tmp_path):
    folder = built(tmp_path / "built")
    (folder / "detect" / "sigma").mkdir()
    with pytest.raises(release.RefusedError, match="rules of your own"):
        release.pack(tmp_path, "x86_64", folder)


def test_sums_are_those_that_sha256sum_checks(folder):
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == 2 * len(FUNCTIONS) + 1


def test_a_deployment_takes_the_zips_of_its_architecture(folder, tmp_path, capsys):
    release.use(folder, "arm64", tmp_path / "written.yaml")
    written = (tmp_path / "written.yaml").read_text()
    code = re.findall(r'CodeUri: "(.*)"', written)
    assert sorted(code) == sorted(str(folder / f"{name}-arm64.zip") for name in FUNCTIONS)
    assert "CodeUri: target" not in written
    # Nothing else of the template is touched.
    assert len(written.splitlines()) == len((ROOT / "template.yaml").read_text().splitlines())
    assert "note:" not in capsys.readouterr().out


def test_a_file_that_is_not_as_its_sum_says_is_not_deployed(folder, tmp_path):
    target = tmp_path / "written.yaml"
    packed = folder / "notify-x86_64.zip"
    content = packed.read_bytes()
    packed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(release.RefusedError, match=r"notify-x86_64.zip is not what SHA256SUMS says"):
        release.use(folder, "x86_64", target)
    packed.unlink()
    with pytest.raises(release.RefusedError, match="is missing"):
        release.use(folder, "x86_64", target)
    assert not target.exists()


def test_what_no_sum_vouches_for_is_not_deployed(folder, tmp_path):
    sums = folder / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if "detect-x86_64" not in line))
    with pytest.raises(release.RefusedError, match=r"no functions for x86_64, but for arm64. Say ARCH=arm64"):
        release.use(folder, "x86_64", tmp_path / "written.yaml")
    sums.write_text("".join(line for line in lines if "template.yaml" not in line))
    with pytest.raises(release.RefusedError, match=r"does not name template.yaml"):
        release.use(folder, "x86_64", tmp_path / "written.yaml")
    sums.write_text(f"{hashlib.sha256(b'').hexdigest()}  ../elsewhere\n")
    with pytest.raises(release.RefusedError, match="no checksum and name"):
        release.use(folder, "x86_64", tmp_path / "written.yaml")


def test_a_folder_that_is_no_release_is_named(tmp_path):
    with pytest.raises(release.RefusedError, match="is no release: it has no SHA256SUMS"):
        release.use(tmp_path, "x86_64", tmp_path / "written.yaml")


def test_a_template_of_another_version_is_told(folder, tmp_path, capsys):
    (folder / "template.yaml").write_text((folder / "template.yaml").read_text() + "# older\n")
    (folder / "SHA256SUMS").write_text(release.sums(folder))
    release.use(folder, "x86_64", tmp_path / "written.yaml")
    assert "note: template.yaml here is of another version" in capsys.readouterr().out


def test_the_changes_are_those_of_the_version():
    changelog = "# Changes\n\n## Unreleased\n\n## [0.2.0] - 2026-01-01\n\n- two\n\n## 0.1.0\n\n- one\n"
    assert release.changes(changelog, "0.2.0") == "- two"
    assert release.changes(changelog, "0.1.0") == "- one"
    assert release.changes(changelog.replace("## [", "- new\n\n## ["), "0.2.0") == "- new"
    with pytest.raises(release.RefusedError, match=r"says nothing of 9.9.9"):
        release.changes(changelog, "9.9.9")


def test_the_notes_say_what_was_not_tried(folder):
    about = {"version": "0.1.0", "commit": "c0ffee", "rustc": "rustc 1", "host": "x86_64-unknown-linux-gnu"}
    text = release.notes(folder, about, "## Unreleased\n- new\n")
    assert "* arm64: its functions were compiled on another kind of machine, and never run." in text
    for path in folder.glob("*-arm64.zip"):
        path.unlink()
    text = release.notes(folder, about, "## Unreleased\n- new\n")
    assert "* arm64: its functions are not in this release, and were not built." in text
    assert "detect-x86_64.zip" in text
    assert text.endswith("- new\n")


def test_the_glibc_that_a_program_needs_is_the_newest_it_names():
    assert release.oldest_glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0") == "2.34"
    assert release.oldest_glibc(b"static") is None


def test_a_tree_is_read_by_its_depths():
    text = "0a v1.0.0 (/here)\n1b v2.0.0\n2c v3.0.0 (proc-macro)\n1c v3.0.0 (proc-macro) (*)\n"
    assert release.tree(text) == {"a 1.0.0": {"b 2.0.0", "c 3.0.0"}, "b 2.0.0": {"c 3.0.0"}, "c 3.0.0": set()}


@pytest.fixture(scope="module")
def bom():
    """The SBOM of what is really compiled."""
    about = {"version": "0.1.0", "license": "Apache-2.0", "commit": "c0ffee", "time": "2026-01-01T00:00:00Z"}
    about |= {"rustc": "rustc 1", "targets": ["x86_64-unknown-linux-gnu"]}
    return release.bill({"detect": "keepwatch-detect"}, {"detect": about["targets"]}, about)


def test_the_sbom_names_every_crate_with_licence_and_checksum(bom):
    parts = {part["name"]: part for part in bom["components"]}
    assert parts["keepwatch-detect"]["type"] == "application"
    for part in bom["components"]:
        assert part["licenses"][0]["expression"], part
        assert not re.search("/|  ", part["licenses"][0]["expression"])
        if part["name"].startswith("keepwatch"):
            assert "purl" not in part  # it is on no registry
        else:
            assert re.fullmatch("[0-9a-f]{64}", part["hashes"][0]["content"]), part
            assert part["purl"] == f"pkg:cargo/{part['name']}@{part['version']}"


def test_the_sbom_tells_what_runs_from_what_only_builds(bom):
    parts = {part["name"]: part for part in bom["components"]}
    assert "scope" not in parts["aws-sdk-dynamodb"]
    assert parts["serde_derive"]["scope"] == "excluded"
    # What only tests use is in no release.
    assert not {"proptest", "insta", "tempfile"} & parts.keys()


def test_every_reference_of_the_sbom_leads_somewhere(bom):
    known = [part["bom-ref"] for part in bom["components"]]
    assert len(known) == len(set(known))
    assert {entry["ref"] for entry in bom["dependencies"]} == {"keepwatch", *known}
    for entry in bom["dependencies"]:
        assert set(entry["dependsOn"]) <= set(known)
    [detect] = [part["bom-ref"] for part in bom["components"] if part["name"] == "keepwatch-detect"]
    assert bom["dependencies"][0] == {"ref": "keepwatch", "dependsOn": [detect]}
    assert bom["bomFormat"] == "CycloneDX"
    json.dumps(bom)


def planned(*arguments):
    """What make would run."""
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_deployment_from_a_release_compiles_nothing_and_checks_first():
    plan = planned("deploy", "FROM=somewhere", "ARCH=x86_64")
    assert "lambda build" not in plan
    assert "cargo" not in plan.replace("command -v cargo", "")
    checked = plan.index('tools/release.py use "somewhere" x86_64 .from-release.yaml')
    assert checked < plan.index("sam deploy")
    assert "--template-file template.yaml" not in plan
    assert "lambda build" in planned("deploy", "ARCH=x86_64")


def test_a_release_is_built_for_each_architecture_that_is_asked_for():
    plan = planned("release", "ARCHES=x86_64 arm64", "RELEASE=out")
    steps = [
        'begin "out"',
        "build ARCH=x86_64",
        'pack "out" x86_64',
        "build ARCH=arm64",
        'pack "out" arm64',
        'cli "out"',
        'finish "out"',
    ]
    assert [plan.index(step) for step in steps] == sorted(plan.index(step) for step in steps)
    assert 'pack "out" arm64' not in planned("release", "RELEASE=out")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "told", lambda *_: "")
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(release.RefusedError, match="not empty"):
        release.begin(tmp_path)
    release.begin(tmp_path / "new")
    assert (tmp_path / "new").is_dir()
    monkeypatch.setattr(release, "told", lambda *_: " M Makefile\n")
    with pytest.raises(release.RefusedError, match="not committed"):
        release.begin(tmp_path / "other")
