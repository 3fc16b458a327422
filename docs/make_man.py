"""Writes the manual pages in ``docs/man`` from the help texts of the programs.

    python docs/make_man.py [--check] [PROGRAM=MODULE:GROUP ...]

One page for each group and each command. ``--check`` writes nothing and ends with 1 if
a page is out of date. By default all programs of ``PROGRAMS`` are written.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

PROGRAMS = ("grms-client=grms.client.cli:cli", "grms-server=grms.server.cli:main")
HERE = Path(__file__).resolve().parent / "man"


def pages(program: str, group: click.Group) -> Iterator[tuple[str, str]]:
    """(file name, text) of each page of a program: of the group and of all below it."""
    yield from _pages(click.Context(group, info_name=program, **group.context_settings))


def _pages(context: click.Context) -> Iterator[tuple[str, str]]:
    yield f"{context.command_path.replace(' ', '-')}.1", page(context)
    if isinstance(context.command, click.Group):
        for name, command in context.command.commands.items():
            yield from _pages(click.Context(command, info_name=name, parent=context))


def page(context: click.Context) -> str:
    """One page in man(7)."""
    command, path = context.command, context.command_path
    title = path.replace(" ", "-")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        f'.TH "{title.upper()}" "1" "" "GRMS" "GRMS manual"',
        ".SH NAME",
        f"{_roff(title)} \\- {_roff(command.get_short_help_str(1000).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_roff(path)}",
        _roff(usage),
        ".SH DESCRIPTION",
        _prose(command.help or ""),
        *_options(context),
        *_commands(command, title),
        *_epilog(command.epilog or ""),
    ]
    if context.parent:
        above = context.parent.command_path.replace(" ", "-")
        parts += [".SH SEE ALSO", f".BR {_roff(above)} (1)"]
    return "\n".join(part for part in parts if part) + "\n"


def _options(context: click.Context) -> Iterator[str]:
    """Made here and not by click, whose wording differs from version to version."""
    yield ".SH OPTIONS"
    for option in context.command.get_params(context):
        if isinstance(option, click.Option):
            text = " ".join((option.help or "").split())
            if option.show_default:
                text += f" [default: {option.default}]"
            yield f".TP\n.B {_roff(_names(option))}\n{_roff(text)}"


def _names(option: click.Option) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    return names if option.is_flag else f"{names} {option.metavar or option.type.name.upper()}"


def _commands(command: click.Command, title: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for name, inner in command.commands.items():
            text = _roff(inner.get_short_help_str(1000))
            yield f".TP\n.B {_roff(name)}\n{text} See\n.BR {_roff(title)}-{_roff(name)} (1)."


def _epilog(text: str) -> Iterator[str]:
    """The examples, as they are written."""
    lines = inspect.cleandoc(text).replace("\b\n", "").splitlines()
    if lines:
        yield f".SH {_roff(lines[0].rstrip(':').upper())}"
        yield ".nf\n" + "\n".join(_roff(line.strip()) for line in lines[1:]) + "\n.fi"


def _prose(text: str) -> str:
    return "\n.PP\n".join(map(_paragraph, re.split(r"\n\s*\n", inspect.cleandoc(text))))


def _paragraph(text: str) -> str:
    """Filled, unless it begins with click's mark for text that is kept as it is written."""
    if text.startswith("\b\n"):
        return ".nf\n" + "\n".join(_roff(line) for line in text[2:].splitlines()) + "\n.fi"
    return _roff(" ".join(text.split()))


def _roff(text: str) -> str:
    """Text in which roff sees no commands; hyphens stay what can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def load(program: str) -> tuple[str, click.Group]:
    """The name and the group of ``PROGRAM=MODULE:GROUP``."""
    name, _, place = program.partition("=")
    module, _, attribute = place.partition(":")
    group = getattr(importlib.import_module(module), attribute)
    if not isinstance(group, click.Group):
        raise TypeError(f"{place} is not a click group")
    return name, group


def main(arguments: list[str]) -> int:
    """Write or check the pages; 1 if one is out of date."""
    check = "--check" in arguments
    programs = [word for word in arguments if not word.startswith("--")] or list(PROGRAMS)
    stale = []
    for program in programs:
        for file, text in pages(*load(program)):
            path = HERE / file
            if check and (not path.exists() or path.read_text("utf-8") != text):
                stale.append(file)
            elif not check:
                path.write_text(text, "utf-8")
    if stale:
        sys.stderr.write(f"out of date, run docs/make_man.py: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
