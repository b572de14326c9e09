"""Several ffmpeg commands of one file as one command: one reading, and one decode where they decode alike.

What a command opens is compared word for word: those that open the file in the same way take the frames of
one decoder, each through its own graph, as they would have alone; those that open it in another way get an
input of their own in the same command, so that the file is read at one pace. Nothing of a graph, a map or an
output's options is changed but the numbers and names by which they are found, so that every output holds
the bytes that its own command would have written. Pure. This module must not know who asked for what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath
from typing import Final

__all__ = ["Command", "groups", "merged", "parse_command"]

_FLAGS: Final = frozenset({"-hide_banner", "-nostdin", "-nostats", "-xerror", "-y"})
_VALUED: Final = frozenset(
    {"-v", "-progress", "-stats_period", "-filter_complex_threads", "-max_error_rate", "-init_hw_device"}
    | {"-filter_hw_device"}
)
_LARGEST: Final = frozenset({"-stats_period", "-filter_complex_threads"})
"""Options that two commands may want different values of: the larger one serves both."""
_ALONE: Final = frozenset({"-pass", "-passlogfile", "-copyts", "-start_at_zero", "-filter_complex_script"})
"""What a command that shares may not say: it writes beside its outputs, or sets the clock of all inputs."""
_COPIED_FROM: Final = ("-map_metadata", "-map_chapters")
_LABEL: Final = re.compile(r"(?<!\\)\[([^\[\]\\]+)\]")
_PAD: Final = re.compile(r"0(?=:|$)")


@dataclass(frozen=True, slots=True)
class Command:
    """An ffmpeg command of one input, taken apart.

    Args:
        program: the executable.
        settings: what holds for all of it: options and their values, None for a flag.
        threads: of the decoder; None where it is not said.
        opening: how the input is opened, its ``-i`` and name the last words.
        graphs: the texts of its filter graphs.
        outputs: the words of its outputs.
    """

    program: str
    settings: Mapping[str, str | None]
    threads: int | None
    opening: tuple[str, ...]
    graphs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = field(default=())

    @property
    def source(self) -> str:
        """The input, as it is named."""
        return self.opening[-1]

    @property
    def copies_from_input(self) -> bool:
        """Whether its outputs take chapters or metadata of the input, said or not."""
        said = [value for word, value in pairwise(self.outputs) if word.startswith(_COPIED_FROM)]
        return set(said) != {"-1"}

    def reads_staged(self, name: str) -> bool:
        """Whether a graph names the file `name` of the folder that the command runs in."""
        word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")
        return any(word.search(graph) for graph in self.graphs)


def parse_command(argv: Sequence[str]) -> Command | None:
    """A command taken apart; None for one that has to run by itself."""
    if not PurePath(argv[0]).name.startswith("ffmpeg") or argv.count("-i") != 1:
        return None
    if not _ALONE.isdisjoint(argv):
        return None
    settings: dict[str, str | None] = {}
    at = argv.index("-i")
    before = [*_without(argv[1:at], settings)]
    graphs: list[str] = []
    outputs = [*_without(argv[at + 2 :], settings, graphs)]
    if any(word == "-map" and value.startswith("-") for word, value in pairwise(outputs)):
        return None
    threads = None
    if "-threads" in before:
        place = before.index("-threads")
        if not before[place + 1].isdecimal():
            return None
        threads = int(before[place + 1])
        del before[place : place + 2]
    return Command(argv[0], settings, threads, (*before, "-i", argv[at + 1]), tuple(graphs), tuple(outputs))


def _without(
    words: Sequence[str], settings: dict[str, str | None], graphs: list[str] | None = None
) -> Iterator[str]:
    """The words that are no settings of the whole command; those, and graphs, are put where they belong."""
    remaining = iter(words)
    for word in remaining:
        if word in _FLAGS:
            settings[word] = None
        elif word in _VALUED:
            settings[word] = next(remaining, None)
        elif word == "-filter_complex" and graphs is not None:
            graphs.append(next(remaining, ""))
        else:
            yield word


def groups(
    commands: Sequence[Command | None], staged: Sequence[Mapping[str, str]] | None = None
) -> list[list[int]]:
    """Which commands run as one, by their numbers, each in the first group that takes it.

    Args:
        commands: taken apart; None for one that runs by itself.
        staged: of each, the files that its graphs name and what tells their contents apart.
    """
    found: list[list[int]] = []
    files = staged or [{} for _ in commands]
    for number, command in enumerate(commands):
        if command is None:
            found.append([number])
            continue
        for group in found:
            others = [other for n in group if (other := commands[n]) is not None]
            held = {name: mark for n in group for name, mark in files[n].items()}
            same_files = all(held.get(name, mark) == mark for name, mark in files[number].items())
            if others and same_files and _fits(command, others):
                group.append(number)
                break
        else:
            found.append([number])
    return found


def _fits(command: Command, others: Sequence[Command]) -> bool:
    first = others[0]
    if (command.program, command.source) != (first.program, first.source):
        return False
    if any(not _agree(command.settings, other.settings) for other in others):
        return False
    # Of an input that is not the first one ffmpeg copies nothing unasked.
    return not command.copies_from_input or command.opening == first.opening


def _agree(one: Mapping[str, str | None], other: Mapping[str, str | None]) -> bool:
    return all(
        option in _LARGEST or option not in other or other[option] == value for option, value in one.items()
    )


def merged(commands: Sequence[Command]) -> list[str]:
    """The one command of a group, the outputs in the order of the commands."""
    settings: dict[str, str | None] = {}
    for command in commands:
        for option, value in command.settings.items():
            settings[option] = _larger(settings.get(option), value) if option in _LARGEST else value
    openings: dict[tuple[str, ...], int | None] = {}
    for command in commands:
        known = openings.get(command.opening)
        wanted = [count for count in (known, command.threads) if count is not None]
        openings[command.opening] = max(wanted, default=None)
    overwrites = settings.pop("-y", "") is None
    argv = [commands[0].program]
    for option, value in settings.items():
        argv += [option] if value is None else [option, value]
    for opening, threads in openings.items():
        argv += [*(() if threads is None else ("-threads", str(threads))), *opening]
    numbers = {opening: number for number, opening in enumerate(openings)}
    outputs: list[str] = []
    for number, command in enumerate(commands):
        place = _Place(number, numbers[command.opening])
        for graph in command.graphs:
            argv += ["-filter_complex", place.graph(graph)]
        outputs += place.outputs(command.outputs)
    return [*argv, *(["-y"] if overwrites else []), *outputs]


def _larger(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=float)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a command stands in a merged one: which of the commands it is, and which input it has."""

    number: int
    input: int

    def graph(self, text: str) -> str:
        return _LABEL.sub(lambda found: f"[{self._label(found[1])}]", text)

    def outputs(self, words: Sequence[str]) -> Iterator[str]:
        before = ""
        for word in words:
            if before == "-map":
                label = _LABEL.fullmatch(word)
                yield f"[{self._label(label[1])}]" if label else self._stream(word)
            elif before.startswith(_COPIED_FROM):
                yield self._stream(word)
            else:
                yield word
            before = word

    def _label(self, name: str) -> str:
        """A stream of the input keeps its index; a label of the graph's own is told from the others'."""
        if name == "0" or name.startswith("0:"):
            return self._stream(name)
        return f"p{self.number}{name}"

    def _stream(self, name: str) -> str:
        return _PAD.sub(str(self.input), name, count=1) if name[:1] == "0" else name
