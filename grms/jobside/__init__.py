"""What runs beside the job: one file of plain Python 3.6 and its standard library, nothing more.

The broker copies ``run.py`` to each cluster. What the two agree on:

* ``<workdir>/bin/grms-run-<digest>.py`` is the program, ``<workdir>/inbox/`` takes the news,
  ``<workdir>/tags/<tag>`` is made, whole, by the wrapper as its first act,
  ``<workdir>/jobs/<job>/fence`` holds the number of the oldest attempt that may still start,
  ``<workdir>/jobs/<job>/<attempt>/control/`` belongs to the broker and the wrapper,
  ``<workdir>/jobs/<job>/<attempt>/work/`` is the job's working directory.
* ``control/spec.json`` says what to run (keys: version, job_id, attempt, tag, inbox, tags, fence,
  work, argv, env, stdin, stdout, stderr, type, count, launcher, limits {wall, cpu, memory},
  heartbeat, grace). Paths are absolute. ``env`` is added to the account's environment.
* ``control/revoked`` forbids the start; ``control/started`` is made with O_EXCL and makes a second
  start of the same attempt impossible.
* ``control/started.json``, ``control/exit.json`` and each ``inbox/<nanoseconds>-<tag>-<what>.json``
  are written under a dotted temporary name, synced and renamed. They hold one JSON object: tag,
  job_id, attempt, what (started, exited, refused), at (seconds since the epoch), host, pid,
  pid_start, boot_id; for exited also exit {code, signal, reason, limit} and
  usage {wall, cpu, max_rss}; for refused also reason.
* ``control/alive`` is rewritten every ``heartbeat`` seconds while the job runs.

A refused start ends with exit code 76 (EX_PROTOCOL), a wrapper that cannot do its work with 70.
"""
