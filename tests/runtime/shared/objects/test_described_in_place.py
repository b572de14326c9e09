"""A clip that is only described stays in its store: little of it is fetched, and the row says how much."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rushes import Asset, CallerError, Context, MediaError, Output, Params, PlatformError, Result, function
from rushes.media.readers import ranged
from rushes.media.running.builds import bundled_ffmpeg
from rushes.runtime.attempts.task import Made, Task
from rushes.runtime.shared.objects import described_in_place
from rushes.runtime.shared.objects.attempt import run_remote
from rushes.runtime.shared.objects.marks import mark_of
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore
from rushes_functions.inspect import inspect

CLIP = "stub://cards/day1/A001.mov"
_RECIPE = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=3", "-c:v", "prores_ks", "-qscale:v", "1")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("large") / "A001.mov"
    command = [str(bundled_ffmpeg()), "-v", "error", "-nostdin", *_RECIPE, str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert path.stat().st_size > described_in_place.WHOLE_BYTES
    return path.read_bytes()


@pytest.fixture
def store(large: bytes) -> StubStore:
    made = StubStore(FakeClock())
    made.put(CLIP, large)
    return made


@pytest.fixture
def run(store: StubStore, tmp_path: Path) -> Callable[..., Made]:
    def run_it(
        uri: str = CLIP,
        *,
        fingerprint: str = "",
        may_publish: Callable[[str], None] = lambda _: None,
        **params: Any,
    ) -> Made:
        task = Task(inspect, Asset(CLIP), inspect.params(None, **params), fingerprint=fingerprint)
        return run_remote(
            task,
            store,
            tmp_path,
            report=lambda *_: None,
            may_publish=may_publish,
            cancelled=lambda: False,
            local_name=lambda uri: uri.rpartition("/")[2],
        )

    return run_it


def verbs(store: StubStore) -> set[str]:
    return {verb for verb, _ in store.calls}


def test_it_is_described_as_a_copy_would_be(
    run: Callable[..., Made], store: StubStore, large: bytes, tmp_path: Path
) -> None:
    copy = tmp_path / "A001.mov"
    copy.write_bytes(large)
    assert json.loads(run().result) == json.loads(inspect(str(copy)).model_dump_json())
    assert verbs(store) == {"look", "reader", "range"}


def test_the_row_says_what_was_read_and_of_which_object(
    run: Callable[..., Made], store: StubStore, large: bytes
) -> None:
    read = json.loads(run().data())["read"]
    asked = [verb for verb, _ in store.calls if verb == "range"]
    assert (read["uri"], read["size_bytes"], read["requests"]) == (CLIP, len(large), len(asked))
    assert read["fingerprint"] == mark_of(store.look(CLIP))
    assert 0 < read["fetched_bytes"] < 1_000_000


@pytest.mark.parametrize("params", [{"checksum": "sha256"}, {"count_frames": True}])
def test_what_reads_all_of_a_clip_has_it_fetched(
    run: Callable[..., Made], store: StubStore, params: dict[str, Any]
) -> None:
    made = run(**params)
    assert made.read is None
    assert "fetch" in verbs(store)


def test_a_small_clip_is_fetched_in_one_go(
    run: Callable[..., Made], store: StubStore, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(described_in_place, "WHOLE_BYTES", len(large))
    run()
    assert verbs(store) == {"look", "fetch"}


def test_a_clip_whose_headers_are_all_over_it_is_fetched_after_all(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged, "FREE_BYTES", 1)
    monkeypatch.setattr(ranged, "MOST_PART", 10**9)
    assert json.loads(run().result)["media"]["container"]["format"] == "mov"
    assert "fetch" in verbs(store)


def test_a_clip_that_changes_while_it_is_read_is_the_medias_fault(
    run: Callable[..., Made], store: StubStore, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(*_: Any) -> None:
        monkeypatch.undo()
        store.put(CLIP, large[:-1] + b"x")

    monkeypatch.setattr(described_in_place, "require_same", now)
    with pytest.raises(MediaError) as caught:
        run()
    assert caught.value.code == "source-changed"


def test_a_store_that_fails_on_the_way_is_the_platforms_fault(
    run: Callable[..., Made], store: StubStore
) -> None:
    store.fail_next("range", PlatformError("it is busy.", code="service-busy"))
    with pytest.raises(PlatformError, match="it is busy") as caught:
        run()
    assert caught.value.code == "service-busy"


def test_a_clip_that_is_not_what_was_submitted_is_refused_before_it_is_read(
    run: Callable[..., Made], store: StubStore
) -> None:
    with pytest.raises(MediaError) as caught:
        run(fingerprint="mark:old")
    assert caught.value.code == "source-changed"
    assert verbs(store) == {"look"}


def test_what_publishes_nothing_asks_nobody_for_leave(run: Callable[..., Made]) -> None:
    asked: list[str] = []
    run(may_publish=asked.append)
    assert asked == []


class Wrote(Result):
    file: Output


def test_headers_are_not_enough_for_what_makes_files() -> None:
    with pytest.raises(CallerError, match="headers_only, and its result names files") as caught:

        @function(version="1", headers_only=True)
        def copy(clip: Asset, params: Params, ctx: Context) -> Wrote:
            raise NotImplementedError

    assert caught.value.code == "bad-function"


def test_whether_headers_are_enough_is_said_plainly() -> None:
    with pytest.raises(CallerError, match="headers_only='sometimes'"):

        @function(version="1", headers_only="sometimes")  # type: ignore[arg-type]
        def look(clip: Asset) -> Result:
            raise NotImplementedError
