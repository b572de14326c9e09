"""What a process on AWS is told by its environment, read once. This module must not import an SDK."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Final

from rushes.errors import CallerError
from rushes.invocation import PRIORITIES
from rushes.units import parse_duration

__all__ = ["LEAST_KEPT_S", "STOP_S", "AwsSettings", "aws_settings", "pairs_of", "places_of", "ranks_of"]

STOP_S: Final = 20.0
"""Before Lambda ends the process: time to stop ffmpeg, say so in the ledger, and answer."""
METRICS: Final = "POWERTOOLS_METRICS_NAMESPACE"
LEAST_LEASE_S: Final = 1.0
"""A claim of no time is everybody's."""
LEAST_KEPT_S: Final = 86_400.0
"""Items vanish so long after their batch was opened, ended or not: with less, work that waits would."""


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """One frozen object; the variables that set a value stand behind it.

    Args:
        table: of the shared ledger (`RUSHES_TABLE`); "" where work is done without one.
        queue: URL of the queue that notices of short waits go back to (`RUSHES_QUEUE_URL`), or "";
            ``urgent=URL,standard=URL`` where each class has its own.
        longer: URL of the queue of a tier that may take longer (`RUSHES_LONGER_QUEUE_URL`), or "", likewise.
        out: where outputs go that nobody gave a place (`RUSHES_OUT`), or "".
        show: who pays for what nobody gave a show (`RUSHES_SHOW`).
        scratch: a folder with room for a clip and its outputs (`RUSHES_SCRATCH`).
        kept_s: items of the ledger vanish after so long (`RUSHES_KEEP`); None keeps them.
        storage_class: of what is written (`RUSHES_STORAGE_CLASS`), or "".
        kms_key: that outputs are encrypted with (`RUSHES_KMS_KEY`), or "".
        clip_keys: that clips are encrypted with, where they are others (`RUSHES_CLIP_KEYS`).
        lease_s: how long a claim holds that nobody extends (`RUSHES_LEASE`): so long a host may be dead, or
            out of reach, before another takes its work over.
        poll_s: how long a host's request to an empty queue waits (`RUSHES_POLL`), 20 at most: so long a host
            that is told to go may take, once it has given everything back.
        work_role: ARN of the role whose sessions attempts have (`RUSHES_WORK_ROLE`); "": they have what this
            process has.
        tier, prices: what a host is, and a file of prices (`RUSHES_TIER`, `RUSHES_PRICES`).
        region: of AWS (`AWS_REGION`, else `AWS_DEFAULT_REGION`); "" for that of the AWS tools' own
            configuration.
        memory_mb: on Lambda, what its run has and pays for; 0 on a host.
        tracing: attempts are told to X-Ray (`RUSHES_TRACING`).
        sdk_data: a folder with what the SDK must know (`RUSHES_SDK_DATA`, see `sdk_data.py`), or ""; one that
            the SDK itself was given (`AWS_DATA_PATH`) goes before it.
        ranks: of the environment's classes, by name (`RUSHES_RANKS`).
        metrics: their namespace (`POWERTOOLS_METRICS_NAMESPACE`): each environment has one of its own.
    """

    table: str = ""
    queue: str = ""
    longer: str = ""
    out: str = ""
    show: str = "default"
    scratch: Path = Path()
    kept_s: float | None = None
    storage_class: str = ""
    kms_key: str = ""
    lease_s: float = 60.0
    poll_s: float = 20.0
    work_role: str = ""
    tier: str = "here"
    prices: str = ""
    region: str = ""
    memory_mb: int = 0
    tracing: bool = False
    sdk_data: str = ""
    ranks: Mapping[str, int] = field(default_factory=lambda: ranks_of(""), hash=False)
    clip_keys: tuple[str, ...] = ()
    metrics: str = "Rushes"

    def queue_of(self, priority: str) -> str:
        """The queue that notices of a class go back to, or ""."""
        return _of_class(self.queue, priority)

    def longer_of(self, priority: str) -> str:
        """The queue of those who may take longer, for a class, or ""."""
        return _of_class(self.longer, priority)


def pairs_of(text: str) -> dict[str, str]:
    """``a=x,b=y`` as a dictionary: how a variable says several things."""
    return {key: value for one in text.split(",") if one for key, _, value in [one.partition("=")]}


def places_of(text: str) -> dict[str, str]:
    """``a=URL,b=~NAME`` as URLs by name: a name alone is that of a queue beside the first that has a URL."""
    found = pairs_of(text)
    beside = next((url.rpartition("/")[0] for url in found.values() if "/" in url), "")
    return {key: f"{beside}/{one[1:]}" if one.startswith("~") else one for key, one in found.items()}


def ranks_of(text: str) -> dict[str, int]:
    """``urgent=1,dailies=1`` as ranks by class, the best first; those that ship where nothing is said.

    Raises:
        CallerError: a rank is no number.
    """
    if not text:
        return {name: rank for rank, name in enumerate(PRIORITIES)}
    try:
        found = {name: int(rank) for name, rank in pairs_of(text).items()}
    except ValueError as error:
        raise CallerError(
            f"RUSHES_RANKS is {text!r}.", code="bad-value", fix="Expected CLASS=RANK,CLASS=RANK."
        ) from error
    return dict(sorted(found.items(), key=lambda one: (one[1], one[0])))


def _of_class(text: str, priority: str) -> str:
    if text.startswith(("http://", "https://")):
        return text
    return pairs_of(text).get(priority, "")


def _seconds(name: str, text: str, least_s: float) -> float:
    """A duration that a variable says.

    Raises:
        CallerError: it is none, or shorter than can be meant.
    """
    found = parse_duration(text)
    if not least_s <= found < inf:
        raise CallerError(f"{name} is {text}.", code="bad-value", fix=f"Expected {least_s:g} s or more.")
    return found


def aws_settings(environ: Mapping[str, str] = os.environ) -> AwsSettings:
    """The settings of an environment.

    Raises:
        CallerError: a variable cannot be read.
    """
    keep = environ.get("RUSHES_KEEP")
    return AwsSettings(
        environ.get("RUSHES_TABLE", ""),
        environ.get("RUSHES_QUEUE_URL", ""),
        environ.get("RUSHES_LONGER_QUEUE_URL", ""),
        environ.get("RUSHES_OUT", ""),
        environ.get("RUSHES_SHOW") or "default",
        Path(environ.get("RUSHES_SCRATCH") or tempfile.gettempdir()),
        _seconds("RUSHES_KEEP", keep, LEAST_KEPT_S) if keep else None,
        environ.get("RUSHES_STORAGE_CLASS", ""),
        environ.get("RUSHES_KMS_KEY", ""),
        _seconds("RUSHES_LEASE", environ.get("RUSHES_LEASE") or "60s", LEAST_LEASE_S),
        parse_duration(environ.get("RUSHES_POLL") or "20s"),
        environ.get("RUSHES_WORK_ROLE", ""),
        environ.get("RUSHES_TIER") or "here",
        environ.get("RUSHES_PRICES", ""),
        environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION", ""),
        int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0),
        bool(environ.get("RUSHES_TRACING")),
        "" if environ.get("AWS_DATA_PATH") else environ.get("RUSHES_SDK_DATA", ""),
        ranks_of(environ.get("RUSHES_RANKS", "")),
        tuple(one for one in environ.get("RUSHES_CLIP_KEYS", "").split(",") if one),
        environ.get(METRICS) or "Rushes",
    )
