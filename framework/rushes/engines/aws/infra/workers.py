"""Functions on Lambda: which they are, what each is made of, and what working on them takes. Pure.

This module must not know what starts work, nor hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rushes.engines.aws.infra import parts, permissions
from rushes.engines.aws.infra.environment import LONGEST, Deployed, Environment, logical
from rushes.engines.aws.infra.parts import LambdaPlan, arn, queue, ref
from rushes.engines.aws.infra.sizing import size_of, unfit
from rushes.engines.aws.infra.trial_hosts import tried_group
from rushes.errors import CallerError

__all__ = ["TABLE_ID", "common", "most_of", "moving", "tiers_of", "tried", "worker", "working"]

TABLE_ID: Final = "Ledger"


def tried(
    all_: Sequence[Deployed], on_lambda: Sequence[Deployed], environment: Environment
) -> list[Deployed]:
    """The new versions that get a share beside the old ones.

    Raises:
        CallerError: one of a function that nothing starts, or that neither a Lambda nor hosts can try here;
            or another function comes in a version that hosts would not have; or its Lambda cannot be called
            as it would be.
    """
    there = {one.name: one for one in all_}
    for name in environment.trials:
        if name not in there or not there[name].triggers:
            raise _untried(name, "nothing starts it, and a share is of what events start.")
        if there[name] not in on_lambda and not tried_group(there[name], environment):
            raise _untried(
                name,
                "it runs on hosts alone, and the environment has no fleet for it with room for two of them.",
            )
    _check_beside(all_, environment)
    made = [there[name]._replace(version=there[name].function.version) for name in environment.trials]
    own = {logical(one.name): one.name for one in all_}
    for one in made:
        if (other := own.get(logical(one.name))) is not None:
            raise _badly_named(one, f"on AWS the function {other} is called as its trial would be")
        called = environment.called(one.name)
        if len(called) > LONGEST and there[one.function.name] in on_lambda:
            raise _badly_named(one, f"{called} is too long for a Lambda's name: {LONGEST} characters")
    return made


def _badly_named(one: Deployed, why: str) -> CallerError:
    return CallerError(
        f"no new version of {one.function.name} can be tried: {why}.",
        code="bad-environment",
        fix="Rename one of them, or deploy it without --trial.",
    )


def _untried(function: str, why: str) -> CallerError:
    return CallerError(
        f"no new version of {function} can be tried: {why}",
        code="bad-environment",
        fix="Deploy it without --trial, or give its fleet a maximum of 2 or more.",
    )


def _check_beside(all_: Sequence[Deployed], environment: Environment) -> None:
    """Hosts stay on the image of what is not tried, so all that they may be given is to be in it as it is."""
    if not (environment.trials and environment.fleets and environment.stable):
        return
    for one in all_:
        has = environment.stable.get(one.name)
        if one.name in environment.trials or has == one.function.version:
            continue
        raise CallerError(
            f"version {one.function.version} of {one.name} cannot come while {', '.join(environment.trials)} "
            "is tried: hosts stay on the image of before, which has "
            + (f"version {has} of it." if has else "no such function."),
            code="bad-environment",
            fix="Deploy it before the trial or after it, or try its version, too: --trial.",
        )


def tiers_of(all_: Sequence[Deployed], environment: Environment) -> tuple[list[Deployed], list[Deployed]]:
    """Those that run on Lambda, and those that go to hosts."""
    hosted = [one for one in all_ if environment.has_hosts and unfit(one.function, environment.largest_clip)]
    return [one for one in all_ if one not in hosted], hosted


def worker(one: Deployed, environment: Environment) -> dict[str, Any]:
    """A function: its Lambda, and a queue with a mapping for each class."""
    size = size_of(one.function, environment.largest_clip)
    ids = {name: logical("Queue", one.name, name) for name in one.classes}
    # Hosts have the other version while this one is tried, but for those that try it: what they were given
    # would be done by that.
    group = tried_group(one, environment) if one.version else one.group(environment)
    taken_on = environment.has_hosts and bool(group)
    longer = {name: logical("Queue", group, name) for name in one.classes if taken_on}
    own = [arn(id_) for id_ in ids.values()]
    version = one.version or environment.trials.get(one.name, one.function.version)
    plan = LambdaPlan(
        one.name,
        "work",
        size,
        {
            **common(environment),
            "RUSHES_FUNCTION": one.function.ref,
            "RUSHES_QUEUE_URL": parts.joined(ids),
            "RUSHES_LONGER_QUEUE_URL": parts.joined(longer),
        },
        [
            # It looks at the objects that it is told of; what is done with them, attempts may, one by one.
            permissions.reading(one.triggers),
            permissions.encrypting(environment.kms_key),
            permissions.decrypting(environment.clip_keys),
            *permissions.working_on(arn(TABLE_ID), [one.function.name]),
            permissions.consuming(own),
            permissions.sending([*own, *(arn(id_) for id_ in longer.values())]),
        ],
        f"{one.function.ref} version {version}"
        + (f", of {one.function.owner}" if one.function.owner else ""),
        one.function.max_concurrency,
        moving([one], environment) if one.triggers else (),
        "StableImageUri" if one.name in environment.trials else "ImageUri",
        waits=True,
    )
    made = parts.lambda_of(plan, environment)
    if not ids:
        return made
    dead = logical("Dead", one.name)
    made[dead] = queue(environment.called(one.name, "dead"))
    most = most_of(one, environment)
    in_turn = one.function.max_concurrency is not None and most * len(ids) > one.function.max_concurrency
    tries = parts.TRIES_IN_TURN if in_turn else parts.TRIES
    for name, id_ in ids.items():
        # Six times the limit of an attempt, as AWS asks for; what dies earlier, the sweep tells of again.
        made[id_] = queue(
            environment.called(one.name, name), dead=dead, hidden_s=6 * size.timeout_s, tries=tries
        )
        made[logical("Source", one.name, name)] = parts.mapping(id_, plan.id, batch=1, most=most)
    return made


def most_of(one: Deployed, environment: Environment) -> int:
    """Attempts of one function and class at a time, as a mapping takes it."""
    return min(environment.concurrency, max(one.function.max_concurrency or environment.concurrency, 2))


def working(some: Sequence[Deployed], environment: Environment) -> list[Any]:
    """What working on these functions takes: clips, outputs, the ledger."""
    return [*moving(some, environment), *permissions.working_on(arn(TABLE_ID), ["*"])]


def moving(some: Sequence[Deployed], environment: Environment) -> list[Any]:
    """What attempts of these functions take: clips and outputs."""
    triggers = [trigger for one in some for trigger in one.triggers]
    makers = [trigger for one in some if one.function.makes_outputs for trigger in one.triggers]
    return [
        permissions.reading(triggers),
        permissions.writing(makers),
        permissions.listing(permissions.out_buckets(makers)),
        permissions.encrypting(environment.kms_key),
        permissions.decrypting(environment.clip_keys),
    ]


def common(environment: Environment) -> dict[str, Any]:
    return {
        "RUSHES_TABLE": ref(TABLE_ID),
        "RUSHES_KEEP": environment.kept,
        "RUSHES_KMS_KEY": environment.kms_key,
        "RUSHES_CLIP_KEYS": ",".join(environment.clip_keys),
        **({"RUSHES_RANKS": environment.ranks_text} if environment.ranks_text else {}),
    }
