"""Where this machine keeps its state: what is asked for, what is taken instead, what is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes import CallerError, PlatformError
from rushes.runtime.configuration.settings import Settings, settings_from

Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Settings of an environment in which nothing is set but what a test sets."""
    (tmp_path / "run").mkdir()

    def read(**environ: str) -> Settings:
        return settings_from(
            {"RUSHES_HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run"), **environ}
        )

    return read


def test_the_folders_are_made_and_only_this_user_can_enter_them(read: Read, tmp_path: Path) -> None:
    found = read()

    assert (found.home, found.socket.parent) == (tmp_path / "home", tmp_path / "run" / "rushes")
    for folder in (found.home, found.logs, found.socket.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_each_home_has_a_socket_of_its_own(read: Read, tmp_path: Path) -> None:
    assert read().socket != read(RUSHES_HOME=str(tmp_path / "other")).socket


def test_without_a_session_folder_the_socket_lies_directly_below_tmp(read: Read, tmp_path: Path) -> None:
    expected = Path(f"/tmp/rushes-{os.getuid()}")

    assert read(XDG_RUNTIME_DIR="").socket.parent == expected
    assert read(XDG_RUNTIME_DIR=str(tmp_path / "gone")).socket.parent == expected


def test_sizes_and_times_are_read_as_people_write_them(read: Read) -> None:
    found = read(RUSHES_CPU="1.5", RUSHES_MEMORY="2GiB", RUSHES_IDLE="2m")

    assert (found.cpu, found.memory_bytes, found.idle_s) == (1.5, 2 * 1024**3, 120.0)


@pytest.mark.parametrize(
    ("name", "value"), [("RUSHES_CPU", "many"), ("RUSHES_MEMORY", "lots"), ("RUSHES_IDLE", "soon")]
)
def test_a_value_that_cannot_be_read_is_named(read: Read, name: str, value: str) -> None:
    with pytest.raises(CallerError, match=value):
        read(**{name: value})


def test_a_folder_of_somebody_else_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)

    with pytest.raises(PlatformError, match="belongs to another user"):
        read()


def test_a_home_that_is_a_file_is_refused_with_the_fix(read: Read, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(PlatformError) as caught:
        read(RUSHES_HOME=str(tmp_path / "file"))

    assert (caught.value.code, "RUSHES_HOME" in caught.value.fix) == ("no-home", True)


def test_a_home_that_cannot_be_written_is_refused_with_the_fix(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setattr("os.access", lambda path, *_, **__: Path(path) != home)

    with pytest.raises(PlatformError, match="home cannot be used: it cannot be written") as caught:
        read(RUSHES_HOME=str(home))

    assert (caught.value.code, "RUSHES_HOME" in caught.value.fix) == ("no-home", True)


def test_a_home_on_a_file_system_that_is_read_only_is_refused(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    (tmp_path / "home").mkdir(mode=0o755)
    monkeypatch.setattr("pathlib.Path.chmod", refuse)

    with pytest.raises(PlatformError, match="Read-only file system"):
        read(RUSHES_HOME=str(tmp_path / "home"))
