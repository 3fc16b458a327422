"""What runs beside the job: plain Python 3.6 and its standard library, nothing more.

``bundle.program()`` packs these modules into one file; the broker copies it to each cluster as
``<workdir>/bin/grms-run-<digest>.py`` and it is run as ``python3 -I -S PROGRAM VERB ...``.

What the two agree on
=====================

* ``<workdir>/inbox/`` takes the news, ``<workdir>/tags/<tag>`` is made, whole, by the wrapper as
  its first act, ``<workdir>/jobs/<job>/fence`` holds the number of the oldest attempt that may
  still start, ``<workdir>/jobs/<job>/<attempt>/control/`` belongs to the broker and the wrapper,
  ``<workdir>/jobs/<job>/<attempt>/work/`` is the job's working directory. The broker makes all
  these directories; the wrapper makes none.
* ``control/revoked`` forbids the start; ``control/started`` is made with O_EXCL and makes a second
  start of the same attempt impossible. The wrapper makes ``started`` before its last look at
  ``revoked`` and ``fence``; who revokes writes first and looks for ``started`` after, so one of
  the two sees the other.
* ``control/started.json``, ``control/exit.json`` and each ``inbox/<nanoseconds>-<tag>-<what>.json``
  are whole as soon as they have their name; ``exit.json`` survives a crash of the host as well. A
  message and the file of the same news are one file with two names where the file system has hard
  links. They hold one JSON object: tag, job_id, attempt, control, what (started, exited, refused),
  at (seconds since the epoch), host, pid, pid_start (clock ticks since boot), boot_id; for exited
  also exit {code, signal, reason, limit} and usage {wall, cpu, max_rss}; for refused also reason.
  A tag file holds the first of these, up to boot_id. The exit evidence is retried for a day if the
  disk is full.
* ``control/alive`` is written when the job has run for a second, and every ``heartbeat`` seconds
  from then on. ``control/suspended`` is there while the job is suspended, ``control/held`` while a
  wrapper waits for its release, ``control/wrapper.log`` has what a launched wrapper itself had to
  say, if anything.

control/spec.json
=================

One JSON object in ASCII (bytes that are not UTF-8 as lone surrogates, ``surrogateescape``):

* ``version``: 1. ``job_id``, ``tag``: strings; ``attempt``: number.
* ``inbox``, ``tags``: directories; ``fence``: a file, which need not exist; ``work``: a directory.
  All paths are absolute.
* ``argv``: the program and its arguments. A program with a slash is relative to ``work``, one
  without is sought in the PATH of the job's environment. ``env``: object of strings, added to the
  account's environment.
* ``stdin``, ``stdout``, ``stderr``: paths, "" or null for /dev/null. Outputs are truncated, then
  appended to; two that are the same path share one open file, as do all processes of a job.
* ``type``: single, multiple, mpi or mpichg; ``count``: number of processes. multiple starts
  ``count`` processes; mpi and mpichg start one, with ``launcher`` (list of words, ``{count}``
  replaced; default mpirun -np {count}) before ``argv``; single starts one.
* ``limits``: object; ``wall`` and ``cpu`` in seconds, ``memory`` in MB, null or absent: none.
* ``checkpoint``: null, or how a checkpoint is asked for and known: {signal, command, exit_code}.
  ``restored``: the number of the checkpoint the attempt goes on from, or "". ``append``: true when
  the streams go on after what they hold already.
* ``heartbeat`` (default 30) and ``grace`` (default 10): seconds.

The job finds GRMS_JOB_ID, GRMS_ATTEMPT, GRMS_TAG, GRMS_RANK (0 to count - 1), GRMS_COUNT and
GRMS_CHECKPOINT (``restored``) in its environment, and ``grms-job`` first in its PATH; that is one
script beside the program, for all its jobs, and finds the way by GRMS_CONTROL and GRMS_PYTHON.

Requests
========

The broker writes ``control/requests/<id>.json``, whole: one object with ``do`` and ``deadline``
(seconds, from when the wrapper sees it). The wrapper looks once a second, carries each out once and
leaves ``<id>.done`` beside it: {id, ok, reason, at, overdue}. ``do`` is

* ``checkpoint``: the way is ``control/ways.json`` if the job wrote one (with ``grms-job
  checkpointable``), else ``checkpoint`` of the specification, else SIGUSR1. A command is run by
  /bin/sh in the working directory: status 0 means that the checkpoint is there, and the job is
  ended. A signal goes to the processes that the wrapper started; they write their checkpoint and
  end with ``exit_code`` (85). The end itself is the answer then. After the deadline the answer is
  no (``overdue``), and the job goes on.
* ``stop``, ``cont``: as TSTP and CONT to the wrapper.
* ``end``: as TERM; with ``checkpointed`` true the job has been checkpointed by other means.

The exit evidence has ``checkpointed`` true when the job ended by a fulfilled request, or when all
its processes that did not return 0 returned ``exit_code``, and a way is known.

``grms-job`` writes news with ``what`` "told", a ``verb`` and its facts; see
``docs/reference/grms-job.md``.

How a job ends
==============

* A job ends when all processes that the wrapper started have ended. When one of several fails the
  others go on to their end; the first status that is not 0 is the job's.
* What the job leaves running then is killed, daemons included: the wrapper is their reaper, and
  where cgroup v2 is ours to write the job has a control group ``grms-<tag>-<pid of the wrapper>``.
  If the wrapper itself is killed, the processes it started are killed by the kernel.
* TERM, INT, HUP or QUIT to the wrapper go to all processes of the job; what lives after ``grace``
  seconds is killed. ``reason`` then says "told to end by SIGTERM" beside the true code or signal.
  USR1, USR2 and XCPU are passed on to the processes the wrapper started. TSTP suspends the job,
  CONT resumes it; the wall limit does not run meanwhile.
* ``limit`` is "wall" (TERM, KILL after grace), "cpu" (of all processes together, also RLIMIT_CPU
  of each; TERM or the kernel's XCPU) or "memory" (resident memory of all processes together,
  measured once a second, shared pages counted for each; KILL). A peak shorter than a second may
  go unseen.
* A program that cannot be executed has code 127 (not found) or 126 and a ``reason``. If a stream
  cannot be opened or the wrapper fails there is neither code nor signal but a ``reason``.
* ``usage.max_rss`` is that of the largest process, in KiB, and never below the few MB of the
  wrapper's own image, from which the kernel counts on.

A start is refused when the attempt is revoked, fenced off, was started or has ended before, or when
``started`` cannot be made; then nothing of the job ran in this start.

Exit status of ``run``: the job's code; 128 + n for signal n; 76 (EX_PROTOCOL) for a refused start;
70 (EX_SOFTWARE) if there is neither code nor signal.

Verbs
=====

* ``run SPEC``: do the job in the foreground; this is what batch scripts call.
* ``launch DIR...``: start a wrapper for each control directory in a session of its own; answers
  {dir, native_id} once it has left its tag, or {dir, error, log}. ``launch-held`` the same, but
  the job waits for a CONT.
* ``serve``: ``launch`` for one line of its input after another, each a list of directories; a line
  is answered with one. It ends with its input, or when it has not been asked for a minute.
* ``status TAGS ID...``: {id, tag, state, started, ended, exit, usage} for those that are known;
  state is held, running, suspended, ended (there is exit evidence) or orphaned (the wrapper was
  killed but processes of the job live).
* ``signal TAGS NAME ID...``: {id, ok, message, gone}. KILL tells the wrapper to end its job, and
  ends everything by force if it has not a minute after the grace time; STOP and CONT return when
  the job is stopped or goes on; HOLD is true of held wrappers alone; other names go to the wrapper.
* ``find TAGS TAG...``: {tag, ids} for those that have a tag file, or a living marked process.
* ``probe WORKDIR``: facts of the host. ``sweep DIR LIMIT``: name -> base64 of an inbox's oldest.

All but ``run`` and ``serve`` print one JSON object {"answers": ...}. Exit status 64 (EX_USAGE) for
a wrong call.
"""
