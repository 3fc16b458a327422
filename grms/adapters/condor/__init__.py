"""HTCondor, by its command-line tools."""

from grms.adapters.condor.adapter import Condor

__all__ = ["Condor"]
