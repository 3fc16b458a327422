"""The grammar takes what versions 1.9.6 and 1.9.0 took; the model holds all of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from gjd_documents import EVERYTHING
from lxml import etree

from grms.gjd.gate import conforms
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
from grms.gjd.parse import parse

FILE = '<file name="a" type="in"><url>file:///a</url></file>'
PROGRAM = f'<executable type="single">{FILE}'


def test_the_model_holds_all_that_is_carried_out():
    assert parse(EVERYTHING) == JobDescription(
        appid="all",
        persistent=True,
        extension="e",
        project="p",
        duration=timedelta(minutes=9),
        resources=(
            Requirements(
                osname="n",
                ostype="t",
                osversion="v",
                osrelease="r",
                hostname="h",
                localrmname="condor",
                memory=13,
                cpucount=12,
                cpuspeed=11,
                maxtime=10,
                maxwalltime=9,
                maxcputime=8,
                bandwidth=NetworkLimit(7),
                latency=NetworkLimit(6, "h"),
                capacity=NetworkLimit(5),
                applications=(Application("blast", "1.0", 2), Application("perl")),
                freememory=4,
                diskspace=3,
                freediskspace=2,
                queue="q",
                freecpus=1,
            ),
            Requirements(),
        ),
        executable=Executable(
            type=JobType.MULTIPLE,
            application=Application("render", "2"),
            count=3,
            checkpointable=True,
            arguments=(
                FileRef("a", Direction.INOUT, "file:///a"),
                Value("x"),
                FileRef("d", Direction.OUT, "file:///d", is_directory=True),
                Value(""),
            ),
            stdin="file:///in",
            stdout="file:///out",
            stderr="file:///err",
            environment=(("A", "b"), ("C", "")),
            checkpoint=(
                FileRef("cd", Direction.INOUT, "file:///cd", is_directory=True),
                FileRef("cf", Direction.OUT, "file:///cf"),
            ),
        ),
    )


def simple(inside: str) -> str:
    return f'<grmsjob appid=""><simplejob>{inside}</simplejob></grmsjob>'


VALID = {
    "1.9.6: a workflow": '<grmsjob appid="a"><workflowjob>anything</workflowjob></grmsjob>',
    "1.9.6: an empty resource": simple(f"<resource/>{PROGRAM}</executable>"),
    "1.9.6: negative numbers": simple(
        f"<resource><memory>-1</memory></resource>{PROGRAM}</executable>"
    ),
    "1.9.6: any url": simple(f"{PROGRAM}<stdin><url>not a url</url></stdin></executable>"),
    "1.9.6: collections": simple(
        '<executable type="mpi" count="-3"><file name="" type="out">'
        '<collectionfile name="c">x</collectionfile></file><arguments>'
        '<directory name="d" type="in"><collection name="c"/></directory></arguments>'
        '<stdout><collectionfile name="c"/></stdout></executable>'
    ),
    "1.9.6: all of the times": simple(
        f"{PROGRAM}</executable><executionTime><timeSlot><slotStart>08:00:00</slotStart>"
        "<slotDuration>PT1H</slotDuration></timeSlot><execDuration>P1Y</execDuration><timePeriod>"
        "<periodStart>2006-01-01T00:00:00</periodStart><periodEnd>2006-02-01T00:00:00Z</periodEnd>"
        "<excluding><weekDay>Monday</weekDay><dateDay>2006-01-06</dateDay></excluding>"
        "<including><dateDay>2006-01-09</dateDay></including></timePeriod></executionTime>"
    ),
    "1.9.0: values, then files, then directories": simple(
        f"{PROGRAM}<arguments><value>v</value>{FILE}"
        '<directory name="d" type="in"><url/></directory></arguments></executable>'
    ),
    "1.9.0: no arguments at all": simple(f"{PROGRAM}<arguments/></executable>"),
    "1.9.0: one checkpoint directory": simple(
        f'{PROGRAM}<checkpoint><directory name="d" type="in"><url>x</url></directory></checkpoint>'
        "</executable>"
    ),
    "1.9.0: a reservation": simple(
        f"<resource><osname>Linux</osname></resource>{PROGRAM}</executable><reservation>"
        "<datasize>1.5E3</datasize><estime>2003-01-01T00:00:00</estime>"
        "<deadline>2003-01-02T00:00:00</deadline></reservation>"
    ),
}


@pytest.mark.parametrize("case", VALID)
def test_the_grammar_takes(case):
    assert conforms(etree.fromstring(VALID[case]))


@pytest.mark.parametrize("name", ["fork", "lsf", "pbs", "condor", "sge", "ccs", "slurm", "pool"])
def test_every_batch_system_is_a_word_of_the_language(name):
    text = simple(f"<resource><localrmname>{name}</localrmname></resource>{PROGRAM}</executable>")
    assert parse(text).resources[0].localrmname == name
