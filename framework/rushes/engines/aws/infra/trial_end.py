"""The end of a trial: what is deployed until the version that was tried has no work left. Pure.

First every function is as it is wanted and gets all that comes, and beside it stays, as it was, what the
trial had: its Lambda, its queues, its hosts, those who say how many of these there are. Once that has nothing
left, it goes. What stays is taken from the template that is deployed, with the image that is in it, and not
made anew: the version that was tried may have wanted other memory, places or classes than the one that is
deployed now. This module must not know how a stack is changed, or for how long one waits.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from rushes.core.capacity.beside import SUFFIX
from rushes.engines.aws.infra import permissions
from rushes.engines.aws.infra.environment import logical
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.engines.aws.infra.parts import arn, ref
from rushes.engines.aws.infra.quotas import check_quotas
from rushes.engines.aws.infra.versions import METADATA, versions_of

__all__ = ["Ending", "ending", "left_of"]

ENDING: Final = "ending"
"""Under which a template says whose trials end: of each title, the version that its queue was for."""
BEFORE: Final = "RUSHES_BEFORE"
"""The same as the router is told it."""
_ROUTE: Final = re.compile(r",([^,=]+)=~([^,]+)")
_NAMED: Final = re.compile(r"\$\{(\w+)\}")
_SCALER: Final = ("FunctionScaler", "RoleScaler", "Fleets", "MinuteScaler", "MinuteScalerPermission",
                  "MinuteScalerOnce")  # fmt: skip
Resources = Mapping[str, Any]


class Ending(NamedTuple):
    """What is deployed until trials have ended.

    Args:
        functions: whose trials they are.
        template: to deploy meanwhile.
        queues: names of those that have to be empty first.
        dead: names of those of dead letters that go with them, which a person has to empty.
        services: of hosts that have to go first.
        replaced: by function, names of the queues of versions beside which one was tried, where they go now.
    """

    functions: tuple[str, ...]
    template: dict[str, Any]
    queues: tuple[str, ...]
    dead: tuple[str, ...]
    services: tuple[str, ...]
    replaced: dict[str, tuple[str, ...]]


def ending(
    deployed: Mapping[str, Any] | None, planned: Mapping[str, Any], images: Mapping[str, str]
) -> Ending | None:
    """What is to be deployed first; None where no trial ends.

    Args:
        deployed: the template that is; one of a deployment that was given up half-way is gone on with.
        planned: the one that is wanted.
        images: values of the parameters of the deployed one.

    Raises:
        CallerError: AWS takes no more of something (``bad-environment``).
    """
    over = _over(deployed or {}, planned)
    if not over:
        return None
    old, new = (deployed or {})["Resources"], planned["Resources"]
    stays = _closed(_seeds(old, new, over), old, new)
    if not stays:
        return None
    services = [one for one in stays if old[one]["Type"] == "AWS::ECS::Service"]
    if services:  # as it was, or nobody would say how many of them there are
        stays = _closed([*stays, *(one for one in _SCALER if one in old)], old, new)
    stays = [*stays, *(name for one in stays if (name := f"Alarm{one}") in old and name not in new)]
    resources = copy.deepcopy({**new, **_as_it_is({one: old[one] for one in stays}, images)})
    queues = {one: old[one]["Properties"] for one in stays if old[one]["Type"] == "AWS::SQS::Queue"}
    work = {id_: str(one["QueueName"]) for id_, one in queues.items() if "RedrivePolicy" in one}
    _let_route(resources, old, over, work)
    if services:
        _let_hosts_work(resources, old, new)
    template = {
        **planned,
        "Metadata": {METADATA: {**planned["Metadata"][METADATA], ENDING: over}},
        "Resources": resources,
        "Outputs": {**_outputs((deployed or {}).get("Outputs", {}), stays), **planned["Outputs"]},
    }
    check_quotas(template)
    return Ending(
        tuple(sorted(over)),
        template,
        tuple(sorted(work.values())),
        tuple(sorted(str(one["QueueName"]) for one in queues.values() if "RedrivePolicy" not in one)),
        tuple(sorted(str(old[one]["Properties"]["ServiceName"]) for one in services)),
        _replaced(deployed or {}, planned, over),
    )


def left_of(deployed: Mapping[str, Any] | None, planned: Mapping[str, Any]) -> list[str]:
    """Queues of trials that have not ended yet, of functions of which another version is to be tried."""
    tried = _said(planned).get("trials", {})
    over = [name for name in _said(deployed or {}).get(ENDING, {}) if name in tried]
    old = (deployed or {}).get("Resources", {})
    return sorted(_queues(_lambdas(old, _tried(over)), old))


def _said(template: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(template.get("Metadata", {}).get(METADATA, {}))


def _over(deployed: Mapping[str, Any], planned: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Of each function whose trial ends, by title, the version that its work is of."""
    said, there = _said(deployed), versions_of(deployed)
    found = dict(said.get(ENDING, {}))
    for name, version in said.get("trials", {}).items():
        found[name] = {name: version, f"{name}{SUFFIX}": there[name].version}
    tried, wanted = _said(planned).get("trials", {}), versions_of(planned)
    return {name: its for name, its in found.items() if name in wanted and name not in tried}


