"""Filter graphs: typed steps of a plan, written in ffmpeg's syntax by ffmpeg-python.

A step's values come from the plan: numbers, names of our own, labels of a timecode. Text that a person or a
file supplies never becomes part of a graph, for a graph can read and write files whatever the protocol
lists say; it is staged beside the encode under a fixed name instead (`Staged`). This module must not know
why a step is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Chain", "Graph", "Staged", "Step", "compile_graph", "step"]

_SAFE_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*\.[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that a graph reads: a link to `path`, or `text`, under a fixed name in the encode's folder."""

    name: str
    path: Path | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if _SAFE_NAME.fullmatch(self.name) is None:
            msg = f"{self.name!r} may not be part of a filter graph"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Step:
    """One filter and its options, in order."""

    name: str
    options: tuple[tuple[str, str | int | float], ...] = ()
    positional: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps from one stream of the input (by its index) to one stream of the output; no steps: as it is."""

    stream: int
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """A compiled graph: its text (None when nothing is filtered), and what to map, a chain each."""

    text: str | None
    maps: tuple[str, ...]


def step(name: str, *positional: str | int, **options: str | float | None) -> Step:
    """A step; options that are None are left out."""
    kept = tuple((key, value) for key, value in options.items() if value is not None)
    return Step(name, kept, positional)


def compile_graph(chains: Sequence[Chain]) -> Graph:
    """The text of a graph of independent chains from input 0."""
    if not chains:
        return Graph(None, ())
    import ffmpeg  # noqa: PLC0415 - only an encode needs it

    source = ffmpeg.input("source")
    ends = [_apply(source[str(chain.stream)], chain.steps) for chain in chains]
    arguments = ffmpeg.get_args(ffmpeg.output(*ends, "target"))
    return Graph(_after(arguments, "-filter_complex"), tuple(_all_after(arguments, "-map")))


def _apply(stream: object, steps: Iterable[Step]) -> object:
    for one in steps:
        stream = stream.filter(one.name, *one.positional, **dict(one.options))  # type: ignore[attr-defined]
    return stream


def _after(arguments: list[str], option: str) -> str | None:
    return next(iter(_all_after(arguments, option)), None)


def _all_after(arguments: list[str], option: str) -> list[str]:
    return [arguments[n + 1] for n, value in enumerate(arguments) if value == option]
