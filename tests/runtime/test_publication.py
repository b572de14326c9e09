"""Publication: whatever happens, a target is absent, as it was, or complete; nothing foreign is touched."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rushes.errors import CallerError, PlatformError, RushesError
from rushes.runtime import files
from rushes.runtime.outputs import publication, steps
from rushes.runtime.outputs.destination import Destination
from rushes.runtime.outputs.intent import Intent
from rushes.runtime.outputs.receipt import Receipt, ReceiptSource
from rushes.runtime.outputs.scratch import clear_batch
from rushes.runtime.ownership import owned_hashes, read_receipt, receipt_name
from rushes.runtime.sources.fingerprint import content_of

INVOCATION = "b1.7"


class Crash(BaseException):
    """Not an Exception: nothing on the way may catch it."""


@dataclass
class Work:
    """One invocation's outputs, and what its attempts make of them."""

    root: Path
    outputs: tuple[str, ...] = ("A.mp4",)
    receipts: str = "beside"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def scratch_root(self) -> Path:
        return self.out / ".rushes-scratch"

    def target(self, name: str) -> Path:
        return self.out / "day1" / name

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(".d"):
            for number in range(3):
                path.mkdir(exist_ok=True)
                (path / f"{number}.exr").write_text(f"{text}{number}")
        else:
            path.write_text(text)

    def attempt(
        self, text: str, number: int = 1, gate: Callable[[Intent], None] = lambda _: None
    ) -> list[publication.Published]:
        """What a slot does: scratch, body, prepare, gate, commit."""
        publication.set_aside(self.scratch_root, INVOCATION)
        scratch = publication.open_scratch(self.scratch_root, INVOCATION, number)
        pairs = []
        for name in self.outputs:
            self.write(scratch / "out" / name, f"{text}:{name}")
            pairs.append((scratch / "out" / name, self.target(name)))
        intent = publication.prepare(pairs, receipt(text, number), receipts=self.receipts)
        gate(intent)
        made = publication.commit(intent)
        publication.close_scratch(scratch)
        return made

    def recover(self, text: str, journal: Path, number: int = 2) -> None:
        """What the next worker does after a crash."""
        if journal.exists() and publication.adopt(Intent.from_dict(json.loads(journal.read_text()))):
            return
        self.attempt(text, number)

    def sha256(self, text: str, name: str) -> str:
        example = self.root / "example" / name
        self.write(example, f"{text}:{name}")
        return content_of(example).sha256

    def check(self, *texts: str) -> None:
        """Each target is absent or complete, as one of `texts`, and its receipt says so."""
        for name in self.outputs:
            target = self.target(name)
            if not target.exists():
                continue
            assert content_of(target).sha256 in {self.sha256(t, name) for t in texts}
            if self.receipts != "none":
                assert content_of(target).sha256 in set(owned_hashes(self.receipt(name), name))

    def receipt(self, name: str) -> Any:
        folder = self.target(name).parent if self.receipts == "beside" else Path(self.receipts)
        found = read_receipt(folder / receipt_name(name))
        assert found is not None
        return found

    def check_done(self, text: str) -> None:
        for name in self.outputs:
            assert content_of(self.target(name)).sha256 == self.sha256(text, name)
            if self.receipts != "none":
                described = {o["name"]: o["sha256"] for o in self.receipt(name)["outputs"]}
                assert described == {n: self.sha256(text, n) for n in self.outputs}
        assert not self.scratch_root.exists()
        kept = {p.name for p in (self.out / "day1").iterdir()}
        beside = {receipt_name(n) for n in self.outputs} if self.receipts == "beside" else set()
        assert kept == set(self.outputs) | beside


