"""``grms-job``: what a job tells its broker from inside, over HTTP or through files.

Each word becomes one message with ``what`` "told". It is posted to the broker where the host can
reach it; else it is laid into the inbox, which needs no network and no token, since only the job's
own account can write there.
"""

import json
import os
import sys
import time

from grms.jobside.files import dump, load, news_name, raw, write_whole
from grms.jobside.posting import RefusedError, post

USAGE = """usage: grms-job VERB ...
  id                                     print the id of this job
  register URL [PID]                     take checkpoint calls at URL
  unregister                             take none any more
  add-output NAME URL [DIRECTORY]        deliver this file or directory at the end
  add-checkpoint NAME [URL] [DIRECTORY]  it belongs to a checkpoint of this job
  list                                   what was added by this job, a line each
  delete NAME                            take back what was added under NAME
  progress PERCENT|TEXT                  how far the job has come
  checkpointable [--signal NAME] [--exit-code N] [--command TEXT] [--overdue POLICY]
                                         how this job is asked for a checkpoint, and what becomes
                                         of it if none is written in time: go-on, last-checkpoint
  not-checkpointable                     it cannot be checkpointed now
"""


_WAYS = ("signal", "exit_code", "command", "overdue")
_OVERDUE = ("go-on", "last-checkpoint")
WRONG_CALL, REFUSED, UNTOLD = 64, 65, 70


class WrongCallError(Exception):
    """The words do not make sense; the text says why."""


def main(control: str, words: "list[str]") -> int:
    """Carry out one verb; the exit status: 0, 64 for a wrong call, 65 when the broker refuses it
    at once, 70 when it cannot be told.
    """
    tool = Tool(raw(control))
    try:
        verb = words[0].replace("-", "_") if words else ""
        action = getattr(tool, "do_" + verb, None)
        if action is None:
            sys.stderr.write(USAGE)
            return 0 if verb in ("__help", "help", "_h") else WRONG_CALL
        action(words[1:])
        return 0
    except WrongCallError as error:
        sys.stderr.write("grms-job: %s\n%s" % (error, USAGE))
        return WRONG_CALL
    except RefusedError as error:
        sys.stderr.write("grms-job: the broker refuses it: %s\n" % error)
        return REFUSED
    except OSError as error:
        sys.stderr.write("grms-job: cannot tell the broker: %s\n" % error)
        return UNTOLD


class Tool:
    """The verbs; ``do_x`` takes the words after ``x``."""

    def __init__(self, control: bytes) -> None:
        self.control = control
        self.spec = load(os.path.join(control, b"spec.json")) or {}
        self.journal = os.path.join(control, b"added.json")

    def do_id(self, words: "list[str]") -> None:
        """Print the job's id."""
        _count(words, 0, 0)
        sys.stdout.write("%s\n" % self.spec["job_id"])

    def do_register(self, words: "list[str]") -> None:
        """Where the application takes checkpoint calls."""
        _count(words, 1, 2)
        pid = words[1] if len(words) > 1 else str(os.getppid())
        if not words[0].startswith(("http://", "https://")) or not pid.isdigit():
            raise WrongCallError("register wants an http or https URL and a process id")
        self._tell("register", url=words[0], pid=int(pid))

    def do_unregister(self, words: "list[str]") -> None:
        """Forget that place."""
        _count(words, 0, 0)
        self._tell("unregister")

    def do_add_output(self, words: "list[str]") -> None:
        """Register an output."""
        _count(words, 2, 3)
        self._add("output", words)

    def do_add_checkpoint(self, words: "list[str]") -> None:
        """Register a checkpoint file; without a URL the broker keeps it alone."""
        _count(words, 1, 3)
        if len(words) == 2 and words[1] == "DIRECTORY":
            words = [words[0], "", "DIRECTORY"]
        self._add("checkpoint", words)

    def _add(self, role: str, words: "list[str]") -> None:
        if len(words) > 2 and words[2] not in ("FILE", "DIRECTORY"):
            raise WrongCallError("%s is neither FILE nor DIRECTORY" % words[2])
        item = {
            "role": role,
            "name": words[0],
            "url": words[1] if len(words) > 1 else "",
            "directory": len(words) > 2 and words[2] == "DIRECTORY",
        }
        self._tell("add", **item)
        self._keep([other for other in self._added() if other != item] + [item])

    def do_list(self, words: "list[str]") -> None:
        """What this job added."""
        _count(words, 0, 0)
        for item in self._added():
            kind = "DIRECTORY" if item["directory"] else "FILE"
            line = "%s\t%s\t%s\t%s\n" % (item["role"], item["name"], kind, item["url"])
            sys.stdout.write(line)

    def do_delete(self, words: "list[str]") -> None:
        """Take registrations back."""
        _count(words, 1, 1)
        gone = [item for item in self._added() if item["name"] == words[0]]
        if not gone:
            raise WrongCallError("this job added nothing under the name %s" % words[0])
        for item in gone:
            self._tell("delete", **item)
        self._keep([item for item in self._added() if item not in gone])

    def do_progress(self, words: "list[str]") -> None:
        """How far the job has come."""
        _count(words, 1, 1)
        self._tell("progress", text=words[0][:200])

    def do_checkpointable(self, words: "list[str]") -> None:
        """How the wrapper asks for a checkpoint; read by it at the next request."""
        names = {"--" + name.replace("_", "-"): name for name in _WAYS}
        ways = {}  # type: dict[str, object]
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word not in names or not rest:
                raise WrongCallError("checkpointable does not know %s, or its value lacks" % word)
            ways[names[word]] = rest.pop(0)
        if "signal" in ways:
            ways["signal"] = str(ways["signal"]).upper().replace("SIG", "", 1)
        code = str(ways.get("exit_code", "85"))
        if not code.isdigit() or not 0 < int(code) < 126:
            raise WrongCallError("the exit code must be 1 to 125")
        ways["exit_code"] = int(code)
        if ways.get("overdue", _OVERDUE[0]) not in _OVERDUE:
            raise WrongCallError("--overdue is one of %s" % ", ".join(_OVERDUE))
        write_whole(os.path.join(self.control, b"ways.json"), dump(ways))
        self._tell("ways", ways=json.dumps(ways, sort_keys=True))

    def do_not_checkpointable(self, words: "list[str]") -> None:
        """Take it back."""
        _count(words, 0, 0)
        write_whole(os.path.join(self.control, b"ways.json"), dump({}))
        self._tell("ways", ways="{}")

    def _tell(self, verb: str, **facts: object) -> None:
        tag, inbox = str(self.spec["tag"]), raw(str(self.spec["inbox"]))
        name = news_name(tag, "told-%d" % os.getpid())
        value = {"tag": tag, "what": "told", "at": time.time(), "verb": verb}
        value["id"] = os.urandom(8).hex()
        value.update(facts)
        # What lies in the inbox is older: a message that overtook it would be undone by it.
        if _waits(inbox, tag) or not post(self.control, value, str(self.spec["job_id"])):
            write_whole(os.path.join(inbox, name), dump(value))

    def _added(self) -> "list[dict[str, object]]":
        found = (load(self.journal) or {}).get("added")
        return list(found) if isinstance(found, list) else []

    def _keep(self, items: "list[dict[str, object]]") -> None:
        write_whole(self.journal, dump({"added": items}))


def _waits(inbox: bytes, tag: str) -> bool:
    mark = raw("-%s-told-" % tag)
    return any(mark in name for name in os.listdir(inbox))


def _count(words: "list[str]", least: int, most: int) -> None:
    if not least <= len(words) <= most:
        raise WrongCallError("wrong number of words")
