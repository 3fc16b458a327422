"""``grms-server conformance``: does a site's own batch system do what the broker relies on?

Each promise is one function: it submits small real jobs and says what was seen, or raises
UnmetError. ``docs/how-to/operate.md`` says how to read the report.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grms.broker.layout import tag
from grms.broker.ports.batch import NativeState
from grms.broker.ports.sites import Site
from grms.errors import GrmsError
from grms.server.reports import Finding, fail, ok, skip, warn
from grms.server.trial import Trials, UnmetError

ODD = ("", " ", "a b", "'", '"', "a\nb", "\\", "$HOME", "`id`", "*", "%s", "ß→🙂", "-n")
_WAITS = "while [ ! -e go ]; do sleep 1; done"
_LONG = "exec sleep 3600"
#: How much later than its trait says accounting may come before that is worth a warning.
_LATE = 2.0


@dataclass(frozen=True, slots=True)
class Promise:
    """What is expected of a site, and how it is tried. ``quick``: part of the short form."""

    what: str
    expected: str
    attempt: Callable[[Trials], str]
    quick: bool = False


class SkippedError(Exception):
    """A promise that this batch system does not give; ``str`` says why."""


def conformance(
    site: Site, *, quick: bool = False, queue: str = "", patience: float = 300.0
) -> Iterator[Finding]:
    """Try every promise; each wait lasts at most ``patience`` seconds. Cleans up at the end."""
    trials = Trials(site, queue=queue, patience=patience)
    try:
        for promise in PROMISES:
            if promise.quick or not quick:
                yield _tried(promise, trials)
    finally:
        yield _cleaned(trials)


def _tried(promise: Promise, trials: Trials) -> Finding:
    begun = time.monotonic()
    try:
        seen = promise.attempt(trials)
    except SkippedError as reason:
        return skip(promise.what, str(reason))
    except UnmetError as error:
        return fail(promise.what, f"expected {promise.expected}; seen: {error}")
    except GrmsError as error:
        return fail(promise.what, f"expected {promise.expected}; seen: {error.message}")
    taken = time.monotonic() - begun
    return ok(promise.what, f"expected {promise.expected}; seen: {seen} ({taken:.1f} s)")


def _cleaned(trials: Trials) -> Finding:
    try:
        trials.clean_up()
    except (GrmsError, UnmetError) as error:
        place = f"{trials.site.layout.workdir}/jobs/conformance-*"
        return warn("cleaning up", str(error), f"remove {place} by hand")
    return ok("cleaning up", "the jobs' directories and marks are removed")


def _same(seen: object, wanted: object, words: str = "each as it was given") -> str:
    if seen != wanted:
        raise UnmetError(f"{seen!r}, not {wanted!r}")
    return words


def _ends(trials: Trials, script: str) -> dict[str, object]:
    end = trials.submit(script).ended()
    return {"code": end["code"], "signal": end["signal"]}


def _exit_0(trials: Trials) -> str:
    return _same(_ends(trials, "true"), {"code": 0, "signal": None}, "exit code 0")


def _exit_7(trials: Trials) -> str:
    return _same(_ends(trials, "exit 7"), {"code": 7, "signal": None}, "exit code 7")


def _killed(trials: Trials) -> str:
    return _same(_ends(trials, "kill -KILL $$"), {"code": None, "signal": 9}, "signal 9")


def _arguments(trials: Trials) -> str:
    trial = trials.submit('for word; do printf "%s|" "$word"; done', *ODD)
    trial.ended()
    return _same(trial.output(), "".join(f"{word}|" for word in ODD))


def _environment(trials: Trials) -> str:
    env = {f"ODD_{number}": word for number, word in enumerate(ODD)}
    script = "".join(f'printf "%s|" "${name}";' for name in env)
    trial = trials.submit(script, env=env)
    trial.ended()
    return _same(trial.output(), "".join(f"{word}|" for word in ODD))


def _two(trials: Trials) -> str:
    trial = trials.submit("echo $GRMS_RANK of $GRMS_COUNT", count=2)
    trial.ended()
    return _same(sorted(trial.output().splitlines()), ["0 of 2", "1 of 2"], "ranks 0 and 1")


def _running(trials: Trials) -> str:
    trial = trials.submit(_LONG)
    trial.started()
    seen = trial.reaches(NativeState.RUNNING)
    trial.act("cancel")
    return seen.value


def _canceled(trials: Trials) -> str:
    trial = trials.submit(_LONG)
    trial.started()
    trial.reaches(NativeState.RUNNING)
    trial.act("cancel")
    end = trial.ended()
    trial.leaves()
    if end["code"] == 0:
        raise UnmetError("exit code 0")
    return f"signal {end['signal']}" if end["signal"] else f"exit code {end['code']}"


def _held(trials: Trials) -> str:
    trial = trials.submit("true", hold=True)
    trial.reaches(NativeState.HELD)
    if trial.read("started.json") is not None:
        raise UnmetError("it started although it was held")
    trial.act("release")
    return _same(trial.ended()["code"], 0, "held, then exit code 0")


def _suspended(trials: Trials) -> str:
    if not trials.site.adapter.traits.can_suspend:
        raise SkippedError("this batch system lets only its operators suspend")
    trial = trials.submit(_WAITS)
    trial.started()
    trial.reaches(NativeState.RUNNING)
    trial.act("suspend")
    trial.reaches(NativeState.SUSPENDED)
    trial.site.transport.write({f"{trial.submission.workdir}/go": b""})
    trial.act("resume")
    return _same(trial.ended()["code"], 0, "suspended, then exit code 0")


def _found_live(trials: Trials) -> str:
    trial = trials.submit(_LONG)
    trial.started()
    seen = trial.found()
    trial.act("cancel")
    return _same(seen, (trial.native_id,), f"found as {trial.native_id}")


def _found_finished(trials: Trials) -> str:
    if not trials.site.adapter.traits.finds_finished:
        raise SkippedError("this batch system forgets the names of finished jobs")
    trial = trials.submit("true")
    trial.ended()
    trial.leaves()
    deadline = time.monotonic() + trials.patience
    while (seen := trial.found()) != (trial.native_id,) and time.monotonic() < deadline:
        time.sleep(1.0)
    return _same(seen, (trial.native_id,), f"found as {trial.native_id}")


def _unknown(trials: Trials) -> str:
    trial = trials.submit("true")
    trial.ended()
    strange = re.sub(r"\d+", "9999998", trial.native_id, count=1)
    status = trial.status(strange)
    if status is not None:
        raise UnmetError(f"{strange} is said to be {status.word or status.state.value}")
    names = trial.found(tag("conformance-nobody", 1))
    return "absent" if not names else _same(names, ())


def _accounted(trials: Trials) -> str:
    traits = trials.site.adapter.traits
    trial = trials.submit("exit 7")
    trial.ended()
    begun = time.monotonic()
    account = trial.account()
    delay = time.monotonic() - begun
    _same(account.exit.code, 7)
    if delay > traits.accounting_delay * _LATE:
        raise UnmetError(
            f"the record came after {delay:.0f} s; the adapter counts on "
            f"{traits.accounting_delay:.0f} s, so the broker would ask in vain at first"
        )
    return f"exit code 7, {delay:.1f} s after the end"


PROMISES = (
    Promise("a job that succeeds", "exit code 0 in its exit file", _exit_0, quick=True),
    Promise("a job that fails", "exit code 7 in its exit file", _exit_7, quick=True),
    Promise("a job killed by a signal", "signal 9 in its exit file", _killed),
    Promise("odd characters in arguments", "each as it was given", _arguments),
    Promise("odd characters in the environment", "each as it was given", _environment),
    Promise("a job of two processes", "ranks 0 and 1 of 2", _two),
    Promise("a running job", "the batch system calls it running", _running),
    Promise("cancelling a running job", "an end that is no success", _canceled, quick=True),
    Promise("hold and release", "held, then exit code 0", _held),
    Promise("suspend and resume", "suspended, then exit code 0", _suspended),
    Promise("the tag of a live job", "found, with its native id", _found_live, quick=True),
    Promise("the tag of a finished job", "found, with its native id", _found_finished),
    Promise("an unknown id and tag", "both absent, and no error", _unknown, quick=True),
    Promise("accounting", "exit code 7, in time", _accounted),
)
