"""The application's side of a checkpoint call, to copy: a small web service in a thread.

    service = CheckpointService(save)      # save() writes the checkpoint, whole, before it returns
    service.start()                        # listens on a free port and registers with grms-job

The broker posts the SOAP operation ``checkpoint(jobId, pid)`` to the registered address, or JSON to
``<address>/checkpoint``. An answer without a fault means that the checkpoint is written; the broker
then ends the program and carries its files away. As a program of its own this file counts, like
``count.py``: service.py STEPS [SECONDS_A_STEP [LOG]].
"""

import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE = f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>%s</soap:Body></soap:Envelope>'
DONE = ENVELOPE % '<checkpointResponse xmlns="urn:grms:application"/>'
FAULT = ENVELOPE % (
    "<soap:Fault><faultcode>soap:Server</faultcode><faultstring>%s</faultstring></soap:Fault>"
)


class CheckpointService:
    """Takes checkpoint calls while the program works."""

    def __init__(self, save, host="127.0.0.1"):
        self.save = save
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                service.answer(self)

            def log_message(self, *_words):
                pass

        self.server = ThreadingHTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self.server.server_address[1]}/"

    def start(self):
        """Listen, and tell the broker where."""
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        subprocess.run(["grms-job", "register", self.url, str(os.getpid())], check=True)

    def answer(self, request):
        """Write the checkpoint, then say so."""
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        rest = request.path.rstrip("/").endswith("/checkpoint")
        try:
            self.save()
        except Exception as error:
            status, body = 500, str(error) if rest else FAULT % escape(str(error))
        else:
            status, body = 200, "{}" if rest else DONE
        data = body.encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json" if rest else "text/xml")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)


def main(steps, seconds, log):
    """Count as count.py does; the state is saved when the broker calls, and only then."""
    import count

    state, lock, saved = count.load(), threading.Lock(), threading.Event()

    def save():
        with lock:  # no step is under way
            count.save(state)
            saved.set()

    host = os.environ.get("SERVICE_HOST") or socket.gethostbyname("localhost")
    CheckpointService(save, host).start()
    while state["step"] < steps:
        with lock:
            if saved.is_set():
                break
            begun = time.time()
            time.sleep(seconds)
            count.advance(state)
            count.note(log, begun, state["step"])
        time.sleep(0.01)
    if saved.is_set():
        time.sleep(600)  # the broker ends us: what is done from here on would be lost
    count.finish(state)
    return 0


if __name__ == "__main__":
    words = sys.argv[1:] + ["0.1", ""][len(sys.argv) - 2 :]
    sys.exit(main(int(words[0]), float(words[1]), words[2]))
