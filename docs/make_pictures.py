#!/usr/bin/env python3
"""Draws the pictures of the documents: python docs/make_pictures.py [--check].

Only the standard library; boxes and arrows are laid out by hand below.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

PLACE = Path(__file__).parent / "pictures"
INK, LINE, PAPER = "#1f2933", "#52606d", "#ffffff"
BLUE, GREEN, RED, GREY, SAND = "#dbeafe", "#d1fae5", "#fee2e2", "#f1f5f9", "#fef3c7"
#: Pixels between the lines of a text.
STEP = 17


class Picture:
    """Shapes, in the order they are drawn."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.shapes: list[str] = []

    def box(self, x: int, y: int, width: int, height: int, fill: str, *lines: str) -> None:
        """A box with a text in its middle, the first line bold."""
        self.shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" '
            f'fill="{fill}" stroke="{LINE}"/>'
        )
        top = y + height / 2 - STEP * (len(lines) - 1) / 2 + 5
        for number, line in enumerate(lines):
            self.text(x + width // 2, round(top + number * STEP), line, bold=number == 0)

    def frame(self, x: int, y: int, width: int, height: int, name: str) -> None:
        """A dashed frame with its name, if any, in the corner."""
        self.shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9" fill="none" '
            f'stroke="{LINE}" stroke-dasharray="5 4"/>'
        )
        if name:
            self.text(x + 10, y + 19, name, anchor="start", bold=True)

    def text(
        self,
        x: int,
        y: int,
        line: str,
        *,
        anchor: str = "middle",
        bold: bool = False,
        size: int = 13,
    ) -> None:
        """One line of text; ``y`` is its baseline."""
        weight = ' font-weight="bold"' if bold else ""
        self.shapes.append(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}"{weight}>'
            f"{escape(line)}</text>"
        )

    def arrow(self, *points: tuple[int, int], both: bool = False, dashed: bool = False) -> None:
        """A line with an arrow at its end, or at both ends."""
        path = " ".join(f"{x},{y}" for x, y in points)
        start = ' marker-start="url(#tip)"' if both else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.shapes.append(
            f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.5"'
            f'{dash}{start} marker-end="url(#tip)"/>'
        )

    def svg(self) -> str:
        """The whole picture."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" '
            f'font-family="Helvetica, Arial, sans-serif" fill="{INK}">\n'
            f"<title>{escape(self.title)}</title>\n"
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" '
            f'fill="{LINE}"/></marker></defs>\n'
            f'<rect width="{self.width}" height="{self.height}" fill="{PAPER}"/>\n'
        )
        return head + "\n".join(self.shapes) + "\n</svg>\n"


def states() -> Picture:
    """The path of a job through the ten states."""
    picture = Picture(960, 430, "The path of a job through the ten states")
    names = ["QUEUED", "PREPROCESSING", "PENDING", "RUNNING", "STOPPED", "POSTPROCESSING"]
    under = ["a cluster is sought", "files move in", "in the batch queue", "is executed",
             "ended", "files move out"]  # fmt: skip
    lefts = [14 + 157 * number for number in range(6)]
    for left, name, line in zip(lefts, names, under, strict=True):
        picture.box(left, 130, 140, 52, BLUE, name, line)
    for left in lefts[:-1]:
        picture.arrow((left + 140, 156), (left + 157, 156))
    picture.box(
        lefts[2] + 10, 20, 268, 48, SAND, "SUSPENDED", "held in the queue, or stopped in place"
    )
    picture.arrow((lefts[2] + 50, 130), (lefts[2] + 50, 68), both=True)
    picture.arrow((lefts[3] + 80, 130), (lefts[3] + 80, 68), both=True)
    picture.text(lefts[2] + 58, 104, "hold, release", anchor="start", size=12)
    picture.text(lefts[3] + 88, 104, "suspend, resume", anchor="start", size=12)
    picture.arrow((lefts[5] + 66, 182), (lefts[5] + 66, 330))
    picture.box(lefts[5], 330, 140, 52, GREEN, "FINISHED", "all delivered")
    picture.frame(lefts[0], 210, lefts[4] + 140 - lefts[0], 60, "")
    picture.text(lefts[2] + 70, 235, "from every state above", bold=True)
    picture.text(lefts[2] + 70, 255, "a failure that lasts, or a cancel that is proved to be done")
    picture.box(lefts[1], 330, 132, 52, RED, "FAILED", "with the reason")
    picture.box(lefts[3], 330, 132, 52, GREY, "CANCELED", "by its user")
    picture.arrow((lefts[1] + 66, 270), (lefts[1] + 66, 330))
    picture.arrow((lefts[3] + 66, 270), (lefts[3] + 66, 330))
    picture.arrow((lefts[1], 340), (lefts[0] + 40, 340), (lefts[0] + 40, 182), dashed=True)
    picture.text(lefts[0] + 46, 300, "released by", anchor="start", size=12)
    picture.text(lefts[0] + 46, 316, "a person", anchor="start", size=12)
    picture.arrow(
        (lefts[1] + 66, 382), (lefts[1] + 66, 410), (lefts[4] + 66, 410), (lefts[4] + 66, 182),
        dashed=True,
    )  # fmt: skip
    picture.text(lefts[4] + 58, 400, "a stronger proof was found", anchor="end", size=12)
    return picture


def architecture() -> Picture:
    """Two processes, the store between them, and a cluster."""
    picture = Picture(960, 420, "Two processes that meet in the store, and a cluster")
    picture.box(20, 60, 130, 50, GREY, "grms-client", "or an Axis client")
    picture.box(20, 150, 130, 50, GREY, "SOAP clients", "of today")
    picture.frame(190, 20, 400, 380, "the broker's host")
    picture.box(
        210,
        60,
        170,
        140,
        BLUE,
        "service",
        "answers callers",
        "from the store alone",
        "checks descriptions",
    )
    picture.box(210, 310, 170, 70, SAND, "store", "SQLite or PostgreSQL", "jobs, attempts, events")
    picture.box(
        410,
        60,
        160,
        140,
        BLUE,
        "engine",
        "claims due jobs",
        "places, moves files,",
        "submits, follows",
    )
    picture.arrow((150, 85), (210, 85))
    picture.arrow((150, 175), (210, 175))
    picture.text(170, 133, "SOAP", size=12)
    picture.arrow((380, 90), (410, 90), dashed=True)
    picture.text(395, 82, "poke", size=11)
    picture.arrow((265, 200), (265, 310), both=True)
    picture.text(273, 260, "one transaction a step", anchor="start", size=12)
    picture.arrow((490, 200), (490, 345), (380, 345), both=True)
    picture.text(484, 260, "leases", anchor="end", size=12)
    picture.frame(660, 20, 280, 380, "a cluster")
    picture.box(
        680, 55, 240, 70, GREEN, "batch system", "Slurm, SGE, HTCondor,", "PBS, LSF or fork"
    )
    picture.box(
        680,
        180,
        240,
        70,
        GREEN,
        "wrapper",
        "one a job: starts it once,",
        "keeps limits, writes the evidence",
    )
    picture.box(680, 310, 110, 70, GREY, "inbox", "started, exited", "as small files")
    picture.box(810, 310, 110, 70, GREY, "the job", "in a directory", "of its own")
    picture.arrow((570, 85), (680, 85))
    picture.text(625, 77, "local, SSH", size=12)
    picture.arrow((800, 125), (800, 180))
    picture.arrow((735, 250), (735, 310))
    picture.arrow((865, 250), (865, 310))
    picture.arrow((680, 345), (620, 345), (620, 160), (570, 160))
    picture.text(627, 240, "news", anchor="start", size=11)
    return picture


PICTURES = {"states.svg": states, "architecture.svg": architecture}


def main(words: list[str]) -> int:
    """Write the pictures; with ``--check`` only say whether they are up to date."""
    PLACE.mkdir(exist_ok=True)
    stale = []
    for name, draw in PICTURES.items():
        file, text = PLACE / name, draw().svg()
        if "--check" in words:
            stale += [name] if not file.exists() or file.read_text("utf-8") != text else []
        else:
            file.write_text(text, "utf-8")
    if stale:
        sys.stderr.write(f"not up to date, run docs/make_pictures.py: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
