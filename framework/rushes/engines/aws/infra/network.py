"""The network of an environment's hosts: public subnets without a gateway that costs by the hour. Pure.

Hosts only call out, and nothing may call in. This module must not know what a host is.
"""

from __future__ import annotations

from typing import Any

from rushes.engines.aws.infra.environment import Environment, logical
from rushes.engines.aws.infra.parts import ref

__all__ = ["network"]


def network(environment: Environment) -> dict[str, Any]:
    """A network of the environment's own, with ways to S3 and DynamoDB that cost nothing."""
    if environment.subnets:
        return {}
    named = [{"Key": "Name", "Value": environment.called()}]
    made: dict[str, Any] = {
        "Network": {
            "Type": "AWS::EC2::VPC",
            "Properties": {
                "CidrBlock": "10.42.0.0/16", "EnableDnsSupport": True, "EnableDnsHostnames": True,
                "Tags": named,
            },
        },
        "Gateway": {"Type": "AWS::EC2::InternetGateway", "Properties": {"Tags": named}},
        "GatewayAttached": {
            "Type": "AWS::EC2::VPCGatewayAttachment",
            "Properties": {"VpcId": ref("Network"), "InternetGatewayId": ref("Gateway")},
        },
        "Routes": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": ref("Network"), "Tags": named}},
        "RouteOut": {
            "Type": "AWS::EC2::Route",
            "DependsOn": ["GatewayAttached"],
            "Properties": {
                "RouteTableId": ref("Routes"), "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": ref("Gateway"),
            },
        },
        "Outward": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": f"Hosts of Rushes in {environment.name}: they call and nobody calls them",
                "VpcId": ref("Network"),
                "SecurityGroupEgress": [
                    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
                ],
                "Tags": named,
            },
        },
    }  # fmt: skip
    return made | _subnets(named) | _ways()


def _subnets(named: list[dict[str, str]]) -> dict[str, Any]:
    """In two zones, with addresses to call out from."""
    made: dict[str, Any] = {}
    for number in (0, 1):
        made[f"Subnet{number}"] = {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": ref("Network"),
                "CidrBlock": f"10.42.{number}.0/24",
                "AvailabilityZone": {"Fn::Select": [number, {"Fn::GetAZs": ""}]},
                "MapPublicIpOnLaunch": True,
                "Tags": named,
            },
        }
        made[f"Subnet{number}Routes"] = {
            "Type": "AWS::EC2::SubnetRouteTableAssociation",
            "Properties": {"SubnetId": ref(f"Subnet{number}"), "RouteTableId": ref("Routes")},
        }
    return made


def _ways() -> dict[str, Any]:
    """To S3 and DynamoDB, which cost nothing."""
    return {
        logical("Way", service): {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": ref("Network"),
                "ServiceName": {"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service}"},
                "RouteTableIds": [ref("Routes")],
            },
        }
        for service in ("s3", "dynamodb")
    }
