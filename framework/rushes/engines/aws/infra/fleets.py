"""Hosts on ECS: a cluster, its network, and of each tier a task, a service and, on EC2, the machines. Pure.

A host is one task: of Fargate, or alone on a machine of EC2. Every service wants no task until the scaler
says otherwise, and machines follow tasks, so an environment with nothing to do has neither. What is busy is
protected twice: its task by itself, and its machine by ECS for as long as a task is on it. A new image is
told to a service by the scaler and not by the stack, which would wait for what is busy. Then idle tasks are
stopped first and new ones started after, so that there are never more than were allowed; busy tasks end on
the image on which they began.
This module must not know functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rushes.engines.aws.access.settings import METRICS
from rushes.engines.aws.infra import permissions
from rushes.engines.aws.infra.environment import Environment, logical
from rushes.engines.aws.infra.host_tiers import HostTier
from rushes.engines.aws.infra.machines import (
    CLUSTER,
    STOP_S,
    groups_of,
    id_of,
    machine_role,
    machines_of,
    own,
    service_name,
    subnets_of,
    tasks_of,
)
from rushes.engines.aws.infra.parts import arn, assumed_by, ref

__all__ = ["CLUSTER", "ROLES", "cluster", "fleet_of", "service_name", "task_id", "tasks_of"]


ROLES: Final = ("RoleHost", "RoleStart")
"""Of a task: of its host, and of what starts it."""


def cluster(policies: Sequence[str], environment: Environment) -> dict[str, Any]:
    """The cluster, the log of its hosts and the roles that they share.

    Args:
        policies: that say what a host may do, by logical id.
        environment: where.
    """
    log = arn("LogHosts")
    on_ec2 = [one for one in environment.fleets if one.type]
    made: dict[str, Any] = {
        CLUSTER: {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": environment.called()}},
        # Apart from the cluster, always: one that named them itself would give up those that are in use when
        # the first tier on EC2 comes, which ECS refuses.
        "Providers": {
            "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
            "Properties": {
                "Cluster": ref(CLUSTER),
                "CapacityProviders": [
                    "FARGATE",
                    "FARGATE_SPOT",
                    *(ref(id_of("Provider", t)) for t in on_ec2),
                ],
                "DefaultCapacityProviderStrategy": [{"CapacityProvider": "FARGATE", "Weight": 1}],
            },
        },
        "LogHosts": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "LogGroupName": f"/ecs/{environment.called('hosts')}",
                "RetentionInDays": environment.log_days,
            },
        },
        "RoleHost": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": assumed_by("ecs-tasks.amazonaws.com"),
                "ManagedPolicyArns": [ref(one) for one in policies],
                "Policies": own(permissions.protecting(tasks_of(environment))),
            },
        },
        "RoleStart": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": assumed_by("ecs-tasks.amazonaws.com"),
                "Policies": own(*permissions.pulling(), permissions.logging(log)),
            },
        },
    }
    if on_ec2:
        made |= machine_role(environment)
    return made


def fleet_of(tier: HostTier, variables: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    """What one tier is made of.

    Args:
        tier: which.
        variables: of its hosts.
        environment: where.
    """
    made = {task_id(tier): _task(tier, variables, environment)}
    if tier.type and not tier.tried:
        made |= machines_of(tier, environment)
    return {**made, id_of("Service", tier): _service(tier, environment)}


def task_id(tier: HostTier) -> str:
    """What the task of a tier is called in the template."""
    return id_of("Task", tier)


# -- tasks and services ------------------------------------------------------------------------------------


def _task(tier: HostTier, variables: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    # Fargate says the region by itself. On a machine older agents do not (https://github.com/aws/
    # containers-roadmap/issues/1611), and its metadata are out of reach: such a host would not start.
    variables = {"AWS_REGION": ref("AWS::Region"), METRICS: environment.called(), **variables}
    container: dict[str, Any] = {
        "Name": "host",
        # What hosts are given during a trial is of the version that is not tried, but for those that try one.
        "Image": ref("StableImageUri" if environment.trials and not tier.tried else "ImageUri"),
        "Command": ["rushes", "worker", "--engine", "aws"],
        "Essential": True,
        "StopTimeout": STOP_S,
        "Environment": [{"Name": key, "Value": value} for key, value in variables.items() if value],
        "LogConfiguration": {
            "LogDriver": "awslogs",
            "Options": {
                "awslogs-group": ref("LogHosts"),
                "awslogs-region": ref("AWS::Region"),
                "awslogs-stream-prefix": tier.name,
            },
        },
        "LinuxParameters": {"InitProcessEnabled": True},
    }
    task: dict[str, Any] = {
        "Family": service_name(environment, tier.name),
        "TaskRoleArn": arn("RoleHost"),
        "ExecutionRoleArn": arn("RoleStart"),
        "ContainerDefinitions": [container],
    }
    if not tier.type:
        scratch = {} if tier.scratch_gib <= 20 else {"EphemeralStorage": {"SizeInGiB": tier.scratch_gib}}
        task |= {
            "RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", "Cpu": str(tier.cpu),
            "Memory": str(tier.memory_mib), **scratch,
        }  # fmt: skip
    else:
        # A bridge, not a network card of its own, which has no way out of a public subnet on EC2; and the
        # metadata of the machine, with its role, is one hop too far from there.
        task |= {"RequiresCompatibilities": ["EC2"], "NetworkMode": "bridge"}
        container["MemoryReservation"] = max(tier.memory_mib * 3 // 4, 128)
        if tier.family == "nvenc":
            container["ResourceRequirements"] = [{"Type": "GPU", "Value": str(tier.devices)}]
            container["Environment"].append(
                {"Name": "NVIDIA_DRIVER_CAPABILITIES", "Value": "compute,video,utility"}
            )
        elif tier.family:
            # ECS knows no other cards: their nodes have many names, and most are root's alone, which another
            # user of a privileged container sees and may not open.
            container |= {"Privileged": True, "User": "0"}
    return {"Type": "AWS::ECS::TaskDefinition", "Properties": task}


def _service(tier: HostTier, environment: Environment) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "Cluster": ref(CLUSTER),
        "ServiceName": service_name(environment, tier.name),
        # The latest when the service is made. A reference would change with each image.
        "TaskDefinition": service_name(environment, tier.name),
        "DesiredCount": 0,
        "DeploymentConfiguration": {"MinimumHealthyPercent": 0, "MaximumPercent": 100},
        "EnableECSManagedTags": True,
        "PropagateTags": "SERVICE",
    }
    provider: Any
    if tier.type:
        provider = ref(logical("Provider", tier.machines))
        properties["PlacementConstraints"] = [{"Type": "distinctInstance"}]
    else:
        provider = "FARGATE_SPOT" if tier.spot else "FARGATE"
        properties["PlatformVersion"] = "LATEST"
        properties["NetworkConfiguration"] = {
            "AwsvpcConfiguration": {
                "AssignPublicIp": "DISABLED" if environment.subnets else "ENABLED",
                "Subnets": subnets_of(environment),
                "SecurityGroups": groups_of(environment),
            }
        }
    properties["CapacityProviderStrategy"] = [{"CapacityProvider": provider, "Weight": 1}]
    way_out = [] if environment.subnets else ["RouteOut"]
    return {
        "Type": "AWS::ECS::Service",
        "DependsOn": [task_id(tier), "Providers", *way_out],
        "Properties": properties,
    }
