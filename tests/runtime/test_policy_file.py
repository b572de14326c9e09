"""Files of policy: what they hold, and what is said of one that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import CallerError
from rushes.runtime.configuration.class_file import ClassFile
from rushes.runtime.configuration.policy_file import read_policy


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
