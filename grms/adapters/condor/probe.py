"""What a pool has and how busy it is."""

from __future__ import annotations

from collections.abc import Sequence

from grms.adapters import answers
from grms.adapters.condor import ads
from grms.broker.ports.batch import CommandResult, ProbeFacts

#: A partitionable slot shows what is left of it; the slots cut from it are counted in its total.
COMMANDS = (
    (
        "condor_status",
        "-json",
        "-attributes",
        "Cpus,TotalSlotCpus,Memory,TotalSlotMemory,PartitionableSlot,DynamicSlot,State",
        "-constraint",
        "DynamicSlot =!= True",
    ),
    (
        "condor_status",
        "-schedd",
        "-json",
        "-attributes",
        "Name,CondorVersion,TotalIdleJobs,TotalRunningJobs",
    ),
)


def facts(results: Sequence[CommandResult]) -> ProbeFacts:
    """Sums over the slots and schedds. Raises SiteError where the pool does not answer."""
    if len(results) != len(COMMANDS):
        raise answers.rubbish(ads.SYSTEM, f"{len(results)} answers to {len(COMMANDS)} commands")
    slots, schedds = (ads.read(result) for result in results)
    if not schedds:
        raise answers.rubbish(ads.SYSTEM, "no condor_schedd is known to the pool")
    free = [slot for slot in slots if slot.get("PartitionableSlot") or _idle(slot)]
    return ProbeFacts(
        version=str(schedds[0].get("CondorVersion", "")).strip("$ ").replace("CondorVersion: ", ""),
        total_cpus=_total(slots, "TotalSlotCpus"),
        free_cpus=_total(free, "Cpus"),
        memory=_total(slots, "TotalSlotMemory"),
        free_memory=_total(free, "Memory"),
        waiting=_total(schedds, "TotalIdleJobs"),
        running=_total(schedds, "TotalRunningJobs"),
    )


def _idle(slot: ads.Ad) -> bool:
    return slot.get("State") == "Unclaimed"


def _total(found: Sequence[ads.Ad], name: str) -> int:
    return sum(value for ad in found if type(value := ad.get(name)) is int)