def receipt(text: str = "", attempt: int = 1) -> Receipt:
    return Receipt(
        function="copy",
        version="1",
        ref="m:copy",
        source=ReceiptSource(uri="/in/A.mov", fingerprint="sampled:0"),
        key=text,
        attempt=attempt,
    )


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.fixture
def crash_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], list[str]]:
    """Arms a crash before the n-th step; returns the names of the steps as they come."""

    def arm(number: int, crash: Callable[[], None]) -> list[str]:
        seen: list[str] = []

        def at(step: str) -> None:
            seen.append(step)
            if len(seen) == number:
                crash()

        monkeypatch.setattr(steps, "at", at)
        return seen

    return arm


def _raise() -> None:
    raise Crash


def in_child(act: Callable[[], object]) -> int:
    """Fork, act, and exit without any clean-up; 0 when `act` returned, 3 on an error of ours."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except RushesError as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(3)
        except BaseException:  # noqa: BLE001 - a forked test must never return into pytest
            traceback.print_exc()
            os._exit(4)
    return child


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


SHAPES = {
    "a file": Work(Path(), ("A.mp4",)),
    "a folder": Work(Path(), ("A.d",)),
    "several": Work(Path(), ("A.mp4", "B.d", "C.wav")),
    "receipts in a folder": Work(Path(), ("A.mp4", "B.wav"), "receipts"),
    "no receipts": Work(Path(), ("A.mp4",), "none"),
}


@pytest.fixture(params=SHAPES)
def shaped(request: pytest.FixtureRequest, tmp_path: Path) -> Work:
    shape = SHAPES[request.param]
    receipts = str(tmp_path / "receipts") if shape.receipts == "receipts" else shape.receipts
    return Work(tmp_path, shape.outputs, receipts)


@pytest.fixture(params=["renameat2", "link", "claim"])
def any_file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """File systems that can do less: no rename flags; no hard links either."""

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    if request.param != "renameat2":
        monkeypatch.setattr(files, "_rename_call", lambda: None)
    if request.param == "claim":
        monkeypatch.setattr(os, "link", no_links)
    return str(request.param)


# -- the good case --------------------------------------------------------------------------------------


def test_outputs_appear_complete_with_their_receipts(shaped: Work, any_file_system: str) -> None:
    made = shaped.attempt("one")

    shaped.check_done("one")
    assert [m.name for m in made] == list(shaped.outputs)
    assert all(m.action == "new" for m in made)
    folder = shaped.outputs == ("A.d",)
    expected = {"renameat2": "atomic", "link": "claim" if folder else "link", "claim": "claim"}
    assert made[0].promise.value == expected[any_file_system]


def test_an_output_of_ours_is_replaced_and_the_receipt_remembers_what_it_replaced(
    work: Work, any_file_system: str
) -> None:
    work.attempt("one")

    made = work.attempt("two")

    work.check_done("two")
    assert made[0].action == "replace"
    assert work.receipt("A.mp4")["replaces"] == {"A.mp4": work.sha256("one", "A.mp4")}


def test_the_same_bytes_are_adopted_and_the_receipt_is_the_new_one(shaped: Work) -> None:
    shaped.attempt("one", number=1)
    before = shaped.target(shaped.outputs[0]).stat()

    made = shaped.attempt("one", number=2)

    shaped.check_done("one")
    assert {m.action for m in made} == {"adopt"}
    assert shaped.target(shaped.outputs[0]).stat().st_ino == before.st_ino
    if shaped.receipts != "none":
        assert shaped.receipt(shaped.outputs[0])["attempt"] == 2


# -- nothing foreign is touched ---------------------------------------------------------------------------


def _foreign_file(target: Path) -> None:
    target.write_text("mine")


def _foreign_folder(target: Path) -> None:
    target.mkdir()
    (target / "x").write_text("mine")


def _foreign_link(target: Path) -> None:
    target.symlink_to("/etc/hostname")


def _foreign_empty(target: Path) -> None:
    target.touch()


@pytest.mark.parametrize("make", [_foreign_file, _foreign_folder, _foreign_link, _foreign_empty])
def test_what_is_not_ours_is_left_alone_and_named(work: Work, make: Callable[[Path], None]) -> None:
    target = work.target("A.mp4")
    target.parent.mkdir(parents=True)
    make(target)
    before = target.lstat()

    with pytest.raises(CallerError, match=r"A\.mp4 exists and") as refused:
        work.attempt("one")

    assert refused.value.code == "target-exists"
    assert target.lstat() == before
    assert not target.with_name("A.mp4.rushes.json").exists()


def test_an_output_that_was_changed_since_is_no_longer_ours(work: Work) -> None:
    work.attempt("one")
    work.target("A.mp4").write_text("graded by hand")

    with pytest.raises(CallerError, match="was changed since Rushes made it"):
        work.attempt("two")

    assert work.target("A.mp4").read_text() == "graded by hand"
    assert work.receipt("A.mp4")["key"] == "one"


def test_an_output_changed_between_check_and_exchange_is_put_back(
    work: Work, crash_at: Any, any_file_system: str
) -> None:
    work.attempt("one")
    steps_seen = crash_at(0, _raise)

    def change(_intent: Intent) -> None:
        work.target("A.mp4").write_text("graded by hand")

    with pytest.raises(CallerError, match="was changed while its replacement was made"):
        work.attempt("two", gate=change)

    assert work.target("A.mp4").read_text() == "graded by hand"
    assert work.receipt("A.mp4")["key"] == "one"
    assert "check-replaced" in steps_seen


def test_a_target_that_appears_between_check_and_move_is_left_alone(work: Work, any_file_system: str) -> None:
    def appear(_intent: Intent) -> None:
        work.target("A.mp4").write_text("mine")

    with pytest.raises(CallerError, match="was not there when this work began"):
        work.attempt("one", gate=appear)

    assert work.target("A.mp4").read_text() == "mine"
    assert not work.target("A.mp4.rushes.json").exists()


def test_two_invocations_that_race_for_a_name_leave_the_first_ones_result_whole(work: Work) -> None:
    other = Work(work.root)

    def overtake(_intent: Intent) -> None:
        scratch = publication.open_scratch(work.scratch_root, "b1.8", 1)
        other.write(scratch / "A.mp4", "other:A.mp4")
        pairs = [(scratch / "A.mp4", work.target("A.mp4"))]
        publication.commit(publication.prepare(pairs, receipt("other")))
        publication.close_scratch(scratch)

    with pytest.raises(PlatformError) as refused:
        work.attempt("one", gate=overtake)

    assert refused.value.code == "target-taken"
    publication.set_aside(work.scratch_root, INVOCATION)
    work.check_done("other")


def test_a_file_that_has_a_receipts_name_and_is_none_is_left_alone(work: Work) -> None:
    foreign = work.target("A.mp4.rushes.json")
    foreign.parent.mkdir(parents=True)
    foreign.write_text("my notes")

    with pytest.raises(CallerError, match="is no receipt of Rushes"):
        work.attempt("one")

    assert foreign.read_text() == "my notes"
    assert not work.target("A.mp4").exists()


def test_without_receipts_the_ledger_says_what_is_ours(work: Work) -> None:
    work.receipts = "none"
    work.attempt("one")
    (work.root / "two").write_text("two")
    pairs = [(work.root / "two", work.target("A.mp4"))]

    with pytest.raises(CallerError, match="was not made by Rushes"):
        publication.prepare(pairs, None)
    intent = publication.prepare(pairs, None, owned=[work.sha256("one", "A.mp4")])
    publication.commit(intent)

    assert work.target("A.mp4").read_text() == "two"


# -- crashes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["absent", "ours"])
def test_after_an_exception_at_any_step_targets_are_whole_and_a_new_run_completes(
    shaped: Work, before: str, crash_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaces = before == "ours" and shaped.receipts != "none"  # without receipts nothing there is ours
    for number in range(1, 100):
        work = Work(shaped.root / str(number), shaped.outputs, shaped.receipts)
        if shaped.receipts not in {"beside", "none"}:
            work.receipts = str(work.root / "receipts")
        if replaces:
            work.attempt("old")
        journal = work.root / "intent.json"

        def keep(intent: Intent, journal: Path = journal) -> None:
            journal.parent.mkdir(parents=True, exist_ok=True)
            journal.write_text(json.dumps(intent.to_dict()))

        seen = crash_at(number, _raise)
        try:
            work.attempt("new", gate=keep)
        except Crash:
            work.check("old", "new")
            crash_at(0, _raise)
            work.recover("new", journal)
            work.check_done("new")
        else:
            assert number > len(seen) >= 8
            return
    pytest.fail("the steps do not end")


@pytest.mark.parametrize("journalled", [True, False])
def test_after_a_kill_at_any_step_targets_are_whole_and_a_new_run_completes(
    tmp_path: Path, crash_at: Any, any_file_system: str, *, journalled: bool
) -> None:
    for number in range(1, 100):
        work = Work(tmp_path / str(number), ("A.mp4", "B.d"))
        work.attempt("old")
        journal = work.root / "intent.json"

        def keep(intent: Intent, journal: Path = journal) -> None:
            journal.write_text(json.dumps(intent.to_dict()))

        crash_at(number, lambda: os._exit(9))
        child = in_child(lambda work=work, keep=keep: work.attempt("new", gate=keep))  # type: ignore[misc]
        code = status(child)
        crash_at(0, _raise)
        if code == 0:
            return
        assert code == 9
        if not journalled:
            journal.unlink(missing_ok=True)
        work.check("old", "new")
        work.recover("newer", journal)
        done = "new" if "new:" in work.target("A.mp4").read_text() else "newer"
        work.check_done(done)
    pytest.fail("the steps do not end")


def test_a_crash_during_recovery_is_recovered_from(tmp_path: Path, crash_at: Any) -> None:
    for number in range(1, 100):
        work = Work(tmp_path / str(number), ("A.mp4", "B.d"))
        work.attempt("old")
        journal = work.root / "intent.json"

        def keep(intent: Intent, journal: Path = journal) -> None:
            journal.write_text(json.dumps(intent.to_dict()))
            raise Crash

        with pytest.raises(Crash):
            work.attempt("new", gate=keep)
        crash_at(number, _raise)
        try:
            work.recover("new", journal)
        except Crash:
            work.check("old", "new")
            crash_at(0, _raise)
            work.recover("new", journal, number=3)
            work.check_done("new")
        else:
            work.check_done("new")
            return
    pytest.fail("the steps do not end")


def test_a_lost_attempt_that_exchanged_what_had_changed_is_undone(work: Work) -> None:
    work.attempt("one")
    kept: list[Intent] = []

    def change_and_die(intent: Intent) -> None:
        kept.append(intent)
        part = intent.parts[0]
        work.target("A.mp4").write_text("graded by hand")
        files.exchange(Path(part.staged), work.target("A.mp4"))
        raise Crash

    with pytest.raises(Crash):
        work.attempt("two", gate=change_and_die)

    assert not publication.adopt(kept[0])
    assert work.target("A.mp4").read_text() == "graded by hand"


# -- an attempt that was taken over ----------------------------------------------------------------------


@pytest.mark.parametrize("before", ["absent", "ours"])
def test_an_attempt_stopped_anywhere_and_woken_after_it_was_taken_over_publishes_nothing(
    tmp_path: Path, before: str, crash_at: Any
) -> None:
    for number in range(1, 100):
        work = Work(tmp_path / str(number), ("A.mp4", "B.d"))
        if before == "ours":
            work.attempt("old")
        crash_at(number, lambda: os.kill(os.getpid(), signal.SIGSTOP))
        stale = in_child(lambda work=work: work.attempt("stale", 1))  # type: ignore[misc]
        stopped = os.WIFSTOPPED(os.waitpid(stale, os.WUNTRACED)[1])
        crash_at(0, _raise)
        if not stopped:
            return
        work.check("old", "stale")

        work.attempt("fresh", 2)
        os.kill(stale, signal.SIGCONT)
        code = status(stale)

        assert code in {0, 3}, f"step {number}"
        work.check_done("fresh")
    pytest.fail("the steps do not end")


def test_setting_aside_touches_no_other_invocation(work: Work) -> None:
    mine = publication.open_scratch(work.scratch_root, "b1.1", 1)
    old_style = work.scratch_root / "b1.1.2"
    old_style.mkdir()
    others = [publication.open_scratch(work.scratch_root, name, 1) for name in ("b1.11", "b1", "ab1.1")]

    assert publication.set_aside(work.scratch_root, "b1.1") == 2

    assert not mine.exists()
    assert not old_style.exists()
    assert all(folder.exists() for folder in others)
    assert len(list(work.scratch_root.iterdir())) == 3


# -- the platform at fault -------------------------------------------------------------------------------


def test_a_full_disk_at_the_last_move_leaves_nothing_and_goes_on_when_there_is_space(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> files.Promise:
        if target.suffix == ".mp4":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return files.rename_noreplace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(publication, "rename_noreplace", full)
        with pytest.raises(PlatformError, match="no space left") as failed:
            work.attempt("one")

    assert failed.value.code == "disk-full"
    assert list(work.target("A.mp4").parent.iterdir()) == []
    work.attempt("one")
    work.check_done("one")


def test_a_scratch_folder_without_space_for_the_receipt_publishes_nothing(work: Work) -> None:
    import resource  # noqa: PLC0415 - POSIX only, as the test

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
        with pytest.raises(PlatformError, match="no space left") as failed:
            work.attempt("one")
        assert failed.value.code == "disk-full"

    assert status(in_child(limited)) == 0
    assert list(work.target("A.mp4").parent.iterdir()) == []


def _tmpfs(folder: Path, size: str) -> None:
    """Mount a small file system that only this process sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)


