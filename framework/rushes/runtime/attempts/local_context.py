"""The concrete context of an attempt on this machine: outputs, scratch, encodes, tools, progress, logs.

What is done is gathered in `evidence`; encodes and tools are modules of their own, imported when used. This
module must not know slots, nor when outputs become visible.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.asset import Asset, Output
from rushes.context import Context
from rushes.errors import CallerError
from rushes.media.running.redact import unsigned
from rushes.runtime.attempts.evidence import Evidence, row_of
from rushes.runtime.attempts.task import Made, PoolOfParts, Reporter, Task
from rushes.runtime.outputs.scratch import (
    close_scratch,
    keep_folder,
    open_scratch,
    open_temporary,
    sweep_direct,
)
from rushes.temporary import hold

if TYPE_CHECKING:
    from rushes.asset import AssetLike
    from rushes.batch import Outcome
    from rushes.context import Chunks
    from rushes.declaration import Params, Result
    from rushes.function import Function
    from rushes.media.encoding.encode import Encoded
    from rushes.media.encoding.verify import Level
    from rushes.media.ladders.renditions import MadeLadder
    from rushes.media.ladders.rungs import Ladder
    from rushes.media.ladders.snapshots import Snapshots
    from rushes.media.ladders.still_branches import Stills
    from rushes.media.profile import Profile
    from rushes.media.quality.parity import Promise
    from rushes.media.running.process import ToolRun
    from rushes.runtime.outputs.destination import Destination
    from rushes.runtime.outputs.receipt import Receipt

__all__ = ["LocalContext", "destination_of"]


class LocalContext(Context):
    """The concrete context of one attempt."""

    def __init__(self, task: Task, report: Reporter, cancelled: Callable[[], bool]) -> None:
        self.task = task
        self.invocation = task.invocation
        self.attempt = task.attempt
        self.show = task.show
        self.deadline = task.deadline
        self.report = report
        self._cancelled = cancelled
        self._scratch: Path | None = None
        self._held = -1
        self._keep: Path | None = None
        self._maps: list[Path] = []
        self._said = (-1.0, "")
        self._destination: Destination | None = None
        self.outputs: dict[str, Output] = {}
        self._evidence: Evidence | None = None

    # -- what the author sees -----------------------------------------------------------------------------

    @property
    def scratch(self) -> Path:
        if self._scratch is None:
            name = self.task.scratch_name
            if self.destination is not None:
                self._scratch = open_scratch(self.destination.scratch_root(), name, self.attempt)
            else:
                self._scratch = open_temporary(self.task.temporary, name, self.attempt)
            if self.task.pool is None:
                self._held = hold(self._scratch)
                sweep_direct(self._scratch.parent, name)
        return self._scratch

    @property
    def keep(self) -> Path:
        if self._keep is None:
            if self.task.pool is None:  # no other attempt will come
                made = self.scratch / "keep"
                made.mkdir(exist_ok=True)
            else:
                root = self.destination.scratch_root() if self.destination else self.task.pool.keep_root
                made = keep_folder(root, self.invocation)
                self.task.pool.keeps(made)
            self._keep = made
        return self._keep

    @property
    def destination(self) -> Destination | None:
        """Where outputs go; None for a function without an ``out``."""
        if self._destination is None and self.task.out is not None:
            self._destination = destination_of(self.task)
        return self._destination

    @property
    def evidence(self) -> Evidence:
        """What was done so far; nothing is gathered for a body that does nothing to speak of."""
        if self._evidence is None:
            self._evidence = Evidence()
        return self._evidence

    @property
    def pool(self) -> PoolOfParts | None:
        """Where parts of this work can run; None: only here, for bodies that share a slot cannot lend it."""
        return self.task.pool if threading.current_thread() is threading.main_thread() else None

    @property
    def cancelled(self) -> bool:
        return self._cancelled()

    def output(self, name: str) -> Output:
        if self.destination is None:
            raise CallerError(
                f"{self.task.function.name} makes a file and was given no place for it.",
                code="no-out",
                fix="Give out=... (on the command line: --out DIR).",
            )
        if name in self.outputs:
            return self.outputs[name]
        final = self.destination.resolve(name)
        folder = self.scratch / "out"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Output(name, path, str(final))
        self.outputs[name] = made
        return made

    def encode(
        self,
        source: Asset,
        target: Output | Path,
        profile: Profile,
        *,
        promise: Promise | None = None,
        check: bool = False,
        chunks: Chunks = "off",
        encoder: str | Sequence[str] | None = None,
        fallback: str | float | None = None,
    ) -> Encoded:
        from rushes.runtime.attempts.encoding import make_encode  # noqa: PLC0415 - the media stack is imported when used

        return make_encode(
            self, source, target, profile,
            promise=promise, check=check, chunks=chunks, encoder=encoder, fallback=fallback,
        )  # fmt: skip

    def renditions(
        self,
        source: Asset,
        ladder: Ladder,
        folder: Path,
        *,
        stills_folder: Path,
        level: Level = "packets",
        share: float = 1.0,
        check: bool = False,
        encoder: str | Sequence[str] | None = None,
        fallback: str | float | None = None,
    ) -> MadeLadder:
        from rushes.runtime.attempts.encoding import make_ladder  # noqa: PLC0415 - as in `encode`

        return make_ladder(
            self, source, ladder, folder,
            stills_folder=stills_folder, level=level, share=share, check=check,
            encoder=encoder, fallback=fallback,
        )  # fmt: skip

    def snapshots(self, source: Asset, stills: Stills, folder: Path) -> Snapshots:
        from rushes.runtime.attempts.encoding import make_stills  # noqa: PLC0415 - as in `encode`

        return make_stills(self, source, stills, folder)

    def ffmpeg(self, stream: Any, *, total_s: float | None = None) -> ToolRun:
        from rushes.runtime.attempts.tools import run_graph  # noqa: PLC0415 - as in `encode`

        return run_graph(self, stream, total_s=total_s)

    def run(
        self,
        tool: str,
        argv: Sequence[str | Path | Output],
        *,
        progress: Callable[[str], float | None] | None = None,
    ) -> ToolRun:
        from rushes.runtime.attempts.tools import run_declared  # noqa: PLC0415 - as in `encode`

        return run_declared(self, tool, argv, progress=progress)

    def map(
        self,
        function: Function[Any, Any],
        items: Iterable[AssetLike | tuple[AssetLike, Params | Mapping[str, Any]]],
        /,
        *,
        out: str | os.PathLike[str] | None = None,
        **params: Any,
    ) -> list[Outcome[Any]]:
        from rushes.runtime.attempts.parts import outcomes, parts_of, run_here  # noqa: PLC0415 - few bodies map

        self.report(*self._said)  # what a tool said since is of no interest while parts are waited for
        place = None
        if function.makes_outputs:
            # Each call has a folder of its own: two calls over one clip may make the same names.
            place = Path(out) if out is not None else self.keep / f"{len(self._maps) + 1}-{function.name}"
            self._maps.append(place)
        parts = parts_of(self.task, function, items, place, params)
        pool = self.pool
        if pool is None:
            ends = run_here(parts, self.invocation, report=self.report, cancelled=self._cancelled)
        else:
            ends = pool.run(parts)
        return outcomes(parts, ends, function.result_model)

    def progress(self, fraction: float, note: str = "") -> None:
        self._said = (fraction, note)
        self.report(fraction, note)

    def log(self, message: str) -> None:
        if self.task.log is None:
            return
        self.task.log.parent.mkdir(parents=True, exist_ok=True)
        with self.task.log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {unsigned(message)}\n")

    def warn(self, message: str) -> None:
        message = unsigned(message)
        self.evidence.warnings.append(message)
        self.log(f"warning: {message}")

    # -- what the runtime asks --------------------------------------------------------------------------

    @property
    def readable(self) -> list[Path]:
        """Folders of its own that tools may read: what it keeps, and what other functions made for it."""
        return [*([self._keep] if self._keep else []), *self._maps]

    def made(self, result: Result) -> Made:
        """The row of what the body returned."""
        expected = self.task.function.result_model
        if not isinstance(result, expected):
            raise CallerError(
                f"{self.task.function.name} returned {type(result).__name__}, not {expected.__name__}.",
                code="bad-result",
                fix=f"Return a {expected.__name__}.",
            )
        for output in self.outputs.values():
            if not output.path.exists():
                raise CallerError(
                    f"{self.task.function.name} asked for the output {output.name!r} and did not write it.",
                    code="missing-output",
                    fix="Write it, or ask for it only when you do.",
                )
        return row_of(result, self._evidence)

    def receipt(self, fingerprint: str, started: float) -> Receipt:
        """The provenance of what was made; its outputs are filled in by the publication."""
        return self.evidence.receipt(self.task, fingerprint, started)

    def drop_keep(self) -> None:
        """All is done: no other attempt needs what this one kept. The worker would remove it, too, later."""
        if self._keep is not None and self.task.pool is not None:
            close_scratch(self._keep)

    def lost_scratch(self) -> Path | None:
        """The scratch folder, if it was made and is not there any more: somebody removed what it is in."""
        return self._scratch if self._scratch is not None and not self._scratch.is_dir() else None

    def wrote_to(self) -> Path | None:
        """The folder of outputs, or, without one, the scratch folder, if anything was written there."""
        if self._scratch is None or self.task.out is None:
            return self._scratch
        return Path(self.task.out)

    def close(self) -> None:
        """Remove the scratch folder; whatever was published has left it."""
        if self._scratch is not None:
            close_scratch(self._scratch)
            self._scratch = None
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def destination_of(task: Task) -> Destination:
    """Where the outputs of a task go."""
    from rushes.runtime.outputs.destination import Destination  # noqa: PLC0415 - as above

    return Destination(
        out=task.out,
        subdir=task.subdir,
        tag=task.tag,
        template=task.name,
        receipts=task.receipts,
        source_uri=task.source.uri,
        params=task.params.model_dump(mode="json"),
        function=task.function.name,
    )