def _replaced(
    deployed: Mapping[str, Any], planned: Mapping[str, Any], over: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[str, ...]]:
    """The queues of Lambdas that get another version now."""
    begun, wanted, resources = _said(deployed).get(ENDING, {}), versions_of(planned), deployed["Resources"]
    found = {}
    for name, its in over.items():
        if name not in begun and wanted[name].version != its[name]:
            queues = _queues(_lambdas(resources, [name]), resources)
            found[name] = tuple(sorted(queues))
    return {name: queues for name, queues in found.items() if queues}


# -- what stays --------------------------------------------------------------------------------------------


def _seeds(old: Resources, new: Resources, over: Iterable[str]) -> list[str]:
    """The Lambdas of versions that were tried, with what calls them, and services of hosts that try none."""
    hosts = [
        id_
        for id_, one in old.items()
        if one["Type"] == "AWS::ECS::Service" and str(one["Properties"]["ServiceName"]).endswith(SUFFIX)
    ]
    return [one for one in (*_lambdas(old, _tried(over)), *hosts) if one not in new]


def _tried(functions: Iterable[str]) -> list[str]:
    return [f"{name}{SUFFIX}" for name in functions]


def _queues(ids: Iterable[str], resources: Resources) -> list[str]:
    """The names of the queues that mappings are of."""
    sources = [resources[one]["Properties"].get("EventSourceArn") for one in ids]
    return [str(resources[one["Fn::GetAtt"][0]]["Properties"]["QueueName"]) for one in sources if one]


def _lambdas(resources: Resources, titles: Iterable[str]) -> list[str]:
    """The Lambdas of titles, and what calls them."""
    ids = {logical("Function", title) for title in titles} & {*resources}
    called = [
        id_
        for id_, one in resources.items()
        if one["Type"] == "AWS::Lambda::EventSourceMapping"
        and one["Properties"]["FunctionName"].get("Ref") in ids
    ]
    return [*sorted(ids), *called]


def _closed(seeds: Iterable[str], old: Resources, new: Resources) -> list[str]:
    """The same with all that it names and that would not be there any more."""
    found = dict.fromkeys(seeds)
    open_ = [*found]
    while open_:
        more = [one for one in _names(old[open_.pop()]) if one in old and one not in new and one not in found]
        found.update(dict.fromkeys(more))
        open_ += more
    return [*found]


def _names(value: Any) -> Iterator[str]:
    """What a resource names of its template."""
    if isinstance(value, str):
        yield from _NAMED.findall(value)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == "Ref":
                yield one
            elif key == "Fn::GetAtt":
                yield one[0]
            elif key == "DependsOn":
                yield from [one] if isinstance(one, str) else one
            else:
                yield from _names(one)


