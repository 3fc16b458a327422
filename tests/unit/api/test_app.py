"""The HTTP application where a real server would be slow to bring about the case."""

import asyncio
import logging

import httpx
import pytest

from grms.api import app as module
from grms.api.app import PATH, make_app
from grms.config import Settings
from grms.errors import StoreError

CALL = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    "<getJobsList/></s:Body></s:Envelope>"
)


class Book:
    """A store that knows nobody; ``down`` makes it unreachable."""

    def __init__(self, down=False):
        self.down = down

    def clusters(self):
        if self.down:
            raise StoreError("the database is away")
        return []

    def principal(self, name):
        self.clusters()


def send(service, store, method, path, content=None, headers=None):
    async def talk():
        transport = httpx.ASGITransport(make_app(service, store, Settings(anonymous="guest")))
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
            return await client.request(method, path, content=content, headers=headers)

    return asyncio.run(talk())


def test_each_call_leaves_one_line_with_caller_operation_and_code(service, caplog):
    caplog.set_level(logging.INFO, "grms.api")
    response = send(service, Book(), "POST", PATH, CALL, {"Content-Type": "text/xml"})
    assert response.status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.name == "grms.api"]
    assert len(lines) == 1
    assert lines[0].startswith("'guest' getJobsList code 0, ")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/literal"])
def test_without_its_store_the_service_says_so_with_503(service, path):
    response = send(service, Book(down=True), "POST", path, CALL)
    assert response.status_code == 503
    assert "the database is away" in response.text
    assert "Server" in response.text


def test_only_a_browser_must_say_that_it_sends_xml(service):
    assert send(service, Book(), "POST", PATH, CALL).status_code == 200
    foreign = send(service, Book(), "POST", PATH, CALL, {"Origin": "http://elsewhere"})
    assert foreign.status_code == 415


def test_the_health_check_fails_without_the_store(service):
    assert send(service, Book(), "GET", "/healthz").status_code == 200
    assert send(service, Book(down=True), "GET", "/healthz").status_code == 503


def test_a_body_that_does_not_arrive_is_given_up(service, monkeypatch):
    monkeypatch.setattr(module, "BODY_TIME", 0.01)

    async def never():
        yield CALL[:10].encode()
        await asyncio.sleep(3600)

    response = send(service, Book(), "POST", PATH, never())
    assert response.status_code == 408
    assert service.asked == []
