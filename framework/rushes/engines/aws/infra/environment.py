"""One environment on AWS as a person wants it, and the names of all that is in it. Pure.

Everything has the environment's name in its own (``rushes-<env>-…``), so two of them in one account share
nothing but the buckets that both are told to use. This module must not know templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rushes.core.capacity.fitting import RoutingPolicy
from rushes.core.classes import DEFAULT_CLASSES, ClassPolicy
from rushes.engines.aws.access.settings import LEAST_KEPT_S
from rushes.engines.aws.infra.host_tiers import PLAIN, HostTier
from rushes.errors import CallerError
from rushes.invocation import PRIORITIES
from rushes.triggers import OnS3
from rushes.units import parse_duration, parse_size

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["RANKS", "Deployed", "Environment", "deployed", "family_of", "logical", "stack_name"]

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_QUEUE: Final = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}", re.ASCII)
_KEY: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+", re.ASCII)
_EMAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,19}")
LONGEST: Final = 64
"""Characters in the name of a Lambda; of a queue, a class comes behind it, 80 in all."""
RANKS: Final = "Ranks"
"""The output of a stack that says which classes it has where a studio has its own: ``urgent=1,dailies=1``."""
_LONGEST_OUTPUT: Final = 1024
"""Characters of an output of a stack."""
_OWN: Final = frozenset(
    {"router", "sweep", "scaler", "teller", "hosts", "events", "ledger", "alarms", "minute"}
)
"""What an environment calls parts of its own."""
_OTHER: Final = re.compile(r"[^A-Za-z0-9]+")
_RETENTIONS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
                      2922, 3288, 3653)  # fmt: skip
"""Days that CloudWatch takes (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/
API_PutRetentionPolicy.html)."""


@dataclass(frozen=True)
class Environment:
    """What is to be deployed around functions.

    Args:
        name: of the environment: ``dev``, ``prod``; part of every name.
        region: where.
        buckets: the bucket that stands for one that a trigger names, by that name.
        owned: buckets that the environment makes itself.
        shows: of triggers with ``{show}``, those that may be worked on; none: every one.
        queues: the ARN of the queue that stands for one that a trigger names; of others it makes its own.
        concurrency: attempts of one function and class at a time, 2 to 1,000.
        largest_clip: size of the largest clip that scratch has to hold.
        hosts: there are queues for hosts, which take what Lambda cannot.
        classes: that hosts take, beside those that triggers give and those of a studio's own.
        policies: all classes that there are.
        log_days: how long logs are kept.
        budget_usd: dollars a month at which somebody is told; None for no budget.
        email: who is told of alarms; "" for nobody.
        kept: how long the ledger keeps what has ended, ``90d``; "" for ever.
        kms_key: ARN of the key that outputs are encrypted with, or "".
        clip_keys: ARNs of those that clips are encrypted with, where they are others.
        fleets: hosts that it starts and ends by itself; with any, there are queues for hosts.
        capacity: how many of them and what they may cost, as `host_tiers.document_of` writes it; and under
            ``targets`` in how many seconds the work of classes should be done, where a studio says so.
        routing: what a person has decided on where work goes, of Lambdas and hosts.
        sources: digest of the source of each function, by name, where it is known.
        trials: functions that get a new version for a share of their work: the version that the rest has.
        stable: versions in the image of what is not tried, which hosts run meanwhile; none: not known.
        tells: EventBridge is told of what becomes of work.
        tracing: attempts are told to X-Ray, which is paid by the trace.
        subnets, security_groups: where hosts are; none for a network of its own.
    """

    name: str
    region: str = "us-east-1"
    buckets: Mapping[str, str] = field(default_factory=dict, hash=False)
    owned: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    queues: Mapping[str, str] = field(default_factory=dict, hash=False)
    concurrency: int = 50
    largest_clip: str | int = "4GiB"
    hosts: bool = False
    log_days: int = 30
    budget_usd: float | None = None
    email: str = ""
    kept: str = ""
    kms_key: str = ""
    fleets: tuple[HostTier, ...] = ()
    capacity: Mapping[str, Any] = field(default_factory=dict, hash=False)
    routing: RoutingPolicy = field(default_factory=RoutingPolicy, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)
    trials: Mapping[str, str] = field(default_factory=dict, hash=False)
    stable: Mapping[str, str] = field(default_factory=dict, hash=False)
    tells: bool = False
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    tracing: bool = False
    classes: tuple[str, ...] = ()
    policies: tuple[ClassPolicy, ...] = DEFAULT_CLASSES
    clip_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.endswith("-"):
            raise _bad(f"is called {self.name!r}", "Write small letters, digits and -, 20 at most: prod.")
        if not 2 <= self.concurrency <= 1000:
            raise _bad(f"has concurrency {self.concurrency}", "Expected 2 to 1000, as Lambda takes it.")
        self._check_classes()
        if self.log_days not in _RETENTIONS:
            raise _bad(f"keeps logs {self.log_days} days", f"Expected one of {_RETENTIONS[:12]}, or more.")
        if self.budget_usd is not None and not 0 < self.budget_usd < inf:
            raise _bad(f"has a budget of {self.budget_usd} dollars", "Expected more than 0.")
        if self.email and not _EMAIL.fullmatch(self.email):
            raise _bad(f"tells {self.email!r}", "Expected an e-mail address.")
        self._check_places()
        self._check_kept()
        if any(not re.fullmatch(r"[A-Za-z0-9._-]+", one) for one in self.shows):
            raise _bad(f"has shows {self.shows}", "Expected letters, digits and . _ - only.")
        if bool(self.subnets) != bool(self.security_groups):
            raise _bad("has subnets or security groups alone", "Name both, or neither.")
        for tier in self.fleets:
            if len(self.called("hosts", tier.name)) > LONGEST:
                raise _bad(
                    f"has a tier {tier.name!r} whose service's name is too long", "Shorten one of them."
                )
        parse_size(self.largest_clip)

    def _check_kept(self) -> None:
        if self.kept and not LEAST_KEPT_S <= parse_duration(self.kept) < inf:
            raise _bad(
                f"keeps its ledger for {self.kept}",
                "Expected a day at least: what waits for longer vanishes.",
            )

    def _check_places(self) -> None:
        """What stands in permissions: a * there would be every bucket, queue or key of the account."""
        for bucket in (*self.buckets.values(), *self.owned):
            if not _BUCKET.fullmatch(bucket):
                raise _bad(f"has the bucket {bucket!r}", "Expected its name: small letters, digits, . and -.")
        for arn in self.queues.values():
            if not _QUEUE.fullmatch(arn):
                raise _bad(f"has the queue {arn!r}", "Expected its ARN: arn:aws:sqs:REGION:ACCOUNT:NAME.")
        for key in (*([self.kms_key] if self.kms_key else []), *self.clip_keys):
            if not _KEY.fullmatch(key):
                raise _bad(f"has the key {key!r}", "Expected its ARN: arn:aws:kms:REGION:ACCOUNT:key/ID.")

    def _check_classes(self) -> None:
        if self.classes and not self.has_hosts:
            raise _bad(f"has no hosts to take {', '.join(self.classes)}", "Give it hosts: --hosts.")
        if unknown := [one for one in self.classes if one not in self.ranks]:
            raise _bad(
                f"would have hosts of the class {unknown[0]!r}, which there is not",
                f"Say some of {', '.join(self.ranks)}; RUSHES_CLASSES names a file of others.",
            )
        if len(self.ranks_text) > _LONGEST_OUTPUT:
            raise _bad(f"has {len(self.ranks)} classes", "Have fewer of them, or shorten their names.")

    def called(self, *parts: str) -> str:
        """The name of a thing in this environment."""
        return "-".join(("rushes", self.name, *(_OTHER.sub("-", part) for part in parts)))

    @property
    def ranks(self) -> dict[str, int]:
        """The rank of each class, the best first."""
        return {one.name: one.rank for one in sorted(self.policies, key=lambda one: (one.rank, one.name))}

    @property
    def ranks_text(self) -> str:
        """The same as a variable says it; "" where they are as they ship."""
        shipped = {name: rank for rank, name in enumerate(PRIORITIES)}
        return "" if self.ranks == shipped else ",".join(f"{k}={v}" for k, v in self.ranks.items())

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The classes that do not ship."""
        return tuple(one for one in self.ranks if one not in PRIORITIES)

    @property
    def has_hosts(self) -> bool:
        """Whether there are queues for hosts."""
        return self.hosts or bool(self.fleets)

    @property
    def table(self) -> str:
        return self.called("ledger")


