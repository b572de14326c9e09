"""What a template says of itself: its functions, the images that it asks for, what it puts out. Pure.

This module must not know what it is made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rushes.engines.aws.infra.choices import CHOICES, choices_text
from rushes.engines.aws.infra.environment import RANKS, Deployed, Environment
from rushes.engines.aws.infra.parts import ref
from rushes.engines.aws.infra.trial_hosts import groups_tried
from rushes.engines.aws.infra.versions import LONGEST_OUTPUT, METADATA, VERSIONS

__all__ = ["metadata", "on_hosts", "outputs", "parameters"]

_SHOWN: Final = {"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::S3::Bucket"}


def on_hosts(all_: Iterable[Deployed], environment: Environment) -> list[str]:
    """Functions of which hosts have the version that is tried, too."""
    return sorted(name for names in groups_tried(all_, environment).values() for name in names)


def metadata(all_: Sequence[Deployed], environment: Environment) -> dict[str, Any]:
    """Which versions of functions an environment is deployed with, for the next deployment to go by."""
    functions = {
        one.name: {
            "version": one.function.version,
            "source": environment.sources.get(one.name, ""),
            "ref": one.function.ref,
        }
        for one in all_
    }
    trials: dict[str, Any] = {"trials": dict(environment.trials)} if environment.trials else {}
    if environment.trials and environment.stable:
        trials["stable"] = dict(environment.stable)
    if hosted := on_hosts(all_, environment):
        trials["on_hosts"] = hosted
    return {METADATA: {"functions": functions, **trials}}


def parameters(environment: Environment) -> dict[str, Any]:
    """The images that who deploys it names."""
    found = {"ImageUri": _image("Container image with Rushes and the functions")}
    if environment.trials:
        found["StableImageUri"] = _image("The image of versions that are not tried")
    return found


def outputs(
    resources: Mapping[str, Any], all_: Iterable[Deployed], environment: Environment
) -> dict[str, Any]:
    """What a person needs to know of it: table, queues, functions; and what senders and takers go by."""
    shown = {
        id_: {"Value": ref(id_)}
        for id_, one in resources.items()
        if one["Type"] in _SHOWN and not id_.startswith("Dead")
    }
    return shown | _versions(all_, environment) | _ranks(environment) | _choices(environment)


def _image(what: str) -> dict[str, Any]:
    return {"Type": "String", "Description": what, "MinLength": 1}


def _versions(all_: Iterable[Deployed], environment: Environment) -> dict[str, Any]:
    """What version work that a machine sends is done by: of what is tried, the one that the rest has."""
    has = {one.name: environment.trials.get(one.function.name, one.function.version) for one in all_}
    said = json.dumps(has, separators=(",", ":"))
    return {VERSIONS: {"Value": said}} if has and len(said) <= LONGEST_OUTPUT else {}


def _ranks(environment: Environment) -> dict[str, Any]:
    """Which classes there are, for who sends and who takes, where they are not those that ship."""
    return {RANKS: {"Value": environment.ranks_text}} if environment.ranks_text else {}


def _choices(environment: Environment) -> dict[str, Any]:
    """What there is to choose from, for who sends work that a Lambda or hosts may do."""
    text = choices_text(environment)
    return {CHOICES: {"Value": text}} if text else {}
