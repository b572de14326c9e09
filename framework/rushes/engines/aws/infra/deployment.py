"""Where the parts of an environment are: its table, and the queue of each function and class.

A machine that sends work or takes it is told the name of the environment and asks its stack; one that may
not, or an environment that something else has made, says in variables where they are. This module must not
know what is sent.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rushes.core.capacity.beside import usual
from rushes.engines.aws.access.settings import pairs_of, places_of, ranks_of
from rushes.engines.aws.infra.choices import CHOICES
from rushes.engines.aws.infra.environment import RANKS, Environment, family_of, logical, stack_name
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.engines.aws.infra.versions import VERSIONS
from rushes.errors import CallerError
from rushes.invocation import function_name
from rushes.ledger import ON_HOSTS

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["Deployment", "deployment_of", "group_of", "log_group"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One environment, as who sends work or takes it sees it.

    Args:
        name: of the environment; "" where variables say what is where.
        table: of the ledger.
        queues: URLs by the names that a template gives them: of a function and a class, or of hosts and one.
        versions: of its functions, by name; of those that it does not tell of there is nothing.
        ranks: of its classes, by name, the best first.
        choices: what it says of its tiers, where it has Lambdas and hosts (`infra.choices`), or "".
    """

    name: str
    table: str
    queues: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=lambda: ranks_of(""))
    choices: str = ""

    def check_version(self, function: str, version: str) -> None:
        """Refuse work for another version than the one that would do it: its results would bear a wrong one.

        Raises:
            CallerError: it is another (``other-version``).
        """
        there = self.versions.get(function, version)
        if there != version:
            raise CallerError(
                f"environment {self.name} has {function}@{there}, and here it is {function}@{version}.",
                code="other-version",
                fix=f"Install what has {there}, or deploy {version}: rushes infra deploy.",
                details={"function": function, "here": version, "there": there},
            )

    def queue_of(self, function: str, group: str, priority: str, tier: str = "") -> str:
        """The queue that work of a function and class goes to: its Lambda's, else that of hosts.

        Args:
            function: its name.
            group: of hosts, those that it is best on: ``hosts-nvenc``.
            priority: the class.
            tier: who the work is for; hosts come first where they are.

        Raises:
            CallerError: the environment has none (``no-queue``).
        """
        takers = (group, PLAIN, function) if tier == ON_HOSTS else (function, group, PLAIN)
        if found := next(filter(None, (self._queue(one, priority) for one in takers)), ""):
            return found
        its = [name for name in self.ranks if any(self._queue(one, name) for one in takers)]
        raise CallerError(
            f"environment {self.name or 'of this machine'} takes no {priority} work of {function}; "
            f"it has queues for {', '.join(its) or 'no class of it'}.",
            code="no-queue",
            fix=f"Use one of these classes, or have hosts take it: infra deploy --hosts --class {priority}.",
        )

    def home_of(self, spec: Mapping[str, Any], priority: str, near: Container[str], tier: str = "") -> str:
        """The queue of this environment that a notice is for; "" where there is none.

        Args:
            spec: of its batch: of which function it is, and which hosts it is best on.
            priority: its class.
            near: URLs of the queues that it may have come from: what a Lambda handed on to hosts is theirs.
            tier: who it is for, as the ledger says it; "" where nobody chose.
        """
        function = str(spec.get("title") or "") or function_name(str(spec["function"]))
        group = str(spec.get("group") or "") or PLAIN
        # What was sent for a version that was tried goes to the others once all that tried it is gone.
        groups = (group, usual(group), PLAIN)
        hosts = next(filter(None, (self._queue(one, priority) for one in groups)), "")
        own = self._queue(function, priority) or self._queue(usual(function), priority)
        at_hosts = tier == ON_HOSTS or (not tier and hosts in near)
        return (hosts or own) if at_hosts else (own or hosts)

    def hosts_beside(self, function: str, group: str, priority: str) -> str:
        """The group of hosts that takes such work beside a Lambda of the function; "" for no choice."""
        if not self._queue(function, priority):
            return ""
        return next((one for one in (group, PLAIN) if one and self._queue(one, priority)), "")

    def is_for_hosts(self, function: str, priority: str) -> bool:
        """Whether no Lambda of its own takes work of a function and class."""
        return not self._queue(function, priority)

    def of_hosts(self, group: str = PLAIN) -> dict[str, str]:
        """The queues that hosts of a group take from, by class, the most urgent first."""
        return {one: url for one in self.ranks if (url := self._queue(group, one))}

    def by_class(self) -> list[tuple[str, str]]:
        """The class and the URL of every queue of work, the most urgent first."""
        ends = {name: logical(name) for name in self.ranks}
        found = [
            (max((n for n in ends if key.endswith(ends[n])), key=lambda n: len(ends[n]), default=""), url)
            for key, url in self.queues.items()
        ]
        return sorted((one for one in found if one[0]), key=lambda one: [*ends].index(one[0]))

    def _queue(self, whose: str, priority: str) -> str:
        return self.queues.get(logical("Queue", whose, priority), "")


