"""``python -m grms.client`` is ``grms-client``."""

from __future__ import annotations

from grms.client.cli import main

main()
