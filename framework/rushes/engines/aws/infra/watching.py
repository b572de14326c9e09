"""What is watched in an environment: alarms, a budget, a dashboard of turnaround and cost. Pure.

This module must not know what a template has beside queues and Lambdas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Final

from rushes.engines.aws.infra.environment import Environment, logical
from rushes.engines.aws.infra.parts import ref
from rushes.engines.aws.infra.sizing import NANO_A_GB_HOUR
from rushes.invocation import PRIORITIES

__all__ = ["watching"]

WAIT_S: Final[Mapping[str, int]] = {
    "interactive": 120, "urgent": 600, "standard": 4 * 3600, "background": 24 * 3600, "events": 300,
}  # fmt: skip
"""A message of a class that is older is a matter for a person."""
DOLLARS_A_GB_S: Final = round(NANO_A_GB_HOUR / 3600e9, 10)
TOLD_AT: Final = ((80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"))
"""Per cent of the budget at which somebody is told."""


def watching(
    resources: Mapping[str, Any], functions: Sequence[str], environment: Environment
) -> dict[str, Any]:
    """Alarms of all queues and Lambdas among `resources`, who is told, the budget and the dashboard."""
    made: dict[str, Any] = {"Alarms": _topic(environment), "AlarmsPolicy": _topic_policy()}
    for id_, one in resources.items():
        named = one["Properties"]
        if one["Type"] == "AWS::SQS::Queue":
            made[f"Alarm{id_}"] = _of_queue(id_, named["QueueName"], environment)
        elif one["Type"] == "AWS::Lambda::Function":
            made[f"Alarm{id_}"] = _errors(id_, named["FunctionName"])
    if environment.fleets:
        made["AlarmResting"] = _of_resting(environment)
    if environment.budget_usd is not None:
        made["Budget"] = _budget(environment)
    made["Dashboard"] = {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": environment.called(),
            "DashboardBody": json.dumps(_dashboard(resources, functions, environment), sort_keys=True),
        },
    }
    return made


def _topic(environment: Environment) -> dict[str, Any]:
    told = [{"Protocol": "email", "Endpoint": environment.email}] if environment.email else []
    properties = {"TopicName": environment.called("alarms"), **({"Subscription": told} if told else {})}
    return {"Type": "AWS::SNS::Topic", "Properties": properties}


def _topic_policy() -> dict[str, Any]:
    return {
        "Type": "AWS::SNS::TopicPolicy",
        "Properties": {
            "Topics": [ref("Alarms")],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]},
                        "Action": "sns:Publish",
                        "Resource": ref("Alarms"),
                        "Condition": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
                    }
                ],
            },
        },
    }


def _of_queue(id_: str, name: str, environment: Environment) -> dict[str, Any]:
    dimensions = [{"Name": "QueueName", "Value": {"Fn::GetAtt": [id_, "QueueName"]}}]
    if id_.startswith("Dead"):
        return _alarm(
            f"{name}-not-empty", "A message was set aside", "AWS/SQS",
            "ApproximateNumberOfMessagesVisible", dimensions, 0, "Maximum",
        )  # fmt: skip
    limit = _longest_wait_s(name, environment)
    return _alarm(
        f"{name}-waits", f"A message waits longer than {limit} s", "AWS/SQS",
        "ApproximateAgeOfOldestMessage", dimensions, limit, "Maximum",
    )  # fmt: skip


def _longest_wait_s(name: str, environment: Environment) -> int:
    """Of a class of a studio's own its target, else what the shipped class of its rank may wait."""
    ends = [one for one in environment.policies if name.endswith(f"-{one.name}")]
    if not ends:
        return WAIT_S["events"]
    policy = max(ends, key=lambda one: len(one.name))
    if policy.name in WAIT_S:
        return WAIT_S[policy.name]
    if policy.target_s:
        return max(ceil(policy.target_s), 60)
    return WAIT_S[PRIORITIES[min(max(policy.rank, 0), len(PRIORITIES) - 1)]]


def _errors(id_: str, name: str) -> dict[str, Any]:
    dimensions = [{"Name": "FunctionName", "Value": ref(id_)}]
    return _alarm(f"{name}-errors", "A call ended in an error", "AWS/Lambda", "Errors", dimensions, 0, "Sum")


