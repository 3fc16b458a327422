"""What HTTP servers do to a transfer, and what becomes of it."""

import base64
import hashlib
import os

import file_server
import pytest

from grms.errors import ErrorCode, StagingError
from grms.staging.http import HttpStager

CONTENT = os.urandom(1_000_000)


@pytest.fixture
def server():
    with file_server.running() as made:
        made.files["/f"] = CONTENT
        yield made


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def stager(pauses):
    made = HttpStager(timeout=20, pause=pauses.append)
    yield made
    made.close()


def cut(after):
    return lambda handler: handler.serve(cut=after) or True


def status(code, *headers):
    return lambda handler: handler.answer(code, headers)


def refusal(stager, url, target) -> StagingError:
    with pytest.raises(StagingError) as caught:
        stager.fetch(url, target)
    assert list(target.parent.iterdir()) == []
    return caught.value


def test_a_broken_download_goes_on_where_it_broke(server, stager, tmp_path):
    server.faults = [cut(300_000), cut(300_000)]
    moved = stager.fetch(server.url("/f"), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert moved.sha256 == hashlib.sha256(CONTENT).hexdigest()
    ranges = [headers.get("Range") for _, _, headers in server.seen]
    assert ranges[0] is None
    assert all(asked and asked != "bytes=0-" for asked in ranges[1:])


def test_a_file_that_changed_meanwhile_is_fetched_anew(server, stager, tmp_path):
    def change(handler):
        handler.serve(cut=300_000)
        server.files["/f"] = CONTENT[::-1]
        return True

    server.faults = [change]
    stager.fetch(server.url("/f"), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT[::-1]


def test_a_download_that_always_breaks_is_transient_and_leaves_nothing(server, stager, tmp_path):
    server.faults = [cut(10)] * 20
    assert refusal(stager, server.url("/f"), tmp_path / "f").transient


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server, stager, tmp_path, code):
    server.faults = [status(code)]
    stager.fetch(server.url("/f"), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_the_server_says_how_long_to_wait(server, stager, pauses, tmp_path):
    server.faults = [status(503, ("Retry-After", "3"))]
    stager.fetch(server.url("/f"), tmp_path / "f")
    assert pauses == [3.0]


def test_a_long_wait_is_left_to_the_engine(server, stager, pauses, tmp_path):
    server.faults = [status(429, ("Retry-After", "3600"))]
    error = refusal(stager, server.url("/f"), tmp_path / "f")
    assert error.transient
    assert "3600 s" in error.message
    assert pauses == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (401, ErrorCode.FILE_NOT_ALLOWED),
        (403, ErrorCode.FILE_NOT_ALLOWED),
        (404, ErrorCode.FILE_NOT_FOUND),
        (410, ErrorCode.FILE_NOT_FOUND),
        (418, ErrorCode.TRANSFER_FAILED),
    ],
)
def test_the_users_faults_are_not_tried_again(server, stager, tmp_path, code, expected):
    server.faults = [status(code)]
    error = refusal(stager, server.url("/f"), tmp_path / "f")
    assert (error.code, error.transient) == (expected, False)
    assert str(code) in error.message
    assert len(server.seen) == 1


def test_a_full_server_is_no_space(server, stager, tmp_path):
    server.faults = [status(507)] * 20
    assert refusal(stager, server.url("/f"), tmp_path / "f").code is ErrorCode.NO_SPACE


@pytest.mark.parametrize("header", ["Content-MD5", "Digest", "Repr-Digest"])
def test_a_wrong_digest_is_a_failed_transfer(server, stager, tmp_path, header):
    value = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    form = {"Content-MD5": value, "Digest": f"MD5={value}", "Repr-Digest": f"md5=:{value}:"}
    server.faults = [lambda h: h.serve(headers=[(header, form[header])]) or True] * 20
    error = refusal(stager, server.url("/f"), tmp_path / "f")
    assert error.transient
    assert "md5" in error.message


def test_a_right_digest_is_taken(server, stager, tmp_path):
    value = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    server.faults = [lambda h: h.serve(headers=[("Digest", f"SHA-256={value}")]) or True]
    assert stager.fetch(server.url("/f"), tmp_path / "f").size == len(CONTENT)


def test_a_body_whose_end_nobody_can_tell_is_refused(server, stager, tmp_path):
    def endless(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf a file?")
        handler.close_connection = True
        return True

    server.faults = [endless] * 20
    assert "neither a length" in refusal(stager, server.url("/f"), tmp_path / "f").message


def test_redirects_are_followed_but_not_for_ever(server, stager, tmp_path):
    server.faults = [status(302, ("Location", "/f"))]
    stager.fetch(server.url("/g"), tmp_path / "f")
    (tmp_path / "f").unlink()
    server.faults = [status(302, ("Location", "/f"))] * 20
    assert "redirects more than" in refusal(stager, server.url("/g"), tmp_path / "f").message


def test_a_redirect_to_another_scheme_is_not_followed(server, stager, tmp_path):
    server.faults = [status(302, ("Location", "file:///etc/passwd"))]
    assert "not followed" in refusal(stager, server.url("/g"), tmp_path / "f").message


def test_a_server_that_is_not_there_is_transient(server, stager, tmp_path):
    url = server.url("/f")
    server.server_close()
    assert refusal(stager, url, tmp_path / "f").transient


def test_a_password_is_never_shown(server, stager, tmp_path):
    url = server.url("/absent").replace("http://", "http://user:secret@")
    assert "secret" not in refusal(stager, url, tmp_path / "f").message


def test_a_directory_cannot_be_fetched(server, stager, tmp_path):
    with pytest.raises(StagingError, match="tar file"):
        stager.fetch(server.url("/d"), tmp_path / "d", directory=True)


def test_a_put_is_tried_again_after_a_server_error(server, stager, tmp_path):
    (tmp_path / "out").write_bytes(CONTENT)
    server.faults = [status(503)]
    stager.deliver(tmp_path / "out", server.url("/out"))
    assert server.files["/out"] == CONTENT


def test_a_put_that_arrived_short_is_noticed(server, stager, tmp_path):
    def lose_half(handler):
        server.files[handler.path] = CONTENT[:5]
        return handler.answer(201)

    (tmp_path / "out").write_bytes(CONTENT)
    server.faults = [item for _ in range(9) for item in (lose_half, lambda handler: False)]
    with pytest.raises(StagingError, match="5 are there") as caught:
        stager.deliver(tmp_path / "out", server.url("/out"))
    assert caught.value.transient


def test_a_put_that_is_forbidden_is_the_users_fault(server, stager, tmp_path):
    (tmp_path / "out").write_bytes(b"x")
    server.faults = [status(403)]
    with pytest.raises(StagingError) as caught:
        stager.deliver(tmp_path / "out", server.url("/out"))
    assert (caught.value.code, caught.value.transient) == (ErrorCode.FILE_NOT_ALLOWED, False)
