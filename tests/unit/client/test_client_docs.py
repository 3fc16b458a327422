"""The manual pages and the reference say what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from grms.client.cli import cli
from grms.client.exits import Exit
from grms.client.settings import KEYS

DOCS = Path(__file__).resolve().parents[3] / "docs"
REFERENCE = (DOCS / "reference/grms-client.md").read_text("utf-8")
RECIPES = (DOCS / "how-to/shell-scripts.md").read_text("utf-8")


@pytest.fixture(scope="module")
def make_man() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_man", DOCS / "make_man.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_manual_pages_are_up_to_date(make_man: ModuleType) -> None:
    """If this fails, run docs/make_man.py and look at what changed."""
    assert make_man.main(["--check"]) == 0


def test_there_is_no_page_of_a_command_that_is_gone(make_man: ModuleType) -> None:
    made = {file for file, _ in make_man.pages("grms-client", cli)}
    assert {path.name for path in (DOCS / "man").glob("grms-client*.1")} == made


def test_a_page_escapes_what_roff_would_obey(make_man: ModuleType) -> None:
    @click.command(help=".de x\n\nA \\n-word")
    def tool() -> None:
        pass

    page = make_man.page(click.Context(tool, info_name="tool"))
    assert "\n\\&.de x\n.PP\nA \\en\\-word\n" in page


def test_commands_of_inner_groups_have_pages_too(make_man: ModuleType) -> None:
    inner = click.Group("user", commands={"add": click.Command("add", help="Add a user.")})
    made = dict(make_man.pages("tool", click.Group("tool", commands={"user": inner})))
    assert sorted(made) == ["tool-user-add.1", "tool-user.1", "tool.1"]
    assert ".SH SEE ALSO\n.BR tool\\-user (1)\n" in made["tool-user-add.1"]


def test_every_command_has_a_row_in_the_reference() -> None:
    rows = re.findall(r"^\| `(\w+)[^|]*(?:\\\|[^|]*)*\|", REFERENCE.split("## Exit")[0], re.M)
    assert sorted(rows) == sorted(cli.commands)


def test_every_exit_code_has_a_row_in_the_reference() -> None:
    section = REFERENCE.split("## Exit codes")[1].split("## ")[0]
    assert [int(row) for row in re.findall(r"^\| (\d+) \|", section, re.M)] == list(Exit)


def test_every_setting_has_a_row_in_the_reference() -> None:
    section = REFERENCE.split("## Settings")[1]
    assert [key for key in KEYS if f"`{key}`" not in section] == []


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_examples_that_name_it(name: str) -> None:
    epilog = cli.commands[name].epilog or ""
    assert "Examples:" in epilog
    assert f"grms-client {name}" in epilog


@pytest.mark.parametrize("text", [REFERENCE, RECIPES], ids=["reference", "recipes"])
def test_the_documents_name_no_command_that_does_not_exist(text: str) -> None:
    used = set(re.findall(r"grms-client ([a-z]\w+)", text))
    assert used <= set(cli.commands)
