"""What the contract suite must know of a batch system that it runs on.

To add one, write ``sites/<name>.py`` with a context manager ``site(scratch: Path)`` that yields a
``Site``, or raises ``Unavailable`` with the reason why this machine cannot have it. Nothing else:
the suite finds the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from testbed_systems import Unavailable

from grms.adapters.base import PYTHON, WRAPPER
from grms.broker.layout import Layout
from grms.broker.ports.batch import AdapterFactory, BatchAdapter, CommandResult
from grms.broker.ports.transport import Transport
from grms.broker.records import Cluster
from grms.jobside.bundle import program

__all__ = ["Site", "Unavailable", "make_site"]


@dataclass(frozen=True)
class Site:
    """A running batch system, an adapter for it and the way there.

    ``python`` runs wrappers and test programs there. ``strange`` is a status answer that calls the
    job ``strange_id`` something no table has; ``vanish(native_id)`` makes a live job disappear
    without a trace. ``unknown_id`` looks like an id and is none. ``many`` is the number of jobs
    whose states one call must give.
    """

    name: str
    adapter: BatchAdapter
    transport: Transport
    workdir: str
    program: str
    unknown_id: str
    python: str = "python3"
    queue: str = ""
    project: str = ""
    many: int = 300
    can_hold: bool = True
    strange: CommandResult | None = None
    strange_id: str = ""
    vanish: Callable[[str], None] | None = None

    @property
    def layout(self) -> Layout:
        """Where things lie there."""
        return Layout(self.workdir)


def make_site(
    name: str,
    factory: AdapterFactory,
    transport: Transport,
    workdir: str,
    *,
    python: str,
    unknown_id: str,
    options: Mapping[str, str] | None = None,
    **more: object,
) -> Site:
    """Prepare ``workdir`` (absolute, writable for the transport's account) as the engine does."""
    layout = Layout(workdir)
    wrapper = layout.wrapper(program())
    transport.make_directories([layout.inbox, layout.tags])
    transport.write({wrapper: program()})
    settings = {PYTHON: python, WRAPPER: wrapper} | dict(options or {})
    cluster = Cluster(name=name, batch=name, workdir=workdir, options=settings)
    site = Site(
        name=name,
        adapter=factory(cluster),
        transport=transport,
        workdir=workdir,
        program=wrapper,
        unknown_id=unknown_id,
        python=python,
    )
    return replace(site, **more)  # type: ignore[arg-type]
