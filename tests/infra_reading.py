"""Reads templates as AWS would: their linter, their resources, and what their policies permit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult


def all_of(template: dict[str, Any], kind: str) -> dict[str, Any]:
    """The properties of all resources of a kind, by logical id."""
    return {
        id_: one["Properties"] for id_, one in template["Resources"].items() if one["Type"] == f"AWS::{kind}"
    }


def linted(templates: Sequence[dict[str, Any]], folder: Path, region: str) -> str:
    """What the linter of CloudFormation says of all of them; left out by name where it is not installed."""
    place = Path(__file__).parents[1] / ".venv-aws" / "bin" / "cfn-lint"
    linter = str(place) if place.exists() else shutil.which("cfn-lint")
    if linter is None:
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail("CI must have cfn-lint: `make test` installs it", pytrace=False)
        pytest.skip("left out: needs cfn-lint (`make test` installs it)")
    files = [folder / f"{number}.json" for number in range(len(templates))]
    for file, template in zip(files, templates, strict=True):
        file.write_text(json.dumps(template))
    argv = [linter, "-r", region, "--", *map(str, files)]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def resolved(value: Any) -> Any:
    """A policy as AWS would have it, once its functions are evaluated."""
    if isinstance(value, list):
        return [resolved(one) for one in value]
    if not isinstance(value, dict):
        return value
    for name, evaluate in _FUNCTIONS.items():
        if name in value:
            return evaluate(value[name])
    return {key: resolved(one) for key, one in value.items()}


def _substituted(text: str) -> str:
    for name, one in {"Partition": "aws", "Region": "r", "AccountId": "1"}.items():
        text = text.replace(f"${{AWS::{name}}}", one)
    return text


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Fn::Sub": _substituted,
    "Fn::GetAtt": lambda of: f"arn:of:{of[0]}",
    "Ref": lambda of: f"ref:{of}",
    "Fn::Join": lambda of: of[0].join(resolved(of[1])),
}


def may(template: dict[str, Any], who: str, action: str, resource: str) -> bool:
    """Whether a role's own policy permits something."""
    (own,) = all_of(template, "IAM::Role")[f"Role{who}"]["Policies"]
    policy = IAMPolicy(json.dumps(resolved(own["PolicyDocument"])))
    return bool(policy.is_action_permitted(action, resource) == PermissionResult.PERMITTED)
