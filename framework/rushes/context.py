"""What a function's body is handed beside its clip: outputs, scratch, encoding, tools, progress.

The concrete context belongs to the runtime (an attempt in a slot, or a direct call); a body sees this
interface only. This module must not know how any of it is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    import os

    from rushes.asset import Asset, AssetLike, Output
    from rushes.batch import Outcome
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

__all__ = ["Chunks", "Context"]

R = TypeVar("R", bound="Result")

Chunks: TypeAlias = int | Literal["auto", "off"]
"""Into how many parts a clip is cut to be encoded: 2 to 64; ``auto``: by its length; ``off``: it is not."""


class Context(ABC):
    """The framework's side of one attempt, as the author's body sees it."""

    invocation: str
    """The invocation's id, ``<batch>.<n>``; ``here`` for a direct call."""
    attempt: int
    """1 for the first try."""
    show: str
    deadline: float | None
    """UTC epoch seconds, or None."""

    @property
    @abstractmethod
    def scratch(self) -> Path:
        """A folder of this attempt's own, removed afterwards whatever happens."""

    @property
    @abstractmethod
    def keep(self) -> Path:
        """A folder that all attempts at this invocation share, removed once it has ended for good.

        It lies on the file system of the outputs where there is an ``out``. What an attempt that was lost has
        finished there, the next one finds; what it had half written, too.
        """

    @property
    @abstractmethod
    def cancelled(self) -> bool:
        """True once the attempt should stop; `encode`, `ffmpeg` and `run` stop by themselves."""

    @abstractmethod
    def output(self, name: str) -> Output:
        """A file or folder to write; it becomes visible only when the body has returned.

        Args:
            name: a relative name such as ``A001.mp4``; the runtime puts it below ``--out``.

        Raises:
            CallerError: the name leaves the output folder, or no ``out`` was given.
        """

    @abstractmethod
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
        """Encode `source` into `target` as `profile` wishes, verified against the source.

        After a fallback to another encoder, samples of the result are measured and compared with what was
        promised: `Encoded.quality`, and ``quality`` in the receipt.

        Args:
            source: the clip.
            target: where to.
            profile: what the result should be.
            promise: what is promised of it, where more is known than the profile says.
            check: measure it whichever encoder made it.
            chunks: into how many parts, at most, the clip is cut, which the pool encodes side by side, and
                which are put together so that no frame is lost: 2 to 64; ``auto`` for one for every 30 s.
                In a direct call they are made in this process.
            encoder: the families that may make it, as `Resources.encoder`; None for the function's own.
            fallback: whether another may step in, as `Resources.fallback`; None for the function's own.

        Raises:
            MediaError: the source is damaged or cannot be decoded.
            CallerError: the profile does not fit the source.
            PlatformError: no encoder could do it here.
        """

    @abstractmethod
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
        """Encode `source` into every rung of `ladder`, from one decode where one can feed all, verified.

        Each rung has an encoder of its own, the cheapest for its size first, and falls back by itself.

        Args:
            source: the clip.
            ladder: the wish.
            folder: where renditions go, ``{name}.mp4`` each; it is made here.
            stills_folder: where thumbnails and contact sheet go; it is made where it is not there.
            level: how thoroughly each is read back.
            share: of the body's whole work, for the progress display.
            check: measure every rung, whichever encoder made it.
            encoder: the families that may make a rung, as of `encode`.
            fallback: whether another may step in, likewise.

        Raises:
            MediaError: the source is damaged, or has no picture.
            CallerError: the ladder does not fit the source.
            PlatformError: no encoder could do it here.
        """

    @abstractmethod
    def snapshots(self, source: Asset, stills: Stills, folder: Path) -> Snapshots:
        """Take stills of `source` into `folder`, which is made where it is not there; each is decoded again.

        Raises:
            MediaError: the source has no picture or cannot be decoded.
            CallerError: there is nothing to take, or only a part of the clip is named.
            PlatformError: this machine could not do it.
        """

    @abstractmethod
    def ffmpeg(self, stream: Any, *, total_s: float | None = None) -> ToolRun:
        """Run an ffmpeg-python graph with the limits and the watchdog of an encode.

        Args:
            stream: an output node of ffmpeg-python; its inputs and outputs are local paths.
            total_s: duration of the result in seconds, for the progress display.
        """

    @abstractmethod
    def run(
        self,
        tool: str,
        argv: Sequence[str | Path | Output],
        *,
        progress: Callable[[str], float | None] | None = None,
    ) -> ToolRun:
        """Run a tool that the function declared (``tools=[...]``), with the same limits and watchdog.

        Args:
            tool: its declared name, found on ``PATH``; ``ffmpeg`` is the build that Rushes uses.
            argv: its arguments, the program's name not among them.
            progress: turns one line of the tool's output into a fraction 0..1, or None.
        """

    @abstractmethod
    def map(
        self,
        function: Function[Any, R],
        items: Iterable[AssetLike | tuple[AssetLike, Params | Mapping[str, Any]]],
        /,
        *,
        out: str | os.PathLike[str] | None = None,
        **params: Any,
    ) -> list[Outcome[R]]:
        """Run another function on parts of this work, and wait until all of them have ended.

        In a slot the parts are invocations of the shared pool, and the slot is lent to them while the body
        waits; in a direct call they run here, one after another. They have this invocation's show, class and
        deadline. A part that a lost attempt has finished is not made again.

        Args:
            function: what to run; its ``with_options(name=…, receipts=…, force=…, slots=…)`` count.
            items: clips (absolute paths), or pairs of a clip and its own options, as `Function.starmap`.
            out: folder of the parts' outputs; by default one in `keep`, where they vanish with it.
            params: options that all parts share.

        Returns:
            An outcome for each item, in their order. One that failed says why in ``.error``, and raises it
            when its ``.result`` is asked for.

        Raises:
            CallerError: an option that all share is wrong, or the pool cannot find the function.
            Cancelled: this invocation was cancelled; its parts then are, too.
        """

    @abstractmethod
    def progress(self, fraction: float, note: str = "") -> None:
        """Report how far the body is, 0..1; also tells the watchdog that it is alive."""

    @abstractmethod
    def log(self, message: str) -> None:
        """Add a line to this attempt's log (``rushes logs INVOCATION``)."""

    @abstractmethod
    def warn(self, message: str) -> None:
        """Add a warning to the result's receipt and to the log."""
