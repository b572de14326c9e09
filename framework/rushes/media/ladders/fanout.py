"""A filter graph that branches: one decoded stream, many results, each taken from the one before it.

`filters` writes chains that know nothing of each other; here a stream is split as often as something wants
it. This module must not know why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rushes.media.planning.filters import Chain, Graph, Step

__all__ = ["Branch", "compile_fanout", "ends_of"]


@dataclass(frozen=True, slots=True)
class Branch:
    """Steps, and who takes what they make: an output, further branches, or both.

    Args:
        steps: filters, in order; none passes the stream on as it is.
        end: name of the output that this branch feeds; None when only others take from it.
        branches: those that take what the steps make.
    """

    steps: tuple[Step, ...]
    end: str | None = None
    branches: tuple[Branch, ...] = ()


def ends_of(branch: Branch) -> Iterator[str]:
    """The outputs of a branch, in the order in which `compile_fanout` maps them."""
    if branch.end is not None:
        yield branch.end
    for other in branch.branches:
        yield from ends_of(other)


def compile_fanout(stream: int, root: Branch, others: Sequence[Chain] = ()) -> Graph:
    """The text of a graph, and what to map: the ends of `root` in their order, then `others`.

    Args:
        stream: index of the stream of input 0 that `root` takes.
        root: what is made of it.
        others: independent chains, one output each.
    """
    import ffmpeg  # noqa: PLC0415 - only an encode needs it

    source = ffmpeg.input("source")
    ends = [*_grown(source[str(stream)], root)]
    ends += [_applied(source[str(chain.stream)], chain.steps) for chain in others]
    arguments: list[str] = ffmpeg.get_args(ffmpeg.output(*ends, "target"))
    text = arguments[arguments.index("-filter_complex") + 1] if "-filter_complex" in arguments else None
    maps = tuple(arguments[n + 1] for n, word in enumerate(arguments) if word == "-map")
    return Graph(text, maps)


def _grown(stream: Any, branch: Branch) -> Iterator[Any]:
    made = _applied(stream, branch.steps)
    takers = len(branch.branches) + (branch.end is not None)
    # A filter's output can be taken once only.
    copies = iter([made] if takers == 1 else _split(made, takers))
    if branch.end is not None:
        yield next(copies)
    for other in branch.branches:
        yield from _grown(next(copies), other)


def _split(stream: Any, count: int) -> list[Any]:
    node = stream.filter_multi_output("split", count)
    return [node.stream(number) for number in range(count)]


def _applied(stream: Any, steps: Sequence[Step]) -> Any:
    for one in steps:
        stream = stream.filter(one.name, *one.positional, **dict(one.options))
    return stream
