"""From a function and its options to a batch: what is refused before anything is sent, what makes a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pydantic import Field

from rushes import Asset, CallerError, Context, Output, Params, Result, function
from rushes.function import Options
from rushes.runtime.attempts.task import Made as Row
from rushes.runtime.sending.submission import batch_spec, environment, invocations, key_of
from rushes.runtime.sources.inputs import Found


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


SIGNED = "https://b.s3.amazonaws.com/look.cube?X-Amz-Credential=AK&X-Amz-Signature=abc"


class Fetched(Params):
    look: str = ""


@function(version="1")
def fetched(clip: Asset, params: Fetched, ctx: Context) -> Made:
    """Never run here."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("params", "tags"), [(Fetched(look=SIGNED), {}), (Fetched(), {"from": SIGNED})], ids=["params", "tags"]
)
def test_an_option_that_gives_access_is_refused_on_this_machine_too(
    params: Fetched, tags: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(CallerError) as caught:
        batch_spec(fetched, Options(out=str(tmp_path), tags=tags), params)
    assert caught.value.code == "signed-link"
    assert "abc" not in str(caught.value.to_dict())


def test_of_many_clips_one_whose_own_option_gives_access_is_the_problem(clip: Asset) -> None:
    found = [Found(clip, params={"look": SIGNED}), Found(clip, params={"look": "warm"})]
    first, second = invocations(fetched, Options(), Fetched(), found)
    assert (first.problem or {})["code"] == "signed-link"
    assert "abc" not in f"{first}"
    assert second.problem is None


def test_a_direct_call_is_refused_alike(clip: Asset, tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="signed link"):
        fetched(clip, look=SIGNED, out=str(tmp_path))


def test_what_a_body_returns_is_kept_without_what_gives_access() -> None:
    made = Row(f'{{"link":"{SIGNED}","plain":"https://studio/a?b=1"}}')
    kept = json.loads(made.data())["result"]["link"]
    assert kept == "https://b.s3.amazonaws.com/look.cube?[redacted]"
    assert Row('"https://studio/a?b=1"').data() == b'{"result":"https://studio/a?b=1"}'
