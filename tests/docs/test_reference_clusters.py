"""The reference of clusters and the matching tables name everything there is, and nothing else."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from grms.broker.policies import Balanced, Fastest, FillFirst, NearestData
from grms.broker.records import Installed, Link, OwnerLimits, Queue
from grms.gjd.model import Requirements
from grms.server.cluster_cli import add, cluster
from grms.server.clusters import KEYS

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = (DOCS / "reference/clusters.md").read_text("utf-8")
MATCHING = (DOCS / "explanation/matching.md").read_text("utf-8")


def rows(title: str) -> list[str]:
    """The first word in code of each row of a section's table."""
    section = REFERENCE.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]
    return re.findall(r"^\| `(\w+)", section, re.MULTILINE)


def test_every_key_of_a_cluster_has_a_row():
    assert sorted(rows("Keys")) == sorted(KEYS)


@pytest.mark.parametrize(
    ("title", "record"),
    [("queues", Queue), ("applications", Installed), ("links", Link), ("limits", OwnerLimits)],
)
def test_every_key_of_the_inner_tables_has_a_row(title, record):
    assert rows(title) == [field.name for field in fields(record)]


def test_every_option_of_cluster_add_is_named():
    words = {word for option in add.params for word in (*option.opts, *option.secondary_opts)}
    options = {word for word in words if word.startswith("--")} - {"--probe"}  # the default
    documented = set(re.findall(r"--[a-z][a-z-]*", REFERENCE)) - {"--json"}
    assert options == documented


def test_every_command_has_a_row():
    section = REFERENCE.split("## Commands")[1]
    assert set(re.findall(r"`cluster (\w+)", section)) == set(cluster.commands)


def test_every_command_has_an_example_that_names_it():
    for name, command in cluster.commands.items():
        assert isinstance(command, click.Command)
        assert f"grms-server cluster {name}" in (command.help or "")


def test_every_requirement_is_explained():
    table = MATCHING.split("| requirement |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", table))
    wanted = {field.name for field in fields(Requirements)} - {"applications"}
    assert wanted - named == set()


def test_every_policy_is_explained():
    shipped = {policy.name for policy in (Balanced, Fastest, FillFirst, NearestData)}
    assert (
        set(re.findall(r"^\| `([a-z-]+)`", MATCHING.split("names the ranking")[1], re.M)) == shipped
    )