def stack_name(environment: str) -> str:
    """The stack that an environment is."""
    return f"rushes-{environment}"


def logical(*parts: str) -> str:
    """The id of a resource in a template: letters and digits."""
    return "".join(word[:1].upper() + word[1:] for part in parts for word in _OTHER.split(part))


class Deployed(NamedTuple):
    """A function as it is in an environment."""

    function: Function[Any, Any]
    triggers: tuple[OnS3, ...]
    version: str = ""
    """That is tried beside another one; "" for the only one."""
    order: tuple[str, ...] = PRIORITIES
    """All classes, the most urgent first."""

    @property
    def name(self) -> str:
        return f"{self.function.name}-trial" if self.version else self.function.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that its triggers give, the most urgent first."""
        found = {trigger.priority for trigger in self.triggers}
        return tuple(one for one in self.order if one in found)

    def group(self, environment: Environment) -> str:
        """Of the hosts, those that work on it: ``hosts``, or ``hosts-nvenc`` for what wants such a device."""
        family = family_of(self.function)
        there = {one.family for one in environment.fleets}
        # A card that it must have is waited for, even if only a studio's own machines have one.
        wanted = family in there or self.function.resources.gpu > 0 or not environment.fleets
        return f"{PLAIN}-{family}" if family and wanted else PLAIN


def family_of(function: Function[Any, Any]) -> str:
    """The encoder family that a function is best on; "" for none in particular."""
    encoder = function.resources.encoder
    first = encoder if isinstance(encoder, str) else next(iter(encoder), "any")
    if first not in {"any", "software"}:
        return first
    return "nvenc" if function.resources.gpu else ""


def deployed(functions: Iterable[Function[Any, Any]], environment: Environment) -> tuple[Deployed, ...]:
    """Functions as they are in an environment.

    Raises:
        CallerError: two have one name, or one cannot be put into an image.
    """
    found: dict[str, Deployed] = {}
    for one in functions:
        if one.path is not None:
            raise CallerError(
                f"function {one.name} is a file, {one.path}; an image has modules.",
                code="bad-function",
                fix="Put it into a package and name it MODULE:FUNCTION.",
            )
        if one.name.lower() in _OWN or one.name.lower().startswith(f"{PLAIN}-"):
            raise CallerError(
                f"function {one.name} has the name of a part that every environment has.",
                code="bad-environment",
                fix=f"Rename it; taken are {', '.join(sorted(_OWN))}.",
            )
        if len(environment.called(one.name)) > LONGEST:
            raise CallerError(
                f"{environment.called(one.name)} is too long for a Lambda's name.",
                code="bad-environment",
                fix=f"Shorten one of the names: {LONGEST} characters in all.",
            )
        if (same := found.get(logical(one.name))) is not None:
            raise CallerError(
                f"{same.function.ref} and {one.ref} would have one name on AWS.",
                code="bad-environment",
                fix="Deploy them in environments of their own, or rename one.",
            )
        triggers = (
            part
            for trigger in one.triggers
            if isinstance(trigger, OnS3)
            for part in trigger.placed(environment.buckets, environment.shows)
        )
        made = Deployed(one, tuple(triggers), order=tuple(environment.ranks))
        for trigger in made.triggers:
            if trigger.priority not in environment.ranks:
                raise _bad(
                    f"has no class {trigger.priority!r}, and a trigger of {one.name} gives it",
                    f"Expected one of {', '.join(environment.ranks)}; RUSHES_CLASSES names your file.",
                )
        found[logical(one.name)] = made
    if not found:
        raise _bad("has no function", "Name one: MODULE:FUNCTION.")
    return tuple(found.values())


def _bad(what: str, fix: str) -> CallerError:
    return CallerError(f"the environment {what}.", code="bad-environment", fix=fix)
