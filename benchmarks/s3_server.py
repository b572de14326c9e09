"""As much of S3 as a transfer asks for, on loopback, as fast as it goes: what is measured is the client.

Objects are the files of a folder, read with holes and all; what is written is counted and thrown away, and is
then an object of that size. Requests and bytes are counted. Run it by itself: it shares no interpreter with
whom it serves. It prints its port, and its counts at every ``GET /counts``.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, unquote, urlsplit

_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
_MANY: Final = 1 << 20
_STARTED: Final = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_DONE: Final = "<CompleteMultipartUploadResult><ETag>&quot;0&quot;</ETag></CompleteMultipartUploadResult>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    counts: ClassVar[dict[str, int]] = {}
    written: ClassVar[dict[str, dict[str, Any]]] = {}
    lock = threading.Lock()

    def log_message(self, *_: Any) -> None:
        """Nothing: it is measured."""

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    @property
    def _asked(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _count(self, name: str, by: int = 1) -> None:
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + by

    def _size(self) -> int | None:
        known = self.written.get(self._key)
        if known is not None:
            return int(known["size"])
        path = self.folder / self._key
        return path.stat().st_size if path.is_file() else None

    def _headers(self, status: int, length: int, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT")
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_HEAD(self) -> None:
        self._count("HEAD")
        size = self._size()
        if size is None:
            self._headers(404, 0)
            return
        kept = self.folder / f"{self._key}.crc32"
        crc = self.written.get(self._key, {}).get("crc32") or (kept.read_text() if kept.exists() else None)
        sums = {"x_amz_checksum_crc32": crc, "x_amz_checksum_type": "FULL_OBJECT"} if crc else {}
        self._headers(200, size, **sums)

    def do_GET(self) -> None:
        if self.path == "/counts":
            self._body(json.dumps(self.counts))
            return
        self._count("GET")
        size = self._size()
        if size is None:
            self._headers(404, 0)
            return
        found = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, last = (int(found[1]), int(found[2] or size - 1)) if found else (0, size - 1)
        stop = min(last + 1, size)
        more = {"Content_Range": f"bytes {start}-{stop - 1}/{size}"} if found else {}
        self._headers(206 if found else 200, stop - start, **more)
        self.wfile.flush()
        self._count("GET bytes", stop - start)
        with (self.folder / self._key).open("rb") as file:
            while start < stop:
                start += os.sendfile(self.connection.fileno(), file.fileno(), start, stop - start)

    def do_PUT(self) -> None:
        self._count("PUT")
        got = self._swallow()
        self._count("PUT bytes", got)
        with self.lock:
            known = self.written.setdefault(self._key, {"size": 0})
            known["size"] = known["size"] + got if "uploadId" in self._asked else got
        crc = self.headers.get("x-amz-checksum-crc32")
        self._headers(200, 0, **({"x_amz_checksum_crc32": crc} if crc else {}))

    def do_POST(self) -> None:
        self._count("POST")
        self._swallow()
        if "uploads" in self._asked:
            self.written.pop(self._key, None)
            self._body(_STARTED)
            return
        crc = self.headers.get("x-amz-checksum-crc32")
        if crc:
            self.written[self._key] |= {"crc32": crc}
        self._body(_DONE)

    def _body(self, text: str) -> None:
        self._headers(200, len(text), Content_Type="application/xml")
        self.wfile.write(text.encode())

    def _swallow(self) -> int:
        """The length of the content, read and forgotten."""
        told = int(
            self.headers.get("x-amz-decoded-content-length") or self.headers.get("Content-Length") or 0
        )
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            self._chunks()
            return told
        left = int(self.headers.get("Content-Length") or 0)
        buffer = memoryview(bytearray(_MANY))
        while left > 0:
            left -= self.rfile.readinto(buffer[: min(left, _MANY)])
        return told

    def _chunks(self) -> None:
        while length := int(self.rfile.readline().split(b";")[0], 16):
            left = length + 2
            while left > 0:
                left -= len(self.rfile.read(min(left, _MANY)))
        while self.rfile.readline().strip():
            pass


def main(folder: str) -> None:
    _Handler.folder = Path(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
