"""Files of policy: what they hold, and what is said of one that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rushes.errors import CallerError
from rushes.runtime.configuration.class_file import ClassFile
from rushes.runtime.configuration.event_file import event_sinks
from rushes.runtime.configuration.policy_file import read_policy
from rushes.runtime.configuration.price_files import price_book


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "[b]\nc = 1\n"), ("a.json", '{"b": {"c": 1}}'), ("a.yaml", "b: {c: 1}\n")]
)
def test_the_end_of_its_name_says_what_a_file_is(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_policy(tmp_path / name) == {"b": {"c": 1}}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("classes", b"[classes.urgent]\nrank = 1\n", "taken for YAML, as its name ends in no .toml"),
        ("classes.yaml", b"[classes.urgent]\nrank = 1\n", "cannot be read: expected"),
        ("classes.toml", b"", "classes.toml cannot be read: it is empty"),
        ("classes.yaml", b" \n", "classes.yaml cannot be read: it is empty"),
        ("classes.toml", b"\xff\xfe\x00", "it is no UTF-8"),
    ],
)
def test_what_cannot_be_read_says_why_and_where(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CallerError) as caught:
        ClassFile(tmp_path / name).read()
    assert str(tmp_path / name) in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize("name", ["classes.json", "classes.toml", "classes.yaml"])
def test_a_file_of_brackets_alone_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(
        f"{'' if name.endswith('json') else 'a = ' if 'toml' in name else ''}{'[' * 50_000}"
    )
    with pytest.raises(CallerError, match="nested too deeply"):
        ClassFile(tmp_path / name).read()


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(CallerError, match=r"it is no file|Is a directory"):
            ClassFile(place).read()
        with pytest.raises(CallerError, match=r"it is no file|Is a directory"):
            price_book({"RUSHES_PRICES": str(place)})
        with pytest.raises(CallerError, match=r"it is no file|Is a directory"):
            event_sinks({"RUSHES_EVENTS": str(place)})


def test_a_file_that_nobody_can_have_written_is_not_read_whole(tmp_path: Path) -> None:
    place = tmp_path / "classes.toml"
    with place.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(CallerError, match="more than 4 MiB"):
        ClassFile(place).read()
