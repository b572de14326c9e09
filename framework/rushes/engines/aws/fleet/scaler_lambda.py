"""The scaler's Lambda: the plan from a parameter, the fleet on ECS, the queues, the mappings, the metrics.

This module must not decide anything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, sent
from rushes.core.capacity.beside import usual
from rushes.engines.aws.fleet.ecs_fleet import EcsFleet
from rushes.engines.aws.fleet.fleet_notes import SCALER, FleetNotes, Said
from rushes.engines.aws.fleet.scaling import Depth, FleetsPlan, Scaling, Turned, plan_from
from rushes.engines.aws.fleet.trying import Tried
from rushes.shared_ledger.dynamo_document import DynamoDocument

if TYPE_CHECKING:
    from rushes.engines.aws.access.services import Services

__all__ = ["AwsAround", "scaled_once", "scaling_of"]


class AwsAround:
    """What a turn asks of AWS beside its fleet.

    Args:
        services: clients and the name of the table.
        environment: whose queues.
        sources: UUID of the mapping of each queue of a Lambda.
        fleet: for machines that linger.
    """

    def __init__(
        self, services: Services, environment: str, sources: Mapping[str, str], fleet: EcsFleet
    ) -> None:
        self._environment = environment
        self._sources = dict(sources)
        self._fleet = fleet
        self._sqs, self._lambda = services.client("sqs"), services.client("lambda")
        self._urls: dict[str, str] = {}
        dynamo, table = services.client("dynamodb"), services.settings.table
        self._notes = FleetNotes(dynamo, table)
        self._document = DynamoDocument(dynamo, table, SCALER)

    def depths(self, names: Sequence[str]) -> Mapping[str, Depth]:
        return {name: self._depth(name) for name in names}

    def heard(self) -> Said:
        said = self._notes.said()
        whole = [one for one in said.resting if one.whole and one.task]
        self._fleet.hear_resting({one.task.rpartition("/")[2]: one.since for one in whole})
        return said

    def lingering(self) -> Mapping[str, int]:
        return self._fleet.lingering()

    def allow(self, given: Mapping[str, int]) -> None:
        """Change the mappings that are not so already."""
        for name, count in given.items():
            if uuid := self._sources.get(name):
                with _asking(f"let {count} messages of {name} be worked on at once"):
                    self._allow(uuid, count)

    def read(self) -> dict[str, Any]:
        return self._document.read()

    def write(self, data: Mapping[str, Any]) -> None:
        self._document.write(data)

    def _allow(self, uuid: str, count: int) -> None:
        is_ = self._lambda.get_event_source_mapping(UUID=uuid)
        if is_["State"] not in {"Enabled", "Disabled"}:
            return  # it changes just now; the next turn looks again
        if count == 0:
            if is_["State"] == "Enabled":
                self._lambda.update_event_source_mapping(UUID=uuid, Enabled=False)
            return
        at_once = is_.get("ScalingConfig", {}).get("MaximumConcurrency")
        if is_["State"] == "Disabled" or at_once != count:
            self._lambda.update_event_source_mapping(
                UUID=uuid, Enabled=True, ScalingConfig={"MaximumConcurrency": count}
            )

    def _depth(self, name: str) -> Depth:
        with _asking(f"count the messages of {name}"):
            if name not in self._urls:
                queue = f"rushes-{self._environment}-{name.replace('/', '-').replace('_', '-')}"
                self._urls[name] = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
            wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            found = self._sqs.get_queue_attributes(QueueUrl=self._urls[name], AttributeNames=wanted)
        waiting, taken = (int(found["Attributes"].get(one, 0)) for one in wanted)
        return Depth(waiting, taken)


def scaling_of(
    services: Services,
    environment: str,
    parameter: str,
    sources: Mapping[str, str],
    clock: Callable[[], float] = time.time,
    *,
    definitions: Mapping[str, str] | None = None,
    trials: Callable[[], Tried] | None = None,
) -> Scaling:
    """The scaler of an environment.

    Args:
        services: clients and the name of the table.
        environment: its name.
        parameter: of Systems Manager, that has the plan.
        sources: UUID of the mapping of each queue of a Lambda.
        clock: UTC epoch seconds.
        definitions: of each tier, the ARN of the task that its hosts are to be.
        trials: gives those of functions, where hosts try some.

    Raises:
        CallerError: the plan cannot be used.
    """
    with _asking(f"read the parameter {parameter}"):
        found = services.client("ssm").get_parameter(Name=parameter)
    plan = plan_from(json.loads(found["Parameter"]["Value"]))
    fleet = _fleet(services, environment, plan, definitions or {}, clock)
    around = AwsAround(services, environment, sources, fleet)
    return Scaling(plan, fleet, around, clock, trials() if trials is not None and plan.tried else None)


def scaled_once(scaling: Scaling, services: Services) -> dict[str, Any]:
    """One turn, with what came of it in the log and the metrics.

    Raises:
        PlatformError: AWS did not answer a part of it; the rest was done.
    """
    turned = scaling.turn()
    rows = turned.scaled.plan.desired
    for row in rows:
        if row.order or row.release or row.drain:
            services.say("scaled", tier=row.tier, hosts=row.size, reason=row.reason)
    _measure(turned, services)
    if turned.failures:
        raise turned.failures[0]
    return {"hosts": {row.tier: row.size for row in rows}, "lambdas": dict(turned.allowed)}


def _measure(turned: Turned, services: Services) -> None:
    """A metric is paid for by the hour in which it was sent, so of nothing nothing is sent."""
    for tier, count in turned.hosts.items():
        if count:
            services.gauge("hosts", count, tier=tier)
    if turned.resting:
        services.gauge("resting-hosts", turned.resting)
    if turned.dollars_an_hour:
        services.gauge("dollars-an-hour", turned.dollars_an_hour)


def _fleet(
    services: Services,
    environment: str,
    plan: FleetsPlan,
    definitions: Mapping[str, str],
    clock: Callable[[], float],
) -> EcsFleet:
    dynamo, table = services.client("dynamodb"), services.settings.table
    notes = FleetNotes(dynamo, table)
    names = {tier: f"rushes-{environment}-hosts-{tier}" for tier in plan.groups}
    return EcsFleet(
        services.client("ecs"),
        services.client("autoscaling"),
        f"rushes-{environment}",
        services=names,
        machines={tier: names[usual(tier) if plan.is_tried(tier) else tier] for tier in plan.machines},
        definitions=definitions,
        kept=DynamoDocument(dynamo, table, "F#fleet"),
        drained=notes.drain,
        resumed=notes.resume,
        clock=clock,
    )


@contextmanager
def _asking(act: str) -> Iterator[None]:
    try:
        with sent(act):
            yield
    except ClientError as error:
        raise answer_error(error, act) from error
