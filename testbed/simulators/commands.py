"""How a command of a simulated system is answered, on good days and on bad ones.

A file ``fault`` in the state directory makes the system misbehave as real ones do, until it is
removed. It holds one of these words:

=========== =====================================================================================
down        no command gets an answer
empty       the queue answers, but knows no job
lost        a submission is carried out, its answer never arrives
late 4      all commands are carried out, their answers come 4 seconds later
partial     they are carried out, and the answer is cut somewhere
foreign     they are carried out, and what is answered is another program's
forgets     every other submission is acknowledged, and the job forgotten before it starts
=========== =====================================================================================
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

import core
from core import State

#: What a site's wrapper, proxy, shell or another batch system put in the place of an answer.
FOREIGN = (
    b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>\n",
    b"Warnung: Anmeldung am Zielsystem, bitte warten ...\nAuftrag 17 l\xe4uft seit 3 Minuten\n",
    b"JOBID PARTITION NAME USER ST TIME NODES NODELIST(REASON)\n 17 debug sh root R 0:03 1 n1\n",
    b"job-ID  prior   name  user  state submit/start at\n------------------------\n",
    b'{"timestamp": 1, "error": "quota exceeded"}\n',
    b"\x1b[31mLast login: Mon Nov 23 10:11:12\x1b[0m\n",
    b"\x00\x00\x7fELF\x02\x01\xff\xfe\n",
)


def answer(system: Any, name: str, arguments: list[str]) -> int:
    """One command, as the system answers it or, with a fault, does not."""
    state = State(Path(os.environ["GRMS_SIM_DIR"]))
    fault, _, number = state.fault.partition(" ")
    words, code = system.DOWN
    if fault == "down":
        print(f"{name}: {words}", file=sys.stderr)
        return int(code)
    if fault == "empty":
        state.jobs = state.directory / "nothing"
        return int(system.COMMANDS[name](state, arguments))
    printed = io.StringIO()
    with state.locked():
        with contextlib.redirect_stdout(printed):
            status = int(system.COMMANDS[name](state, arguments))
        if fault == "forgets" and name == system.SUBMIT and _any_of(2) == 0:
            state.forget_newest()
        core.schedule(state)
    if fault == "late":
        time.sleep(float(number))
    if fault == "lost" and name == system.SUBMIT:
        print(f"{name}: {words}", file=sys.stderr)
        return int(code)
    sys.stdout.buffer.write(_spoilt(printed.getvalue().encode("utf-8", "surrogateescape"), fault))
    return status


def _spoilt(printed: bytes, fault: str) -> bytes:
    if fault == "partial" and printed:
        return printed[: _any_of(len(printed))]
    return FOREIGN[_any_of(len(FOREIGN))] if fault == "foreign" else printed


def _any_of(count: int) -> int:
    """0 to count - 1; importing ``random`` takes longer than most commands."""
    return int.from_bytes(os.urandom(4), "big") % count


def main(system: Any) -> int:
    """Dispatch: a shepherd, an installation, or one of the system's commands."""
    match sys.argv[1:]:
        case ["--shepherd", directory, number]:
            core.shepherd(directory, number, system)
            return 0
        case ["--install", target]:
            program = Path(sys.argv[0]).resolve()
            print(core.install(program, list(system.COMMANDS), Path(target).resolve()))
            return 0
        case ["--stop", target]:
            core.stop(Path(target))
            return 0
        case [name, *arguments] if name in system.COMMANDS:
            return answer(system, name, arguments)
    print(f"usage: {sys.argv[0]} --install DIR | --stop DIR | COMMAND ...", file=sys.stderr)
    return 2
