"""Hosts on ECS: a cluster, its network, and of each tier a task, a service and, on EC2, the machines. Pure.

A host is one task: of Fargate, or alone on a machine of EC2. Every service wants no task until the scaler
says otherwise, and machines follow tasks, so an environment with nothing to do has neither. What is busy is
protected twice: its task by itself, and its machine by ECS for as long as a task is on it. A deployment stops
idle tasks first and starts new ones after, so that there are never more than were allowed; busy tasks end on
the image on which they began.
This module must not know functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rushes.engines.aws.infra import permissions
from rushes.engines.aws.infra.environment import Environment, logical
from rushes.engines.aws.infra.host_tiers import HostTier
from rushes.engines.aws.infra.parts import arn, assumed_by, ref

__all__ = ["CLUSTER", "cluster", "fleet_of", "service_name", "tasks_of"]

CLUSTER: Final = "Cluster"
LEAST_SCRATCH_GIB: Final = 30
"""Of a machine of EC2, for its system and the image."""
STOP_S: Final = 120
"""From TERM to KILL, the longest that Fargate gives (https://docs.aws.amazon.com/AmazonECS/latest/
APIReference/API_ContainerDefinition.html): what runs is given back in it."""
_IMAGES: Final[Mapping[str, str]] = {
    "": "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
    "nvenc": "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id",
}
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/retrieve-ecs-optimized_AMI.html"""


def cluster(environment: Environment) -> dict[str, Any]:
    """The cluster, the log of its hosts and the roles that they share."""
    log = arn("LogHosts")
    on_ec2 = [one for one in environment.fleets if one.type]
    made: dict[str, Any] = {
        CLUSTER: {
            "Type": "AWS::ECS::Cluster",
            "Properties": {
                "ClusterName": environment.called(),
                **({} if on_ec2 else {"CapacityProviders": ["FARGATE", "FARGATE_SPOT"]}),
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
                "ManagedPolicyArns": [ref("HostPolicy")],
                "Policies": _own(permissions.protecting(tasks_of(environment))),
            },
        },
        "RoleStart": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": assumed_by("ecs-tasks.amazonaws.com"),
                "Policies": _own(*permissions.pulling(), permissions.logging(log)),
            },
        },
    }
    if on_ec2:
        made |= _machines_role(environment)
        made["Providers"] = {
            "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
            "Properties": {
                "Cluster": ref(CLUSTER),
                "CapacityProviders": ["FARGATE", "FARGATE_SPOT", *(ref(_id("Provider", t)) for t in on_ec2)],
                "DefaultCapacityProviderStrategy": [{"CapacityProvider": "FARGATE", "Weight": 1}],
            },
        }
    return made


