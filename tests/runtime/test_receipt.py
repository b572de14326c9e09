"""Receipts hold what is needed to repeat a result, and repeating one is compared."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rushes import catalog
from rushes.errors import CallerError, MediaError
from rushes.runtime.outputs.receipt import BOX_LEVELS, Receipt, ReceiptOutput, ReceiptSource
from rushes.runtime.outputs.reproduce import reproduce
from rushes.runtime.ownership import described, owned_hashes, read_receipt, receipt_name

FUNCTION = """
from rushes import Asset, Context, Output, Params, Result, function

class Options(Params):
    times: int = 2

class Repeated(Result):
    made: Output
    size: int
    seconds: float

@function(version="1")
def repeat(clip: Asset, params: Options, ctx: Context) -> Repeated:
    "Repeat the bytes."
    import time
    out = ctx.output(f"sub/{clip.stem}.bin")
    out.path.write_bytes(clip.path.read_bytes() * params.times)
    return Repeated(made=out, size=out.path.stat().st_size, seconds=time.monotonic())

@function(version="1")
def stamp(clip: Asset, ctx: Context) -> Repeated:
    "Write what is different every time."
    import os
    out = ctx.output("A.bin")
    out.path.write_bytes(os.urandom(8))
    return Repeated(made=out, size=8, seconds=0.0)
"""


def example(**changes: object) -> Receipt:
    given = {
        "function": "proxy",
        "version": "3",
        "ref": "rushes_functions.proxy:proxy",
        "source": ReceiptSource(uri="/in/\udcff.mov", fingerprint="sampled:12", frames=(0, 10)),
        "outputs": (ReceiptOutput(name="A.mp4", path="/out/A.mp4", size_bytes=3, sha256="ab"),),
        "params": {"height": 720},
        "argv": (("ffmpeg", "-i", "\udcff"),),
    }
    return Receipt.model_validate({**given, **changes})


def test_a_receipt_survives_its_file_even_with_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "A.mp4.rushes.json"
    path.write_text(example().to_text(), encoding="ascii")

    assert Receipt.read(path) == example()
    assert json.loads(path.read_text())["schema"] == 1


def test_a_newer_receipt_of_the_same_schema_is_read_and_another_schema_is_not(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    data = json.loads(example().to_text())

    path.write_text(json.dumps({**data, "new_field": 1}))
    assert Receipt.read(path).function == "proxy"
    path.write_text(json.dumps({**data, "schema": 2}))
    with pytest.raises(CallerError, match="schema 2"):
        Receipt.read(path)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "[" * 100_000, '{"kind": "rushes.receipt", "schema": 1}', "\0"]
)
def test_what_is_no_receipt_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)

    with pytest.raises(CallerError) as refused:
        Receipt.read(path)

    assert refused.value.code == "not-a-receipt"


def test_a_receipt_that_is_a_pipe_does_not_stop_anybody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.json")

    assert read_receipt(tmp_path / "r.json") is None


def test_a_receipt_says_with_which_bytes_a_target_is_ours() -> None:
    data = json.loads(example(replaces={"A.mp4": "old"}).to_text())

    assert list(owned_hashes(data, "A.mp4")) == ["ab", "old"]
    assert list(owned_hashes(data, "B.mp4")) == []
    assert described({"outputs": "nonsense"}, "A.mp4") is None


def test_the_receipt_of_the_longest_name_fits_the_file_system(tmp_path: Path) -> None:
    long = "ü" * 125 + ".mp4"

    (tmp_path / receipt_name(long)).touch()

    assert receipt_name("A.mp4") == "A.mp4.rushes.json"
    assert receipt_name(long) != receipt_name("ü" * 124 + "u.mp4")


def test_the_level_of_the_box_that_a_receipt_names_is_described() -> None:
    assert example().box in BOX_LEVELS


def test_the_reference_names_every_field() -> None:
    page = Path(__file__).parents[2] / "docs/reference/receipt.md"
    text = page.read_text(encoding="utf-8")

    fields = json.loads(example(ffmpeg={}).to_text())
    nested = {f"{part}.{name}" for part in ("source", "ffmpeg", "timings") for name in fields[part]} | {
        f"outputs[].{name}" for name in fields["outputs"][0]
    }
    missing = [name for name in {*fields, *nested} if f"`{name}`" not in text]

    assert missing == []
    assert all(f"`{level}`" in text for level in BOX_LEVELS)


# -- reproduce ------------------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FUNCTION)
    (tmp_path / "A.mov").write_bytes(b"abc")
    return path


def test_a_result_is_repeated_and_found_identical(module: Path, tmp_path: Path) -> None:
    catalog.find(f"{module}:repeat")(str(tmp_path / "A.mov"), times=3, out=str(tmp_path / "out"))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}

    compared = reproduce(tmp_path / "out/sub/A.bin.rushes.json")
    by_output = reproduce(tmp_path / "out/sub/A.bin", into=tmp_path / "again")

    assert compared.identical
    assert compared.outputs == {"sub/A.bin": True}
    assert compared.result is True
    assert by_output.identical
    assert (tmp_path / "again/sub/A.bin").read_bytes() == b"abc" * 3
    assert {p: p.stat().st_mtime_ns for p in before if p != tmp_path} == {
        p: t for p, t in before.items() if p != tmp_path
    }


def test_other_bytes_are_told(module: Path, tmp_path: Path) -> None:
    catalog.find(f"{module}:stamp")(str(tmp_path / "A.mov"), out=str(tmp_path / "out"))

    compared = reproduce(tmp_path / "out/A.bin")

    assert not compared.identical
    assert compared.outputs == {"A.bin": False}
    assert "A.bin has other bytes" in compared.differences[0]


def test_an_edited_function_is_noted_and_its_result_compared(module: Path, tmp_path: Path) -> None:
    catalog.find(f"{module}:repeat")(str(tmp_path / "A.mov"), out=str(tmp_path / "out"))
    module.write_text(FUNCTION.replace("* params.times", "* 5"))

    compared = reproduce(tmp_path / "out/sub/A.bin")

    assert not compared.identical
    assert "the source of repeat is not the one" in compared.notes[0]
    assert "result.size is 15 instead of 6" in compared.differences


def test_another_version_is_refused(module: Path, tmp_path: Path) -> None:
    catalog.find(f"{module}:repeat")(str(tmp_path / "A.mov"), out=str(tmp_path / "out"))
    module.write_text(FUNCTION.replace('version="1"', 'version="2"'))

    with pytest.raises(CallerError, match="installed is 2"):
        reproduce(tmp_path / "out/sub/A.bin")


def test_a_changed_source_cannot_be_compared(module: Path, tmp_path: Path) -> None:
    catalog.find(f"{module}:repeat")(str(tmp_path / "A.mov"), out=str(tmp_path / "out"))
    (tmp_path / "A.mov").write_bytes(b"other")

    with pytest.raises(MediaError) as refused:
        reproduce(tmp_path / "out/sub/A.bin")

    assert refused.value.code == "source-changed"
