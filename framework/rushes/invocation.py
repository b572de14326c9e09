"""The values that travel: what is asked for, and what came of it.

An invocation is function@version + assets + frame range + params; a batch is what is submitted together
and shares function, class, show and destination. This module must not know who carries them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from rushes.core.states import State

__all__ = [
    "OWNER",
    "PASS_OF",
    "PRIORITIES",
    "BatchSpec",
    "BatchStatus",
    "Counts",
    "Finished",
    "Invocation",
    "Receipts",
    "Spent",
    "function_name",
]

PRIORITIES: Final = ("interactive", "urgent", "standard", "background")

OWNER: Final = "rushes-host"
"""The tag of a batch that a host handed to its machine's pool: in whose name that works."""
PASS_OF: Final = "rushes-pass"  # noqa: S105 - the name of a tag
"""The tag of a batch of parts that names the pass of who mapped them: their clips may be anywhere."""

_NANO: Final = 1_000_000_000  # as in `rushes.core.money`, which every start of a command would pay for

Receipts = str
"""``beside`` (the default), ``none``, or a folder."""


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """What all invocations of a batch share.

    Args:
        function: how a slot finds the function: an entry point's name, ``package.module:name`` or
            ``/abs/path/file.py:name``.
        version: the function's version.
        source_digest: digest of its source when that is editable or loaded by path, else "".
        out: destination folder or URI; None for a function without file outputs.
        params: canonical JSON of the params that invocations start from.
        resources: cpu, memory_bytes, scratch_bytes, gpu of one attempt.
        name: template of output names, or None to mirror the input's.
        parent: the invocation whose body mapped it, ``<batch>.<n>``; "" for what people submit. Class, show,
            deadline and environment are then that one's.
        lease: the fencing token of the attempt that mapped it.
        preemptible: it may stand aside for more urgent work.
        max_cost_nano: nano-dollars that may be spent on it, its parts included; None: no such cap.
        environment: what a slot needs to be the submitter: interpreter, variables, folder.
        limits: by function, how many invocations of it may run at once on the whole pool.
    """

    function: str
    version: str
    params: str = "{}"
    source_digest: str = ""
    out: str | None = None
    priority: str = "standard"
    show: str = "default"
    deadline: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    receipts: Receipts = "beside"
    force: bool = False
    max_slots: int | None = None
    retries: int = 2
    timeout_s: float | None = None
    stall_s: float = 120.0
    resources: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    settle_s: float = 0.0
    preemptible: bool = True
    parent: str = ""
    lease: int = 0
    quote: Mapping[str, Any] | None = None
    """What was quoted before it was sent, if anything was."""
    max_cost_nano: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


# A million of the next two are made: a named tuple is made in a fifth of a frozen dataclass's time.
class Invocation(NamedTuple):
    """One clip of a batch.

    Args:
        source: URI of the asset; "" for a function without one.
        key: hex digest of what determines the result.
        frames: half-open frame range, or None.
        params: canonical JSON that differs from the batch's params, or None.
        subdir: folder below ``out`` that mirrors the tree below INPUT.
        tag: suffix ``~ab12`` when another input would make the same name, else "".
        after: ids of invocations that have to end first.
        on_failure: what a failed dependency does to this one: ``cancel`` or ``run``.
        problem: an error found before submission (a manifest's missing line); it fails as such.
        fingerprint: what the source was when it was submitted.
        exclusive: keys of which at most one invocation runs at a time.
        size_bytes: of the clip, where a store has said it; else 0.
    """

    source: str
    key: str
    frames: tuple[int, int] | None = None
    params: str | None = None
    subdir: str = ""
    tag: str = ""
    after: tuple[str, ...] = ()
    on_failure: str = "cancel"
    problem: Mapping[str, Any] | None = None
    fingerprint: str = ""
    exclusive: tuple[str, ...] = ()
    size_bytes: int = 0