def _can_mount(folder: Path) -> bool:
    return os.geteuid() == 0 and status(in_child(lambda: _tmpfs(folder, "64k"))) == 0


def test_on_a_disk_that_is_really_full_nothing_half_written_appears(work: Work) -> None:
    work.out.mkdir(parents=True)
    if not _can_mount(work.out):
        pytest.skip("a small file system cannot be mounted here")

    def fill_and_publish() -> None:
        _tmpfs(work.out, "64k")
        filler = work.out / "filler"

        def fill() -> None:
            with filler.open("wb", buffering=0) as file:
                while file.write(b"x" * 4096) == 4096:
                    pass

        scratch = publication.open_scratch(work.scratch_root, INVOCATION, 1)
        made = scratch / "A.mp4"
        made.write_text("one:A.mp4")
        with pytest.raises(OSError, match="No space left"):
            fill()
        with pytest.raises(PlatformError) as failed:
            publication.prepare([(made, work.target("A.mp4"))], receipt("one"))
        assert failed.value.code == "disk-full"
        assert not work.target("A.mp4").exists()
        filler.unlink()
        work.attempt("one")
        work.check_done("one")

    assert status(in_child(fill_and_publish)) == 0


def _other_file_system(tmp_path: Path) -> Path | None:
    shm = Path("/dev/shm")
    if shm.is_dir() and shm.stat().st_dev != tmp_path.stat().st_dev and os.access(shm, os.W_OK):
        return shm
    return None


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    shm = _other_file_system(tmp_path)
    if shm is None:
        pytest.skip("there is no second file system here")
    folder = shm / f"rushes-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    files.remove([folder])


