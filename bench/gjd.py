"""How much dearer is grms.gjd.parse than bare lxml on the same 60-line description?

Run: ``python bench/gjd.py``. Bare lxml parses and validates; GRMS also decodes, refuses dangers,
judges the meaning and builds the model. Prints microseconds and their ratio; 5 is the target.
"""

from __future__ import annotations

from timeit import repeat

from lxml import etree

from grms.gjd.gate import schema_bytes
from grms.gjd.parse import parse

LOOPS, REPEATS = 200, 25


def document() -> str:
    """A description of 60 lines that uses most of the language."""
    files = "\n".join(
        f"""        <value>part{i}.dat</value>
        <file name="part{i}.dat" type="in">
          <url>gsiftp://data.example.org/~/run/part{i}.dat</url>
        </file>"""
        for i in range(4)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<grmsjob appid="survey" persistent="true" project="p1">
  <simplejob>
    <resource>
      <osname>Linux</osname>
      <localrmname>pbs</localrmname>
      <memory>512</memory>
      <cpucount>4</cpucount>
      <maxwalltime>120</maxwalltime>
      <bandwidth hostname="data.example.org">1024</bandwidth>
    </resource>
    <resource>
      <hostname>node1.example.org</hostname>
      <queue>short</queue>
    </resource>
    <executable type="mpi" count="4" checkpointable="true">
      <file name="run" type="in">
        <url>file:////opt/survey/run</url>
      </file>
      <arguments>
        <value>--verbose</value>
{files}
        <file name="result.dat" type="out">
          <url>gsiftp://data.example.org/~/run/result.dat</url>
        </file>
      </arguments>
      <stdout>
        <url>gsiftp://data.example.org/~/run/stdout</url>
      </stdout>
      <stderr>
        <url>gsiftp://data.example.org/~/run/stderr</url>
      </stderr>
      <environment>
        <variable name="OMP_NUM_THREADS">2</variable>
        <variable name="LANG">C.UTF-8</variable>
      </environment>
      <checkpoint>
        <file name="state" type="inout">
          <url>gsiftp://data.example.org/~/run/state</url>
        </file>
      </checkpoint>
    </executable>
    <executionTime>
      <execDuration>PT90M</execDuration>
    </executionTime>
  </simplejob>
</grmsjob>
"""


def main() -> None:
    """Print both times and their ratio."""
    text = document()
    data = text.encode()
    schema = etree.XMLSchema(etree.fromstring(schema_bytes()))

    def bare() -> None:
        assert schema.validate(etree.fromstring(data))

    def whole() -> None:
        parse(text)

    parse(text)
    # Alternate, so that a busy moment of the machine falls on both.
    rounds = [
        (repeat(bare, number=LOOPS, repeat=1), repeat(whole, number=LOOPS, repeat=1))
        for _ in range(REPEATS)
    ]
    lxml, grms = (min(times[side][0] for times in rounds) / LOOPS * 1e6 for side in (0, 1))
    print(f"{len(text.splitlines())} lines: lxml {lxml:.1f} us, grms.gjd.parse {grms:.1f} us")
    print(f"ratio {grms / lxml:.2f}")


if __name__ == "__main__":
    main()
