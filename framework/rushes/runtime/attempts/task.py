"""What one attempt is about, and what it leaves. Values only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rushes.asset import Asset

if TYPE_CHECKING:
    from rushes.declaration import Params
    from rushes.function import Function
    from rushes.invocation import Finished, Spent
    from rushes.runtime.attempts.parts import Parts
from rushes.runtime.sending.shareable import as_told

__all__ = ["Gate", "Keeper", "Made", "PoolOfParts", "Reporter", "Task", "elsewhere"]


class PoolOfParts(Protocol):
    """What an attempt asks of the pool that it runs on."""

    @property
    def keep_root(self) -> Path:
        """Where the folder that outlives attempts goes when there is no destination."""
        ...

    def keeps(self, folder: Path) -> None:
        """The attempt has made a folder that is to be removed once its invocation has ended."""
        ...

    def lacks(self, holders: list[str]) -> None:
        """The attempt waits for a device that these invocations hold, or others of other pools."""
        ...

    def run(self, parts: Parts) -> list[Finished]:
        """Run the parts on the pool and wait for them, in their order.

        Raises:
            Cancelled: the attempt was, meanwhile.
        """
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """What one attempt is about.

    Args:
        function: the author's function.
        source: the clip; its bytes are local.
        params: the validated options.
        invocation: id, ``<batch>.<n>``, or ``here``.
        key: hex digest of what determines the result.
        fingerprint: of the source at submission; it is compared again before publication.
        out: destination folder, or None.
        intent: what an earlier attempt was about to publish when it was lost, if anything.
        known: a result that exists for this key: its row's data.
        logs: folder of the batch's logs, one file an invocation; None: no log is kept.
        pool: where parts of this work can run; None: only here.
        rank: tells that of its class as it is now; what stands before a device is served in this order.
        hedge: it runs beside another attempt, which it must leave alone.
        spent: asks what it has cost until now; None where that is not counted.
        charge: told in nano-dollars what a pool has counted for it; None: nobody wants to know.
        class_now: asks for the class that a person has given it meanwhile; "" for none.
        routed: on which tier it was to run, and why, as its receipt says it; None where there was no choice.
        temporary: where its scratch folder goes when it has no outputs; None: among the temporary files.
    """

    function: Function[Any, Any]
    source: Asset
    params: Params
    invocation: str = "here"
    attempt: int = 1
    key: str = ""
    fingerprint: str = ""
    show: str = "default"
    deadline: float | None = None
    out: str | None = None
    subdir: str = ""
    tag: str = ""
    name: str | None = None
    receipts: str = "beside"
    source_digest: str = ""
    queued_at: float = 0.0
    logs: Path | None = None
    intent: Mapping[str, Any] | None = None
    known: Mapping[str, Any] | None = None
    settle_s: float = 0.0
    member: str = ""
    """Which function of a joint invocation it is, by its name."""
    members: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of a joint invocation, the rows of what is known, by the number of the function among them."""
    pool: PoolOfParts | None = None
    rank: Callable[[], int] = lambda: 0
    hedge: bool = False
    spent: Callable[[], Spent] | None = None
    charge: Callable[[int], None] | None = None
    class_now: Callable[[], str] = lambda: ""
    routed: Mapping[str, Any] | None = None
    temporary: Path | None = None

    @property
    def scratch_name(self) -> str:
        """What its scratch folders are named after: those of no other function of its invocation.

        Nor those of an attempt beside it: who takes an invocation over moves the folders of that name away.
        """
        name = f"{self.invocation}_{self.member}" if self.member else self.invocation
        return f"{name}_hedge" if self.hedge else name

    @property
    def log(self) -> Path | None:
        """The invocation's log; it may not exist."""
        return self.logs / f"{self.invocation.rpartition('.')[2]}.log" if self.logs else None


def elsewhere(result: str, places: Mapping[str, str]) -> str:
    """A result as JSON whose outputs are at other places; who wrote it may have escaped its letters, or not.

    Args:
        result: JSON.
        places: the new place of each path, both as they are.
    """
    for path, place in places.items():
        result = result.replace(json.dumps(path), json.dumps(place))
        if not path.isascii():
            result = result.replace(json.dumps(path, ensure_ascii=False), json.dumps(place))
    return result


@dataclass(slots=True)
class Made:
    """What a successful attempt leaves: the row of the ledger."""

    result: str
    """JSON of the result model."""
    outputs: tuple[str, ...] = ()
    receipt: str | None = None
    encoder: str | None = None
    warnings: tuple[str, ...] = ()
    media_s: float = 0.0
    cached: bool = False
    published: list[dict[str, Any]] = field(default_factory=list)
    work: list[Any] | None = None
    """What there was to do (`rushes.runtime.sending.workload`), where its seconds are worth learning from."""
    read: dict[str, Any] | None = None
    """Of a clip that stayed where it is: which object it was, and how much of it was fetched."""
    worked_s: float | None = None
    """What a pool was at work on it; None: as long as whoever asked waited."""

    def data(self) -> bytes:
        """The row's data: JSON, the result spliced in as it is, but for links in it that give access."""
        data = self._data()
        return as_told(data.decode()).encode() if b"://" in data else data

    def _data(self) -> bytes:
        if not (self.outputs or self.warnings or self.encoder or self.receipt or self.work or self.read):
            return b'{"result":' + self.result.encode() + b"}"
        rest = {
            "outputs": self.outputs,
            "receipt": self.receipt,
            "encoder": self.encoder,
            "warnings": self.warnings,
            "published": self.published,
            "media_s": self.media_s,
            "work": self.work,
            "read": self.read,
        }
        kept = json.dumps({k: v for k, v in rest.items() if v}, separators=(",", ":"))
        return b'{"result":' + self.result.encode() + b"," + kept[1:].encode()


Reporter = Callable[[float, str], None]
"""Called with a fraction 0..1 (negative: alive, fraction unknown) and a note."""
Gate = Callable[[dict[str, Any]], None]
"""Called with the intent before anything becomes visible; raises when this attempt may not go on."""
Keeper = Callable[[int, Made | None], None]
"""Called when a function of a joint invocation has ended: its number, and what it leaves; None: it failed."""
