"""OpenPBS, PBS Professional and TORQUE, by their command-line tools."""

from grms.adapters.pbs.adapter import Pbs

__all__ = ["Pbs"]
