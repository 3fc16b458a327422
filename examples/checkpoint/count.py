"""Counts, and can be stopped, carried elsewhere and started again without losing a step.

    count.py STEPS [SECONDS_A_STEP [LOG]]

The state is one small file beside the program, written whole. On SIGUSR1 the program writes it and
exits with 85, which means "checkpointed, run me again". LOG, if given, gets a line for each step:
when it began and ended, and which one it was.
"""

import json
import os
import signal
import sys
import time

STATE = "count.state"
CHECKPOINTED = 85
asked = []


def load():
    """The state to go on from: a fresh one, or that of the checkpoint."""
    try:
        with open(STATE) as stream:
            return json.load(stream)
    except FileNotFoundError:
        return {"step": 0, "value": 1}


def save(state):
    """Write the state under another name and rename it: it is whole, or the old one."""
    with open(STATE + ".new", "w") as stream:
        json.dump(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(STATE + ".new", STATE)


def advance(state):
    """One step of the work."""
    state["value"] = state["value"] * 6364136223846793005 % 2**64 + state["step"]
    state["step"] += 1


def note(log, begun, step):
    """A line in the log, if there is one."""
    if log:
        with open(log, "a") as stream:
            stream.write(f"{begun:.6f} {time.time():.6f} {step}\n")


def finish(state):
    """Write the result."""
    with open("result", "w") as stream:
        stream.write(f"{state['value']}\n")


def main(steps, seconds, log):
    """Do the steps that are left; the exit code."""
    signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
    state = load()
    while state["step"] < steps:
        if asked:
            save(state)
            return CHECKPOINTED
        begun = time.time()
        time.sleep(seconds)
        advance(state)
        note(log, begun, state["step"])
        if state["step"] % 10 == 0:
            print("step", state["step"], flush=True)
    finish(state)
    return 0


if __name__ == "__main__":
    words = sys.argv[1:] + ["0.1", ""][len(sys.argv) - 2 :]
    sys.exit(main(int(words[0]), float(words[1]), words[2]))
