"""What a person may type to name a function, and what is said when it is wrong."""

from __future__ import annotations

import ast
import importlib
import os
import py_compile
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rushes import catalog, source_file
from rushes.errors import CallerError

BODY = '''
from rushes import Asset, Result, function

class Sized(Result):
    size: int

@function(version="1")
def {name}(clip: Asset) -> Sized:
    """Count bytes."""
    return Sized(size={size})
'''


@pytest.fixture(autouse=True)
def _clean_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("_rushes_file_", "neighbour", "someones", "broken")):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_(file: str, text: str | None = None, *, name: str = "sized", size: str = "1") -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BODY.format(name=name, size=size) if text is None else text)
        return path

    return write_


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., None]:
    """Pretends that a distribution with entry points was installed."""

    def install_(distribution: str, points: dict[str, str]) -> None:
        site = tmp_path / "site"
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {ref}\n" for name, ref in points.items())
        (info / "entry_points.txt").write_text(f"[rushes.functions]\n{lines}")
        if str(site) not in sys.path:
            sys.path.insert(0, str(site))

    return install_


def refusal(name: str) -> CallerError:
    with pytest.raises(CallerError) as caught:
        catalog.find(name)
    return caught.value


def test_a_function_is_found_in_a_file_by_name(write: Callable[..., Path]) -> None:
    path = write("mine.py")

    found = catalog.find(f"{path}:sized")

    assert (found.name, found.path, found.ref) == ("sized", str(path), f"{path}:sized")


def test_a_file_with_one_function_needs_no_name(write: Callable[..., Path]) -> None:
    path = write("mine.py")

    assert catalog.find(str(path)).ref == f"{path}:sized"


