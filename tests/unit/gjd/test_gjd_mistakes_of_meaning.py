"""What the grammar allows but cannot be, or cannot be done, is named with place and cure."""

from __future__ import annotations

import pytest
from gjd_documents import DATE, argument, arguments, job, only_mistake, refused, resource

from grms.errors import ErrorCode
from grms.gjd.parse import parse

URL = "<url>file:///data/x</url>"
EXECUTABLE = "/grmsjob/simplejob/executable"
FILES = f"{EXECUTABLE}/arguments/file"
RESOURCE = "/grmsjob/simplejob/resource"


def timed(inside: str, before: str = "") -> str:
    """A description about its times."""
    return job(before=before, after=f"<executionTime>{inside}</executionTime>")


def variables(*names_and_values: tuple[str, str]) -> str:
    """An ``environment``."""
    inside = "".join(
        f'<variable name="{name}">{value}</variable>' for name, value in names_and_values
    )
    return f"<environment>{inside}</environment>"


#: A document, the path of its mistake, what is said of it, and the cure.
CASES = {
    "no process at all": (
        job(attributes='type="multiple" count="0"'),
        f"{EXECUTABLE}/@count",
        "0 is too small",
        "write 1 or more",
    ),
    "a negative number": (
        resource("<memory>-1</memory>"),
        f"{RESOURCE}/memory",
        "-1 is too small",
        "write 0 or more",
    ),
    "a negative latency": (
        resource('<latency hostname="h">-1</latency>'),
        f"{RESOURCE}/latency",
        "-1 is too small",
        "write 0 or more",
    ),
    "a limit of no time": (
        resource("<maxwalltime>0</maxwalltime>"),
        f"{RESOURCE}/maxwalltime",
        "0 is too small",
        "write 1 or more",
    ),
    "a number that no machine has": (
        resource(f"<memory>{2**63}</memory>"),
        f"{RESOURCE}/memory",
        "the number is too large",
        "write a smaller one",
    ),
    "a number of five thousand digits": (
        resource(f"<memory>{'9' * 5000}</memory>"),
        f"{RESOURCE}/memory",
        "the number is too large",
        "write a smaller one",
    ),
    "no instances": (
        resource('<applications><application instanceCount="0">a</application></applications>'),
        f"{RESOURCE}/applications/application/@instanceCount",
        "0 is too small",
        "write 1 or more",
    ),
    "an application without a name": (
        job(program="<application> </application>"),
        f"{EXECUTABLE}/application",
        "the application has no name",
        "write its name as the text",
    ),
    "limits that contradict each other": (
        resource("<maxtime>10</maxtime><maxcputime>11</maxcputime>"),
        RESOURCE,
        "maxcputime 11 is beyond maxtime 10",
        "raise maxtime or lower maxcputime",
    ),
    "a limit that contradicts the expected duration": (
        timed(
            "<execDuration>PT10M1S</execDuration>",
            before="<resource><maxwalltime>10</maxwalltime></resource>",
        ),
        RESOURCE,
        "expected to run longer than its limit of 10 minutes",
        "raise the limit or lower executionTime/execDuration",
    ),
    "a duration of months": (
        timed("<execDuration>P1M</execDuration>"),
        "/grmsjob/simplejob/executionTime/execDuration",
        "counts years or months",
        "P1DT2H30M",
    ),
    "an outgoing executable": (
        job(program=DATE.replace('"in"', '"out"')),
        f"{EXECUTABLE}/file/@type",
        "the executable must come in",
        'write type="in"',
    ),
    "a variable with a digit in front": (
        job(variables(("1A", "x"))),
        f"{EXECUTABLE}/environment/variable/@name",
        "'1A' is no name of a variable",
        "letters, digits and _",
    ),
    "a variable with a sign of equality": (
        job(variables(("A=B", "x"))),
        f"{EXECUTABLE}/environment/variable/@name",
        "'A=B' is no name of a variable",
        "letters, digits and _",
    ),
    "a reserved variable": (
        job(variables(("GRMS_JOB_ID", "x"))),
        f"{EXECUTABLE}/environment/variable/@name",
        "GRMS_JOB_ID is reserved",
        "set by the broker",
    ),
    "a variable set twice": (
        job(variables(("A", "x"), ("A", "y"))),
        f"{EXECUTABLE}/environment/variable[2]/@name",
        "A is set twice",
        "keep one of them",
    ),
    "two sources of one file": (
        job(arguments(argument(url="file:///a"), argument(url="file:///b"))),
        f"{FILES}[2]/@name",
        "x comes from two places, file:///a and file:///b",
        "another name",
    ),
    "two sources of one file, spelled differently": (
        job(arguments(argument("./x", url="file:///a"), argument("x", url="file:///b"))),
        f"{FILES}[2]/@name",
        "x comes from two places",
        "another name",
    ),
    "an argument in place of the executable": (
        job(arguments(argument("date"))),
        f"{FILES}/@name",
        "date comes from two places",
        "another name",
    ),
    "a file that is a directory too": (
        job(arguments(argument(), argument(tag="directory"))),
        f"{EXECUTABLE}/arguments/directory/@name",
        "x is a file and a directory",
        "another name",
    ),
    "a file below a file": (
        job(arguments(argument("a"), argument("a/b"))),
        f"{FILES}[2]/@name",
        "a/b lies in a, which is a file",
        "rename one of them",
    ),
    "a file above a file": (
        job(arguments(argument("a/b/c"), argument("a/b"))),
        f"{FILES}[2]/@name",
        "a/b is a file, yet a/b/c lies in it",
        "rename one of them",
    ),
    "two files for one target": (
        job(arguments(argument("a", "out"), argument("b", "out"))),
        f"{FILES}[2]/@name",
        "a and b are both delivered to file:///data/x",
        "one would overwrite the other",
    ),
    "both streams for one target": (
        job(f"<stdout>{URL}</stdout><stderr>{URL}</stderr>"),
        f"{EXECUTABLE}/stderr",
        "<stdout> and <stderr> are both delivered to file:///data/x",
        "one would overwrite the other",
    ),
    "a checkpoint from two places": (
        job(f"<checkpoint>{argument(url='file:///a')}{argument(url='file:///b')}</checkpoint>"),
        f"{EXECUTABLE}/checkpoint/file[2]/@name",
        "x comes from two places",
        "another name",
    ),
}