def _of_resting(environment: Environment) -> dict[str, Any]:
    """The metric is sent, and paid for, while a host rests."""
    asked = f"rushes pool --engine aws:{environment.name}"
    why = f"A host takes no work, or not all of it: {asked} says which, why, and what to do"
    return _alarm(
        environment.called("hosts", "resting"), why, environment.called(), "resting-hosts",
        [{"Name": "service", "Value": "scaler"}], 0, "Maximum",
    )  # fmt: skip


def _alarm(  # noqa: PLR0917 - what an alarm is
    name: str, why: str, namespace: str, metric: str, dimensions: list[Any], above: int, statistic: str
) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": name,
            "AlarmDescription": why,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": dimensions,
            "Statistic": statistic,
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": above,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [ref("Alarms")],
        },
    }


def _budget(environment: Environment) -> dict[str, Any]:
    """Of what has the environment's tag, which has to be activated once as a tag of costs."""
    told = [{"SubscriptionType": "SNS", "Address": ref("Alarms")}]
    return {
        "Type": "AWS::Budgets::Budget",
        "Properties": {
            "Budget": {
                "BudgetName": environment.called(environment.region),
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": environment.budget_usd, "Unit": "USD"},
                "CostFilters": {"TagKeyValue": [f"user:rushes:environment${environment.name}"]},
            },
            "NotificationsWithSubscribers": [
                {
                    "Notification": {
                        "NotificationType": kind,
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": percent,
                        "ThresholdType": "PERCENTAGE",
                    },
                    "Subscribers": told,
                }
                for percent, kind in TOLD_AT
            ],
        },
    }


def _dashboard(
    resources: Mapping[str, Any], functions: Sequence[str], environment: Environment
) -> dict[str, Any]:
    queues = [
        one["Properties"]["QueueName"] for one in resources.values() if one["Type"] == "AWS::SQS::Queue"
    ]
    calls = [resources[logical("Function", name)]["Properties"] for name in functions]
    sums: list[Any] = []
    for number, one in enumerate(calls):
        memory_gb = one["MemorySize"] / 1024
        dollars = f"d{number}/1000*{memory_gb:.4f}*{DOLLARS_A_GB_S}"
        sums.append([{"expression": dollars, "label": f"{one['FunctionName']}, dollars", "id": f"c{number}"}])
        sums.append(["AWS/Lambda", "Duration", "FunctionName", one["FunctionName"],
                     {"id": f"d{number}", "stat": "Sum", "visible": False}])  # fmt: skip
    own = environment.called()
    turnaround = [
        [own, "turnaround", "service", name, {"stat": stat, "label": f"{name} {stat}"}]
        for name in functions
        for stat in ("p50", "p95")
    ]
    ended = [[own, state, "service", name] for name in functions for state in ("succeeded", "failed")]
    waiting = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name] for name in queues]
    oldest = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", name] for name in queues]
    tiers = [one.name for one in environment.fleets]
    hosts = [[own, "hosts", "service", "scaler", "tier", name] for name in tiers]
    resting = [[own, "resting-hosts", "service", "scaler"]] if tiers else []
    hourly = [[own, "dollars-an-hour", "service", "scaler"]] if tiers else []
    shown = [
        ("From the notice to the result, s", turnaround, "p50"),
        ("Cost of computing on Lambda, dollars", sums, "Sum"),
        ("Ended", ended, "Sum"),
        ("Messages that wait", waiting, "Maximum"),
        ("The oldest message, s", oldest, "Maximum"),
        ("Hosts", hosts, "Maximum"),
        (
            f"Hosts that take no work, or not all: rushes pool --engine aws:{environment.name}",
            resting,
            "Maximum",
        ),
        ("What hosts cost an hour, dollars", hourly, "Maximum"),
    ]
    return {"widgets": [_widget(n, *one, environment.region) for n, one in enumerate(shown) if one[1]]}


def _widget(number: int, title: str, metrics: list[Any], stat: str, region: str) -> dict[str, Any]:
    return {
        "type": "metric", "x": number % 2 * 12, "y": number // 2 * 6, "width": 12, "height": 6,
        "properties": {
            "title": title, "metrics": metrics, "stat": stat, "period": 300, "region": region,
            "view": "timeSeries",
        },
    }  # fmt: skip
