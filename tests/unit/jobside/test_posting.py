"""``grms-job`` where the broker can be reached, and where it cannot."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from execution_host import Host


class Broker:
    """Answers every post with ``status`` and keeps what it got; ``deaf`` takes and says nothing."""

    def __init__(self) -> None:
        self.status, self.body = 200, {"text": "noted"}
        self.deaf = False
        self.got: list[tuple[str, str, dict[str, Any]]] = []
        broker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                broker.got.append((self.path, self.headers["Authorization"], json.loads(body)))
                if broker.deaf:
                    self.close_connection = True
                    return
                data = json.dumps(broker.body).encode()
                self.send_response(broker.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.server.shutdown()
    made.server.server_close()


def _say(host: Host, url: str, *lines: str) -> int:
    """Run a job of these shell lines that knows the broker at ``url``; its exit status."""
    (host.control / "broker.json").write_text(json.dumps({"url": url, "token": "secret"}))
    return host.run(["sh", "-c", "\n".join(lines)])


def _told(host: Host) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(Path(host.layout.inbox).iterdir())]
    return [item for item in found if item["what"] == "told"]


def test_a_message_is_posted_with_the_token_and_leaves_no_file(
    any_host: Host, broker: Broker
) -> None:
    assert _say(any_host, f"{broker.url}/prefix/", "grms-job progress 40") == 0
    ((path, token, message),) = broker.got
    assert (path, token) == ("/prefix/jobs/job/told", "Bearer secret")
    assert (message["verb"], message["text"], message["tag"]) == ("progress", "40", any_host.tag)
    assert _told(any_host) == []


def test_a_broker_that_is_away_is_told_through_files_in_order(host: Host, broker: Broker) -> None:
    broker.server.shutdown()
    broker.server.server_close()
    assert _say(host, broker.url, "grms-job progress 1", "grms-job progress 2") == 0
    assert [item["text"] for item in _told(host)] == ["1", "2"]


def test_a_broker_that_was_away_is_not_tried_again_at_once(host: Host, broker: Broker) -> None:
    broker.deaf = True
    lines = "grms-job progress 1", f"rm {host.layout.inbox}/*told*", "grms-job progress 2"
    assert _say(host, broker.url, *lines) == 0
    assert len(broker.got) == 1
    assert [item["text"] for item in _told(host)] == ["2"]


def test_a_message_whose_answer_was_lost_goes_by_file_under_the_same_id(
    host: Host, broker: Broker
) -> None:
    broker.deaf = True
    assert _say(host, broker.url, "grms-job progress 40") == 0
    (by_file,), ((_, _, posted),) = _told(host), broker.got
    assert posted["id"] == by_file["id"]


def test_a_message_does_not_overtake_one_that_waits_in_the_inbox(
    host: Host, broker: Broker
) -> None:
    older = f"touch {host.layout.inbox}/1-{host.tag}-told-1.json"
    assert _say(host, broker.url, older, "grms-job progress 40") == 0
    assert broker.got == []


@pytest.mark.parametrize("status", [302, 401, 403, 409, 500, 503])
def test_what_the_broker_does_not_take_now_goes_by_file(
    host: Host, broker: Broker, status: int
) -> None:
    broker.status = status
    assert _say(host, broker.url, "grms-job progress 40") == 0
    assert len(broker.got) == 1
    assert len(_told(host)) == 1


def test_a_refusal_is_told_at_once_and_nothing_counts_as_added(host: Host, broker: Broker) -> None:
    broker.status, broker.body = 400, {"error": {"message": "not below file_roots"}}
    line = "grms-job add-output x file:///etc/shadow; echo $?; grms-job list"
    assert _say(host, broker.url, line) == 0
    assert (host.work / "out").read_text() == "65\n"
    assert "the broker refuses it: not below file_roots" in (host.work / "err").read_text()
    assert _told(host) == []
