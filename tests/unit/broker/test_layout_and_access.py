"""Names on a cluster, and who may do what."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.broker import access, layout
from grms.broker.records import Job, Principal
from grms.broker.service import Service
from grms.errors import AccessError

ALICE, BOB = Principal("alice"), Principal("bob", projects=frozenset({"p"}))
ADMIN = Principal("root", admin=True)


@given(st.text(min_size=1), st.integers(1, 99))
def test_a_tag_has_15_characters_a_letter_first_and_is_another_for_each_attempt(
    job_id: str, number: int
) -> None:
    tag = layout.tag(job_id, number)
    assert len(tag) == 15
    assert tag[0] == "g"
    assert set(tag) <= set(string.ascii_lowercase + string.digits)
    assert tag == layout.tag(job_id, number) != layout.tag(job_id, number + 1)


def test_the_wrappers_name_changes_with_its_text() -> None:
    place = layout.Layout("/w")
    assert place.wrapper(b"old") != place.wrapper(b"new")


def test_a_jobs_fence_is_shared_by_its_attempts() -> None:
    place = layout.Layout("/w")
    assert place.fence("j") == "/w/jobs/j/fence"
    assert layout.control(place.attempt("j", 2)) == "/w/jobs/j/2/control"


def test_every_verb_of_the_service_has_a_rule_and_every_rule_a_verb() -> None:
    public = {name for name, _ in inspect.getmembers(Service, inspect.isfunction)}
    verbs = {name for name in public if not name.startswith("_")}
    known = set(access.RULES)
    assert verbs - known <= {"describe"}, "a verb without a rule"
    assert known - verbs <= {"parked"}, "a rule without a verb"


@pytest.mark.parametrize("verb", ["cancel", "suspend", "resume", "migrate", "add_files"])
def test_what_changes_a_job_is_for_its_owner_and_administrators(
    verb: str, job: Callable[..., Job]
) -> None:
    mine = replace(job(), project="p")
    assert access.may(ALICE, verb, mine) == ""
    assert access.may(ADMIN, verb, mine) == ""
    assert access.may(BOB, verb, mine) == "job 1_a_0001 belongs to somebody else"


def test_a_project_sees_the_jobs_of_its_members_and_nobody_elses(job: Callable[..., Job]) -> None:
    assert access.may(BOB, "info", replace(job(), project="p")) == ""
    assert access.may(BOB, "info", replace(job(), project="q")) != ""
    assert access.may(BOB, "info", job()) != ""


def test_a_refusal_names_the_caller_the_verb_and_the_reason(job: Callable[..., Job]) -> None:
    with pytest.raises(AccessError) as refused:
        access.demand(BOB, "add_files", job())
    assert str(refused.value) == "bob may not add files: job 1_a_0001 belongs to somebody else"
