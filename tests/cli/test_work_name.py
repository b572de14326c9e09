"""What people call a function, however it was named on a command line."""

from __future__ import annotations

import pytest

from rushes import catalog
from rushes.cli.work import WorkAsked
from rushes.options import Options


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("look", "look"),
        ("deployed:look", "look"),
        ("studio.dailies:look", "look"),
        ("fun.py:look", "look"),
        ("./fun:look", "look"),
        ("house-look", "house-look"),
    ],
)
def test_a_function_has_one_name_whatever_module_it_is_asked_for_by(said: str, name: str) -> None:
    function = catalog.find("deployed:look")
    assert WorkAsked(function, function.params(), Options(), iter(()), said).name == name
