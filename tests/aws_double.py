"""ECS and groups of machines in memory, behind real clients: what is asked is checked by the SDK itself.

No local server knows the protection of tasks, so what a service does is played here as AWS documents it
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html): it starts tasks
until it has as many as it is told, stops some when there are more, and never one that is protected. `settle`
lets it act; what it would choose among equals, a test may turn around.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3


@dataclass
class Task:
    arn: str
    service: str
    created: float
    definition: str
    status: str = "PROVISIONING"
    protected: bool = False


@dataclass
class Service:
    desired: int = 0
    definition: str = "host:1"
    events: list[dict[str, Any]] = field(default_factory=list)


class EcsDouble:
    """A cluster with services.

    Args:
        cluster: its name.
        services: their names.
        clock: UTC epoch seconds.
    """

    def __init__(self, cluster: str, services: list[str], clock: Callable[[], float]) -> None:
        self.cluster = cluster
        self.services = {name: Service() for name in services}
        self.tasks: dict[str, Task] = {}
        self.machines: dict[str, int] = {}
        self.failed: list[dict[str, Any]] = []
        self.newest_first = False
        """Which of several that do nothing a service stops."""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._clock = clock
        self._next = 1

    def client(self, service: str) -> Any:
        """A client of boto3 whose requests end here, once they were found to be what AWS takes."""
        made = boto3.client(
            service,
            region_name="us-east-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nobody's",  # noqa: S106 - as it says
        )
        made.meta.events.register("before-call", self._answer)
        return made

    def settle(self) -> None:
        """Let every service act until it has what it was told."""
        for name, service in self.services.items():
            for task in [one for one in self.tasks.values() if one.service == name]:
                if task.definition != service.definition and not task.protected:
                    del self.tasks[task.arn]
            mine = [task for task in self.tasks.values() if task.service == name]
            for _ in range(service.desired - len(mine)):
                self._start(name)
            free = [task for task in mine if not task.protected]
            free.sort(key=lambda task: task.created, reverse=self.newest_first)
            for task in free[: max(len(mine) - service.desired, 0)]:
                del self.tasks[task.arn]
        for task in self.tasks.values():
            task.status = "RUNNING"

    def begin(self, name: str) -> Task:
        """A task that a service has begun to start."""
        return self._start(name)

    def _start(self, name: str) -> Task:
        arn = f"arn:aws:ecs:us-east-1:1:task/{self.cluster}/{self._next:032x}"
        self._next += 1
        definition = self.services[name].definition
        self.tasks[arn] = Task(arn, name, self._clock() + self._next / 1e6, definition)
        return self.tasks[arn]

    def _answer(self, model: Any, params: Any, **_: Any) -> Any:
        name = model.name
        if model.service_model.service_name == "autoscaling":
            asked = dict(params["body"])
        else:
            asked = json.loads(params["body"])
        self.asked.append((name, asked))
        found = getattr(self, f"_{name}")(asked)

        class _Response:
            status_code = 200

        return _Response(), {"ResponseMetadata": {"HTTPStatusCode": 200}, **found}

    # -- ECS ----------------------------------------------------------------------------------------------

    def _DescribeServices(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as AWS calls it
        assert asked["cluster"] == self.cluster
        known = [name for name in asked["services"] if name in self.services]
        return {
            "services": [
                {
                    "serviceName": name,
                    "desiredCount": self.services[name].desired,
                    "taskDefinition": self.services[name].definition,
                    "runningCount": self._count(name, "RUNNING"),
                    "pendingCount": self._count(name, "PROVISIONING"),
                    "events": self.services[name].events,
                }
                for name in known
            ],
            "failures": [
                {"arn": f"service/{name}", "reason": "MISSING"}
                for name in asked["services"]
                if name not in known
            ],
        }

    def _UpdateService(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as above
        service = self.services[asked["service"]]
        service.desired = asked.get("desiredCount", service.desired)
        service.definition = asked.get("taskDefinition", service.definition)
        return {"service": {}}

    def _ListTasks(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as above
        return {
            "taskArns": [task.arn for task in self.tasks.values() if task.service == asked["serviceName"]]
        }

    def _DescribeTasks(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as above
        found = [self.tasks[arn] for arn in asked["tasks"] if arn in self.tasks]
        return {
            "tasks": [
                {
                    "taskArn": task.arn,
                    "taskDefinitionArn": task.definition,
                    "lastStatus": task.status,
                    "createdAt": datetime.fromtimestamp(task.created, UTC),
                }
                for task in found
            ]
        }

    def _GetTaskProtection(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as above
        found = [self.tasks[arn] for arn in asked["tasks"] if arn in self.tasks]
        return {"protectedTasks": [{"taskArn": t.arn, "protectionEnabled": t.protected} for t in found]}

    def _count(self, name: str, status: str) -> int:
        return sum(task.service == name and task.status == status for task in self.tasks.values())

    # -- groups of machines -------------------------------------------------------------------------------

    def _DescribeAutoScalingGroups(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as above
        return {
            "AutoScalingGroups": [
                {"AutoScalingGroupName": name, "Instances": [{}] * count}
                for name, count in self.machines.items()
            ]
        }

    def _DescribeScalingActivities(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as above
        return {"Activities": self.failed}


class Kept:
    """A document in memory."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        return self.data

    def write(self, data: Any) -> None:
        self.data = json.loads(json.dumps(data))
