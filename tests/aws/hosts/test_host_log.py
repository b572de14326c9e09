"""What attempts in a host's own pool logged, in the log of the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rushes.engines.aws.access.words import MOST_BYTES, PIECE, tell_words, words_of
from rushes.engines.aws.hosts.host_log import HostLog


class Heard(list[dict[str, Any]]):
    def __call__(self, what: str, **more: Any) -> None:
        assert what == "log"
        self.append(more)

    @property
    def text(self) -> str:
        return "\n".join(one["text"] for one in self)


def test_a_log_is_told_once_at_the_second_look_after_its_end(tmp_path: Path) -> None:
    heard = Heard()
    log = HostLog(heard, tmp_path)
    log.ended("k7m2qx.12", 2, "p4rt.3")
    log.tend()
    assert heard == []  # the slot may not have written yet what the body printed
    (tmp_path / "p4rt").mkdir()
    (tmp_path / "p4rt" / "3.log").write_text("frame 1\nframe 2\n")
    log.tend()
    assert heard == [{"invocation": "k7m2qx.12", "attempt": 2, "text": "frame 1\nframe 2"}]
    log.tend(ends=True)
    assert len(heard) == 1


def test_at_the_end_of_a_host_nothing_is_left_untold(tmp_path: Path) -> None:
    heard = Heard()
    log = HostLog(heard, tmp_path)
    (tmp_path / "b").mkdir()
    for n in (1, 2):
        (tmp_path / "b" / f"{n}.log").write_text(f"clip {n}\n")
        log.ended(f"k7m2qx.{n}", 1, f"b.{n}")
    log.ended("k7m2qx.3", 1, "b.3")  # which logged nothing
    log.tend(ends=True)
    assert heard.text == "clip 1\nclip 2"


@pytest.mark.parametrize("line", ["x" * 99, "é" * 49, "x" * 3 * PIECE, "素材" * 40, "\x1b[0m" * 9])
def test_a_long_log_is_told_from_its_end_in_pieces(tmp_path: Path, line: str) -> None:
    heard = Heard()
    file = tmp_path / "1.log"
    file.write_text("first\n" + f"{line}\n" * (2 * MOST_BYTES // len(line)) + "last\n")
    tell_words(heard, "k7m2qx.1", 1, words_of(file))
    assert all(len(json.dumps(one["text"])) <= PIECE for one in heard)
    assert heard.text.startswith("(the first ")
    assert heard.text.endswith("last")
    assert "first\n" not in heard.text
    assert len(heard.text.encode()) <= MOST_BYTES + PIECE


def test_what_nobody_wrote_is_not_told(tmp_path: Path) -> None:
    heard = Heard()
    (tmp_path / "1.log").write_text("\n\n")
    for name in ("1.log", "2.log"):
        tell_words(heard, "k7m2qx.1", 1, words_of(tmp_path / name))
    assert heard == []
