"""The receipt: where a result comes from, well enough to repeat it.

It lies beside each output as ``<output>.rushes.json``, or in a folder of choice; docs/reference/receipt.md
describes every field. This module must not know how outputs are published.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rushes import __version__
from rushes.errors import CallerError
from rushes.runtime.files import shown
from rushes.runtime.ownership import RECEIPT_KIND, read_receipt

__all__ = [
    "BOX_LEVELS",
    "READERS",
    "FfmpegBuild",
    "Receipt",
    "ReceiptOutput",
    "ReceiptPart",
    "ReceiptRouted",
    "ReceiptSource",
    "Timings",
    "TriedEncoder",
]

BOX_LEVELS: Final[Mapping[str, str]] = {
    "none": "nothing was decoded outside this process, or no limit could be set",
    "rlimits": "decoding ran in throw-away children under process limits and a watchdog, with allow-lists of "
    "formats and protocols; files and network of the host were within their reach",
    "landlock": "as rlimits, and the kernel kept from them every file but the inputs, the system's programs "
    "and one folder to write to; TCP too from Linux 6.7 on, other sockets not",
    "bubblewrap": "as rlimits, in namespaces of their own without a network, where no file but these was "
    "there",
    "bubblewrap+landlock": "as bubblewrap, and Landlock inside as a second wall",
}
"""What each level of the box keeps a hostile file from, and what not."""


READERS: Final[Mapping[str, str]] = {
    "none": "nothing was read with PyAV",
    "rlimits": "PyAV read in a process of its own under limits; files and network of the host were within "
    "its reach",
    "seccomp": "a filter of system calls kept that process from opening any file or socket, and from "
    "starting and signalling anything",
    "landlock": "the kernel kept every file from that process, and TCP from Linux 6.7 on",
    "landlock+seccomp": "both walls held",
}
"""What kept a hostile file in the process in which PyAV read it, and from what."""


class _Part(BaseModel):
    # An older reader ignores what a newer writer added; the compatibility rule is that of `Result`.
    model_config = ConfigDict(extra="ignore", frozen=True)


class ReceiptSource(_Part):
    """What the result was made of."""

    uri: str
    fingerprint: str = ""
    sha256: str | None = None
    frames: tuple[int, int] | None = None


class ReceiptOutput(_Part):
    """One output. For a folder, `sha256` is over the sorted names and SHA-256s of its files."""

    name: str
    path: str
    size_bytes: int
    sha256: str
    folder: bool = False


class FfmpegBuild(_Part):
    """The build that encoded."""

    name: str = ""
    version: str = ""
    configuration: str = ""


class TriedEncoder(_Part):
    """One encoder that was tried for the result, or left out beforehand; the last one made it."""

    family: str = "software"
    device: str = "cpu"
    encoder: str
    outcome: str = "made"
    reason: str = ""
    code: str = ""
    decoder: str = "software"
    seconds: float = 0.0
    waited_s: float = 0.0
    note: str = ""
    output: str = ""


class ReceiptPart(_Part):
    """One part of an encode in chunks."""

    number: int
    invocation: str = ""
    frames: int = 0
    encoder: str = ""
    decoder: str = "software"
    seconds: float = 0.0
    cpu_s: float = 0.0
    redone: int = 0
    reason: str = ""
    argv: tuple[str, ...] = ()
    box: str = "none"
    device: str = ""
    waited_s: float = 0.0
    note: str = ""


class Timings(_Part):
    """UTC epoch seconds, and processor seconds of all commands."""

    queued: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    cpu_s: float = 0.0


class ReceiptRouted(_Part):
    """On which tier it was to run, of an environment that has several."""

    tier: str
    reason: str = ""
    expected_s: float | None = None
    late_s: float | None = None
    limit_s: float | None = None


def _named(value: Any) -> Any:
    """Receipts of 0.1 held the encoders' names alone."""
    return {"encoder": value} if isinstance(value, str) else value


class Receipt(_Part):
    """The provenance of one result."""

    kind: Literal["rushes.receipt"] = RECEIPT_KIND
    schema_version: int = Field(default=1, alias="schema")
    rushes: str = __version__
    function: str
    version: str
    ref: str
    source_digest: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    key: str = ""
    source: ReceiptSource
    result: Any = None
    outputs: tuple[ReceiptOutput, ...] = ()
    replaces: dict[str, str] = Field(default_factory=dict)
    ffmpeg: FfmpegBuild | None = None
    argv: tuple[tuple[str, ...], ...] = ()
    encoder: str | None = None
    tried: tuple[Annotated[TriedEncoder, BeforeValidator(_named)], ...] = ()
    parts: tuple[ReceiptPart, ...] = ()
    verification: dict[str, Any] | None = None
    quality: dict[str, Any] | None = None
    box: str = "rlimits"
    reader: str = "none"
    warnings: tuple[str, ...] = ()
    timings: Timings = Timings()
    host: str = ""
    invocation: str = ""
    attempt: int = 1
    show: str = "default"
    cost_usd: float | None = None
    joules: float | None = None
    routed: ReceiptRouted | None = None

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    def to_text(self) -> str:
        """The receipt as the file holds it: ASCII JSON, so that names that are no UTF-8 survive."""
        return json.dumps(self.model_dump(mode="python", by_alias=True), indent=1, ensure_ascii=True) + "\n"

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Receipt:
        """The receipt in a file.

        Raises:
            CallerError: there is none, or it is of a schema that this version cannot read.
        """
        data = read_receipt(path)
        if data is None:
            what = "is no receipt of Rushes" if Path(path).exists() else "does not exist"
            raise CallerError(
                f"{shown(path)} {what}.",
                code="not-a-receipt",
                fix="A receipt lies beside its output, as <output>.rushes.json.",
            )
        if data.get("schema") != 1:
            raise CallerError(
                f"{shown(path)} has schema {data.get('schema')!r}; this version reads schema 1.",
                code="receipt-schema",
                fix="Use the version of Rushes that wrote it, or a newer one.",
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise CallerError(
                f"the receipt {shown(path)} is damaged: {where}: {first['msg']}.",
                code="not-a-receipt",
                fix="Bring it back from a copy; without it the result has to be made again.",
            ) from error
