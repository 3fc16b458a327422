"""Documents in the manner of the programs that spoke to the historical GRMS."""

from __future__ import annotations

from gjd_documents import only_mistake

from grms.errors import ErrorCode
from grms.gjd.model import Direction, FileRef, JobType
from grms.gjd.parse import parse

XSI = "http://www.w3.org/2001/XMLSchema-instance"


def javagat(root: str) -> str:
    """One line after the declaration, hosts as alternatives, values before files."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<grmsjob {root}><simplejob>'
        "<resource><hostname>a.example.org</hostname><localrmname>pbs</localrmname></resource>"
        "<resource><hostname>b.example.org</hostname><localrmname>pbs</localrmname></resource>"
        '<executable type="single" count="1"><file name="sort" type="in">'
        "<url>any://a.example.org//usr/bin/sort</url></file><arguments><value>&lt;x></value>"
        '<value/><file name="in.txt" type="in"><url>file:////home/u/in.txt</url></file>'
        '<file name="out.txt" type="out"><url>gsiftp://c.example.org//home/u/out.txt</url></file>'
        "</arguments><stdout><url>gsiftp://c.example.org//home/u/stdout</url></stdout>"
        '<environment><variable name="A">b</variable></environment>'
        "</executable></simplejob></grmsjob>"
    )


def test_javagat():
    description = parse(javagat('appid="grms_job"').encode())
    executable = description.executable
    assert description.appid == "grms_job"
    assert [resource.hostname for resource in description.resources] == [
        "a.example.org",
        "b.example.org",
    ]
    assert executable.values == ("<x>", "")
    assert executable.files == (
        FileRef("in.txt", Direction.IN, "file:////home/u/in.txt"),
        FileRef("out.txt", Direction.OUT, "gsiftp://c.example.org//home/u/out.txt"),
    )
    assert executable.environment == (("A", "b"),)


def test_older_javagat_and_the_portal_name_a_class_of_their_own():
    root = f'xmlns:xsi="{XSI}" appid="grms_job" xsi:type="grmsjob"'
    assert parse(javagat(root)) == parse(javagat('appid="grms_job"'))


def test_the_portal_gives_a_type_and_no_count():
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<grmsjob xmlns:xsi="{XSI}" appid="appid" '
        'xsi:type="grmsjob"><simplejob><executable type="single"><file name="date" type="in">'
        "<url>https://portal.example.org:20001/bin/date</url></file>"
        "<stdout><url>https://portal.example.org:20001/tmp/out</url></stdout>"
        "</executable></simplejob></grmsjob>"
    )
    executable = parse(text).executable
    assert executable.count == 1
    assert executable.stdout == "https://portal.example.org:20001/tmp/out"


def test_ultrascan_in_the_words_of_this_language():
    """An MPI job whose program lies in the home directory and which returns all it wrote."""
    text = """
<grmsJob appid="ap_grms_1">
  <simplejob>
    <executable type="mpi" count="16">
      <file name="us_fe_nnls_mpi" type="in"><url>file:///${HOME}/ultrascan/bin64/us</url></file>
      <arguments>
        <file name="exp.dat" type="in"><url>gsiftp://us.example.org//var/www/exp.dat</url></file>
        <value>exp.dat</value>
        <directory name="." type="out"><url>gsiftp://us.example.org//var/www/result</url></directory>
      </arguments>
      <stderr><url>gsiftp://us.example.org//var/www/us_job7.stderr</url></stderr>
    </executable>
    <executionTime><execDuration>PT240M</execDuration></executionTime>
  </simplejob>
</grmsJob>
"""
    description = parse(text)
    assert description.executable.type is JobType.MPI
    assert description.executable.file.url == "file:///${HOME}/ultrascan/bin64/us"
    assert description.executable.files[1].name == "."
    assert description.duration.total_seconds() == 240 * 60


def test_ultrascan_as_it_was_for_grms_2_is_refused_by_name():
    text = """
<grmsJob appid="ap_grms_1">
  <task taskid="ultrascan" crucial="true" persistent="true">
    <executable type="mpi" count="16">
      <execfile name="us"><url>file:///${HOME}/ultrascan/bin64/us</url></execfile>
    </executable>
  </task>
</grmsJob>
"""
    mistake = only_mistake(text)
    assert (mistake.line, mistake.path) == (3, "/grmsjob/task")
    assert mistake.code is ErrorCode.NOT_CARRIED_OUT


def test_pegasus_for_grms_2_is_refused_by_name():
    text = f"""<?xml version="1.0" encoding="UTF-8"?> 

<grmsjob  xmlns:xsi = "{XSI}"  xsi:noNamespaceSchemaLocation="grms-workflow-schema_10.xsd" \
appid="Pegasus">
\t<task taskid = "ID01" persistent="true">
\t\t<executable type="single" count="1">
\t\t\t<execfile name="kickstart" ><url>file:////opt/kickstart</url></execfile>
\t\t</executable>
\t</task>
\t<task taskid = "ID02" persistent="true"/>
</grmsjob>
"""  # noqa: W291
    mistake = only_mistake(text)
    assert mistake.path == "/grmsjob/task[1]"
    assert mistake.code is ErrorCode.NOT_CARRIED_OUT
