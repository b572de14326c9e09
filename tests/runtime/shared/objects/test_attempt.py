"""An attempt on objects: fetched, run, published once, whoever was overtaken on the way."""

from __future__ import annotations

import importlib
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rushes import Asset, CallerError, MediaError, PlatformError
from rushes.runtime.attempts.task import Made, Task
from rushes.runtime.shared.objects.attempt import run_remote
from rushes.runtime.shared.objects.marks import KEY, mark_of
from rushes.runtime.sources.fingerprint import sha256_file
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore

CLIP = "stub://cards/day 1/A001+C002.mov"
OUT = "stub://proxies/dune/"
TARGET = f"{OUT}A001+C002.txt"


@pytest.fixture
def functions() -> Any:
    return importlib.import_module("runtime.remote")


@pytest.fixture
def store() -> StubStore:
    made = StubStore(FakeClock())
    made.put(CLIP, b"clip")
    return made


@pytest.fixture
def run(store: StubStore, functions: Any, tmp_path: Path) -> Callable[..., Made]:
    def run_it(
        name: str = "write",
        *,
        may_publish: Callable[[str], None] = lambda _: None,
        out: str | None = OUT,
        key: str = "ab" * 32,
        receipts: str = "beside",
        clip: str = CLIP,
        **params: Any,
    ) -> Made:
        function = getattr(functions, name)
        task = Task(
            function,
            Asset(clip),
            function.params(None, **params),
            invocation="k7m2qx.1",
            key=key,
            out=out,
            receipts=receipts,
        )
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        try:
            return run_remote(
                task,
                store,
                scratch,
                report=lambda *_: None,
                may_publish=may_publish,
                cancelled=lambda: False,
                local_name=lambda uri: uri.rpartition("/")[2],
            )
        finally:
            assert list(scratch.iterdir()) == []

    return run_it


def text_of(store: StubStore, uri: str) -> str:
    return bytes(store.reader(uri).readall() or b"").decode()


def published(store: StubStore) -> list[str]:
    return [one.uri for one in store.listing("stub://proxies/")]


def test_what_is_made_of_an_object_is_an_object(run: Callable[..., Made], store: StubStore) -> None:
    made = run()
    assert published(store) == [TARGET, f"{TARGET}.rushes.json"]
    assert text_of(store, TARGET) == "plain clip "
    assert (made.outputs, made.receipt) == ((TARGET,), f"{TARGET}.rushes.json")
    assert json.loads(made.result) == {"file": TARGET, "read": "clip"}


def test_the_receipt_names_objects_and_no_path_of_the_host(
    run: Callable[..., Made], store: StubStore, tmp_path: Path
) -> None:
    run()
    text = text_of(store, f"{TARGET}.rushes.json")
    receipt = json.loads(text)
    assert receipt["source"]["uri"] == CLIP
    assert receipt["source"]["fingerprint"] == mark_of(store.look(CLIP))
    assert [one["path"] for one in receipt["outputs"]] == [TARGET]
    assert receipt["outputs"][0]["sha256"] == store.look(TARGET).sha256
    assert str(tmp_path) not in text


def test_objects_that_options_name_are_fetched_too(run: Callable[..., Made], store: StubStore) -> None:
    store.put("stub://luts/show.cube", b" lut")
    assert json.loads(run(lut="stub://luts/show.cube").result)["read"] == "clip lut"


def test_a_function_without_outputs_publishes_nothing(run: Callable[..., Made], store: StubStore) -> None:
    run("look", out=None)
    assert published(store) == []


