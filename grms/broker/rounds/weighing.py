"""What moving a job's files costs: their sizes, asked once a pass, only where it matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from grms.broker.ports.staging import Stager
from grms.broker.ranking import USUAL_RUN, Input
from grms.broker.records import Cluster, Job
from grms.broker.scheduling import Waiting, Weighed
from grms.broker.verdicts import Verdict
from grms.broker.work import limits, transfers_in
from grms.gjd.model import JobDescription

#: A pass asks for no more sizes after this time: placing must not wait for slow file servers.
_PATIENCE = timedelta(seconds=3)


class Scales:
    """Weighs jobs for one pass; the size of a URL is asked for once."""

    def __init__(
        self, stager: Stager, clusters: Mapping[str, Cluster], now: Callable[[], datetime]
    ) -> None:
        self._stager = stager
        self._clusters = clusters
        self._now = now
        self._until = now() + _PATIENCE
        self._sizes: dict[str, int] = {}

    def weigh(
        self, job: Job, description: JobDescription, verdicts: tuple[Verdict, ...]
    ) -> Waiting:
        """The job as scheduling takes it."""
        wall = limits(description, 0).wall
        run = float(wall) if wall is not None else USUAL_RUN
        inputs = self._inputs(description) if self._matters(verdicts) else ()
        return Waiting(job, Weighed(verdicts, description.executable.count, run, inputs))

    def _matters(self, verdicts: Sequence[Verdict]) -> bool:
        """Only clusters with different networks differ in what moving costs."""
        fitting = [self._clusters[verdict.cluster] for verdict in verdicts if verdict.fits]
        return len({(item.links, item.transport.startswith("local")) for item in fitting}) > 1

    def _inputs(self, description: JobDescription) -> tuple[Input, ...]:
        urls = [item.url for item in transfers_in(description, "") if not item.directory]
        return tuple(Input(_host(url), self._size(url)) for url in urls)

    def _size(self, url: str) -> int:
        if url not in self._sizes:
            if self._now() >= self._until:
                return 0
            self._sizes[url] = self._stager.size(url) or 0
        return self._sizes[url]


def _host(url: str) -> str:
    """The host a file lies on; "" for the broker's own."""
    try:
        parts = urlsplit(url)
        return "" if parts.scheme.lower() == "file" else parts.hostname or ""
    except ValueError:
        return ""
