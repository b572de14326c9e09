"""`rushes watch`: clips that come into a folder are sent once, when they are complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.core.folder_watch import FolderWatch, Look
from rushes.runtime.sources.folder import Folder, Sent
from rushes.testing import StubEngine
from rushes.triggers import on_folder

FUNCTION = """
from rushes import Asset, Context, Output, Params, Result, function, on_folder

class Wrote(Result):
    file: Output

@function(version="1", triggers=[on_folder({place!r}, settle=0, show="dune", priority="urgent", out={out!r})])
def declared(clip: Asset, params: Params, ctx: Context) -> Wrote:
    "Copies."
    out = ctx.output(f"{{clip.stem}}.txt")
    out.path.write_bytes(clip.path.read_bytes())
    return Wrote(file=out)
"""


@pytest.fixture
def engine() -> StubEngine:
    return StubEngine()


@pytest.fixture
def cards(tmp_path: Path, rushes_home: Path) -> Path:
    folder = tmp_path / "cards"
    folder.mkdir()
    return folder


@pytest.fixture
def module(tmp_path: Path, cards: Path) -> str:
    file = tmp_path / "declares.py"
    file.write_text(FUNCTION.format(place=str(cards), out=str(tmp_path / "out")))
    return f"{file}:declared"


def said(engine: StubEngine, *args: str) -> Result:
    return CliRunner().invoke(app, ["watch", *args, "--once", "--every", "0"], obj=Session(engine))


def test_what_lies_there_is_sent_once_also_by_the_watch_of_tomorrow(
    engine: StubEngine, cards: Path, tmp_path: Path
) -> None:
    for name in ("a.mov", "deep/b.mov", "notes.pdf", ".hidden.mov"):
        (cards / name).parent.mkdir(exist_ok=True)
        (cards / name).write_bytes(b"clip")
    asked = ("inspect", str(cards), "--settle", "0")

    first = said(engine, *asked)
    again = said(engine, *asked)
    (cards / "c.mov").write_bytes(b"clip")
    later = said(engine, *asked)

    assert first.exit_code == again.exit_code == later.exit_code == 0, first.output
    assert "2 clips" in first.stdout
    assert again.stdout == ""
    assert "c.mov" in later.stdout
    assert len(engine.batches()) == 2


def test_a_clip_that_changed_is_sent_again(engine: StubEngine, cards: Path) -> None:
    (cards / "a.mov").write_bytes(b"clip")
    said(engine, "inspect", str(cards), "--settle", "0")
    (cards / "a.mov").write_bytes(b"longer than it was")
    assert "a.mov" in said(engine, "inspect", str(cards), "--settle", "0").stdout


def test_what_a_function_declares_is_watched_with_its_class_and_show(
    engine: StubEngine, cards: Path, module: str
) -> None:
    (cards / "a.mov").write_bytes(b"clip")
    assert said(engine, module).exit_code == 0
    (status,) = engine.batches()
    assert (status.show, status.priority, status.counts.total) == ("dune", "urgent", 1)


def test_kinds_and_sidecars_are_waited_for(engine: StubEngine, cards: Path) -> None:
    for name in ("a.mov", "b.mov", "b.XML", "c.wav"):
        (cards / name).write_bytes(b"clip")
    asked = ("inspect", str(cards), "--settle", "0", "--kinds", "video", "--ready", "sidecar:.xml")
    assert said(engine, *asked).stdout.split()[1:] == ["b.mov"]
    (cards / "a.xml").write_bytes(b"late")
    assert said(engine, *asked).stdout.split()[1:] == ["a.mov"]


def test_a_reel_starts_when_all_that_its_manifest_lists_is_there(engine: StubEngine, cards: Path) -> None:
    reel = cards / "reel 7"
    (reel / "sub").mkdir(parents=True)
    (reel / "A001.mov").write_bytes(b"1")
    (reel / "reel.csv").write_text("source\nA001.mov\nsub/A002.mov\n")
    asked = ("inspect", str(cards), "--settle", "0", "--ready", "manifest:reel.csv")
    assert said(engine, *asked).stdout == ""
    (reel / "sub/A002.mov").write_bytes(b"2")
    assert "2 clips" in said(engine, *asked).stdout


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("inspect",), "declares no folder"),
        (("proxy", "FOLDER"), "no place for them"),
        (("inspect", "s3://cards/"), "names no folder of this machine"),
        (("inspect", "FOLDER", "--ready", "soon"), "has ready='soon'"),
    ],
)
def test_a_watch_that_cannot_be_meant_is_refused(
    engine: StubEngine, cards: Path, args: tuple[str, ...], code: str
) -> None:
    found = said(engine, *(str(cards) if one == "FOLDER" else one for one in args))
    assert found.exit_code == 2
    assert code in found.output
    assert engine.batches() == []


def test_a_folder_that_is_not_there_ends_a_single_look_as_an_error(
    engine: StubEngine, tmp_path: Path, rushes_home: Path
) -> None:
    found = said(engine, "inspect", str(tmp_path / "not mounted"))
    assert found.exit_code == 2
    assert "is not there" in found.output


def test_a_folder_that_is_not_there_is_said_once_and_waited_for(
    engine: StubEngine, tmp_path: Path, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, looks = tmp_path / "not mounted", iter(range(9))

    def sleep(_: float) -> None:
        number = next(looks)
        if number == 2:
            place.mkdir()
            (place / "a.mov").write_bytes(b"clip")
        if number == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("rushes.cli.watch.time.sleep", sleep)
    found = CliRunner().invoke(app, ["watch", "inspect", str(place), "--settle", "0"], obj=Session(engine))
    assert found.exit_code == 130
    assert found.output.count("is not there") == 1
    assert "a.mov" in found.stdout


def test_outputs_below_the_folder_are_no_clips(engine: StubEngine, cards: Path) -> None:
    (cards / "out").mkdir()
    (cards / "a.mov").write_bytes(b"clip")
    (cards / "out" / "made.mov").write_bytes(b"ours")
    found = said(engine, "proxy", str(cards), "--out", str(cards / "out"), "--settle", "0")
    assert found.stdout.split()[1:] == ["a.mov"]


def test_the_frames_of_a_sequence_are_one_clip_that_settles_as_a_whole(cards: Path) -> None:
    for number in range(1, 4):
        (cards / f"plate.{number:04}.exr").write_bytes(b"frame")
    folder, watch = Folder(on_folder(str(cards)), None), FolderWatch(10.0)
    (name,) = watched = folder.there()
    assert name.endswith("plate.[0001-0003].exr")
    watch.look(watched, 0.0)
    (cards / "plate.0002.exr").write_bytes(b"a longer frame")
    assert watch.look(folder.there(), 10.0) == []
    assert watch.look(folder.there(), 20.0) == [name]


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    sent_ = Sent(tmp_path, ["a"])
    sent_.add([("x\udcff.mov", Look(1, 2))])
    (file,) = (tmp_path / "watched").iterdir()
    with file.open("a", encoding="ascii") as out:
        out.write('["y.mov", 1')
    assert Sent(tmp_path, ["a"]).read() == {"x\udcff.mov": Look(1, 2)}
    assert Sent(tmp_path, ["b"]).read() == {}
