"""What a reader does: it answers questions about one file after the other, sealed, until nobody asks.

Each question comes with the open file, which becomes standard input. Answers are JSON. The modules that read
are the same that read elsewhere; here they reach their source by its descriptor (`handed`). Nothing that a
file holds is printed, nor told by what fails; whose fault that is says `rushes.media.readers.blame`.
"""

from __future__ import annotations

import gc
import importlib
import json
import mmap
import os
import pkgutil
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from rushes.errors import RushesError
from rushes.media.readers import handed
from rushes.media.readers.blame import blamed_for
from rushes.media.readers.framing import LENGTH
from rushes.media.readers.sealing import seal
from rushes.media.running.cores import usable_cores

__all__ = ["main"]

_MESSAGE_BYTES: Final = 64 * 1024
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
# Decoders start a thread a core; a stack is 8 MiB of address space, of which little is ever touched.
_STACKS_BYTES: Final = 16 * 1024**2 * usable_cores()
# Reading keeps no cycles of its own: they are collected now and then, not every few hundred objects.
_OBJECTS_BEFORE_COLLECTING: Final = 50_000
# Of PyAV: what downloads samples, and what reaches devices.
_NOT_NEEDED: Final = frozenset(("datasets", "device", "filter"))


def main(descriptor: int, asker: int) -> None:
    """Answer what is asked through the inherited socket until the asker closes it."""
    if os.getppid() != asker:
        sys.exit()
    talk = socket.socket(fileno=descriptor)
    # Full of what nobody reads, stderr must not stop the reader.
    os.set_blocking(2, False)
    handed.only_handed()
    _import_all_of_av()
    from rushes.media.answers import ANSWERS  # noqa: PLC0415 - all that reads, before the seal

    nothing = os.open(os.devnull, os.O_RDONLY)
    time.localtime()  # reads the zone's file, once
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    gc.enable()
    own_bytes = _address_space()
    walls = seal()
    _say(talk, 1, json.dumps({"walls": walls}).encode())
    allowed = 0
    while True:
        message, source = _hear(talk)
        if source is None:
            return
        os.dup2(source, 0)
        os.close(source)
        memory_bytes, question, arguments = json.loads(message)
        handed.by_ranges(arguments.get("ranged"))
        if memory_bytes != allowed:
            allowed = memory_bytes
            _limit(own_bytes, allowed)
        kind, body, is_spent = _answer(ANSWERS[question], arguments, allowed)
        os.dup2(nothing, 0)
        _say(talk, kind, body)
        if is_spent:
            return


def _answer(
    question: Callable[[Mapping[str, Any]], bytes], arguments: Mapping[str, Any], allowed: int
) -> tuple[int, bytes, bool]:
    """What to say, and whether this process should read nothing more."""
    try:
        return 1, question(arguments), False
    except Exception as error:  # noqa: BLE001 - a reader that ends of it would blame the clip
        told = blamed_for(error, arguments["name"], can_have=lambda: _can_have(allowed))
        is_spent = not isinstance(error, RushesError)
    return 0, json.dumps(told.to_dict(), default=repr).encode(), is_spent


def _can_have(count: int) -> bool:
    """Whether this machine has so many bytes more, without the limit that a clip is held to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        mmap.mmap(-1, count, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, ValueError):
        return False
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return True


def _hear(talk: socket.socket) -> tuple[bytes, int | None]:
    """The next question and its file; no file when the asker has gone."""
    data, descriptors, _, _ = socket.recv_fds(talk, _MESSAGE_BYTES, 1)
    if not data:
        return b"", None
    while len(data) < LENGTH.size or len(data) < LENGTH.size + LENGTH.unpack_from(data)[0]:
        data += talk.recv(_MESSAGE_BYTES)
    return data[LENGTH.size :], descriptors[0]


def _say(talk: socket.socket, kind: int, body: bytes) -> None:
    talk.sendall(LENGTH.pack(len(body), kind) + body)


def _limit(own_bytes: int, allowed: int) -> None:
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = own_bytes + allowed + _STACKS_BYTES
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Bytes of address space that this process has taken."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - before the seal, once
            return int(file.read().split()[0]) * _PAGE_BYTES
    except OSError:  # no Linux: there is no such limit either
        return 0


def _import_all_of_av() -> None:
    """PyAV imports a kind of stream when it meets the first one."""
    import av  # noqa: PLC0415 - before the seal

    for found in pkgutil.walk_packages(av.__path__, "av."):
        if not found.name.endswith("__main__") and found.name.split(".")[1] not in _NOT_NEEDED:
            importlib.import_module(found.name)
