"""What is rendered is read back the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from strategies import descriptions

from grms.gjd.model import Executable, JobDescription, JobType, Value
from grms.gjd.parse import parse
from grms.gjd.render import render

DATE = parse(
    '<grmsjob appid="a"><simplejob><executable type="single"><file name="date" type="in">'
    "<url>file:////bin/date</url></file></executable></simplejob></grmsjob>"
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(descriptions())
def test_every_description_survives_the_way_through_text(description):
    assert parse(render(description)) == description


@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
@given(descriptions())
def test_every_description_survives_the_way_through_bytes_of_another_encoding(description):
    text = '<?xml version="1.0" encoding="UTF-16"?>' + render(description)
    assert parse(text.encode("utf-16")) == description


@pytest.mark.parametrize("blanks", ["\t", "\n", "\r", "\r\n", " a  b ", "<&>\"'"])
def test_blanks_and_marks_survive_in_attributes_and_values(blanks):
    executable = Executable(
        JobType.SINGLE,
        file=DATE.executable.file,
        arguments=(Value(blanks),),
        environment=(("NAME", blanks),),
    )
    description = JobDescription(appid=blanks, executable=executable, project=blanks)
    assert parse(render(description)) == description


def test_what_xml_cannot_carry_is_not_rendered():
    with pytest.raises(ValueError, match="XML compatible"):
        render(JobDescription(appid="\x00", executable=DATE.executable))
