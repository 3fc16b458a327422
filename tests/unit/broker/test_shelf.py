"""The broker's own store of checkpoints: a bad one never takes the place of a good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from grms.broker.checkpointing import covers
from grms.broker.shelf import Item, Shelf

STATE, STDOUT = Item("state"), Item("stdout", stream=True)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "checkpoints")


def _keep(shelf: Shelf, number: int, text: str = "state") -> None:
    part = shelf.begin("job", number)
    shelf.target(part, STATE).write_text(text)
    shelf.target(part, STDOUT).write_text("so far\n")
    shelf.keep("job", number, part, [STATE, STDOUT])


def test_the_newest_is_found_with_its_items_size_and_files(shelf: Shelf) -> None:
    _keep(shelf, 1)
    found = shelf.newest("job")
    assert found is not None
    assert (found.number, found.items, found.size) == (1, (STATE, STDOUT), 12)
    assert found.path(STATE).read_text() == "state"
    assert covers(found, "state")
    assert not covers(found, "other")


def test_the_last_two_are_kept(shelf: Shelf) -> None:
    for number in (1, 2, 3):
        _keep(shelf, number)
    assert shelf.numbers("job") == [3, 2]


def test_one_that_was_not_finished_is_none(shelf: Shelf) -> None:
    _keep(shelf, 1)
    part = shelf.begin("job", 2)
    shelf.target(part, STATE).write_text("half")
    assert shelf.numbers("job") == [1]


@pytest.mark.parametrize("damage", ["changed", "removed", "added", "manifest"])
def test_a_damaged_one_is_set_aside_for_the_one_before(
    shelf: Shelf, tmp_path: Path, damage: str
) -> None:
    _keep(shelf, 1, "good")
    _keep(shelf, 2)
    place = tmp_path / "checkpoints/job/2"
    if damage == "changed":
        (place / "items/state").write_text("stat!")
    elif damage == "removed":
        (place / "items/state").unlink()
    elif damage == "added":
        (place / "items/more").touch()
    else:
        (place / "manifest.json").write_text("{")
    found = shelf.newest("job")
    assert found is not None
    assert (found.number, found.path(STATE).read_text()) == (1, "good")
    assert shelf.numbers("job") == [1]


def test_gathering_the_same_one_again_replaces_it(shelf: Shelf) -> None:
    _keep(shelf, 1, "first")
    _keep(shelf, 1, "again")
    found = shelf.newest("job")
    assert found is not None
    assert found.path(STATE).read_text() == "again"


def test_the_whole_directory_covers_every_file_below_it(shelf: Shelf) -> None:
    part = shelf.begin("job", 1)
    whole = Item(".", directory=True)
    (shelf.target(part, whole) / "data").mkdir()
    (shelf.target(part, whole) / "data/one").write_text("1")
    kept = shelf.keep("job", 1, part, [whole])
    assert covers(kept, "data/one")
    assert covers(kept, "data")
    assert not covers(kept, "dat")


def test_a_job_that_is_over_is_forgotten(shelf: Shelf) -> None:
    _keep(shelf, 1)
    shelf.forget("job")
    assert shelf.newest("job") is None


def test_it_says_how_often_in_a_row_the_same_was_kept(shelf: Shelf) -> None:
    said = []
    for number, text in enumerate(["a", "a", "a", "b", "b"], start=1):
        _keep(shelf, number, text)
        found = shelf.newest("job")
        assert found is not None
        said.append(found.same)
    assert said == [0, 1, 2, 0, 1]


def test_what_a_job_printed_does_not_make_its_checkpoint_another(shelf: Shelf) -> None:
    _keep(shelf, 1)
    part = shelf.begin("job", 2)
    shelf.target(part, STATE).write_text("state")
    shelf.target(part, STDOUT).write_text("more\n")
    assert shelf.keep("job", 2, part, [STATE, STDOUT]).same == 1
