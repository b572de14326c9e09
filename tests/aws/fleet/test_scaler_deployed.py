"""The scaler as it is deployed: messages come, its Lambda runs, and a service is told to have a host.

The server has ECS without containers and without the protection of tasks: what a service is told is looked
at here, and what it does with that in `test_ecs_fleet`.
"""

from __future__ import annotations

import json
import time
from typing import Any

import deployed
from aws_server import AwsServer
from capacity_files import WHOLE, with_fleets
from zipped import as_zip, package

from rushes.engines.aws.fleet.fleet_notes import Done, FleetNotes
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.infra.template import template_of
from rushes.notices import Notice
from rushes.shared_ledger.sqs import SqsQueue

FARGATE: dict[str, Any] = {
    "most_per_hour": 1,
    "tiers": {"cpu": WHOLE["tiers"]["cpu"]},
    "fleets": {"cpu": {"maximum": 4, "steps": [{"from": 1, "hosts": 2}]}},
}


def test_work_for_hosts_brings_hosts_and_the_rest_of_the_cap_is_for_lambdas(
    aws: AwsServer, clients: dict[str, Any], unique: str
) -> None:
    name = f"s{unique[-8:]}"
    buckets = {one: f"{unique}-{one}" for one in ("cards", "proxies", "sound", "code")}
    clients["s3"].create_bucket(Bucket=buckets["code"])
    clients["s3"].put_object(Bucket=buckets["code"], Key="package.zip", Body=package())
    environment = with_fleets(FARGATE, name=name, buckets=buckets, largest_clip="8GiB")
    template = template_of([deployed.look, deployed.heavy, deployed.large], environment)
    stack = Stack(aws.client("cloudformation"), f"rushes-{name}", sleep=lambda _: time.sleep(0.05))
    outputs = stack.deploy(as_zip(template, aws, buckets["code"]), {"ImageUri": "none"}, {}).outputs
    lambda_, ecs = aws.client("lambda"), aws.client("ecs")

    def turn() -> Any:
        answer = lambda_.invoke(FunctionName=f"rushes-{name}-scaler")
        said = json.loads(answer["Payload"].read())
        assert answer.get("FunctionError") is None, said
        return said

    def told() -> int:
        found = ecs.describe_services(cluster=f"rushes-{name}", services=[f"rushes-{name}-hosts-cpu"])
        return int(found["services"][0]["desiredCount"])

    assert turn()["hosts"] == {"cpu": 0}
    assert told() == 0

    SqsQueue(clients["sqs"], outputs["QueueHostsStandard"], fair=False).send([Notice("b.1", "standard", "x")])
    said = turn()
    assert (said["hosts"], told()) == ({"cpu": 2}, 2)
    # $1 an hour, less two hosts at $0.19748: so many attempts of `look` at $0.103652552.
    assert said["lambdas"] == {"look/standard": 2}
    assert turn()["hosts"] == {"cpu": 2}

    notes = FleetNotes(clients["dynamodb"], environment.table)
    notes.add({"hosts/standard": Done(3, 90.0)})
    notes.add({"hosts/standard": Done(1, 10.5)})
    assert notes.done() == {"hosts/standard": Done(4, 100.5)}
    notes.drain(["arn:aws:ecs:r:1:task/c/abc"])
    assert notes.is_drained("arn:aws:ecs:r:1:task/c/abc")
    assert not notes.is_drained("arn:aws:ecs:r:1:task/c/abd")
    notes.resume(["arn:aws:ecs:r:1:task/c/abc"])
    assert not notes.is_drained("arn:aws:ecs:r:1:task/c/abc")
    assert turn()["hosts"] == {"cpu": 2}
    assert stack.destroy()
