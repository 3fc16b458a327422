"""What every way of moving files promises, said once for all of them."""

import contextlib
import hashlib
import os
from urllib.parse import quote

import file_server
import pytest

from grms.errors import ErrorCode, StagingError
from grms.staging import Staging


class FilePlace:
    """A directory that the broker may use."""

    def __init__(self, root):
        self.root = root
        root.mkdir()

    def url(self, name):
        return f"file://{self.root}/{quote(name)}"

    def put(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def contents(self):
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}


class HttpPlace:
    """A server that takes GET, HEAD and PUT."""

    def __init__(self, server):
        self.server = server

    def url(self, name):
        return self.server.url(f"/{quote(name)}")

    def put(self, name, content):
        self.server.files[f"/{quote(name)}"] = content

    def contents(self):
        return {unquoted(path): content for path, content in self.server.files.items()}


def unquoted(path):
    from urllib.parse import unquote

    return unquote(path).removeprefix("/")


@contextlib.contextmanager
def file(tmp_path):
    yield FilePlace(tmp_path / "allowed")


@contextlib.contextmanager
def http(tmp_path):
    with file_server.running() as server:
        yield HttpPlace(server)


@pytest.fixture(params=[file, http], ids=["file", "http"])
def place(request, tmp_path):
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture
def staging(tmp_path):
    made = Staging([tmp_path / "allowed"])
    yield made
    made.close()


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


ODD = "a b'%20\"$?#é"


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(3_000_001)], ids=len)
def test_a_file_is_fetched_whole(staging, place, here, content):
    place.put(ODD, content)
    moved = staging.fetch(place.url(ODD), here / ODD)
    assert (here / ODD).read_bytes() == content
    assert (moved.size, moved.files) == (len(content), 1)
    assert moved.sha256 == hashlib.sha256(content).hexdigest()
    assert [path.name for path in here.iterdir()] == [ODD]


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(3_000_001)], ids=len)
def test_a_file_is_delivered_whole(staging, place, here, content):
    (here / "out").write_bytes(content)
    moved = staging.deliver(here / "out", place.url(ODD))
    assert place.contents() == {ODD: content}
    assert (moved.size, moved.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_delivery_replaces_what_was_there(staging, place, here):
    place.put("out", b"a longer old text")
    (here / "out").write_bytes(b"new")
    staging.deliver(here / "out", place.url("out"))
    assert place.contents() == {"out": b"new"}


def test_a_directory_is_delivered_below_its_url(staging, place, here):
    (here / "tree" / "deep").mkdir(parents=True)
    (here / "tree" / "a").write_bytes(b"1")
    (here / "tree" / "deep" / ODD).write_bytes(b"22")
    moved = staging.deliver(here / "tree", place.url("tree"), directory=True)
    assert place.contents() == {"tree/a": b"1", f"tree/deep/{ODD}": b"22"}
    assert (moved.size, moved.files) == (3, 2)


def test_what_is_not_there_is_the_users_fault_and_leaves_nothing(staging, place, here):
    with pytest.raises(StagingError) as caught:
        staging.fetch(place.url("absent"), here / "f")
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND
    assert not caught.value.transient
    assert place.url("absent") in caught.value.message
    assert list(here.iterdir()) == []


def test_the_size_is_told_where_it_is_known(staging, place):
    place.put("f", b"12345")
    assert staging.size(place.url("f")) == 5
    assert staging.size(place.url("absent")) is None


def test_a_check_moves_nothing_and_passes_what_may_work(staging, place):
    staging.check(place.url("f"), writing=False)
    staging.check(place.url("f"), writing=True)
    assert place.contents() == {}


@pytest.mark.parametrize("url", ["gsiftp://host/f", "gass://host/f", "/plain/path", "", "http:/f"])
def test_other_urls_are_refused_with_what_is_supported(staging, here, url):
    for act in (
        lambda: staging.check(url, writing=False),
        lambda: staging.fetch(url, here / "f"),
        lambda: staging.deliver(here, url, directory=True),
    ):
        with pytest.raises(StagingError) as caught:
            act()
        assert caught.value.code is ErrorCode.UNSUPPORTED_URL
        assert not caught.value.transient
    assert staging.size(url) is None
