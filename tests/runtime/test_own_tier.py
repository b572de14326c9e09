"""What an environment's files say of this machine before any work comes."""

from __future__ import annotations

from pathlib import Path

from rushes.runtime.configuration.own_tier import barred_here

CAPACITY = """
tiers:
  here: {cpu: 1, memory: 1GiB, purchase: spot, region: here}
  gpu: {cpu: 1, memory: 1GiB, purchase: owned, region: here}
routing:
  allowed: {interactive: {tiers: [gpu]}, standard: {tiers: [here]}}
"""


def test_without_files_every_class_may_use_it() -> None:
    assert barred_here({}) == {}


def test_the_files_of_classes_and_of_capacity_say_who_may_not(tmp_path: Path) -> None:
    (tmp_path / "capacity.yaml").write_text(CAPACITY)
    (tmp_path / "classes.toml").write_text('[classes.urgent]\npurchase = ["owned"]\n')
    environ = {
        "RUSHES_CAPACITY": str(tmp_path / "capacity.yaml"),
        "RUSHES_CLASSES": str(tmp_path / "classes.toml"),
    }

    assert barred_here(environ) == {
        "interactive": "this machine is of the tier here: interactive work may not use it",
        "urgent": "this machine is of the tier here: urgent work may not use spot machines",
    }