def fleet_of(tier: HostTier, variables: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    """What one tier is made of.

    Args:
        tier: which.
        variables: of its hosts.
        environment: where.
    """
    made = {_id("Task", tier): _task(tier, variables, environment)}
    if tier.type:
        made |= _machines(tier, environment)
    return {**made, _id("Service", tier): _service(tier, environment)}


def service_name(environment: Environment, tier: str) -> str:
    """The service of a tier."""
    return environment.called("hosts", tier)


# -- tasks and services ------------------------------------------------------------------------------------


def _task(tier: HostTier, variables: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    container: dict[str, Any] = {
        "Name": "host",
        "Image": ref("ImageUri"),
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
            container["Privileged"] = True  # ECS knows no other cards, and their nodes have many names
    return {"Type": "AWS::ECS::TaskDefinition", "Properties": task}


def _service(tier: HostTier, environment: Environment) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "Cluster": ref(CLUSTER),
        "ServiceName": service_name(environment, tier.name),
        "TaskDefinition": ref(_id("Task", tier)),
        "DesiredCount": 0,
        "DeploymentConfiguration": {"MinimumHealthyPercent": 0, "MaximumPercent": 100},
        "EnableECSManagedTags": True,
        "PropagateTags": "SERVICE",
    }
    provider: Any
    if tier.type:
        provider = ref(_id("Provider", tier))
        properties["PlacementConstraints"] = [{"Type": "distinctInstance"}]
    else:
        provider = "FARGATE_SPOT" if tier.spot else "FARGATE"
        properties["PlatformVersion"] = "LATEST"
        properties["NetworkConfiguration"] = {
            "AwsvpcConfiguration": {
                "AssignPublicIp": "DISABLED" if environment.subnets else "ENABLED",
                "Subnets": _subnets(environment),
                "SecurityGroups": _groups(environment),
            }
        }
    properties["CapacityProviderStrategy"] = [{"CapacityProvider": provider, "Weight": 1}]
    way_out = [] if environment.subnets else ["RouteOut"]
    associated = ["Providers"] if any(one.type for one in environment.fleets) else []
    depends = [*associated, *way_out]
    return {
        "Type": "AWS::ECS::Service",
        **({"DependsOn": depends} if depends else {}),
        "Properties": properties,
    }


# -- machines of EC2 ---------------------------------------------------------------------------------------


def _machines(tier: HostTier, environment: Environment) -> dict[str, Any]:
    """A launch template, a group that has none until a task wants one, and a provider that brings it."""
    name = service_name(environment, tier.name)
    image = tier.image or f"{{{{resolve:ssm:{_IMAGES[tier.family]}}}}}"
    agent = "\n".join(
        [
            "#!/bin/sh",
            "cat >> /etc/ecs/ecs.config <<END",
            "ECS_CLUSTER=${Cluster}",
            "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",
            f"ECS_CONTAINER_STOP_TIMEOUT={STOP_S}s",
            *(["ECS_ENABLE_GPU_SUPPORT=true"] if tier.family == "nvenc" else []),
            "END",
        ]
    )
    launch: dict[str, Any] = {
        "ImageId": image,
        "InstanceType": tier.type,
        "IamInstanceProfile": {"Arn": arn("MachineProfile")},
        "SecurityGroupIds": _groups(environment),
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {
                    "VolumeSize": tier.scratch_gib + LEAST_SCRATCH_GIB,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "UserData": {"Fn::Base64": {"Fn::Sub": agent}},
    }
    if tier.spot:
        launch["InstanceMarketOptions"] = {"MarketType": "spot"}
    return {
        _id("Launch", tier): {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateName": name, "LaunchTemplateData": launch},
        },
        _id("Machines", tier): {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            **({} if environment.subnets else {"DependsOn": ["RouteOut"]}),
            "Properties": {
                "AutoScalingGroupName": name,
                "MinSize": "0",
                "MaxSize": str(tier.maximum),
                "NewInstancesProtectedFromScaleIn": True,
                "VPCZoneIdentifier": _subnets(environment),
                "LaunchTemplate": {
                    "LaunchTemplateId": ref(_id("Launch", tier)),
                    "Version": {"Fn::GetAtt": [_id("Launch", tier), "LatestVersionNumber"]},
                },
                "Tags": [
                    {"Key": "AmazonECSManaged", "Value": "true", "PropagateAtLaunch": True},
                    {"Key": "Name", "Value": name, "PropagateAtLaunch": True},
                ],
            },
        },
        _id("Provider", tier): {
            "Type": "AWS::ECS::CapacityProvider",
            "Properties": {
                "Name": name,
                "AutoScalingGroupProvider": {
                    "AutoScalingGroupArn": ref(_id("Machines", tier)),
                    "ManagedScaling": {
                        "Status": "ENABLED",
                        "TargetCapacity": 100,
                        "MinimumScalingStepSize": 1,
                        "MaximumScalingStepSize": max(tier.maximum, 1),
                    },
                    "ManagedTerminationProtection": "ENABLED",
                    "ManagedDraining": "ENABLED",
                },
            },
        },
    }


def _machines_role(environment: Environment) -> dict[str, Any]:
    """What the agent of ECS on a machine may do, and nothing of what hosts may."""
    return {
        "RoleMachine": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": assumed_by("ec2.amazonaws.com"),
                "Policies": _own(
                    *permissions.joining(arn(CLUSTER), tasks_of(environment, "container-instance"))
                ),
            },
        },
        "MachineProfile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Roles": [ref("RoleMachine")]},
        },
    }


def _id(kind: str, tier: HostTier) -> str:
    return logical(kind, tier.name)


def _own(*statements: Any) -> list[Any]:
    return [{"PolicyName": "own", "PolicyDocument": permissions.policy(statements)}]


def tasks_of(environment: Environment, what: str = "task") -> dict[str, str]:
    """The ARNs of all tasks, or machines, of the cluster."""
    place = f"arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:{what}"
    return {"Fn::Sub": f"{place}/{environment.called()}/*"}


def _subnets(environment: Environment) -> Sequence[Any]:
    return list(environment.subnets) or [ref("Subnet0"), ref("Subnet1")]


def _groups(environment: Environment) -> Sequence[Any]:
    return list(environment.security_groups) or [ref("Outward")]