def test_a_target_on_another_file_system_is_refused_before_anything_is_visible(
    work: Work, elsewhere: Path
) -> None:
    (work.root / "A.mp4").write_text("one")

    with pytest.raises(PlatformError) as refused:
        publication.prepare([(work.root / "A.mp4", elsewhere / "A.mp4")], receipt())

    assert refused.value.code == "cross-device"
    assert list(elsewhere.iterdir()) == []


def test_the_scratch_folder_follows_a_mount_below_the_destination(work: Work, elsewhere: Path) -> None:
    work.out.mkdir(parents=True)
    (work.out / "day1").symlink_to(elsewhere)

    here = Destination(str(work.out), subdir="day0/x").scratch_root()
    there = Destination(str(work.out), subdir="day1/x").scratch_root()

    assert here == work.out / ".rushes-scratch"
    assert there == work.out / "day1/.rushes-scratch"


def test_receipts_may_be_kept_on_another_file_system(work: Work, elsewhere: Path) -> None:
    work.receipts = str(elsewhere)

    work.attempt("one")
    work.attempt("two")

    work.check_done("two")
    assert [p.name for p in elsewhere.iterdir()] == ["A.mp4.rushes.json"]


def test_a_folder_that_may_not_be_written_is_named(work: Work, tmp_path: Path) -> None:
    (work.out / "day1").mkdir(parents=True)
    (work.root / "A.mp4").write_text("one")
    (work.out / "day1").chmod(0o555)

    def as_nobody() -> None:
        if os.geteuid() == 0:
            os.chown(work.root, 65534, 65534)
            os.chdir(work.root)
            os.setresuid(65534, 65534, 65534)
        publication.prepare([(Path("A.mp4"), Path("out/day1/x/A.mp4"))], receipt())

    assert status(in_child(as_nobody)) == 3


