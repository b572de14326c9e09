"""An embedded engine of a test's own, and the functions that run on it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kept_money import PRICES

from rushes import catalog
from rushes.engines.local import LocalEngine

PLAIN = Path(__file__).with_name("plain.py")


@pytest.fixture
def engine(rushes_home: Path) -> Iterator[LocalEngine]:
    """The engine of this test's state folder; its worker is stopped at the end."""
    made = LocalEngine()
    yield made
    made.control("stop")
    made.close()


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`prices(text)` is the price file of this test's worker."""

    def name(text: str) -> None:
        path = tmp_path / "prices.toml"
        path.write_text(text)
        monkeypatch.setenv("RUSHES_PRICES", str(path))

    return name


@pytest.fixture
def priced(rushes_home: Path, prices: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of two cores that costs a cent a second."""
    prices(PRICES)
    monkeypatch.setenv("RUSHES_CPU", "2")


@pytest.fixture
def plain(engine: LocalEngine) -> Callable[[str], Any]:
    """A function of `plain.py` by name."""

    def find(name: str) -> Any:
        return catalog.find(f"{PLAIN}:{name}")

    return find


@pytest.fixture
def clip(tmp_path: Path) -> str:
    """A file to name as the source; these functions do not read it."""
    path = tmp_path / "clip.bin"
    path.write_bytes(b"a clip")
    return str(path)


@pytest.fixture
def tmpfs() -> Iterator[Callable[[Path, str], None]]:
    """Mounts a small file system in memory on a folder; left out where that needs rights we lack."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        )
        if done.returncode != 0:
            pytest.skip("left out: needs the right to mount a file system")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)
