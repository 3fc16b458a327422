"""File movement between URLs and the broker's file system; ``Staging`` chooses by the scheme."""

from grms.staging.router import Staging

__all__ = ["Staging"]
