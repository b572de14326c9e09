"""From a function and its options to a batch: what is refused before anything is sent, what makes a key."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pydantic import Field

from rushes import Asset, CallerError, Context, Output, Params, Result, function
from rushes.function import Options
from rushes.runtime.sending.submission import batch_spec, environment, key_of


class Tree(Params):
    """Options that hold options of their own kind, and a file."""

    lut: Asset | None = None
    below: Tree | None = None


class Made(Result):
    file: Output


@function(version="1")
def graded(clip: Asset, params: Tree, ctx: Context) -> Made:
    """Never run here."""
    raise NotImplementedError


@pytest.fixture
def clip(tmp_path: Path) -> Asset:
    path = tmp_path / "a.mov"
    path.write_bytes(b"frames")
    return Asset(str(path))


def test_a_template_that_names_no_field_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    options = Options(out=str(tmp_path / "out"), name="{stem}_{heigth}{ext}")

    with pytest.raises(CallerError, match="heigth") as caught:
        batch_spec(graded, options, graded.params())

    assert "lut" in caught.value.fix


def test_a_file_deep_in_the_options_is_in_the_key_by_its_bytes(clip: Asset, tmp_path: Path) -> None:
    lut = tmp_path / "look.cube"
    lut.write_bytes(b"one")
    params = graded.params(below={"lut": str(lut)})
    before, _ = key_of(graded, clip, params)
    lut.write_bytes(b"two")

    after, _ = key_of(graded, clip, params)

    assert before != after


def test_options_that_are_sets_make_one_key_in_every_process(clip: Asset, tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text(
        textwrap.dedent("""
        import sys

        from rushes import Asset, Params, Result, function
        from rushes.runtime.sending.submission import key_of


        class Words(Params):
            words: frozenset[str] = frozenset({"name", "timecode", "frame", "reel", "show"})


        class Counted(Result):
            n: int


        @function(version="1")
        def count(clip: Asset, params: Words) -> Counted:
            return Counted(n=len(params.words))


        print(key_of(count, Asset.of(sys.argv[1]), count.params())[0])
        """)
    )
    keys = {
        subprocess.run(
            [sys.executable, tmp_path / "words.py", clip.uri],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }

    assert len(keys) == 1
    assert keys != {""}


def test_the_order_in_which_options_of_a_mapping_are_written_is_no_part_of_the_key(clip: Asset) -> None:
    class Tuned(Params):
        encoder_options: dict[str, str] = Field(default_factory=dict)

    @function(version="1")
    def tune(clip: Asset, params: Tuned, ctx: Context) -> Made:
        return Made(file=ctx.output("x"))

    one = tune.params(encoder_options={"tune": "film", "bf": "3"})
    other = tune.params(encoder_options={"bf": "3", "tune": "film"})

    assert key_of(tune, clip, one)[0] == key_of(tune, clip, other)[0]
    assert key_of(tune, clip, one)[0] != key_of(tune, clip, tune.params())[0]


def test_what_a_worker_alone_reads_keeps_no_slots_apart() -> None:
    plain = environment({"PATH": "/bin", "RUSHES_FONT": "/f.ttf"})
    priced = environment({"PATH": "/bin", "RUSHES_FONT": "/f.ttf", "RUSHES_PRICES": "/p.toml"})

    assert priced == plain
    assert priced["variables"]["RUSHES_FONT"] == "/f.ttf"
