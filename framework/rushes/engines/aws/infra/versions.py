"""Which versions an environment has, and what a deployment would do to them: pure, from two templates.

Results are known by function and version. So a function whose source changed under the version that is
deployed is refused: what it makes would pass for what the old one made. This module must not know how a
source is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from rushes.errors import CallerError

__all__ = [
    "LONGEST_OUTPUT",
    "METADATA",
    "VERSIONS",
    "Version",
    "check_versions",
    "stable_of",
    "tried_on_hosts",
    "versions_of",
]

METADATA: Final = "Rushes"
"""Under which a template says what it has."""
VERSIONS: Final = "Versions"
"""The output of a stack that says by which version of each function what is sent is done, as JSON."""
LONGEST_OUTPUT: Final = 1024
"""Characters of an output; where the versions are longer, nobody is told, and nothing is refused."""


class Version(NamedTuple):
    """A function as it is in an environment: its version, a digest of its source where known, its place."""

    version: str
    source: str
    ref: str = ""


def versions_of(template: Mapping[str, Any] | None) -> dict[str, Version]:
    """The versions of a template's functions, by name."""
    said = (template or {}).get("Metadata", {}).get(METADATA, {}).get("functions", {})
    return {name: Version(*(str(one.get(key, "")) for key in Version._fields)) for name, one in said.items()}


def stable_of(template: Mapping[str, Any] | None) -> dict[str, str]:
    """The versions in the image that a trial leaves as it is: of one that goes on, those as it began."""
    said = (template or {}).get("Metadata", {}).get(METADATA, {})
    there = {name: one.version for name, one in versions_of(template).items()}
    return dict(said.get("stable") or {**there, **said.get("trials", {})})


def tried_on_hosts(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Functions of a template of which hosts have the version that is tried, too."""
    return tuple(template.get("Metadata", {}).get(METADATA, {}).get("on_hosts", ()))


def check_versions(deployed: Mapping[str, Any] | None, planned: Mapping[str, Any]) -> None:
    """Refuse to deploy a changed source under an unchanged version.

    Raises:
        CallerError: one is (``changed-source``).
    """
    before = versions_of(deployed)
    for name, now in versions_of(planned).items():
        was = before.get(name)
        if was is None or was.version != now.version or not was.source or not now.source:
            continue
        if was.source != now.source:
            raise CallerError(
                f"the source of {name} has changed, and its version is {now.version} as it was.",
                code="changed-source",
                fix=f'Raise it: @function(version="…"). What version {now.version} made is known under it.',
                details={"function": name, "version": now.version},
            )