class Finished(NamedTuple):
    """How one invocation ended: one line of ``--json``.

    `seq` counts the ends within the batch, from 1: a follower that has seen up to `seq` asks for more
    with it. `result` is the result model's data; `receipt` the path of the receipt, if there is one;
    `cost_nano` what it has cost in nano-dollars, all its attempts and parts together.
    """

    seq: int
    batch: str
    invocation: str
    asset: str
    function: str
    state: State
    outputs: tuple[str, ...] = ()
    result: Any = None
    error: Mapping[str, Any] | None = None
    attempts: int = 1
    seconds: float = 0.0
    cost_nano: int = 0
    encoder: str | None = None
    cached: bool = False
    receipt: str | None = None
    warnings: tuple[str, ...] = ()
    media_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints, schema 1."""
        error = self.error and {k: self.error.get(k) for k in ("kind", "code", "message")}
        return {
            "schema": 1,
            "batch": self.batch,
            "invocation": self.invocation,
            "asset": self.asset,
            "function": self.function,
            "state": self.state.value,
            "outputs": list(self.outputs),
            "result": self.result,
            "error": error or None,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 6),
            "cost_usd": self.cost_nano / _NANO,
            "encoder": self.encoder,
            "cached": self.cached,
            "warnings": list(self.warnings),
        }


class Spent(NamedTuple):
    """What a batch has cost in attempts that have ended, with the parts that they mapped.

    `nano` is in nano-dollars; `waste_nano` is what of it was thrown away: failed attempts, and what was done
    again. `joules` is 0 where the machine's watts are not stated.
    """

    nano: int = 0
    waste_nano: int = 0
    joules: float = 0.0

    @property
    def usd(self) -> float:
        """Dollars, for a chart; sums are exact in `nano` alone."""
        return self.nano / _NANO


@dataclass(slots=True)
class Counts:
    """How many invocations of a batch are in each state."""

    queued: int = 0
    held: int = 0
    running: int = 0
    paused: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    cached: int = 0
    """Of the succeeded ones, those whose result was known."""

    @property
    def total(self) -> int:
        return self.queued + self.held + self.running + self.paused + self.ended

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch as a person follows it."""

    batch: str
    title: str
    function: str
    priority: str
    show: str
    out: str | None
    counts: Counts
    sealed: bool
    """True once the submitter has sent everything."""
    submitted: float
    ended: float | None
    seconds: float
    """Slot-seconds used so far."""
    media_s: float
    """Seconds of media in the finished results, for the × real time figure."""
    running: tuple[Mapping[str, Any], ...] = ()
    """What runs now: invocation, asset, fraction 0..1, note, seconds."""
    standstill: str = ""
    """Why nothing more of the whole pool starts, with what ends that; empty while it goes on."""
    tags: Mapping[str, str] = field(default_factory=dict)
    displacement: tuple[Mapping[str, Any], ...] = ()
    """What other batches bore for this one: see `rushes.core.swarm.Share`."""
    parent: str = ""
    """The invocation that it is made of parts of, or ""."""
    spent: Spent = field(default_factory=Spent)
    quote: Mapping[str, Any] | None = None
    """What was quoted before it was sent: see `rushes.runtime.sending.quoting.kept_quote`."""
    held: str = ""
    """Why a part of it is held: whose money is spent, and what ends that; "" while nothing is."""
    held_by: tuple[str, str] = ("", "")
    """Whose money that is: ``organisation``, ``show`` or ``batch``, and a name."""
    frees_at: float | None = None
    """When it goes on by itself; None: only once somebody raises a limit."""
    only_held: bool = False
    """Nothing else is left of it."""
    waits: tuple[Mapping[str, Any], ...] = ()
    """What some of it waits for beside a slot: ``{count, why, invocation}``, that of the first of them."""
    target_s: float | None = None
    """How soon batches of its class should be done; None where nobody has said."""
    class_note: str = ""
    """Why it is in another class than was asked for, or ""."""


def function_name(ref: str) -> str:
    """What people call the function that a slot finds as ``package.module:name`` or ``/abs/file.py:name``.

    Of several that are run together, joined by ``+``, the names are joined likewise.
    """
    if "+" not in ref or ref.count(":") < 2:
        return ref.rpartition(":")[2]
    return "+".join(one.rpartition(":")[2] for one in ref.split("+"))


def made_beside(error: Mapping[str, Any]) -> dict[str, Any]:
    """What functions that ran together made although others of them failed: fields of `Finished`."""
    functions = (error.get("details") or {}).get("functions")
    if not functions:
        return {}
    return {
        "result": {"functions": functions},
        "outputs": [path for one in functions.values() for path in one.get("outputs", ())],
        "warnings": warnings_of({name: one.get("warnings", ()) for name, one in functions.items()}),
    }


def warnings_of(functions: Mapping[str, Iterable[str]]) -> list[str]:
    """The warnings of functions that ran together, each once, with the names of those that gave it."""
    names: dict[str, list[str]] = {}
    for name, texts in functions.items():
        for text in texts:
            names.setdefault(text, []).append(name)
    return [f"{', '.join(dict.fromkeys(who))}: {text}" for text, who in names.items()]
