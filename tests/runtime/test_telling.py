"""Deliveries: to a real HTTP server on loopback, and to real programs."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from waiting import until

from rushes import CallerError
from rushes.runtime.telling.signing import key_from, signature_headers
from rushes.runtime.telling.teller import Told, deliver

EVENTS = ['{"id":"1"}', '{"id":"2"}']
KEY = base64.b64encode(bytes(range(32))).decode()


class _Server(ThreadingHTTPServer):
    answers: ClassVar[list[tuple[int, dict[str, str]]]]
    heard: ClassVar[list[tuple[dict[str, str], bytes]]]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
        status, headers = self.server.answers.pop(0) if self.server.answers else (204, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    made = _Server(("127.0.0.1", 0), _Handler)
    made.answers, made.heard = [], []  # type: ignore[misc]
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def sink(server: _Server, **more: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    return {"url": url, "secret_file": "", "command": (), "timeout_s": 5.0, "at_once": 100, **more}


def program(tmp_path: Path, text: str, **more: Any) -> dict[str, Any]:
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return {"url": "", "command": (str(path),), "timeout_s": 5.0, "at_once": 100, **more}


def secret(tmp_path: Path, text: str = f"whsec_{KEY}\n", mode: int = 0o600) -> Path:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_webhook_gets_a_batch_of_cloud_events(server: _Server) -> None:
    assert deliver(sink(server), "msg_1", EVENTS) == Told()
    headers, body = server.heard[0]
    assert headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert json.loads(body) == [{"id": "1"}, {"id": "2"}]


def test_a_webhook_that_takes_one_at_once_gets_it_bare(server: _Server) -> None:
    deliver(sink(server, at_once=1), "msg_1", EVENTS[:1])
    headers, body = server.heard[0]
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert json.loads(body) == {"id": "1"}


def test_a_delivery_is_signed_over_exactly_what_is_sent(server: _Server, tmp_path: Path) -> None:
    path = secret(tmp_path)
    deliver(sink(server, secret_file=str(path)), "msg_7", EVENTS)
    headers, body = server.heard[0]
    expected = signature_headers(key_from(path), "msg_7", int(headers["webhook-timestamp"]), body)
    assert headers["webhook-id"] == "msg_7"
    assert headers["webhook-signature"] == expected["webhook-signature"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_a_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks documentation.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"whsec_{KEY}", 0o644, "may be read by other users"),
        ("whsec_%%%", 0o600, "is no base64"),
        ("whsec_c2hvcnQ=", 0o600, "holds a key of 5 bytes"),
    ],
)
def test_a_bad_secret_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    with pytest.raises(CallerError, match=said):
        key_from(secret(tmp_path, text, mode))


def test_a_refusal_is_a_failure_that_says_when_to_come_again(server: _Server) -> None:
    server.answers.append((503, {"Retry-After": "17"}))
    assert deliver(sink(server), "msg_1", EVENTS) == Told("it answered 503 Service Unavailable", 17.0)


def test_a_redirect_is_not_followed(server: _Server) -> None:
    server.answers.append((302, {"Location": "/elsewhere"}))
    assert "302" in deliver(sink(server), "msg_1", EVENTS).error
    assert len(server.heard) == 1


def test_a_server_that_answers_a_byte_now_and_then_is_cut_when_the_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gone = threading.Event()

        def drip() -> None:
            client, _ = listening.accept()
            with client, suppress(OSError):
                client.sendall(b"HTTP/1.1 ")
                while not gone.is_set():
                    client.sendall(b" ")
                    gone.wait(0.01)

        thread = threading.Thread(target=drip)
        thread.start()
        target = {"url": f"http://127.0.0.1:{listening.getsockname()[1]}/", "timeout_s": 0.3, "at_once": 100}
        answer = deliver(target, "msg_1", EVENTS)
        gone.set()
        thread.join()
    assert answer == Told("it had not answered after 0.3 s")


def test_of_an_answer_without_end_the_status_counts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def pour() -> None:
            client, _ = listening.accept()
            with client, suppress(OSError):
                client.recv(65_536)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    client.sendall(bytes(65_536))

        thread = threading.Thread(target=pour)
        thread.start()
        target = {"url": f"http://127.0.0.1:{listening.getsockname()[1]}/", "timeout_s": 5.0, "at_once": 100}
        assert deliver(target, "msg_1", EVENTS) == Told()
        thread.join()


def test_an_address_where_nobody_listens_is_a_failure(server: _Server) -> None:
    target = sink(server)
    server.shutdown()
    server.server_close()
    assert "refused" in deliver(target, "msg_1", EVENTS).error


def test_a_program_gets_one_event_a_line(tmp_path: Path) -> None:
    assert deliver(program(tmp_path, f"cat > {tmp_path}/heard"), "msg_1", EVENTS) == Told()
    assert (tmp_path / "heard").read_text().splitlines() == EVENTS


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    answer = deliver(program(tmp_path, "echo first >&2; echo no tracker >&2; exit 3"), "msg_1", EVENTS)
    assert answer.error == "the command ended with status 3: no tracker"


def test_of_a_program_that_says_a_great_deal_the_end_is_kept(tmp_path: Path) -> None:
    text = "head -c 50000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2; exit 3"
    tracemalloc.start()
    answer = deliver(program(tmp_path, text), "msg_1", EVENTS)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.error == "the command ended with status 3: the end"
    assert most < 2_000_000


def test_a_program_that_leaves_something_running_has_taken_them(tmp_path: Path) -> None:
    text = f"sleep 600 & echo $! > {tmp_path}/pid"
    assert deliver(program(tmp_path, text, timeout_s=60.0), "msg_1", EVENTS) == Told()
    psutil.Process(int((tmp_path / "pid").read_text())).kill()


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"sleep 600 & echo $! > {pid}.new; mv {pid}.new {pid}; wait"
    answer = deliver(program(tmp_path, text, timeout_s=2.0), "msg_1", EVENTS)
    assert answer.error == "the command ran longer than 2 s and was stopped"
    if pid.exists():  # on a machine that is so busy that it did not come so far, there is nothing to end
        until(lambda: _has_ended(int(pid.read_text())))


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_program_that_is_not_there_is_a_failure() -> None:
    target = {"command": ("/no/such/program",), "url": "", "timeout_s": 1.0, "at_once": 100}
    assert "No such file" in deliver(target, "msg_1", EVENTS).error


def test_a_program_that_reads_nothing_has_taken_them(tmp_path: Path) -> None:
    many = ['{"id":"' + "x" * 1000 + '"}'] * 200
    assert deliver(program(tmp_path, "exit 0"), "msg_1", many) == Told()