NAMES = {
    "": "the name is empty",
    "/etc/passwd": "is absolute",
    "..": "leaves the working directory",
    "a/../../b": "leaves the working directory",
    "a/..": "leaves the working directory",
    "a\\b": "holds a backslash",
    "a&#10;b": "holds a control character",
    "a&#127;b": "holds a control character",
    ".": "is the whole working directory",
    "./": "is the whole working directory",
    "é" * 128: "longer than 255 bytes",
    "a/" + "b" * 256: "longer than 255 bytes",
    "a/" * 33: "more than 32 components",
    f"{'a' * 250}/" * 4: "or 1000 bytes",
}

URLS = {
    "": ("the URL is empty", "write one"),
    "/data/x": ("has no scheme", "write file:///data/x"),
    "data/x": ("has no scheme", "file:///path"),
    "file:data/x": ("is not absolute", "file:///"),
    "file://host/x": ("names a host", "write file:///"),
    "file://": ("names a host", "write file:///"),
    "file:///a b": ("holds a blank", "%20"),
    "file:///a%00b": ("holds a control character", "rename"),
    "gsiftp:// host/x": ("holds a blank", "%20"),
    "gsiftp:///x": ("names no host", "scheme://host/path"),
    "https:host/x": ("names no host", "scheme://host/path"),
    "https://host:port/x": ("has no usable port", "1 to 65535"),
    "https://host:65536/x": ("has no usable port", "1 to 65535"),
    "any://": ("names nothing", "scheme://host/path"),
    "any:": ("names nothing", "scheme://host/path"),
}

SLOT = "<timeSlot><slotStart>08:00:00</slotStart><slotEnd>09:00:00</slotEnd></timeSlot>"
PERIOD = "<timePeriod><periodDuration>P1D</periodDuration></timePeriod>"
MINUTE = "<execDuration>PT1M</execDuration>"
COLLECTION = '<directory name="x" type="in"><collection name="c"/></directory>'

