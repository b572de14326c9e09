"""S3: bytes that an inspection fetches, and transfers beside boto3's own; a server on loopback."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import measure
import s3_clips
from measure import Series
from report import AT_LEAST, AT_MOST, Goal, Options, Row, Section

_FULL: Final = 5_000_000_000
_QUICK: Final = 300_000_000
_ALLOWED: Final = 4 * 1024 * 1024
_BUCKET: Final = "rushes-bench"
_LARGE: Final = 1024 * 1024 * 1024


@contextmanager
def served(folder: Path) -> Iterator[tuple[Any, Callable[[], dict[str, int]]]]:
    """A client of a server of its own, and what it has counted."""
    import boto3  # noqa: PLC0415 - the other rows need no SDK
    from botocore.config import Config  # noqa: PLC0415 - with it

    argv = [sys.executable, str(Path(__file__).with_name("s3_server.py")), str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    endpoint = f"http://127.0.0.1:{process.stdout.readline().strip()}"

    def counts() -> dict[str, int]:
        url = f"{endpoint}/counts"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
            return dict(json.load(answer))

    try:
        yield (
            boto3.client(
                "s3",
                endpoint_url=endpoint,
                region_name="us-east-1",
                aws_access_key_id="nobody",
                aws_secret_access_key="nobody",  # noqa: S106 - nobody's
                config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
            ),
            counts,
        )
    finally:
        process.terminate()
        process.wait()


def inspect(options: Options) -> Section:
    """Bytes fetched of a large clip whose headers are wanted."""
    folder = options.folder / "s3-clips"
    folder.mkdir(parents=True, exist_ok=True)
    size = _FULL if options.clip_s >= 60 else _QUICK
    section = Section(
        f"Inspecting a clip of {size / 1e9:g} GB in S3",
        "`inspect`, as a host runs it, on clips of 50 Mb/s whose indexes a muxer has written; a server that "
        "counts what it sends. Against the clip's own index and 4 MiB, in bytes; the index is what stands "
        "in no frame, as its container says. Nobody's machine changes these figures.",
    )
    with served(folder) as (client, counts):
        for kind in s3_clips.KINDS:
            made = s3_clips.make(kind, folder, size)
            read, sent, seconds = _inspected(client, counts, made.path.name, folder)
            allowed = float(made.index_bytes + _ALLOWED)
            row = Series((sent / allowed,))
            section.rows.append(
                Row(kind, row, Goal(AT_MOST, 1.0), Series((float(sent),)), Series((allowed,)), "bytes")
            )
            section.facts.append(
                f"{kind}: {made.size_bytes:,} bytes, {made.seconds} s, index {made.index_bytes:,} bytes; "
                f"{read['requests']} ranges, {seconds:.2f} s."
            )
            made.path.unlink()
    return section


def _inspected(
    client: Any, counts: Callable[[], dict[str, int]], key: str, scratch: Path
) -> tuple[dict[str, Any], int, float]:
    from rushes import Asset  # noqa: PLC0415 - as above
    from rushes.runtime.attempts.task import Task  # noqa: PLC0415 - as above
    from rushes.runtime.shared.objects.attempt import run_remote  # noqa: PLC0415 - as above
    from rushes.storage.s3 import S3Store  # noqa: PLC0415 - as above
    from rushes_functions.inspect import inspect as function  # noqa: PLC0415 - not for the other rows

    before = counts().get("GET bytes", 0)
    began = time.perf_counter()
    made = run_remote(
        Task(function, Asset(f"s3://{_BUCKET}/{key}"), function.params(None)),
        S3Store(client),
        scratch,
        report=lambda *_: None,
        may_publish=lambda _: None,
        cancelled=lambda: False,
        local_name=lambda uri: uri,
    )
    seconds = time.perf_counter() - began
    sent = counts()["GET bytes"] - before
    if made.read is None or made.read["fetched_bytes"] != sent:
        raise measure.Failed(f"{key}: the row says {made.read}, the server sent {sent}")
    if json.loads(made.result)["media"]["warnings"]:
        raise measure.Failed(f"{key}: {json.loads(made.result)['media']['warnings']}")
    return made.read, sent, seconds


def transfer(options: Options) -> Section:
    """A file up and down, beside boto3's transfer manager."""
    size = _LARGE if options.clip_s >= 60 else _LARGE // 8
    memory = Path("/dev/shm")  # noqa: S108 - of a disk nothing is to be said here
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else options.folder) as folder:
        return _transfers(Path(folder), size, options.rounds)


def _transfers(folder: Path, size: int, rounds: int) -> Section:
    from rushes.storage.arrival import crc32_file  # noqa: PLC0415 - not for the other rows
    from rushes.storage.crc32 import crc32_text  # noqa: PLC0415 - as above
    from rushes.storage.s3 import S3Store  # noqa: PLC0415 - as above

    spent: dict[str, list[float]] = {}
    source, target = folder / "source.mov", folder / "target.mov"
    with source.open("wb") as file:
        for number in range(size >> 20):
            file.write(number.to_bytes(4) * (1 << 18))
    (folder / "source.mov.crc32").write_text(crc32_text(crc32_file(source)))
    section = Section(
        f"A file of {size >> 20} MiB to S3 and back",
        "Ours, which also checks the CRC-32 of the whole object on both ways, publishes on a condition and "
        "pins what it reads, beside `upload_file` and `download_file` of boto3 as they come. The server "
        "throws away what it is sent and sends from memory; files are in memory too: over a network it is "
        "nearer to 1. In MiB/s.",
    )
    with served(folder) as (client, _):
        store, serial = S3Store(client), itertools.count()

        def rate(name: str, act: Callable[[], object]) -> float:
            target.unlink(missing_ok=True)
            began, cpu = time.perf_counter(), time.process_time()
            act()
            spent.setdefault(name, []).append(time.process_time() - cpu)
            return (size >> 20) / (time.perf_counter() - began)

        def up() -> object:
            return store.publish(source, f"s3://{_BUCKET}/ours-{next(serial)}.mov", "0" * 64)

        acts: dict[str, Callable[[], object]] = {
            "up, ours": up,
            "up, boto3": lambda: client.upload_file(str(source), _BUCKET, f"theirs-{next(serial)}.mov"),
            "down, ours": lambda: store.fetch(f"s3://{_BUCKET}/source.mov", target),
            "down, boto3": lambda: client.download_file(_BUCKET, "source.mov", str(target)),
        }
        methods = {name: partial(rate, name, act) for name, act in acts.items()}
        found, section.left_out = measure.interleave(methods, rounds)
    for way in ("up", "down"):
        ours, theirs = found.get(f"{way}, ours"), found.get(f"{way}, boto3")
        if ours is not None and theirs is not None:
            ratio = measure.ratios(ours, theirs)
            section.rows.append(
                Row(f"boto3's transfer manager, {way}", ratio, Goal(AT_LEAST, 0.9), ours, theirs, "MiB/s")
            )
            mine, other = (Series(tuple(spent[f"{way}, {who}"])) for who in ("ours", "boto3"))
            section.facts.append(f"CPU of the client, {way}: {mine} s, boto3 {other} s.")
    return section
