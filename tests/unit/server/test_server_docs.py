"""The manual pages and the references say what ``grms-server`` and its settings are."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import click
import pytest

from grms.config import Settings
from grms.server.cli import main

DOCS = Path(__file__).resolve().parents[3] / "docs"
SERVER = (DOCS / "reference/grms-server.md").read_text("utf-8")
SETTINGS = (DOCS / "reference/settings.md").read_text("utf-8")
GUIDES = ("install", "operate", "upgrade", "backup", "systemd")


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that can be called, by its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


ALL = dict(commands(main))


def test_every_command_has_a_row_in_the_reference() -> None:
    section = SERVER.split("## Commands")[1].split("## ")[0]
    rows = re.findall(r"^\| `([a-z -]+)` \|", section, re.M)
    assert sorted(rows) == sorted(ALL)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_says_what_it_does_in_one_short_sentence(name: str) -> None:
    text = (ALL[name].help or "").strip()
    assert re.match(r"[A-Z][^\n]*[.;:,]", text), text


def test_every_setting_has_a_row_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", SETTINGS, re.M))
    assert sorted(rows) == sorted(field.name for field in fields(Settings))
    for field in fields(Settings):
        assert field.default is not MISSING
        if field.default not in ("", ()):
            assert rows[field.name].strip() == f"`{field.default}`"


def test_the_manual_pages_of_the_server_are_those_of_its_commands() -> None:
    """If this fails, run docs/make_man.py; remove pages of commands that are gone."""
    spec = importlib.util.spec_from_file_location("make_man", DOCS / "make_man.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    made = dict(maker.pages("grms-server", main))
    kept = {path.name: path.read_text("utf-8") for path in (DOCS / "man").glob("grms-server*.1")}
    assert kept == made


@pytest.mark.parametrize("name", GUIDES)
def test_the_guides_name_no_command_and_no_setting_that_does_not_exist(name: str) -> None:
    text = (DOCS / f"how-to/{name}.md").read_text("utf-8")
    first = {words.split()[0] for words in ALL}
    called = re.findall(r"grms-server(?: --\S+ [/\w.]+)* ([a-z]+)", text)
    assert set(called) <= first | {"answers", "is"}
    known = {f"GRMS_{field.name.upper()}" for field in fields(Settings)}
    assert set(re.findall(r"GRMS_[A-Z_]+", text)) <= known | {"GRMS_CONFIG", "GRMS_SERVER"}