def deployment_of(name: str, environ: Mapping[str, str], clients: Any) -> Deployment:
    """The environment of that name, or that the variables tell of.

    Args:
        name: of the environment; "" for `RUSHES_AWS_ENV`, else for `RUSHES_TABLE` with `RUSHES_ROUTES` or
            `RUSHES_QUEUES`.
        environ: variables.
        clients: gives a client of boto3 for a service.

    Raises:
        CallerError: none is named (``no-environment``), or there is no such stack (``not-found``).
    """
    name = name or environ.get("RUSHES_AWS_ENV", "")
    if name:
        return _deployed(name, clients("cloudformation"))
    table = environ.get("RUSHES_TABLE", "")
    routes = places_of(environ.get("RUSHES_ROUTES", "")) | pairs_of(environ.get("RUSHES_QUEUES", ""))
    if table and routes:
        return Deployment(
            "",
            table,
            {_named(route): url for route, url in routes.items()},
            ranks=ranks_of(environ.get("RUSHES_RANKS", "")),
            choices=environ.get("RUSHES_TIERS", ""),
        )
    raise CallerError(
        "no environment on AWS is named.",
        code="no-environment",
        fix="Say --engine aws:NAME, or set RUSHES_AWS_ENV; `rushes infra deploy` makes one.",
    )


def group_of(function: Function[Any, Any]) -> str:
    """Of the hosts, those that a function is best on."""
    family = family_of(function)
    return f"{PLAIN}-{family}" if family else PLAIN


def log_group(environment: str, part: str) -> str:
    """The log of a part of an environment: of its hosts, or of the Lambda of that name.

    Raises:
        CallerError: variables tell of the environment, and not what it is called (``no-environment``).
    """
    if not environment:
        raise CallerError(
            "the logs of an environment are called by its name, which nothing says.",
            code="no-environment",
            fix="Say --engine aws:NAME; else look into the log of who worked on it.",
        )
    named = Environment(environment).called(part)
    return f"/ecs/{named}" if part == PLAIN else f"/aws/lambda/{named}"


def _deployed(name: str, client: Any) -> Deployment:
    from rushes.engines.aws.infra.executor import Stack  # noqa: PLC0415 - botocore

    outputs = Stack(client, stack_name(name)).outputs()
    if outputs is None or "Ledger" not in outputs:
        raise CallerError(
            f"there is no environment {name!r} in {_region_of(client)} of this account.",
            code="not-found",
            fix="Check the name, AWS_REGION and AWS_PROFILE, or make it: rushes infra deploy.",
        )
    queues = {k: v for k, v in outputs.items() if k.startswith("Queue")}
    versions = json.loads(outputs.get(VERSIONS, "{}"))
    ranks = ranks_of(outputs.get(RANKS, ""))
    return Deployment(name, outputs["Ledger"], queues, versions, ranks, outputs.get(CHOICES, ""))


def _region_of(client: Any) -> str:
    return str(client.meta.region_name)


def _named(route: str) -> str:
    """What a template calls the queue of ``<function>/<class>``; a class alone is that of hosts."""
    function, slash, priority = route.rpartition("/")
    return logical("Queue", function if slash else PLAIN, priority)
