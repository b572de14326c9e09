"""Whoever deploys may do all that deploying asks, and that for things of Rushes alone.

CloudFormation does what a resource takes with the rights of who deploys. What that is stands in the schema of
each type, under ``handlers`` (https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/
resource-type-schema.html): here is what of it templates of ours come to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import deployed
import pytest
from capacity_files import with_fleets
from moto.iam.access_control import IAMPolicy, PermissionResult

from rushes.engines.aws.infra.template import template_of

_FILE: Final = Path(__file__).parents[3] / "infra/policies/deployer.json"
MOST_CHARACTERS: Final = 6144
"""Of a policy without white space (https://docs.aws.amazon.com/IAM/latest/UserGuide/
reference_iam-quotas.html)."""
_HERE: Final = "eu-west-1:111122223333"
_ROLE: Final = "arn:aws:iam::111122223333:role/rushes-dev-RoleSmall-ABC"
_POLICY: Final = "arn:aws:iam::111122223333:policy/rushes-dev-HostPolicy-ABC"
_PROFILE: Final = "arn:aws:iam::111122223333:instance-profile/rushes-dev-MachineProfile-ABC"
_CLUSTER: Final = f"arn:aws:ecs:{_HERE}:cluster/rushes-dev"
_SERVICE: Final = f"arn:aws:ecs:{_HERE}:service/rushes-dev/rushes-dev-hosts-cpu"
_PROVIDER: Final = f"arn:aws:ecs:{_HERE}:capacity-provider/rushes-dev-hosts-large"
_TASK: Final = f"arn:aws:ecs:{_HERE}:task-definition/rushes-dev-hosts-cpu:3"
_GROUP: Final = f"arn:aws:autoscaling:{_HERE}:autoScalingGroup:u:autoScalingGroupName/rushes-dev-hosts-x"
_FUNCTION: Final = f"arn:aws:lambda:{_HERE}:function:rushes-dev-small"
_MAPPING: Final = f"arn:aws:lambda:{_HERE}:event-source-mapping:u-u-i-d"
_QUEUE: Final = f"arn:aws:sqs:{_HERE}:rushes-dev-small-urgent"
_TABLE: Final = f"arn:aws:dynamodb:{_HERE}:table/rushes-dev-ledger"
_TOPIC: Final = f"arn:aws:sns:{_HERE}:rushes-dev-alarms"
_RULE: Final = f"arn:aws:events:{_HERE}:rule/rushes-dev-objects"
_LOG: Final = f"arn:aws:logs:{_HERE}:log-group:/aws/lambda/rushes-dev-small:*"
_BUCKET: Final = "arn:aws:s3:::acme-dev-cards"
_ANY: Final = "*"

NEEDED: Final[Mapping[str, Mapping[str, str]]] = {
    "AutoScaling::AutoScalingGroup": {
        _GROUP: "autoscaling:CreateAutoScalingGroup autoscaling:UpdateAutoScalingGroup "
        "autoscaling:CreateOrUpdateTags autoscaling:DeleteTags autoscaling:DeleteAutoScalingGroup",
        _ANY: "autoscaling:DescribeAutoScalingGroups autoscaling:DescribeScalingActivities "
        "ec2:DescribeLaunchTemplateVersions ec2:RunInstances",
        _ROLE: "iam:PassRole",
    },
    "Budgets::Budget": {
        _ANY: "budgets:ModifyBudget budgets:ViewBudget budgets:TagResource budgets:ListTagsForResource"
    },
    "CloudWatch::Alarm": {
        f"arn:aws:cloudwatch:{_HERE}:alarm:rushes-dev-small-errors": "cloudwatch:PutMetricAlarm "
        "cloudwatch:DescribeAlarms cloudwatch:DeleteAlarms cloudwatch:TagResource",
    },
    "CloudWatch::Dashboard": {
        "arn:aws:cloudwatch::111122223333:dashboard/rushes-dev": "cloudwatch:PutDashboard "
        "cloudwatch:GetDashboard cloudwatch:DeleteDashboards",
    },
    "DynamoDB::Table": {
        _TABLE: "dynamodb:CreateTable dynamodb:UpdateTable dynamodb:DescribeTable dynamodb:DeleteTable "
        "dynamodb:UpdateTimeToLive dynamodb:DescribeTimeToLive dynamodb:UpdateContinuousBackups "
        "dynamodb:DescribeContinuousBackups dynamodb:TagResource dynamodb:ListTagsOfResource",
    },
    "EC2::InternetGateway": {
        _ANY: "ec2:CreateInternetGateway ec2:DeleteInternetGateway ec2:DescribeInternetGateways "
        "ec2:CreateTags ec2:DeleteTags"
    },
    "EC2::LaunchTemplate": {
        _ANY: "ec2:CreateLaunchTemplate ec2:CreateLaunchTemplateVersion ec2:DescribeLaunchTemplates "
        "ec2:DescribeLaunchTemplateVersions ec2:DeleteLaunchTemplate ec2:CreateTags ec2:DeleteTags",
        _ROLE: "iam:PassRole",
        "arn:aws:ssm:eu-west-1::parameter/aws/service/ecs/optimized-ami/x/image_id": "ssm:GetParameters",
    },
    "EC2::Route": {_ANY: "ec2:CreateRoute ec2:ReplaceRoute ec2:DeleteRoute ec2:DescribeRouteTables"},
    "EC2::RouteTable": {_ANY: "ec2:CreateRouteTable ec2:DeleteRouteTable ec2:DescribeRouteTables"},
    "EC2::SecurityGroup": {
        _ANY: "ec2:CreateSecurityGroup ec2:DeleteSecurityGroup ec2:DescribeSecurityGroups "
        "ec2:AuthorizeSecurityGroupEgress ec2:RevokeSecurityGroupEgress"
    },
    "EC2::Subnet": {
        _ANY: "ec2:CreateSubnet ec2:DeleteSubnet ec2:DescribeSubnets ec2:ModifySubnetAttribute "
        "ec2:DescribeAvailabilityZones"
    },
    "EC2::SubnetRouteTableAssociation": {
        _ANY: "ec2:AssociateRouteTable ec2:DisassociateRouteTable ec2:DescribeRouteTables"
    },
    "EC2::VPC": {
        _ANY: "ec2:CreateVpc ec2:DeleteVpc ec2:DescribeVpcs ec2:ModifyVpcAttribute ec2:DescribeVpcAttribute"
    },
    "EC2::VPCEndpoint": {
        _ANY: "ec2:CreateVpcEndpoint ec2:ModifyVpcEndpoint ec2:DeleteVpcEndpoints ec2:DescribeVpcEndpoints"
    },
    "EC2::VPCGatewayAttachment": {
        _ANY: "ec2:AttachInternetGateway ec2:DetachInternetGateway ec2:DescribeInternetGateways"
    },
    "ECS::CapacityProvider": {
        _PROVIDER: "ecs:CreateCapacityProvider ecs:UpdateCapacityProvider ecs:DeleteCapacityProvider "
        "ecs:DescribeCapacityProviders ecs:TagResource ecs:UntagResource",
        _GROUP: "autoscaling:CreateOrUpdateTags autoscaling:PutLifecycleHook",
    },
    "ECS::Cluster": {
        _CLUSTER: "ecs:CreateCluster ecs:UpdateCluster ecs:DescribeClusters ecs:DeleteCluster "
        "ecs:PutClusterCapacityProviders ecs:TagResource ecs:UntagResource",
        "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS": (
            "iam:CreateServiceLinkedRole"
        ),
    },
    "ECS::ClusterCapacityProviderAssociations": {
        _CLUSTER: "ecs:DescribeClusters ecs:PutClusterCapacityProviders"
    },
    "ECS::Service": {
        _SERVICE: "ecs:CreateService ecs:UpdateService ecs:DescribeServices ecs:DeleteService "
        "ecs:TagResource ecs:UntagResource ecs:ListTagsForResource",
    },
    "ECS::TaskDefinition": {
        _TASK: "ecs:RegisterTaskDefinition ecs:DescribeTaskDefinition ecs:TagResource ecs:UntagResource "
        "ecs:ListTagsForResource",
        _ANY: "ecs:RegisterTaskDefinition ecs:DeregisterTaskDefinition ecs:DescribeTaskDefinition",
        _ROLE: "iam:PassRole iam:GetRole",
    },
    "Events::Rule": {
        _RULE: "events:PutRule events:DescribeRule events:DeleteRule events:PutTargets "
        "events:RemoveTargets events:ListTargetsByRule events:TagResource",
    },
    "IAM::InstanceProfile": {
        _PROFILE: "iam:CreateInstanceProfile iam:AddRoleToInstanceProfile iam:GetInstanceProfile "
        "iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile",
        _ROLE: "iam:PassRole",
    },
    "IAM::ManagedPolicy": {
        _POLICY: "iam:CreatePolicy iam:GetPolicy iam:GetPolicyVersion iam:ListEntitiesForPolicy "
        "iam:ListPolicyVersions iam:CreatePolicyVersion iam:DeletePolicyVersion iam:DeletePolicy",
        _ROLE: "iam:AttachRolePolicy iam:DetachRolePolicy",
    },
    "IAM::Role": {
        _ROLE: "iam:CreateRole iam:PutRolePolicy iam:AttachRolePolicy iam:GetRole "
        "iam:ListAttachedRolePolicies iam:ListRolePolicies iam:GetRolePolicy iam:UpdateRole "
        "iam:UpdateAssumeRolePolicy iam:DetachRolePolicy iam:DeleteRolePolicy iam:TagRole iam:UntagRole "
        "iam:DeleteRole",
    },
    "Lambda::EventInvokeConfig": {
        _FUNCTION: "lambda:PutFunctionEventInvokeConfig lambda:UpdateFunctionEventInvokeConfig "
        "lambda:GetFunctionEventInvokeConfig lambda:DeleteFunctionEventInvokeConfig"
    },
    "Lambda::EventSourceMapping": {
        _MAPPING: "lambda:CreateEventSourceMapping lambda:GetEventSourceMapping "
        "lambda:UpdateEventSourceMapping lambda:DeleteEventSourceMapping lambda:TagResource "
        "lambda:UntagResource lambda:ListTags",
    },
    "Lambda::Function": {
        _FUNCTION: "lambda:CreateFunction lambda:GetFunction lambda:UpdateFunctionCode "
        "lambda:UpdateFunctionConfiguration lambda:PutFunctionConcurrency "
        "lambda:PutFunctionRecursionConfig lambda:GetFunctionRecursionConfig "
        "lambda:GetFunctionCodeSigningConfig lambda:TagResource lambda:DeleteFunction",
        _ROLE: "iam:PassRole",
        "arn:aws:ecr:eu-west-1:111122223333:repository/rushes-dev": "ecr:GetRepositoryPolicy "
        "ecr:SetRepositoryPolicy ecr:BatchGetImage ecr:GetDownloadUrlForLayer",
    },
    "Lambda::Permission": {_FUNCTION: "lambda:AddPermission lambda:RemovePermission lambda:GetPolicy"},
    "Logs::LogGroup": {
        _LOG: "logs:CreateLogGroup logs:PutRetentionPolicy logs:TagResource logs:ListTagsForResource "
        "logs:DeleteLogGroup",
        _ANY: "logs:DescribeLogGroups",
    },
    "S3::Bucket": {
        _BUCKET: "s3:CreateBucket s3:PutBucketTagging s3:PutBucketNotification "
        "s3:PutBucketOwnershipControls s3:PutBucketPublicAccessBlock s3:PutLifecycleConfiguration "
        "s3:GetBucketNotification s3:GetBucketLocation s3:ListBucket",
    },
    "S3::BucketPolicy": {_BUCKET: "s3:GetBucketPolicy s3:PutBucketPolicy s3:DeleteBucketPolicy"},
    "SNS::Topic": {
        _TOPIC: "sns:CreateTopic sns:TagResource sns:Subscribe sns:GetTopicAttributes "
        "sns:SetTopicAttributes sns:ListSubscriptionsByTopic sns:DeleteTopic",
        _ANY: "sns:Unsubscribe",
    },
    "SNS::TopicPolicy": {_TOPIC: "sns:SetTopicAttributes"},
    "SQS::Queue": {
        _QUEUE: "sqs:CreateQueue sqs:GetQueueUrl sqs:GetQueueAttributes sqs:SetQueueAttributes "
        "sqs:TagQueue sqs:ListQueueTags sqs:DeleteQueue",
    },
    "SQS::QueuePolicy": {_QUEUE: "sqs:SetQueueAttributes sqs:GetQueueAttributes"},
    "SSM::Parameter": {
        f"arn:aws:ssm:{_HERE}:parameter/rushes-dev-fleets": "ssm:PutParameter ssm:GetParameters "
        "ssm:AddTagsToResource ssm:DeleteParameter"
    },
}
"""Of each type that a template may have, the actions on each resource."""

BESIDE: Final[Mapping[str, str]] = {
    f"arn:aws:cloudformation:{_HERE}:stack/rushes-dev/u-u-i-d": "cloudformation:CreateChangeSet "
    "cloudformation:DescribeChangeSet cloudformation:ExecuteChangeSet cloudformation:DeleteChangeSet "
    "cloudformation:DescribeStacks cloudformation:DescribeStackEvents cloudformation:GetTemplate "
    "cloudformation:DeleteStack cloudformation:TagResource",
    "arn:aws:s3:::templates/rushes/dev/0123.json": "s3:PutObject s3:GetObject",
    _BUCKET: "s3:ListBucket s3:GetBucketNotification s3:GetBucketLocation",
    _ANY: "sts:GetCallerIdentity ecr:GetAuthorizationToken ecr:CreateRepository ecr:PutLifecyclePolicy "
    "ecr:DescribeImages ecr:BatchGetImage ecr:SetRepositoryPolicy "
    "ecr:InitiateLayerUpload ecr:UploadLayerPart ecr:CompleteLayerUpload ecr:PutImage "
    "lambda:GetAccountSettings",
    f"arn:aws:sqs:{_HERE}:rushes-dev-events": "sqs:SendMessage",
    _TABLE: "dynamodb:GetItem dynamodb:UpdateItem dynamodb:Query",
    "arn:aws:iam::111122223333:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot": (
        "iam:CreateServiceLinkedRole"
    ),
}
"""What the commands of `rushes infra` ask for themselves."""


@pytest.fixture(scope="module")
def policy() -> IAMPolicy:
    return IAMPolicy(_FILE.read_text())


def _refused(policy: IAMPolicy, wanted: Mapping[str, str]) -> Iterator[str]:
    for resource, actions in wanted.items():
        for action in actions.split():
            if policy.is_action_permitted(action, resource) != PermissionResult.PERMITTED:
                yield f"{action} on {resource}"


def test_who_deploys_may_make_change_and_remove_all_that_a_template_has(policy: IAMPolicy) -> None:
    whole = template_of(
        [deployed.small, deployed.look, deployed.heavy, deployed.often],
        with_fleets(tells=True, tracing=True, owned=("acme-dev-cards",), budget_usd=9.0),
    )
    types = {one["Type"].removeprefix("AWS::") for one in whole["Resources"].values()}
    assert types == set(NEEDED)
    assert [one for wanted in NEEDED.values() for one in _refused(policy, wanted)] == []


def test_who_deploys_may_do_what_the_commands_ask(policy: IAMPolicy) -> None:
    assert list(_refused(policy, BESIDE)) == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateRole", "arn:aws:iam::111122223333:role/admin"),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/admin"),
        ("iam:CreateServiceLinkedRole", "arn:aws:iam::111122223333:role/aws-service-role/other.aws/X"),
        ("lambda:UpdateFunctionCode", f"arn:aws:lambda:{_HERE}:function:payroll"),
        ("dynamodb:DeleteTable", f"arn:aws:dynamodb:{_HERE}:table/payroll"),
        ("sqs:DeleteQueue", f"arn:aws:sqs:{_HERE}:payroll"),
        ("ecs:DeleteService", f"arn:aws:ecs:{_HERE}:service/web/payroll"),
        ("ssm:GetParameters", f"arn:aws:ssm:{_HERE}:parameter/payroll"),
        ("s3:GetObject", "arn:aws:s3:::acme-dev-cards/dune/A001.mov"),
        ("s3:DeleteBucket", _BUCKET),
    ],
)  # fmt: skip
def test_who_deploys_may_touch_nothing_of_others(policy: IAMPolicy, action: str, resource: str) -> None:
    assert policy.is_action_permitted(action, resource) != PermissionResult.PERMITTED


def test_the_policy_of_who_deploys_is_no_longer_than_a_policy_may_be() -> None:
    text = json.dumps(json.loads(_FILE.read_text()), separators=(",", ":"))
    assert len(text.replace(" ", "")) <= MOST_CHARACTERS


def test_named_things_of_the_policy_are_those_of_rushes() -> None:
    statements: dict[str, Any] = {one["Sid"]: one for one in json.loads(_FILE.read_text())["Statement"]}
    for sid in ("Stacks", "WhatIsInThem", "RolesOfThem"):
        resources = statements[sid]["Resource"]
        assert all("rushes-" in one for one in ([resources] if isinstance(resources, str) else resources))
