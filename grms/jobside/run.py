"""The verbs of the program beside the job: ``python3 -I -S PROGRAM VERB ...``.

All verbs but ``run`` and ``serve`` print one JSON object {"answers": ...}: half an answer is never
taken for a whole one.
"""

import sys

from grms.jobside.files import dump, put


def main(argv: "list[str]") -> int:
    """Carry out one verb; the exit status, 64 (EX_USAGE) for a verb or arguments unknown."""
    verb, rest = (argv[0], argv[1:]) if argv else ("", [])
    try:
        if verb == "run" and len(rest) == 1:
            from grms.jobside.job import run

            return run(rest[0])
        if verb == "job" and rest:
            from grms.jobside.grms_job import main as tool

            return tool(rest[0], rest[1:])
        if verb == "serve" and not rest:
            from grms.jobside.launch import serve

            return serve()
        answers = _answer(verb, rest)
    except Exception as error:
        sys.stderr.write("grms-run %s: %s: %s\n" % (verb, type(error).__name__, error))
        return 70
    if answers is None:
        sys.stderr.write("grms-run: unknown verb or wrong number of arguments: %s\n" % argv)
        return 64
    put(1, dump({"answers": answers}))
    return 0


def _answer(verb: str, rest: "list[str]") -> object:
    if verb in ("launch", "launch-held"):
        from grms.jobside.launch import launch

        return launch(rest, verb == "launch-held")
    if verb in ("status", "signal", "find") and rest:
        from grms.jobside import wrappers

        if verb == "status":
            return wrappers.status(rest[0], rest[1:])
        if verb == "find":
            return wrappers.find(rest[0], rest[1:])
        return wrappers.steer(rest[0], rest[1], rest[2:]) if len(rest) > 1 else None
    from grms.jobside import host

    if verb == "probe" and len(rest) == 1:
        return host.probe(rest[0])
    if verb == "sweep" and len(rest) == 2:
        return host.sweep(rest[0], int(rest[1]))
    return None
