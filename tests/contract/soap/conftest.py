"""A real server on a free port over the real service and a store in a file; no engine runs."""

import hashlib
import socket
import threading
import time

import pytest
import uvicorn

from grms.api.app import make_app
from grms.broker.records import Principal
from grms.broker.service import Service
from grms.config import Settings
from grms.server.wiring import SystemClock, make_stager, make_store

TOKEN = "a-token-of-ann"
JOB = """<?xml version="1.0" encoding="UTF-8"?>
<grmsjob appid="demo"><simplejob><executable type="single" count="1">
<file name="run" type="in"><url>http://localhost/run</url></file>
</executable></simplejob></grmsjob>"""


class Server:
    """Where the service listens, and what lies behind it."""

    def __init__(self, port, store, service):
        self.port, self.store, self.service = port, store, service
        self.url = f"http://127.0.0.1:{port}/axis/services/grms"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("soap")
    settings = Settings(data_dir=data, max_body=300_000, file_roots=())
    store = make_store(settings)
    ann = Principal("/C=PL/O=GRID/CN=Ann")
    store.put_principal(ann, hashlib.sha256(TOKEN.encode()).hexdigest())
    service = Service(store, make_stager(settings), SystemClock(), lambda: None)
    config = uvicorn.Config(make_app(service, store, settings), log_config=None, lifespan="off")
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    deadline = time.monotonic() + 60
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield Server(listening.getsockname()[1], store, service)
    running.should_exit = True
    thread.join(60)
    listening.close()
    store.close()
    assert not thread.is_alive()


@pytest.fixture
def token():
    return TOKEN


@pytest.fixture
def job():
    return JOB
