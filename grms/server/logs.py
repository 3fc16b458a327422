"""Where log records go."""

from __future__ import annotations

import logging

from grms.config import Settings


def set_up_logging(settings: Settings) -> None:
    """Records go to standard error, one line each."""
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s",
    )
    for noisy in ("apscheduler", "alembic", "paramiko", "httpx", "httpcore", "spyne"):
        logging.getLogger(noisy).setLevel("WARNING")