def _as_it_is(value: Any, images: Mapping[str, str]) -> Any:
    """With the image that it has now, whatever that parameter is to be."""
    if isinstance(value, list):
        return [_as_it_is(one, images) for one in value]
    if not isinstance(value, dict):
        return value
    if (name := value.get("Ref")) is not None and str(name).endswith("ImageUri"):
        return images.get(name, value)
    return {key: _as_it_is(one, images) for key, one in value.items()}


def _outputs(of: Mapping[str, Any], stays: Iterable[str]) -> dict[str, Any]:
    return {id_: of[id_] for id_ in stays if id_ in of}


# -- who has to know of it ---------------------------------------------------------------------------------


def _let_route(
    resources: dict[str, Any], old: Resources, over: Mapping[str, Mapping[str, str]], work: Mapping[str, str]
) -> None:
    """The router knows who has what has begun, and the sweep whom to tell of it."""
    if "FunctionRouter" not in resources:
        return
    router, sweep = (_variables(resources, name) for name in ("Router", "Sweep"))
    before = {title: version for its in over.values() for title, version in its.items()}
    router[BEFORE] = ",".join(f"{title}={version}" for title, version in before.items())
    # What comes is for the version that is wanted, so that is there first.
    ids = [logical("Function", name) for name in over]
    if there := [one for one in ids if one in resources]:
        resources["FunctionRouter"]["DependsOn"] = sorted(there)
    routes = {route: name for route, name in _routes(old).items() if name in work.values()}
    more = "".join(f",{route}=~{name}" for route, name in routes.items())
    for of in (router, sweep):
        of["RUSHES_ROUTES"]["Fn::Join"][1].append(more)
    for name in ("Router", "Sweep"):
        _may(resources, name, permissions.sending([arn(one) for one in work]))
    # What waits for hosts that tried a version which went back is handed to others, as before.
    of_hosts = {name for route, name in routes.items() if route.startswith(f"{PLAIN}-")}
    hosts = [arn(id_) for id_, name in work.items() if name in of_hosts]
    if hosts:
        trials = _variables(old, "Sweep").get("RUSHES_TRIALS", "")
        said = dict.fromkeys(filter(None, (*sweep.get("RUSHES_TRIALS", "").split(","), *trials.split(","))))
        sweep["RUSHES_TRIALS"] = ",".join(said)
        _may(resources, "Sweep", permissions.consuming(hosts))


def _routes(old: Resources) -> dict[str, str]:
    """The names of queues, by what those who route call them."""
    found = dict[str, str]()
    for of in ("Router", "Sweep"):
        texts = _variables(old, of)["RUSHES_ROUTES"]["Fn::Join"][1]
        said = "".join(one for one in texts if isinstance(one, str))
        found.update(_ROUTE.findall(said))
    return found


def _variables(resources: Resources, name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources[logical("Function", name)]["Properties"]["Environment"]["Variables"]
    return found


def _may(resources: dict[str, Any], name: str, statement: Any) -> None:
    if statement is not None:
        policy = resources[logical("Role", name)]["Properties"]["Policies"][0]["PolicyDocument"]
        policy["Statement"].append(statement)


def _let_hosts_work(resources: dict[str, Any], old: Resources, new: Resources) -> None:
    """All hosts have one role: it permits what it did, too, for as long as some of them need it."""
    if "RoleHost" not in new:
        return  # it stays with them
    for id_, one in old.items():
        if one["Type"] == "AWS::IAM::ManagedPolicy" and id_.startswith("HostPolicy"):
            own = f"{ENDING.title()}{id_}"
            resources[own] = copy.deepcopy(old.get(own, one))  # of the version that was tried, still
            resources["RoleHost"]["Properties"]["ManagedPolicyArns"].append(ref(own))
    policies = [
        of["WorkHosts"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        for of in (resources, old)
        if "WorkHosts" in of
    ]
    if len(policies) == 2:
        now, before = policies
        now += [one for one in before if one not in now]