#: The word, a document with it, and what to do instead.
NOT_CARRIED_OUT = [
    (
        "workflowjob",
        '<grmsjob appid="a"><workflowjob>x</workflowjob></grmsjob>',
        "submit each step",
    ),
    ("reservation", job(after="<reservation/>"), "<execDuration>"),
    ("mpichg", job(attributes='type="mpichg" count="4"'), "use mpi"),
    ("collectionfile", job('<stdin><collectionfile name="c">x</collectionfile></stdin>'), "<url>"),
    ("collection", job(arguments(COLLECTION)), "<url>"),
    ("timeSlot", timed(SLOT + MINUTE), "submit the job in time"),
    ("timePeriod", timed(MINUTE + PERIOD), "submit the job in time"),
    ("a job of tasks", '<grmsjob appid="a"><task taskid="t"/></grmsjob>', "a job of its own"),
]


@pytest.mark.parametrize("case", CASES)
def test_meaning(case):
    """Each fault has its path, its words and its cure."""
    text, path, what, cure = CASES[case]
    mistake = only_mistake(text)
    assert mistake.path == path
    assert what in mistake.what
    assert cure in mistake.cure
    assert mistake.code is ErrorCode.BAD_DESCRIPTION


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    """A name that is not a place in the working directory is refused."""
    mistake = only_mistake(job(arguments(argument(name))))
    assert mistake.path == f"{FILES}/@name"
    assert NAMES[name] in mistake.what


@pytest.mark.parametrize(
    ("direction", "tag"), [("in", "directory"), ("inout", "directory"), ("out", "file")]
)
def test_the_whole_directory_goes_out_and_nothing_else(direction, tag):
    mistake = only_mistake(job(arguments(argument(".", direction, tag=tag))))
    assert "whole working directory" in mistake.what


@pytest.mark.parametrize("url", URLS)
def test_urls(url):
    """A malformed URL is refused where it stands."""
    what, cure = URLS[url]
    mistake = only_mistake(job(f"<stdin><url>{url}</url></stdin>"))
    assert mistake.path == f"{EXECUTABLE}/stdin/url"
    assert what in mistake.what
    assert cure in mistake.cure


@pytest.mark.parametrize(
    "url",
    [
        "any:///x",
        "srb:x",
        "https://[::1]:8443/x?y=1#z",
        "gsiftp://u@h:2811//abs",
        "gsiftp://h/~/x",
        "https://h",
        "file:///data/na%20me",
        "file://localhost/x",
    ],
)
def test_wellformed_urls_of_any_scheme_pass(url):
    """Which schemes are served is another's judgement."""
    assert parse(job(f"<stdin><url>{url}</url></stdin>")).executable.stdin == url


@pytest.mark.parametrize(("word", "text", "cure"), NOT_CARRIED_OUT)
def test_words_that_are_not_carried_out(word, text, cure):
    """A legal word that the broker cannot follow is refused by name, never passed over."""
    refusal = refused(text)
    (mistake,) = refusal.mistakes
    assert refusal.code is ErrorCode.NOT_CARRIED_OUT
    assert word in mistake.what
    assert "is not carried out yet" in mistake.what
    assert cure in mistake.cure


def test_no_more_than_a_hundred_mistakes_of_meaning_are_listed():
    assert len(refused(job(arguments(*[argument("..")] * 500))).mistakes) == 100


def test_a_megabyte_in_the_wrong_place_makes_a_short_message():
    assert len(str(refused(job(arguments(argument("/" + "a" * 900_000)))))) < 1000


def test_harmless_repetitions_are_no_conflicts():
    """Twice the same copy, two targets of one file, and a checkpoint of an argument's name."""
    text = job(
        arguments(
            argument("a", "in", "file:///a"),
            argument("a", "in", "file:///a"),
            argument("a", "out", "file:///b"),
            argument("a", "out", "file:///c"),
        )
        + variables(("A", "x"), ("A", "x"))
        + f"<checkpoint>{argument('a', 'inout', 'file:///b')}</checkpoint>"
    )
    assert len(parse(text).executable.files) == 4
