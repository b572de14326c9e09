"""The wheel that users install, looked at with the sources out of reach.

It goes into a fresh environment that borrows the dependencies of this one through a ``.pth`` line: that needs
no network, and an editable install does not come along (a ``.pth`` in a borrowed folder is not read).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

# One process builds and installs it for all of these.
pytestmark = pytest.mark.xdist_group("wheel")

ROOT = Path(__file__).parents[2]


def _run(*argv: str | Path, cwd: Path) -> str:
    """What a command prints, run far from the sources and without this environment's variables."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, env=keep, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that holds the wheel."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    _run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder.parent)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python.parent


def test_the_wheel_holds_the_library_the_functions_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rushes", "rushes_functions"}
    assert "rushes/py.typed" in names
    assert [name for name in names if re.search(r"__pycache__|\.pyc$|/tests?/", name)] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_package_imports_from_the_wheel_with_every_name_that_it_promises(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "import rushes; print(rushes.__file__);"
        "missing = [n for n in rushes.__all__ if not hasattr(rushes, n)]; assert not missing, missing;"
        "assert list(rushes.__all__) == sorted(rushes.__all__)"
    )
    where = _run(installed / "python", "-c", code, cwd=tmp_path).strip()

    assert Path(where).is_relative_to(installed.parent)


def test_the_command_is_installed_and_shows_its_help(installed: Path, tmp_path: Path) -> None:
    shown = _run(installed / "rushes", "--help", cwd=tmp_path)

    assert "run" in shown
    assert "Usage" in shown


def test_the_shipped_functions_and_engines_are_found_by_entry_point_and_load(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "from importlib.metadata import entry_points\n"
        "for group in ('rushes.functions', 'rushes.engines'):\n"
        "    for point in entry_points(group=group):\n"
        "        print(group, point.name, point.load().__module__)\n"
    )
    lines = _run(installed / "python", "-c", code, cwd=tmp_path).splitlines()

    found = {tuple(line.split()[:2]) for line in lines}
    assert {("rushes.functions", name) for name in ("inspect", "proxy", "transcode")} <= found
    assert ("rushes.engines", "local") in found


def test_every_module_of_the_wheel_can_be_imported(installed: Path, tmp_path: Path) -> None:
    code = (
        "import importlib, pkgutil, rushes, rushes_functions\n"
        "for package in (rushes, rushes_functions):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name); print(module.name)\n"
    )
    imported = _run(installed / "python", "-W", "error", "-c", code, cwd=tmp_path).split()

    assert "rushes.errors" in imported
    assert len(imported) > 20


def test_mypy_sees_the_types_of_the_installed_package(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(
        "from rushes import Asset\nreveal_type(Asset.of('a.mov').path)\nAsset.of(1)\n"
    )
    argv = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed / "python"),
            "caller.py"]  # fmt: skip
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert 'Revealed type is "pathlib.Path"' in done.stdout
    assert "arg-type" in done.stdout
