"""The local file system: moves that never replace, fingerprints, and errors that say what to do."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from rushes.asset import Asset
from rushes.errors import CallerError, PlatformError
from rushes.runtime import files
from rushes.runtime.files import Promise, exchange, foreign, make_folder, rename_noreplace, shown
from rushes.runtime.sources.fingerprint import content_of, fingerprint, sha256_file


@pytest.fixture(params=["flags", "no flags", "no links"])
def ability(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    if request.param != "flags":
        monkeypatch.setattr(files, "_rename_call", lambda: None)
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


def test_a_file_moves_to_a_free_name_and_says_what_was_promised(tmp_path: Path, ability: str) -> None:
    (tmp_path / "a").write_text("A")

    promise = rename_noreplace(tmp_path / "a", tmp_path / "b")

    assert promise is {"flags": Promise.atomic, "no flags": Promise.link, "no links": Promise.claim}[ability]
    assert (tmp_path / "b").read_text() == "A"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("taken", ["file", "folder", "dangling link"])
def test_a_move_never_replaces(tmp_path: Path, ability: str, taken: str) -> None:
    (tmp_path / "a").write_text("A")
    if taken == "file":
        (tmp_path / "b").write_text("B")
    elif taken == "folder":
        (tmp_path / "b").mkdir()
    else:
        (tmp_path / "b").symlink_to("nowhere")
    before = (tmp_path / "b").lstat()

    with pytest.raises(FileExistsError):
        rename_noreplace(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").lstat() == before
    assert (tmp_path / "a").read_text() == "A"


def test_a_folder_never_replaces_even_an_empty_one(tmp_path: Path, ability: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").touch()
    (tmp_path / "b").mkdir()

    with pytest.raises(FileExistsError):
        rename_noreplace(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b").rmdir()
    rename_noreplace(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b/x").exists()


def test_a_move_that_fails_leaves_no_claim_behind(tmp_path: Path, ability: str) -> None:
    with pytest.raises(FileNotFoundError):
        rename_noreplace(tmp_path / "gone", tmp_path / "b")

    assert not (tmp_path / "b").exists()


def test_an_exchange_swaps_files_and_folders(tmp_path: Path, ability: str) -> None:
    (tmp_path / "a").write_text("A")
    (tmp_path / "b").mkdir()

    promise = exchange(tmp_path / "a", tmp_path / "b")

    assert promise is (Promise.atomic if ability == "flags" else Promise.aside)
    assert (tmp_path / "a").is_dir()
    assert (tmp_path / "b").read_text() == "A"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_an_exchange_with_nothing_changes_nothing(tmp_path: Path, ability: str) -> None:
    (tmp_path / "b").write_text("B")

    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "gone", tmp_path / "b")

    assert (tmp_path / "b").read_text() == "B"


def test_a_folder_is_made_with_its_parents_and_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b/c")
    make_folder(tmp_path / "a/b/c")
    (tmp_path / "f").touch()

    assert (tmp_path / "a/b/c").is_dir()
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "f/x")


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, PlatformError, "disk-full"),
        (errno.EDQUOT, PlatformError, "disk-full"),
        (errno.EACCES, CallerError, "no-permission"),
        (errno.ENOENT, CallerError, "not-found"),
        (errno.EIO, PlatformError, "io-error"),
        (errno.ELOOP, CallerError, "link-loop"),
        (errno.EXDEV, PlatformError, "cross-device"),
    ],
)
def test_a_system_error_becomes_ours_by_who_has_to_act(number: int, kind: type, code: str) -> None:
    made = foreign(OSError(number, os.strerror(number)), "/out/A.mp4", "write")

    assert type(made) is kind
    assert made.code == code
    assert "/out/A.mp4" in made.message
    assert made.fix


def test_a_path_is_shown_on_one_line_whatever_is_in_it() -> None:
    assert shown("/a/é b") == "/a/é b"
    assert shown("/a/\n\x1b[31m\udcff") == "/a/\\n\\x1b[31m\\xff"


# -- fingerprints --------------------------------------------------------------------------------------


def test_a_fingerprint_tells_changes_of_size_time_head_and_tail(tmp_path: Path) -> None:
    clip = tmp_path / "A.mov"
    clip.write_bytes(b"x" * 100_000)
    os.utime(clip, ns=(1, 1))

    def after(offset: int, data: bytes, mtime_ns: int = 1) -> str:
        with clip.open("r+b") as file:
            file.seek(offset)
            file.write(data)
        os.utime(clip, ns=(1, mtime_ns))
        return str(fingerprint(Asset.of(clip)))

    marks = [after(0, b""), after(0, b"", 2), after(0, b"y"), after(99_999, b"z"), after(100_000, b"!")]

    assert len(set(marks)) == 5
    assert all(mark.startswith("sampled:") for mark in marks)


def test_a_fingerprint_of_equal_files_at_equal_times_is_equal_wherever_they_are(tmp_path: Path) -> None:
    for name in ("a.mov", "b.mxf"):
        (tmp_path / name).write_bytes(b"same")
        os.utime(tmp_path / name, ns=(5, 5))

    one, other = (fingerprint(Asset.of(tmp_path / n)) for n in ("a.mov", "b.mxf"))

    assert one == other
    assert (one.size, one.mtime_ns) == (4, 5)


def test_a_sequences_fingerprint_sees_every_frame_and_every_gap(tmp_path: Path) -> None:
    def mark() -> str:
        return str(fingerprint(Asset.of(tmp_path / "p.[0001-0009].exr")))

    for number in range(1, 10):
        (tmp_path / f"p.{number:04d}.exr").write_bytes(b"x" * 10)
        os.utime(tmp_path / f"p.{number:04d}.exr", ns=(1, 1))
    whole = mark()
    (tmp_path / "p.0005.exr").unlink()
    gap = mark()
    (tmp_path / "p.0005.exr").write_bytes(b"x" * 11)
    grown = mark()

    assert len({whole, gap, grown}) == 3
    assert fingerprint(Asset.of(tmp_path / "p.[0001-0009].exr")).size == 91


def test_a_wide_pattern_with_few_frames_is_read_from_the_listing(tmp_path: Path) -> None:
    for name in ("p.0001.exr", "p.0900.exr", "p.x.exr", "p.00005.exr"):
        (tmp_path / name).write_bytes(b"x")

    narrow = fingerprint(Asset.of(tmp_path / "p.[0001-0900].exr"))
    wide = fingerprint(Asset.of(tmp_path / "p.[0001-999999999].exr"))

    assert wide.value == narrow.value


def test_what_is_no_regular_file_has_no_fingerprint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    codes = []
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "gone", Path("/dev/null")):
        with pytest.raises(CallerError) as refused:
            fingerprint(Asset.of(path))
        codes.append(refused.value.code)

    assert codes == ["not-a-file", "not-a-file", "not-found", "not-a-file"]


def test_the_checksum_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "A.mov").write_bytes(data)

    assert sha256_file(tmp_path / "A.mov") == hashlib.sha256(data).hexdigest()


def test_a_folders_content_is_its_names_and_bytes_and_nothing_else(tmp_path: Path) -> None:
    def tree(name: str, first: str, second: str) -> str:
        root = tmp_path / name
        (root / "d").mkdir(parents=True)
        (root / first).write_text("1")
        (root / "d" / second).write_text("2")
        return content_of(root).sha256

    assert tree("a", "x", "y") == tree("b", "x", "y") != tree("c", "x", "z")
    (tmp_path / "a/link").symlink_to("x")
    with pytest.raises(CallerError, match="neither a file nor a folder"):
        content_of(tmp_path / "a")
