"""Machines of EC2 for a tier: how one starts, their group, and who brings one when a task wants it. Pure.

A group has no machine until a task has no room; ECS protects a machine for as long as a task is on it. Names
and roles that its hosts share with those of Fargate are here too. This module must not know what a host runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rushes.engines.aws.infra import permissions
from rushes.engines.aws.infra.environment import Environment, logical
from rushes.engines.aws.infra.host_tiers import HostTier
from rushes.engines.aws.infra.parts import arn, assumed_by, ref

__all__ = [
    "CLUSTER",
    "STOP_S",
    "groups_of",
    "id_of",
    "machine_role",
    "machines_of",
    "own",
    "service_name",
    "subnets_of",
    "tasks_of",
]

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


def machines_of(tier: HostTier, environment: Environment) -> dict[str, Any]:
    """A launch template, a group that has none until a task wants one, and a provider that brings it."""
    name = service_name(environment, tier.name)
    return {
        id_of("Launch", tier): {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateName": name, "LaunchTemplateData": _launch(tier, environment)},
        },
        id_of("Machines", tier): _group(tier, name, environment),
        id_of("Provider", tier): _provider(tier, name),
    }


def _launch(tier: HostTier, environment: Environment) -> dict[str, Any]:
    """How one machine starts."""
    disk = {
        "VolumeSize": tier.scratch_gib + LEAST_SCRATCH_GIB,
        "VolumeType": "gp3",
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    return {
        "ImageId": tier.image or f"{{{{resolve:ssm:{_IMAGES[tier.family]}}}}}",
        "InstanceType": tier.type,
        "IamInstanceProfile": {"Arn": arn("MachineProfile")},
        "SecurityGroupIds": groups_of(environment),
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": disk}],
        "UserData": {"Fn::Base64": {"Fn::Sub": _agent(tier)}},
        **({"InstanceMarketOptions": {"MarketType": "spot"}} if tier.spot else {}),
    }


def _agent(tier: HostTier) -> str:
    """What the agent of ECS is told before it starts."""
    return "\n".join(
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


def _group(tier: HostTier, name: str, environment: Environment) -> dict[str, Any]:
    """The machines of a tier: none, until its provider wants one."""
    return {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        **({} if environment.subnets else {"DependsOn": ["RouteOut"]}),
        "Properties": {
            "AutoScalingGroupName": name,
            "MinSize": "0",
            "MaxSize": str(tier.maximum),
            "NewInstancesProtectedFromScaleIn": True,
            "VPCZoneIdentifier": subnets_of(environment),
            "LaunchTemplate": {
                "LaunchTemplateId": ref(id_of("Launch", tier)),
                "Version": {"Fn::GetAtt": [id_of("Launch", tier), "LatestVersionNumber"]},
            },
            "Tags": [
                {"Key": "AmazonECSManaged", "Value": "true", "PropagateAtLaunch": True},
                {"Key": "Name", "Value": name, "PropagateAtLaunch": True},
            ],
        },
    }


def _provider(tier: HostTier, name: str) -> dict[str, Any]:
    """Who brings a machine for a task that has none, and lets it go when it has none any more."""
    return {
        "Type": "AWS::ECS::CapacityProvider",
        "Properties": {
            "Name": name,
            "AutoScalingGroupProvider": {
                "AutoScalingGroupArn": ref(id_of("Machines", tier)),
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
    }


def machine_role(environment: Environment) -> dict[str, Any]:
    """What the agent of ECS on a machine may do, and nothing of what hosts may."""
    return {
        "RoleMachine": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": assumed_by("ec2.amazonaws.com"),
                "Policies": own(
                    *permissions.joining(arn(CLUSTER), tasks_of(environment, "container-instance"))
                ),
            },
        },
        "MachineProfile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Roles": [ref("RoleMachine")]},
        },
    }


# -- what all hosts share -----------------------------------------------------------------------------------


def service_name(environment: Environment, tier: str) -> str:
    """The service of a tier."""
    return environment.called("hosts", tier)


def id_of(kind: str, tier: HostTier) -> str:
    """What a part of a tier is called in the template."""
    return logical(kind, tier.name)


def own(*statements: Any) -> list[Any]:
    """The policy of a role of its own."""
    return [{"PolicyName": "own", "PolicyDocument": permissions.policy(statements)}]


def tasks_of(environment: Environment, what: str = "task") -> dict[str, str]:
    """The ARNs of all tasks, or machines, of the cluster."""
    place = f"arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:{what}"
    return {"Fn::Sub": f"{place}/{environment.called()}/*"}


def subnets_of(environment: Environment) -> Sequence[Any]:
    """Those that were named, else the template's own."""
    return list(environment.subnets) or [ref("Subnet0"), ref("Subnet1")]


def groups_of(environment: Environment) -> Sequence[Any]:
    """Those that were named, else one that lets nothing in."""
    return list(environment.security_groups) or [ref("Outward")]
