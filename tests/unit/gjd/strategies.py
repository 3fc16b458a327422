"""Hypothesis strategies for job descriptions that a GJD document can state."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from grms.gjd.model import (
    Application,
    Direction,
    Executable,
    FileRef,
    JobDescription,
    JobType,
    NetworkLimit,
    Requirements,
    Value,
)

#: Every character that XML 1.0 can carry.
xml_characters = st.characters(
    exclude_categories=("Cs",),
    exclude_characters=[chr(code) for code in range(32) if chr(code) not in "\t\n\r"]
    + ["\ufffe", "\uffff"],
)
texts = st.text(xml_characters, max_size=30)
#: Texts without blanks at their ends, not empty.
words = texts.map(str.strip).filter(bool)
numbers = st.integers(0, 2**63 - 1)
minutes = st.integers(1, 2**63 - 1)
#: Components of file names, spaces and foreign letters among them.
components = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cs", "Zl", "Zp"),
        exclude_characters="/\\\ufffe\uffff",
    ),
    min_size=1,
    max_size=20,
).filter(lambda part: part not in (".", ".."))
paths = st.lists(components, min_size=1, max_size=3).map("/".join)
url_paths = st.text("abcXYZ0189._~+-=@%20&#?<'\"é/${}", max_size=20).map(
    lambda path: path.replace("%", "%25")
)
urls = st.one_of(
    st.tuples(st.sampled_from(["file:/", "file:///", "file:////"]), url_paths).map("".join),
    st.tuples(
        st.sampled_from(["gsiftp", "https", "http", "sftp"]),
        st.sampled_from(["host", "data.example.org:8443", "[::1]:22", "user@host"]),
        url_paths,
    ).map(lambda parts: f"{parts[0]}://{parts[1]}/{parts[2]}"),
).filter(lambda url: not url.startswith("file://") or url.startswith("file:///"))

network_limits = st.builds(NetworkLimit, numbers, st.none() | texts)
applications = st.builds(Application, words, st.none() | texts, st.none() | minutes)
requirements = st.builds(
    Requirements,
    **dict.fromkeys(
        ("osname", "ostype", "osversion", "osrelease", "hostname", "queue"), st.none() | words
    ),
    localrmname=st.none()
    | st.sampled_from(["fork", "lsf", "pbs", "condor", "sge", "ccs", "slurm", "pool"]),
    **dict.fromkeys(
        ["memory", "cpucount", "cpuspeed", "freememory", "diskspace", "freediskspace", "freecpus"],
        st.none() | numbers,
    ),
    **dict.fromkeys(("bandwidth", "latency", "capacity"), st.none() | network_limits),
    applications=st.lists(applications, max_size=2).map(tuple),
    # maxtime limits the other two, so a description with all of them is rarely consistent.
    maxtime=st.none(),
    maxwalltime=st.none() | minutes,
    maxcputime=st.none() | minutes,
)


@st.composite
def file_lists(draw: st.DrawFn, prefix: str) -> tuple[FileRef, ...]:
    """Files and directories that are not in each other's way."""
    refs = []
    for at in range(draw(st.integers(0, 3))):
        refs.append(
            FileRef(
                f"{prefix}{at}{draw(paths)}",
                draw(st.sampled_from(Direction)),
                f"{draw(urls)}{prefix}{at}",
                draw(st.booleans()),
            )
        )
    return tuple(refs)


@st.composite
def executables(draw: st.DrawFn) -> Executable:
    """What runs, by file or by application."""
    by_file = draw(st.booleans())
    staged = draw(file_lists("argument"))
    values = draw(st.lists(texts.map(Value), max_size=3))
    arguments = draw(st.permutations([*staged, *values]))
    names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
    variables = st.dictionaries(
        names.filter(lambda name: not name.startswith("GRMS_")), texts, max_size=3
    )
    return Executable(
        type=draw(st.sampled_from([JobType.SINGLE, JobType.MULTIPLE, JobType.MPI])),
        file=FileRef("program", Direction.IN, draw(urls)) if by_file else None,
        application=None if by_file else draw(applications),
        count=draw(st.integers(1, 2**31 - 1)),
        checkpointable=draw(st.booleans()),
        arguments=tuple(arguments),
        stdin=draw(st.none() | urls),
        stdout=draw(st.none() | urls.map(lambda url: url + "out")),
        stderr=draw(st.none() | urls.map(lambda url: url + "err")),
        environment=tuple(draw(variables).items()),
        checkpoint=draw(file_lists("checkpoint")),
    )


@st.composite
def descriptions(draw: st.DrawFn) -> JobDescription:
    """Whole job descriptions without contradictions."""
    resources = tuple(draw(st.lists(requirements, max_size=2)))
    walls = [item.maxwalltime for item in resources if item.maxwalltime is not None]
    longest = timedelta(minutes=min([*walls, 10**9]))
    return JobDescription(
        appid=draw(texts),
        executable=draw(executables()),
        resources=resources,
        persistent=draw(st.booleans()),
        extension=draw(st.none() | texts),
        project=draw(st.none() | texts),
        duration=draw(st.none() | st.timedeltas(timedelta(microseconds=1), longest)),
    )
