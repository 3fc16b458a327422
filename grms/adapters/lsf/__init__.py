"""IBM Spectrum LSF and OpenLava, by their command-line tools."""

from grms.adapters.lsf.adapter import Lsf

__all__ = ["Lsf"]
