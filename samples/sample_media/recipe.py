"""What a recipe is: a named clip, how it is made, and the facts that must be found in it.

A recipe writes into its own folder below the workshop's, so that several processes can share one workshop:
a clip is made aside and appears by one rename. This module must not know any particular clip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict

__all__ = ["Expectation", "Facts", "Recipe", "SetName", "Workshop", "catalogue"]

SetName = Literal["good", "broken", "hostile", "names"]

Expectation = Literal[
    "good",  # every tool of ours must accept it without a complaint that it is damaged
    "unreadable",  # describing it must fail: kind media
    "damaged",  # it may describe itself as whole, but encoding it must fail: kind media
    "unprovable",  # the format holds no truth that would show the cut: any clean answer will do
    "caller",  # no media at all but a wrong argument (a folder, a FIFO, a device): kind caller
    "limited",  # a bomb: a clean media error, or a result inside the limits; never a hang or a flood
    "contained",  # opens as media, but must touch nothing besides itself
]


class Facts(TypedDict, total=False):
    """What is true of a clip. A key that is left out is not claimed, rather than claimed to be absent."""

    expect: Expectation
    why: str
    format: str  # a word of FFmpeg's demuxer name: mov, matroska, mxf, mpegts, avi, dv, image2 …
    codec: str  # of the first moving video stream
    width: int
    height: int
    frames: int  # frames that a player shows, and that an encode must therefore have
    fps: str  # nominal rate, "25/1"
    duration_s: float
    rate_mode: Literal["cfr", "vfr"]
    pix_fmt: str
    bit_depth: int
    sar: str
    field_order: Literal["progressive", "tt", "bb", "tb", "bt"]
    rotation: int  # degrees clockwise that a player turns the picture
    primaries: str
    transfer: str
    matrix: str
    range: Literal["tv", "pc"]
    hdr: Literal["hdr10", "hlg"]
    max_cll: int
    max_fall: int
    max_luminance: int  # cd/m², of the mastering display
    timecode: str
    drop_frame: bool
    reel: str
    audio_codecs: list[str]
    audio_channels: list[int]
    sample_rate: int
    languages: list[str]
    subtitles: list[str]
    chapters: int
    cover_art: bool
    tags: dict[str, str]
    missing_frames: list[int]
    frame_range: tuple[int, int]  # first and last number of an image sequence


@dataclass(frozen=True)
class Recipe:
    """One clip: `make` gets the workshop and the folder to write in, and returns the file's path there.

    `alone` is false for clips that need neighbours (a sequence's frames, a playlist's segments): those get a
    folder of their own.
    """

    name: str
    set: SetName
    make: Callable[[Workshop, Path], Path]
    facts: Facts = field(default_factory=lambda: Facts(expect="good"))
    alone: bool = True


class Workshop:
    """A folder of generated clips, made on demand by one ffmpeg: ``workshop("h264.mp4")`` is one's path.

    Args:
        root: the folder; made if absent.
        recipes: what can be made, by name.
        ffmpeg: the executable; by default the one that comes with imageio-ffmpeg.
        port: the loopback port that playlists point at, so that a test can listen there.
    """

    def __init__(
        self,
        root: Path,
        recipes: Mapping[str, Recipe],
        *,
        ffmpeg: str | None = None,
        port: int = 9,
    ) -> None:
        self.root = root.absolute()
        self.recipes = recipes
        self.port = port
        self._ffmpeg = ffmpeg

    def get(self, name: str) -> Path:
        """The path of a clip, which is made if it is not there yet.

        Raises:
            KeyError: no recipe has that name.
        """
        recipe = self.recipes[name]
        home = self.root / recipe.set / (name if recipe.alone else f"{name}.d")
        if not recipe.alone:
            # The folder's one rename is the sign that all of it is there.
            if not home.exists():
                self._make(recipe, home)
            return home / (home / ".path").read_text(encoding="utf-8")
        if not os.path.lexists(home):
            self._make(recipe, home)
        return home

    def __call__(self, name: str) -> Path:
        """The same as `get`."""
        return self.get(name)

    def facts(self, name: str) -> Facts:
        """What is true of a clip."""
        return self.recipes[name].facts

    def copy(self, name: str, to: Path) -> Path:
        """Copies a clip, for whoever changes or deletes it; `to` is a file, or an existing folder."""
        source = self.get(name)
        target = to / source.name if to.is_dir() else to
        shutil.copyfile(source, target)
        return target

    def ffmpeg(self, *args: str | Path, cwd: Path | None = None) -> None:
        """Runs ffmpeg, bit-exact and on one thread, and raises with its words if it fails."""
        argv = [self._executable(), "-hide_banner", "-nostdin", "-y", "-v", "error", *map(str, args)]
        done = subprocess.run(
            argv,
            cwd=cwd,
            capture_output=True,
            check=False,
            timeout=120,
            env={**os.environ, "SVT_LOG": "1"},
        )
        if done.returncode != 0:
            words = done.stderr.decode("utf-8", "replace")[-2000:]
            raise RuntimeError(f"ffmpeg left {done.returncode}: {words}\n{argv}")

    def encode(
        self,
        target: Path,
        *inputs: str | Path,
        options: Sequence[str | Path] = (),
        before: Iterable[str | Path] = (),
    ) -> Path:
        """Encodes inputs (``lavfi:…`` or paths) to `target` and returns it."""
        argv: list[str | Path] = [*before]
        for one in inputs:
            text = str(one)
            lavfi = text.removeprefix("lavfi:")
            argv += ["-f", "lavfi", "-i", lavfi] if lavfi != text else ["-i", f"file:{text}"]
        exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
        threads = ["-threads", "1", "-filter_threads", "1"]
        self.ffmpeg(*argv, *exact, *threads, *options, f"file:{target}")
        return target

    def _executable(self) -> str:
        if self._ffmpeg is None:
            import imageio_ffmpeg  # noqa: PLC0415 - only when something is encoded

            self._ffmpeg = str(imageio_ffmpeg.get_ffmpeg_exe())
        return self._ffmpeg

    def _make(self, recipe: Recipe, home: Path) -> None:
        home.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".making-", dir=self.root))
        try:
            made = recipe.make(self, aside)
            if recipe.alone:
                _move(made, home)
            else:
                (aside / ".path").write_text(str(made.relative_to(aside)), encoding="utf-8")
                _move(aside, home)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def catalogue(*groups: Iterable[Recipe]) -> dict[str, Recipe]:
    """Recipes by name, in order.

    Raises:
        ValueError: two recipes share a name.
    """
    found: dict[str, Recipe] = {}
    for recipe in (one for group in groups for one in group):
        if recipe.name in found:
            raise ValueError(f"two recipes are called {recipe.name!r}")
        found[recipe.name] = recipe
    return found


def _move(made: Path, home: Path) -> None:
    """Gives `made` the name `home`; another process may have won, with the same bytes.

    Its file stays then: whoever is at work with it would find another one in its place.
    """
    try:
        if made.is_dir() and not made.is_symlink():
            made.rename(home)
        else:
            os.link(made, home, follow_symlinks=False)
    except OSError:
        if not os.path.lexists(home):
            made.rename(home)  # a file system without hard links