def test_a_relative_path_gives_the_reference_of_the_absolute_one(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("mine.py")
    monkeypatch.chdir(path.parent)

    found = catalog.find("./mine.py:sized")

    assert found.ref == f"{path}:sized"
    assert catalog.find(found.ref) is found


def test_a_loaded_file_is_registered_under_a_private_stable_name(write: Callable[..., Path]) -> None:
    path = write("mine.py")

    module = catalog.find(str(path)).__module__

    assert module.startswith("_rushes_file_")
    assert Path(str(sys.modules[module].__file__)) == path
    again = subprocess.run(
        [sys.executable, "-c", f"from rushes import catalog; print(catalog.find({str(path)!r}).__module__)"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert again.stdout.strip() == module


def test_a_file_that_changed_is_read_again(write: Callable[..., Path]) -> None:
    path = write("mine.py", name="sized")
    first = catalog.find(str(path))
    before = catalog.source_digest(first)

    write("mine.py", name="measured")

    assert catalog.find(str(path)).name == "measured"
    assert catalog.source_digest(catalog.find(str(path))) != before


def test_a_neighbour_that_changed_is_read_again(write: Callable[..., Path]) -> None:
    path = write("mine.py", "import neighbour_a\n" + BODY.format(name="sized", size="neighbour_a.SIZE"))
    write("neighbour_a.py", "SIZE = 1\n")
    digest = catalog.source_digest(catalog.find(str(path)))
    assert sys.modules["neighbour_a"].SIZE == 1

    write("neighbour_a.py", "SIZE = 22\n")

    assert catalog.source_digest(catalog.find(str(path))) != digest
    assert sys.modules["neighbour_a"].SIZE == 22


def test_threads_that_ask_at_the_same_time_get_the_whole_module(write: Callable[..., Path]) -> None:
    path = write("mine.py", "import time\ntime.sleep(0.1)\n" + BODY.format(name="sized", size="1"))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(catalog.find, [f"{path}:sized"] * 4))

    assert len({id(one) for one in found}) == 1


def test_threads_that_ask_for_a_module_get_all_of_it(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("slow_to_load.py", "import time\ntime.sleep(0.1)\n" + BODY.format(name="sized", size="1"))
    monkeypatch.syspath_prepend(str(path.parent))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(catalog.find, ["slow_to_load:sized"] * 4))

    assert len({id(one) for one in found}) == 1


def test_no_two_threads_parse_at_the_same_time(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # CPython 3.11 then raises "AST constructor recursion depth mismatch" (gh-106905), now and then.
    parse, parsing = ast.parse, threading.Lock()

    def alone(source: bytes) -> ast.Module:
        assert parsing.acquire(blocking=False)
        try:
            time.sleep(0.01)
            return parse(source)
        finally:
            parsing.release()

    monkeypatch.setattr(ast, "parse", alone)
    paths = [write(f"mine{n}.py") for n in range(4)]

    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(source_file.local_files, paths))

    assert files == [[path] for path in paths]


def test_two_folders_with_a_neighbour_of_one_name_each_get_their_own(write: Callable[..., Path]) -> None:
    text = "import neighbour_b\nHERE = neighbour_b.SIZE\n" + BODY.format(name="sized", size="HERE")
    one, two = write("one/mine.py", text), write("two/mine.py", text)
    write("one/neighbour_b.py", "SIZE = 1\n")
    write("two/neighbour_b.py", "SIZE = 2\n")

    homes = [sys.modules[catalog.find(str(path)).__module__] for path in (one, two)]

    assert [home.HERE for home in homes] == [1, 2]


def test_a_file_beside_the_function_never_shadows_pythons_own(write: Callable[..., Path]) -> None:
    write("textwrap.py", "raise RuntimeError('this is not the module you want')\n")
    path = write("mine.py", "import textwrap\n" + BODY.format(name="sized", size="1"))

    assert catalog.find(str(path)).name == "sized"


def test_an_installed_function_is_found_by_its_entry_point(
    write: Callable[..., Path], install: Callable[..., None]
) -> None:
    install("someones-functions", {"sizes": "someones:sized"})
    write("site/someones.py")

    found = catalog.find("sizes")

    assert found.ref == "someones:sized"


def test_listing_a_thousand_installed_functions_imports_none(install: Callable[..., None]) -> None:
    install("someones-functions", {f"f{n}": f"someones_{n}:f" for n in range(1000)})

    listed = [one for one in catalog.installed() if one.distribution == "someones-functions"]

    assert len(listed) == 1000
    assert not [name for name in sys.modules if name.startswith("someones_")]


def test_finding_one_of_many_imports_that_one_only(
    write: Callable[..., Path], install: Callable[..., None]
) -> None:
    install("someones-functions", {"wanted": "someones_a:sized", "other": "someones_b:sized"})
    write("site/someones_a.py")
    write("site/someones_b.py", "raise RuntimeError('imported')\n")

    catalog.find("wanted")

    assert "someones_b" not in sys.modules


def test_a_function_in_site_packages_has_no_source_digest(
    write: Callable[..., Path], install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write("lib/site-packages/someones_installed.py")
    monkeypatch.syspath_prepend(str(path.parent))

    assert catalog.source_digest(catalog.find("someones_installed:sized")) == ""


def test_an_editable_package_is_digested_whole(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("src/someones_edit/__init__.py", "")
    write("src/someones_edit/sub/__init__.py", "")
    write("src/someones_edit/sub/f.py")
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    found = catalog.find("someones_edit.sub.f:sized")
    before = catalog.source_digest(found)

    write("src/someones_edit/constants.py", "X = 1\n")

    assert len(before) == 64
    assert catalog.source_digest(found) != before


def test_a_package_that_is_installed_for_editing_meanwhile_is_found(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setattr("rushes.newly_installed._folders", lambda: [str(packages)])
    assert refusal("someones_new.f:sized").code == "unknown-function"

    write("new/someones_new/__init__.py", "")
    write("new/someones_new/f.py")
    (packages / "someones.pth").write_text(f"{tmp_path / 'new'}\n")
    os.utime(packages, (0, 0))  # clocks of file systems are coarse

    assert catalog.find("someones_new.f:sized").ref == "someones_new.f:sized"


def test_what_is_not_installed_is_looked_for_again_once_packages_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looks: list[str] = []
    monkeypatch.setattr("rushes.newly_installed._folders", lambda: [str(tmp_path)])
    monkeypatch.setattr("site.addsitedir", looks.append)
    for _ in range(3):
        assert refusal("someones_missing.f:sized").code == "unknown-function"
    assert looks == [str(tmp_path)]


def test_a_module_beside_the_current_folder_is_found(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("someones_project.py")
    monkeypatch.chdir(path.parent)

    assert catalog.find("someones_project:sized").ref == "someones_project:sized"


# -- what is refused ------------------------------------------------------------------------------------


def test_an_unknown_name_is_met_with_close_ones(install: Callable[..., None]) -> None:
    install("someones-functions", {"thumbnails": "someones:f"})

    error = refusal("thumbnail")

    assert error.code == "unknown-function"
    assert "Did you mean thumbnails" in error.fix


def test_a_name_that_is_a_file_here_is_met_with_its_path(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write("someones.py").parent)

    assert "./someones.py" in refusal("someones").fix


def test_a_module_without_a_name_is_met_with_how_one_is_named(install: Callable[..., None]) -> None:
    install("someones-functions", {"dailies": "someones:f"})

    fix = refusal("studio.dailies").fix

    assert "studio.dailies:dailies" in fix
    assert "Did you mean" not in fix


def test_one_name_from_two_distributions_is_refused(install: Callable[..., None]) -> None:
    install("first-dist", {"sizes": "first:f"})
    install("second-dist", {"sizes": "second:f"})

    error = refusal("sizes")

    assert error.code == "ambiguous-function"
    assert "first-dist" in error.message
    assert "second-dist" in error.message


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("nothere.module:f", "unknown-function", "no module 'nothere'"),
        ("os.path:join", "not-a-function", "is a function, not a function of Rushes"),
        ("os.path:joim", "unknown-function", "has no function 'joim'"),
        ("not a module:f", "unknown-function", "names no function"),
        ("./nothere.py:f", "unknown-function", "nothere.py does not exist"),
        ("./folder/file.txt", "unknown-function", "is no Python file"),
        ("", "unknown-function", "empty name"),
    ],
)
def test_a_wrong_name_is_refused_with_its_reason(name: str, code: str, says: str) -> None:
    error = refusal(name)

    assert error.code == code
    assert says in error.message
    assert error.fix


def test_a_folder_named_like_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()

    assert "is no file" in refusal(str(tmp_path / "folder.py")).message


def test_a_misspelt_file_is_met_with_the_near_one(write: Callable[..., Path]) -> None:
    path = write("thumbnail.py")

    assert str(path) in refusal(str(path.parent / "thumbnial.py")).fix


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("x = 1\nraise ValueError('my own mistake')\n", 2, "ValueError: my own mistake"),
        ("x = 1\n\ndef broken(:\n    pass\n", 3, "SyntaxError"),
        ("import nothere_at_all\n", 1, "nothere_at_all"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        (
            "from rushes import Asset, function\n\n@function(version='1')\ndef f(clip: Asset):\n    pass\n",
            3,
            "function f: returns nothing",
        ),
    ],
)
def test_an_import_that_raises_is_told_with_the_authors_line(
    write: Callable[..., Path], text: str, line: int, says: str
) -> None:
    path = write("mine.py", text)

    error = refusal(str(path))

    assert error.code == "bad-import"
    assert f"{path}:{line}" in error.message
    assert says in error.message


def test_an_import_error_of_the_author_is_not_taken_for_an_unknown_module(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("broken_project.py", "\nimport nothere_at_all\n")
    monkeypatch.chdir(path.parent)

    error = refusal("broken_project:f")

    assert error.code == "bad-import"
    assert f"{path}:2" in error.message
    assert "nothere_at_all" in error.fix


def test_a_file_without_or_with_several_functions_asks_for_one(write: Callable[..., Path]) -> None:
    none = write("none.py", "x = 1\n")
    two = write("two.py", BODY.format(name="a", size="1") + BODY.format(name="b", size="1"))

    assert refusal(str(none)).code == "not-a-function"
    assert "2 functions: a, b" in refusal(str(two)).message


def test_something_else_in_a_file_is_no_function(write: Callable[..., Path]) -> None:
    path = write("mine.py", "x = 1\n")

    assert refusal(f"{path}:x").code == "not-a-function"


def test_cached_bytecode_of_the_same_second_and_size_is_not_run(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = write("mine.py", "import neighbour_c\n" + BODY.format(name="sized", size="neighbour_c.SIZE"))
    neighbour = write("neighbour_c.py", "SIZE = 1\n")
    py_compile.compile(str(neighbour))
    as_before = neighbour.stat().st_mtime_ns

    write("neighbour_c.py", "SIZE = 2\n")
    os.utime(neighbour, ns=(as_before, as_before))
    catalog.find(str(path))

    assert sys.modules["neighbour_c"].SIZE == 2
