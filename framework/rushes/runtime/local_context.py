"""The concrete context of an attempt on this machine: outputs, scratch, encodes, tools, progress, logs.

It gathers what the receipt has to say. This module must not know slots, nor when outputs become visible.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from rushes.asset import Asset, Output
from rushes.context import Context
from rushes.errors import CallerError, PlatformError
from rushes.runtime.scratch import close_scratch, keep_folder, open_scratch
from rushes.runtime.task import Made, PoolOfParts, Reporter, Task

if TYPE_CHECKING:
    from rushes.asset import AssetLike
    from rushes.batch import Outcome
    from rushes.context import Chunks
    from rushes.declaration import Params, Result
    from rushes.function import Function
    from rushes.media.device_turns import Devices
    from rushes.media.encode import Encoded
    from rushes.media.one_chunk import PartMade
    from rushes.media.parity import Promise
    from rushes.media.part_order import PartOrder, SoundOrder
    from rushes.media.process import Supervision, ToolRun
    from rushes.media.profile import Profile
    from rushes.media.renditions import Made as Renditions
    from rushes.media.rungs import Ladder
    from rushes.media.snapshots import Snapshots
    from rushes.media.still_branches import Stills
    from rushes.media.tries import Host
    from rushes.media.verify import Level
    from rushes.runtime.account import Account
    from rushes.runtime.destination import Destination
    from rushes.runtime.receipt import Receipt

__all__ = ["LocalContext", "destination_of"]

HOST: Final = socket.gethostname()


class LocalContext(Context):
    """The concrete context of one attempt."""

    def __init__(self, task: Task, report: Reporter, cancelled: Callable[[], bool]) -> None:
        self.task = task
        self.invocation = task.invocation
        self.attempt = task.attempt
        self.show = task.show
        self.deadline = task.deadline
        self._report = report
        self._cancelled = cancelled
        self._scratch: Path | None = None
        self._keep: Path | None = None
        self._maps: list[Path] = []
        self._destination: Destination | None = None
        self.outputs: dict[str, Output] = {}
        self.warnings: list[str] = []
        self.encodes: list[Encoded] = []
        self.accounts: list[Account] = []
        self.runs: list[ToolRun] = []
        self._build: dict[str, str] | None = None

    # -- what the author sees -----------------------------------------------------------------------------

    @property
    def scratch(self) -> Path:
        if self._scratch is None:
            if self.destination is not None:
                self._scratch = open_scratch(
                    self.destination.scratch_root(), self.task.scratch_name, self.attempt
                )
            else:
                self._scratch = Path(tempfile.mkdtemp(prefix=f"rushes-{self.invocation}-"))
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
    ) -> Encoded:
        from rushes.media.choice import parse_choice  # noqa: PLC0415 - the media stack is imported when used
        from rushes.media.encode import encode  # noqa: PLC0415
        from rushes.media.gate import QualityGate  # noqa: PLC0415
        from rushes.media.inspection import describe  # noqa: PLC0415
        from rushes.media.known_host import known_host  # noqa: PLC0415
        from rushes.media.quality_curves import with_own  # noqa: PLC0415
        from rushes.media.same_quality import SameQuality  # noqa: PLC0415
        from rushes.runtime.account import Account  # noqa: PLC0415

        resources = self.task.function.resources
        info = describe(source)
        known = known_host(os.environ, time.time())
        quality = SameQuality(profile, info, with_own(known.worth) if known.worth else None)
        choice = parse_choice(resources.encoder, resources.fallback)
        host = replace(known, quality=quality.expected(profile))
        how = encode if chunks == "off" else self._in_chunks(chunks)
        devices = self._devices(host)
        with _held_not_failed(devices):
            made = how(
                source,
                Path(target),
                profile,
                supervision=self._supervision(),
                choice=choice,
                host=host,
                info=info,
                spelt=quality.spelt,
                gate=QualityGate(
                    source,
                    info,
                    promise or quality.promise(profile),
                    choice,
                    always=check,
                    supervision=self._checking(),
                ),
                devices=devices,
            )
        self.encodes.append(made)
        self.accounts.append(Account.of_encode(made))
        self.warnings.extend(made.warnings)
        return made

    def _devices(self, host: Host) -> Devices | None:
        """How this attempt shares the host's devices; None where there are none."""
        if not (host.named - {"software"} or (host.capability and host.capability.devices)):
            return None
        from rushes.media.device_turns import MOST_WAIT_S, Devices  # noqa: PLC0415 - as in `encode`
        from rushes.media.ledger import open_ledger  # noqa: PLC0415

        limit_s = self.task.function.timeout_s
        return Devices(
            partial(open_ledger, os.environ),
            alive=lambda note: self._report(-1.0, note),
            cancelled=self._cancelled,
            # Of what a function is given, waiting leaves half for the work.
            wait_s=MOST_WAIT_S if limit_s is None else min(MOST_WAIT_S, limit_s / 2),
            what=self.invocation,
        )

    @property
    def _pool(self) -> PoolOfParts | None:
        """Where parts of this work can run; None: only here, for bodies that share a slot cannot lend it."""
        return self.task.pool if threading.current_thread() is threading.main_thread() else None

    def _in_chunks(self, chunks: int | Literal["auto"]) -> Callable[..., Encoded]:
        """`encode_chunked`, on the pool where there is one, else here."""
        from rushes.media.chunked import encode_chunked  # noqa: PLC0415 - as in `encode`

        count = None if chunks == "auto" else chunks
        if self._pool is None:
            return partial(encode_chunked, chunks=count)
        from rushes.runtime.encode_part import OnThePool  # noqa: PLC0415

        return partial(encode_chunked, chunks=count, makers=OnThePool(self), keep=self.keep)

    def encode_part(
        self, source: Asset, target: Path, profile: Profile, order: PartOrder | SoundOrder
    ) -> PartMade:
        """Make one part of an encode in chunks, with the limits and the watchdog of an encode.

        Raises:
            RushesError: as of `rushes.media.one_chunk.make_part` and `rushes.media.chunk_sound.make_sound`.
        """
        from rushes.media.builds import find_build  # noqa: PLC0415 - as in `encode`
        from rushes.media.chunk_sound import make_sound  # noqa: PLC0415
        from rushes.media.inspection import describe  # noqa: PLC0415
        from rushes.media.known_host import known_host  # noqa: PLC0415
        from rushes.media.makers import turns_of  # noqa: PLC0415
        from rushes.media.one_chunk import make_part  # noqa: PLC0415
        from rushes.media.part_order import SoundOrder  # noqa: PLC0415
        from rushes.media.wanted import wanted_of  # noqa: PLC0415

        if isinstance(order, SoundOrder):
            build = find_build(order.family)
            return make_sound(source, profile, order, target, build=build, supervision=self._supervision())
        info, host = describe(source), known_host(os.environ, time.time())
        turns = turns_of(self._devices(host), wanted_of(info, profile, source.frames), host)
        return make_part(
            source,
            profile,
            order,
            target,
            build=find_build(order.spot.family),
            supervision=self._supervision(),
            info=info,
            turns=lambda one: turns(one, len(order.chunk)),
        )

    def renditions(
        self,
        source: Asset,
        ladder: Ladder,
        folder: Path,
        *,
        stills_folder: Path,
        level: Level = "packets",
        share: float = 1.0,
    ) -> Renditions:
        from rushes.media.builds import find_build  # noqa: PLC0415 - as in `encode`
        from rushes.media.choice import parse_choice  # noqa: PLC0415
        from rushes.media.known_host import known_host  # noqa: PLC0415
        from rushes.media.renditions import make_renditions, supervised  # noqa: PLC0415
        from rushes.runtime.account import Account  # noqa: PLC0415

        resources, build = self.task.function.resources, find_build()
        stills_folder.mkdir(parents=True, exist_ok=True)
        host = known_host(os.environ, time.time())
        devices = self._devices(host)
        with _held_not_failed(devices):
            made = make_renditions(
                source,
                ladder,
                folder,
                stills_folder=stills_folder,
                build=build,
                run=supervised(build, self._supervision(), share),
                level=level,
                cancelled=self._cancelled,
                choice=parse_choice(resources.encoder, resources.fallback),
                host=host,
                checking=self._checking(),
                devices=devices,
            )
        self.runs.extend(made.runs)
        self.accounts.append(Account.of_ladder(made))
        self.warnings.extend(made.warnings)
        return made

    def snapshots(self, source: Asset, stills: Stills, folder: Path) -> Snapshots:
        from rushes.media.builds import find_build  # noqa: PLC0415 - as in `encode`
        from rushes.media.renditions import supervised  # noqa: PLC0415
        from rushes.media.snapshots import make_snapshots  # noqa: PLC0415
        from rushes.runtime.account import Account  # noqa: PLC0415

        build = find_build()
        folder.mkdir(parents=True, exist_ok=True)
        watched = supervised(build, self._supervision())

        def run(args: Sequence[str], total_s: float | None) -> ToolRun:
            self.runs.append(done := watched(args, total_s))
            return done

        made = make_snapshots(source, stills, folder, build=build, run=run, cancelled=self._cancelled)
        self.accounts.append(Account.of_stills(made, build.facts()))
        return made

    def ffmpeg(self, stream: Any, *, total_s: float | None = None) -> ToolRun:
        import ffmpeg  # noqa: PLC0415 - as above

        from rushes.media.builds import find_build  # noqa: PLC0415
        from rushes.media.dialect import check  # noqa: PLC0415
        from rushes.media.graph import guard_graph  # noqa: PLC0415
        from rushes.media.process import run_ffmpeg  # noqa: PLC0415

        build = find_build()
        self._build = build.facts()
        argv = ["-y", *guard_graph(ffmpeg.get_args(stream))]
        run = run_ffmpeg(build, argv, supervision=self._supervision(), total_s=total_s)
        self.runs.append(run)
        return check(run, build.major)

    def run(
        self,
        tool: str,
        argv: Sequence[str | Path | Output],
        *,
        progress: Callable[[str], float | None] | None = None,
    ) -> ToolRun:
        from rushes.media.dialect import check  # noqa: PLC0415 - as above
        from rushes.media.process import run_tool  # noqa: PLC0415
        from rushes.media.progress import LineProgress  # noqa: PLC0415

        function = self.task.function
        if tool not in function.tools:
            raise CallerError(
                f"{function.name} ran {tool!r}, which it did not declare.",
                code="undeclared-tool",
                fix=f'Add it to the decorator: @function(..., tools=["{tool}"]).',
            )
        found, major = self._executable(tool)
        run = run_tool(
            [found, *(os.fspath(a) for a in argv)],
            supervision=self._supervision(),
            progress_parser=LineProgress(progress) if progress else None,
        )
        self.runs.append(run)
        return check(run, major)

    def _executable(self, tool: str) -> tuple[str, int]:
        """Where a tool is, and ffmpeg's major version; 0 for others.

        ffmpeg comes with Rushes: its build is meant, whatever lies on PATH.
        """
        if tool == "ffmpeg":
            from rushes.media.builds import find_build  # noqa: PLC0415 - as in `run`

            build = find_build()
            self._build = build.facts()
            return str(build.path), build.major
        found = shutil.which(tool)
        if found is None:
            raise PlatformError(
                f"{self.task.function.name} needs the tool {tool!r}, which is not on PATH here.",
                code="no-tool",
                fix=f"Install {tool} or add its folder to PATH.",
            )
        return found, 0

    def map(
        self,
        function: Function[Any, Any],
        items: Iterable[AssetLike | tuple[AssetLike, Params | Mapping[str, Any]]],
        /,
        *,
        out: str | os.PathLike[str] | None = None,
        **params: Any,
    ) -> list[Outcome[Any]]:
        from rushes.runtime.parts import outcomes, parts_of, run_here  # noqa: PLC0415 - few bodies map

        place = None
        if function.makes_outputs:
            # Each call has a folder of its own: two calls over one clip may make the same names.
            place = Path(out) if out is not None else self.keep / f"{len(self._maps) + 1}-{function.name}"
            self._maps.append(place)
        parts = parts_of(self.task, function, items, place, params)
        pool = self._pool
        if pool is None:
            ends = run_here(parts, self.invocation, report=self._report, cancelled=self._cancelled)
        else:
            ends = pool.run(parts)
        return outcomes(parts, ends, function.result_model)

    def progress(self, fraction: float, note: str = "") -> None:
        self._report(fraction, note)

    def log(self, message: str) -> None:
        if self.task.log is None:
            return
        self.task.log.parent.mkdir(parents=True, exist_ok=True)
        with self.task.log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {message}\n")

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.log(f"warning: {message}")

    # -- what the runtime asks --------------------------------------------------------------------------

    def _supervision(self) -> Supervision:
        from rushes.media.process import Limits, Supervision  # noqa: PLC0415 - as above

        function = self.task.function
        return Supervision(
            limits=Limits(
                stall_s=function.stall_s,
                time_s=function.timeout_s,
                memory_bytes=round(function.resources.vector()["memory"]),
            ),
            on_progress=self._on_tool,
            cancelled=self._cancelled,
            log_path=self.task.log,
            cwd=self.scratch,
            reads=[
                *(asset.path for asset in (self.task.source, *_assets_in(self.task.params))),
                *([self._keep] if self._keep else []),
                *self._maps,
            ],
        )

    def _checking(self) -> Supervision:
        """As `_supervision`, of commands that add nothing to the result: a sign of life, no progress."""
        return replace(self._supervision(), on_progress=lambda _: self._report(-1.0, "checking the quality"))

    def _on_tool(self, progress: Any) -> None:
        fraction = progress.share
        speed = f"{progress.speed:.1f}×" if progress.speed else ""
        self._report(-1.0 if fraction is None else fraction, speed)

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
        return Made(
            _as_json(result),
            encoder=self.accounts[-1].encoder if self.accounts else None,
            warnings=tuple(self.warnings),
            media_s=sum(one.media_s for one in self.accounts),
        )

    def receipt(self, fingerprint: str, started: float) -> Receipt:
        """The provenance of what was made; its outputs are filled in by the publication."""
        from rushes.media.reader import walls_used  # noqa: PLC0415 - as above
        from rushes.runtime.receipt import Receipt  # noqa: PLC0415

        task, function = self.task, self.task.function
        last = self.accounts[-1] if self.accounts else None
        runs: Sequence[Encoded | ToolRun] = [*self.encodes, *self.runs]
        return Receipt.model_validate(
            {
                "function": function.name,
                "version": function.version,
                "ref": function.ref,
                "source_digest": task.source_digest,
                "params": task.params.model_dump(mode="json"),
                "key": task.key,
                "source": {
                    "uri": task.source.uri,
                    "fingerprint": fingerprint,
                    "frames": [task.source.frames.start, task.source.frames.stop]
                    if task.source.frames
                    else None,
                },
                "invocation": task.invocation,
                "attempt": task.attempt,
                "show": task.show,
                "host": HOST,
                "ffmpeg": last.build if last else self._build,
                "argv": [list(run.argv) for run in runs],
                "encoder": last.encoder if last else None,
                "tried": last.tried if last else [],
                "parts": last.parts if last else [],
                "verification": last.verification if last else None,
                "quality": last.quality if last else None,
                "box": _box_of(runs),
                "reader": walls_used(),
                "warnings": self.warnings,
                "timings": {
                    "queued": task.queued_at or started,
                    "started": started,
                    "finished": time.time(),
                    "cpu_s": sum(run.cpu_s for run in runs),
                },
            }
        )

    def drop_keep(self) -> None:
        """All is done: no other attempt needs what this one kept. The worker would remove it, too, later."""
        if self._keep is not None and self.task.pool is not None:
            close_scratch(self._keep)

    def lost_scratch(self) -> Path | None:
        """The scratch folder, if it was made and is not there any more: somebody removed what it is in."""
        return self._scratch if self._scratch is not None and not self._scratch.is_dir() else None

    def close(self) -> None:
        """Remove the scratch folder; whatever was published has left it."""
        if self._scratch is not None:
            close_scratch(self._scratch)
            self._scratch = None


def _held_not_failed(devices: Devices | None) -> AbstractContextManager[None]:
    if devices is None:
        return nullcontext()
    from rushes.media.device_faults import held_not_failed  # noqa: PLC0415 - where there are devices alone

    return held_not_failed()


def destination_of(task: Task) -> Destination:
    """Where the outputs of a task go."""
    from rushes.runtime.destination import Destination  # noqa: PLC0415 - as above

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


def _assets_in(params: Params) -> Iterator[Asset]:
    """The assets among the parameters: a tool may read them, whether its words name them or a filter does."""
    for name in type(params).model_fields:
        value = getattr(params, name)
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(item, Asset):
                yield item


def _box_of(runs: Sequence[Encoded | ToolRun]) -> str:
    if not runs:
        return "none"
    from rushes.media.box import weakest  # noqa: PLC0415 - as above

    return weakest(run.box for run in runs)


def _as_json(result: Result) -> str:
    try:
        return result.model_dump_json()
    except ValueError:  # pydantic writes UTF-8 only, and a name on disk may be none
        return json.dumps(result.model_dump(mode="json"), separators=(",", ":"))
