"""What a fresh installation gets: of libraries whose majors break us, only those that were tried."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

_PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))


def test_a_major_of_pyav_that_nobody_tried_is_not_installed() -> None:
    """PyAV 19 removed an argument that every clip was opened with, so all clips were called broken."""
    (av,) = (one for text in _PROJECT["project"]["dependencies"] if (one := Requirement(text)).name == "av")
    assert av.specifier.contains(version("av"))
    assert av.specifier.contains("19.0.0")
    assert not av.specifier.contains("18.0.0")  # it tells no level of a codec
    assert not av.specifier.contains("20.0.0")