def test_nothing_of_an_attempt_lies_outside_its_folder_where_nobody_would_sweep_it(
    run: Callable[..., Made], store: StubStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    scratch = json.loads(run("aside", out=None).result)["scratch"]
    assert Path(scratch).is_relative_to(tmp_path / "scratch")
    run("write")
    run("package", key="cd" * 32)
    assert len(published(store)) > 2


def test_a_clip_that_is_not_what_was_submitted_is_refused(
    store: StubStore, functions: Any, tmp_path: Path
) -> None:
    task = Task(functions.look, Asset(CLIP), functions.Words(), fingerprint="mark:old")
    with pytest.raises(MediaError) as caught:
        run_remote(
            task, store, tmp_path,
            report=lambda *_: None, may_publish=lambda _: None, cancelled=lambda: False,
            local_name=lambda _: "clip",
        )  # fmt: skip
    assert caught.value.code == "source-changed"


def test_an_attempt_that_lost_its_claim_publishes_nothing(run: Callable[..., Made], store: StubStore) -> None:
    def lost(_intent: str) -> None:
        raise PlatformError("it was taken over.", code="superseded")

    with pytest.raises(PlatformError):
        run(may_publish=lost)
    assert published(store) == []


def test_somebody_elses_object_is_left_alone(run: Callable[..., Made], store: StubStore) -> None:
    store.put(TARGET, b"theirs")
    with pytest.raises(CallerError) as caught:
        run()
    assert caught.value.code == "target-exists"
    assert published(store) == [TARGET]
    assert text_of(store, TARGET) == "theirs"


def test_somebody_elses_file_in_the_receipts_place_is_left_alone(
    run: Callable[..., Made], store: StubStore
) -> None:
    store.put(f"{TARGET}.rushes.json", b"theirs")
    with pytest.raises(CallerError) as caught:
        run()
    assert caught.value.code == "target-exists"
    assert published(store) == [f"{TARGET}.rushes.json"]


def test_what_an_overtaken_attempt_has_published_is_the_result(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run()
    before = store.look(TARGET)
    monkeypatch.setenv("ATTEMPT", "2")
    made = run()
    assert store.look(TARGET) == before
    assert made.outputs == (TARGET,)
    assert made.published[0]["sha256"] == before.sha256
    assert json.loads(made.result)["file"] == TARGET


@pytest.mark.parametrize("which", [0, 1])
def test_after_a_crash_at_any_write_the_next_attempt_leaves_one_whole_result(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    crash(store, which)
    with pytest.raises(PlatformError):
        run()
    monkeypatch.setenv("ATTEMPT", "2")
    run()
    receipt = json.loads(text_of(store, f"{TARGET}.rushes.json"))
    assert receipt["outputs"][0]["sha256"] == store.look(TARGET).sha256
    assert text_of(store, TARGET) == "plain clip 2"


OTHER_KEY = "cd" * 32


def test_what_was_made_with_other_options_is_replaced_while_it_is_as_its_receipt_says(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run()
    monkeypatch.setenv("ATTEMPT", "2")
    run(key=OTHER_KEY)
    assert text_of(store, TARGET) == "plain clip 2"
    receipt = json.loads(text_of(store, f"{TARGET}.rushes.json"))
    assert (receipt["key"], receipt["outputs"][0]["sha256"]) == (OTHER_KEY, store.look(TARGET).sha256)


def test_what_was_made_of_another_clip_of_the_same_name_is_left_alone(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run()
    before = store.look(TARGET)
    monkeypatch.setenv("ATTEMPT", "2")
    another = CLIP.replace("day 1", "day 2")
    store.put(another, b"another day")
    with pytest.raises(CallerError, match=f"was made of {re.escape(CLIP)}") as caught:
        run(key=OTHER_KEY, clip=another)
    assert caught.value.code == "target-exists"
    assert store.look(TARGET) == before
    assert json.loads(text_of(store, f"{TARGET}.rushes.json"))["source"]["uri"] == CLIP


def test_what_was_made_of_another_version_of_the_clip_is_replaced(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run()
    receipt = f"{TARGET}.rushes.json"
    before = f"{CLIP}?versionId=3sL4kqtJlcpXroDTDmJ"
    store.put(receipt, text_of(store, receipt).replace(CLIP, before).encode())
    monkeypatch.setenv("ATTEMPT", "2")
    run(key=OTHER_KEY)
    assert text_of(store, TARGET) == "plain clip 2"


def test_what_somebody_has_changed_since_is_left_alone(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run()
    there, graded = store.look(TARGET), tmp_path / "graded"
    graded.write_bytes(b"graded")  # by a tool that copies what an object says of itself
    store.publish(graded, TARGET, sha256_file(graded), over=there, about=there.about)
    monkeypatch.setenv("ATTEMPT", "2")
    with pytest.raises(CallerError, match="was changed") as caught:
        run(key=OTHER_KEY)
    assert caught.value.code == "target-exists"
    assert text_of(store, TARGET) == "graded"


def test_what_no_receipt_tells_of_is_left_alone(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run(receipts="none")
    monkeypatch.setenv("ATTEMPT", "2")
    with pytest.raises(CallerError, match="it was left alone"):
        run(key=OTHER_KEY, receipts="none")
    assert text_of(store, TARGET) == "plain clip 1"


@pytest.mark.parametrize("which", [0, 1])
def test_who_died_while_replacing_is_followed_by_one_who_does(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run()
    monkeypatch.setenv("ATTEMPT", "2")
    crash(store, which)
    with pytest.raises(PlatformError):
        run(key=OTHER_KEY)
    monkeypatch.setenv("ATTEMPT", "3")
    run(key=OTHER_KEY)
    receipt = json.loads(text_of(store, f"{TARGET}.rushes.json"))
    assert receipt["outputs"][0]["sha256"] == store.look(TARGET).sha256
    assert text_of(store, TARGET) == "plain clip 3"


def test_a_folder_that_was_made_with_other_options_is_left_alone(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    run("package")
    before = [(one.uri, one.sha256) for one in store.listing("stub://proxies/")]
    monkeypatch.setenv("ATTEMPT", "2")
    with pytest.raises(CallerError, match="of a folder"):
        run("package", key=OTHER_KEY)
    assert [(one.uri, one.sha256) for one in store.listing("stub://proxies/")] == before


@pytest.mark.parametrize("which", range(5))
def test_a_folder_is_whole_once_its_receipt_is_there(
    run: Callable[..., Made], store: StubStore, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    monkeypatch.setenv("ATTEMPT", "1")
    crash(store, which)
    with pytest.raises(PlatformError):
        run("package")
    assert not any(uri.endswith(".rushes.json") for uri in published(store))
    monkeypatch.setenv("ATTEMPT", "2")
    made = run("package")
    folder = f"{OUT}A001+C002_hls"
    assert published(store) == [
        f"{folder}.rushes.json",
        *(f"{folder}/720p/{number}.m4s" for number in range(3)),
        f"{folder}/main.m3u8",
    ]
    assert [text_of(store, f"{folder}/720p/{number}.m4s") for number in range(3)] == ["02", "12", "22"]
    assert made.outputs == (folder,)


def test_a_playlist_comes_after_what_it_names(run: Callable[..., Made], store: StubStore) -> None:
    run("package")
    written = [uri.rpartition("/")[2] for verb, uri in store.calls if verb == "publish"]
    assert written == ["0.m4s", "1.m4s", "2.m4s", "main.m3u8", "A001+C002_hls.rushes.json"]


def test_every_object_says_whose_work_it_is(run: Callable[..., Made], store: StubStore) -> None:
    run("package")
    assert {one.about.get(KEY) for one in store.listing("stub://proxies/")} == {"ab" * 32}


def crash(store: StubStore, which: int) -> None:
    """Let the writer die before its n-th write."""
    real, count = store.publish, iter(range(99))

    def publish(*arguments: Any, **more: Any) -> Any:
        if next(count) == which:
            store.publish = real  # type: ignore[method-assign]
            raise PlatformError("it died.", code="slot-lost")
        return real(*arguments, **more)

    store.publish = publish  # type: ignore[method-assign]


@pytest.mark.parametrize("named", ["/etc/hostname", "file:///etc/hostname", "hostname", "../../etc/hostname"])
def test_an_option_reads_no_file_of_the_machine_that_works_on_it(
    run: Callable[..., Made], store: StubStore, named: str
) -> None:
    with pytest.raises(CallerError) as raised:
        run(lut=named)
    assert raised.value.code == "local-input"
    assert published(store) == []


def test_an_option_deep_inside_another_reads_none_either(run: Callable[..., Made]) -> None:
    with pytest.raises(CallerError) as raised:
        run("layered", layers=[{"named": {"top": {"image": "/etc/hostname"}}}])
    assert raised.value.code == "local-input"


def test_a_file_that_the_author_names_as_the_default_is_read(run: Callable[..., Made]) -> None:
    assert "clips and outputs" in json.loads(run("layered").result)["read"]
