"""Builds small job descriptions for tests, and reads the mistakes of bad ones."""

from __future__ import annotations

import pytest

from grms.errors import DescriptionError, Mistake
from grms.gjd.parse import parse

DATE = '<file name="date" type="in"><url>file:////bin/date</url></file>'


#: A document that uses every word that is carried out.
EVERYTHING = """
<grmsjob appid="all" persistent="1" extension="e" project="p">
  <simplejob>
    <resource>
      <freecpus>1</freecpus><queue>q</queue><freediskspace>2</freediskspace>
      <diskspace>3</diskspace><freememory>4</freememory>
      <applications>
        <application version="1.0" instanceCount="2">blast</application>
        <application>perl</application>
      </applications>
      <capacity>5</capacity><latency hostname="h">6</latency><bandwidth>7</bandwidth>
      <maxcputime>8</maxcputime><maxwalltime>9</maxwalltime><maxtime>10</maxtime>
      <cpuspeed>11</cpuspeed><cpucount>+12</cpucount><memory>13</memory>
      <localrmname>condor</localrmname><hostname>h</hostname><osrelease>r</osrelease>
      <osversion>v</osversion><ostype>t</ostype><osname>n</osname>
    </resource>
    <resource/>
    <executable type="multiple" count="3" checkpointable="true">
      <application version="2">render</application>
      <arguments>
        <file name="a" type="inout"><url>file:///a</url></file>
        <value>x</value>
        <directory name="d" type="out"><url>file:///d</url></directory>
        <value/>
      </arguments>
      <stdin><url>file:///in</url></stdin>
      <stdout><url>file:///out</url></stdout>
      <stderr><url>file:///err</url></stderr>
      <environment><variable name="A">b</variable><variable name="C"/></environment>
      <checkpoint>
        <directory name="cd" type="inout"><url>file:///cd</url></directory>
        <file name="cf" type="out"><url>file:///cf</url></file>
      </checkpoint>
    </executable>
    <executionTime><execDuration>PT9M</execDuration></executionTime>
  </simplejob>
</grmsjob>
"""


def job(
    inside: str = "",
    *,
    program: str = DATE,
    attributes: str = 'type="single"',
    before: str = "",
    after: str = "",
    root: str = 'appid="test"',
) -> str:
    """A description around the parts a test is about."""
    return (
        f"<grmsjob {root}><simplejob>{before}"
        f"<executable {attributes}>{program}{inside}</executable>{after}</simplejob></grmsjob>"
    )


def argument(
    name: str = "x", direction: str = "in", url: str = "file:///data/x", tag: str = "file"
) -> str:
    """A ``file`` or, by ``tag``, a ``directory``."""
    return f'<{tag} name="{name}" type="{direction}"><url>{url}</url></{tag}>'


def arguments(*items: str) -> str:
    """The ``arguments`` element."""
    return f"<arguments>{''.join(items)}</arguments>"


def resource(inside: str) -> str:
    """A whole description that is about its requirements."""
    return job(before=f"<resource>{inside}</resource>")


def refused(text: str | bytes) -> DescriptionError:
    """The refusal of ``text``."""
    with pytest.raises(DescriptionError) as caught:
        parse(text)
    return caught.value


def mistakes(text: str | bytes) -> tuple[Mistake, ...]:
    """All mistakes of ``text``."""
    return refused(text).mistakes


def only_mistake(text: str | bytes) -> Mistake:
    """The one mistake of ``text``."""
    (mistake,) = mistakes(text)
    return mistake
