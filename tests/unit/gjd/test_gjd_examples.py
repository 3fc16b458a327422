"""The examples are valid, and the manifest tells the truth about their files."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath

import pytest

from grms.broker.lifecycle import JobState
from grms.gjd.model import FileRef, JobDescription
from grms.gjd.parse import parse
from grms.gjd.urls import local_path

EXAMPLES = Path(__file__).parents[3] / "examples"
HERE = PurePosixPath("/tmp/grms-examples")
MANIFEST = tomllib.loads((EXAMPLES / "manifest.toml").read_text("utf-8"))["example"]
FIELDS = {"file", "slide", "needs", "end", "exit_code", "wish", "outputs"}


def description(entry: dict) -> JobDescription:
    return parse((EXAMPLES / entry["file"]).read_bytes())


def staged(job: JobDescription) -> list[FileRef]:
    files = [*job.executable.files, *job.executable.checkpoint]
    return [job.executable.file, *files] if job.executable.file else files


def test_the_manifest_lists_every_example_once():
    listed = [entry["file"] for entry in MANIFEST]
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.glob("*.xml"))


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_what_an_example_reads_is_among_the_data(entry):
    job = description(entry)
    urls = [ref.url for ref in staged(job) if ref.direction.stages_in]
    urls += [job.executable.stdin] if job.executable.stdin else []
    for path in filter(None, map(local_path, urls)):
        if PurePosixPath(path).is_relative_to(HERE):
            assert (EXAMPLES / "data" / PurePosixPath(path).relative_to(HERE)).exists(), path
        else:
            assert path.startswith("/bin/")


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_what_the_manifest_expects_is_delivered_by_the_example(entry):
    job = description(entry)
    urls = [ref.url for ref in staged(job) if ref.direction.stages_out]
    urls += [url for url in (job.executable.stdout, job.executable.stderr) if url]
    targets = [PurePosixPath(path) for path in map(local_path, urls) if path]
    for name, expected in entry.get("outputs", {}).items():
        assert any(PurePosixPath(name).is_relative_to(target) for target in targets), name
        assert len(expected) == 1
        assert expected.keys() <= {"text", "regex", "holds"}


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_each_entry_names_an_end_and_no_unknown_field(entry):
    assert entry.keys() <= FIELDS
    assert JobState(entry["end"]).is_end


def test_no_two_examples_deliver_to_one_place():
    jobs = [description(entry) for entry in MANIFEST]
    urls = [ref.url for job in jobs for ref in staged(job) if ref.direction.stages_out]
    urls += [job.executable.stdout for job in jobs if job.executable.stdout]
    assert len(urls) == len(set(urls))


ELSEWHERE = sorted((EXAMPLES / "other-sites").glob("*.xml"))


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: path.name)
def test_the_documents_of_other_sites_are_valid(path):
    assert parse(path.read_bytes()).appid


def test_the_readme_lists_every_example():
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    assert [path.name for path in EXAMPLES.glob("*.xml") if f"| {path.name} |" not in readme] == []