# -- known outputs -------------------------------------------------------------------------------------


def test_known_outputs_are_copied_to_another_place_with_a_receipt_of_their_own(shaped: Work) -> None:
    intents: list[Intent] = []
    shaped.attempt("one", gate=intents.append)
    published = intents[0].facts()
    assert all(publication.is_unchanged(fact) for fact in published)

    scratch = shaped.root / "copies"
    wanted = [shaped.root / "elsewhere" / name for name in shaped.outputs]
    pairs = publication.copy_published(published, scratch, wanted)
    publication.commit(publication.prepare(pairs, publication.receipt_of(published[0])))

    assert [content_of(w).sha256 for w in wanted] == [fact["sha256"] for fact in published]
    shaped.check_done("one")


def test_a_known_output_that_was_changed_or_lost_does_not_count(work: Work) -> None:
    intents: list[Intent] = []
    work.attempt("one", gate=intents.append)
    (fact,) = intents[0].facts()
    target = work.target("A.mp4")
    kept = target.read_text()

    target.write_text("x" * len(kept))
    changed = publication.is_unchanged(fact)
    target.write_text(kept)
    touched = publication.is_unchanged(fact)
    target.unlink()
    lost = publication.is_unchanged(fact)

    assert (changed, touched, lost) == (False, True, False)


def test_what_lost_attempts_of_a_batch_left_goes_with_the_batch(tmp_path: Path) -> None:
    root = Destination(str(tmp_path)).scratch_root()
    lost = [publication.open_scratch(root, one, 3) for one in ("b1.7", "b1.12", "b1.13_my-size")]
    alive = publication.open_scratch(root, "b12.7", 1)
    (lost[0] / "half.mp4").write_text("half")

    clear_batch(root, "b1")

    assert list(root.iterdir()) == [alive]
    clear_batch(tmp_path / "nowhere", "b1")


def test_an_attempt_that_died_before_it_had_made_its_folder_leaves_nothing_either(tmp_path: Path) -> None:
    root = Destination(str(tmp_path)).scratch_root()
    root.mkdir()

    clear_batch(root, "b1")

    assert not root.exists()
