"""A proxy on loopback between us and the AWS server of the tests, which lets go wrong what a plan says.

It speaks as much of HTTP/1.1 as botocore and the server do: lengths and chunks, kept connections, and
``Expect: 100-continue``. What is decided stands in `fault_plan`; this module must not know why.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from fault_plan import Call, Fault, Plan, Reply, call_of, reply_of

__all__ = ["FaultProxy", "between"]

_END: Final = b"\r\n\r\n"
_MOST: Final = 1 << 20
SKEW_S: Final = 3600.0
"""As far as the clock of who asks is said to be off."""


class _Said(NamedTuple):
    """A request, or an answer."""

    first: str
    headers: dict[str, str]
    body: bytes
    raw: bytes


@dataclass
class FaultProxy:
    """Where it listens, and what it has done.

    Args:
        host, port: of the server behind it.
        plan: what goes wrong; None: nothing. It may be changed while requests come.
    """

    host: str
    port: int
    plan: Plan | None
    endpoint: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    """Requests by ``service.Action``."""
    met: Counter[str] = field(default_factory=Counter)
    """Faults by name."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set, repr=False)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until an end of it."""
        self._writers.add(writer)
        behind = _Behind(self.host, self.port)
        try:
            while (request := await _read(reader, interim=writer)) is not None:
                if not await self._one(request, writer, behind):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one of both ends went: the other is told by the end of its connection
        finally:
            self._writers.discard(writer)
            await behind.close()
            await _closed(writer)

    async def _one(self, request: _Said, writer: asyncio.StreamWriter, behind: _Behind) -> bool:
        """Answer a request, or not; False where the connection is not kept."""
        method, target, _ = request.first.split(" ", 2)
        call = call_of(method, target, request.headers)
        name = f"{call.service}.{call.act}"
        self.asked[name] += 1
        fault = None if self.plan is None else self.plan.fault(call, self.asked[name])
        if fault is not None:
            self.met[fault] += 1
        if fault == "cut":
            return False
        if fault is not None and (made := reply_of(fault, call)) is not None:
            writer.write(_rendered(made, fault, bodiless=call.bodiless))
            await writer.drain()
            return True
        answer = await self._acted(request, call, self.asked[name], behind)
        return await self._given(answer, fault, writer)

    async def _acted(self, request: _Said, call: Call, number: int, behind: _Behind) -> _Said:
        """What the server makes of a request; what goes to a queue may go twice, and out of order."""
        if call.act == "CompleteMultipartUpload":
            # The server knows no checksum of a whole object that came in parts; S3 does.
            kept = {name: value for name, value in request.headers.items() if name != "x-amz-checksum-crc32"}
            return await behind.ask(_with_body(request._replace(headers=kept), request.body))
        if self.plan is None or call != ("sqs", "SendMessageBatch", False):
            return await behind.ask(request.raw, bodiless=call.bodiless)
        body = self.plan.out_of_order(call, number, json.loads(request.body))
        raw = _with_body(request, json.dumps(body).encode())
        if self.plan.comes_twice(call, number):
            self.met["twice"] += 1
            await behind.ask(raw)
        return await behind.ask(raw)

    async def _given(self, answer: _Said, fault: Fault | None, writer: asyncio.StreamWriter) -> bool:
        """Hand an answer on, as far as the fault lets it."""
        if fault == "lost":
            return False
        if fault == "slow" and self.plan is not None:
            await asyncio.sleep(self.plan.slow_s)
        whole = fault != "short"
        writer.write(answer.raw if whole else answer.raw[: -max(len(answer.body) // 2, 1)])
        await writer.drain()
        return whole and answer.headers.get("connection", "").lower() != "close"

    async def end(self) -> None:
        """Close what is open."""
        for writer in list(self._writers):
            writer.close()


class _Behind:
    """A kept connection to the server."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, raw: bytes, *, bodiless: bool = False) -> _Said:
        """The answer to a request."""
        if self._open is None or self._open[0].at_eof():
            await self.close()
            self._open = await asyncio.open_connection(*self._place, limit=_MOST)
        reader, writer = self._open
        writer.write(raw)
        await writer.drain()
        answer = await _read(reader, bodiless=bodiless)
        if answer is None:
            raise ConnectionResetError
        return answer

    async def close(self) -> None:
        if self._open is not None:
            await _closed(self._open[1])
            self._open = None


async def _read(
    reader: asyncio.StreamReader, *, interim: asyncio.StreamWriter | None = None, bodiless: bool = False
) -> _Said | None:
    """The next request or answer, None where none comes; `interim` is told to send its body."""
    try:
        head = await reader.readuntil(_END)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    lines = head[: -len(_END)].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if interim is not None and headers.pop("expect", "").lower() == "100-continue":
        interim.write(b"HTTP/1.1 100 Continue" + _END)
        head = b"\r\n".join(
            line.encode("latin-1") for line in lines if not line.lower().startswith("expect:")
        )
        head += _END
    if bodiless:
        body = b""
    elif headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return _Said(lines[0], headers, body, head + body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks, as it came."""
    out = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        out += line + await reader.readexactly(size + 2)
        if not size:
            return out


def _with_body(request: _Said, body: bytes) -> bytes:
    """The same request with another body; nobody checks its signature here."""
    headers = {**request.headers, "content-length": str(len(body))}
    lines = [request.first, *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + _END + body


def _rendered(made: Reply, fault: Fault, *, bodiless: bool) -> bytes:
    """An answer as it is sent; the time in it is that of a server whose clock differs."""
    headers: Mapping[str, str] = {
        "date": formatdate(time() + (SKEW_S if fault == "skewed" else 0.0), usegmt=True),
        "content-type": made.kind,
        **({} if bodiless else {"content-length": str(len(made.body))}),
    }
    lines = [f"HTTP/1.1 {made.status} Fault", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + _END + made.body


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


@contextmanager
def between(endpoint: str, plan: Plan | None) -> Iterator[FaultProxy]:
    """A proxy in front of a server, in a thread of its own."""
    split = urlsplit(endpoint)
    proxy = FaultProxy(split.hostname or "", split.port or 0, plan)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=_MOST))
    proxy.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, name="fault proxy", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_ended(server, proxy), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _ended(server: asyncio.Server, proxy: FaultProxy) -> None:
    server.close()
    await proxy.end()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
