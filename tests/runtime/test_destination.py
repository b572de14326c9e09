"""Names and places of outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rushes.errors import CallerError
from rushes.runtime.outputs.destination import Destination, check_template
from rushes.runtime.ownership import receipt_name


def destination(root: Path, source: str = "A.mov", **options: Any) -> Destination:
    return Destination(str(root / "out"), source_uri=str(root / source), function="proxy", **options)


def test_an_output_mirrors_the_tree_and_takes_the_tag(tmp_path: Path) -> None:
    assert destination(tmp_path, subdir="day1/a").resolve("A.mp4") == tmp_path / "out/day1/a/A.mp4"
    assert destination(tmp_path, tag="~ab12").resolve("x/A.b.mp4") == tmp_path / "out/x/A.b~ab12.mp4"


def test_a_name_template_is_filled_in(tmp_path: Path) -> None:
    named = destination(
        tmp_path, "day1/A001.mov", template="{parent}/{stem}_{height:04d}p_{lut}{ext}",
        params={"height": 720, "lut": "/a/b.cube"},
    )  # fmt: skip

    assert named.resolve("whatever.mp4") == tmp_path / "out/day1/A001_0720p__a_b.cube.mp4"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{nope}.mp4", "no field 'nope'"),
        ("{stem.__class__}", "no field"),
        ("{stem!r}", "no field"),
        ("{0}", "no field"),
        ("{stem", "cannot be used"),
        ("{stem:04d}{ext}", "cannot be written"),
        ("{stem}_{lut}{ext}", "lut was given no value"),
        ("{stem}_proxy", "leaves '.mp4' out"),
        ("../{stem}{ext}", "leaves its folder"),
        ("/tmp/{stem}{ext}", "absolute"),
        ("{stem}.rushes.json", "kept for Rushes"),
        ("{stem}" * 300 + "{ext}", "longer than 255 bytes"),
    ],
)
def test_a_template_that_cannot_be_used_says_why(tmp_path: Path, template: str, says: str) -> None:
    with pytest.raises(CallerError, match=says):
        destination(tmp_path, template=template, params={"height": 1, "lut": None}).resolve("A.mp4")


def test_a_template_may_leave_out_the_extension_of_what_has_none(tmp_path: Path) -> None:
    named = destination(tmp_path, template="{stem}_v{height}", params={"height": 1})

    assert named.resolve("pictures") == tmp_path / "out/A_v1"
    assert destination(tmp_path, template="{stem}.{container}", params={"container": "mp4"}).resolve(
        "A.mp4"
    ) == (tmp_path / "out/A.mp4")


def test_a_template_is_checked_before_anything_runs() -> None:
    check_template("{stem}_{height}p{ext}", {"height": 3})
    with pytest.raises(CallerError, match="Fields: stem, output"):
        check_template("{stem}_{width}{ext}", {"height": 3})
    with pytest.raises(CallerError, match="longer than any name"):
        check_template("{stem:1000000000}{ext}", {})


@pytest.mark.parametrize(
    "name", ["", "/A.mp4", "../A.mp4", "a/../../A.mp4", "a//b", ".", "x\0y", ".rushes-scratch/A"]
)
def test_an_output_name_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CallerError) as refused:
        destination(tmp_path).resolve(name)

    assert refused.value.code == "bad-name"


def test_two_outputs_of_one_function_never_get_one_name(tmp_path: Path) -> None:
    named = destination(tmp_path, template="{stem}{ext}")
    named.resolve("left.wav")

    with pytest.raises(CallerError, match=r"\{output\}"):
        named.resolve("right.wav")


def _published(root: Path, source: str, target: str = "A.mp4") -> None:
    path = root / "out" / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    made = {"name": target, "path": str(path), "size_bytes": 1, "sha256": "0"}
    head = {"kind": "rushes.receipt", "schema": 1, "params": {}}
    data = {**head, "source": {"uri": str(root / source)}, "outputs": [made]}
    path.with_name(receipt_name(path.name)).write_text(json.dumps(data))


def test_a_name_that_belongs_to_another_living_source_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "A.mov").touch()
    _published(tmp_path, "A.mov")

    twin = destination(tmp_path, "A.mxf").resolve("A.mp4")
    again = destination(tmp_path, "A.mxf").resolve("A.mp4")
    itself = destination(tmp_path, "A.mov", tag="~ab12").resolve("A.mp4")
    (tmp_path / "A.mov").unlink()
    heir = destination(tmp_path, "A.mxf").resolve("A.mp4")

    assert twin == again
    assert twin.name.startswith("A~")
    assert itself.name == "A.mp4"
    assert heir.name == "A.mp4"


def test_without_a_place_the_caller_is_told(tmp_path: Path) -> None:
    with pytest.raises(CallerError) as refused:
        Destination(None, function="proxy").resolve("A.mp4")

    assert refused.value.code == "no-out"
