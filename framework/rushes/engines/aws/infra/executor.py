"""Deploys templates as stacks of CloudFormation, by change sets, and takes them away again.

Each act waits for its end: a stack that failed is told of with the resources that failed and why.
CloudFormation makes one change of a stack at a time, and forgets all others that were planned when one is
begun. So what was looked at before a change was planned is looked at again after, and it is begun only where
nobody has made another meanwhile: no lock is taken that a killed process could leave. This module must not
know what is in a template.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError
from botocore.session import get_session

from rushes.aws_errors import answer_error, code_of, sent
from rushes.errors import CallerError, PlatformError, RushesError

__all__ = ["Done", "Stack", "Standing", "client_of", "put_template", "region_of_profile"]

MOST_INLINE: Final = 51_200
"""Bytes of a template in a request; a larger one goes through S3 (https://docs.aws.amazon.com/
AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""
POLL_S: Final = 2.0
_BROKEN: Final = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
"""Of these a stack can only be removed."""
_STUCK: Final = "UPDATE_ROLLBACK_FAILED"
_BEGUN: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"})
"""How a stack stands in the event with which a change begins."""


def client_of(service: str, region: str) -> Any:
    """A client of boto3.

    Raises:
        CallerError: boto3 is not installed.
    """
    try:
        import boto3  # noqa: PLC0415 - a tenth of a second
    except ImportError as error:
        raise CallerError(
            "boto3 is not installed.", code="missing-extra", fix='Install it: pip install "rushes[aws]".'
        ) from error
    with sent(f"use {service}"):
        return boto3.client(service, region_name=region)


def region_of_profile() -> str:
    """The region of the profile that AWS_PROFILE names, or of the default one; "" where it has none.

    Raises:
        CallerError: there is no such profile.
    """
    with sent("read a region from"):
        return str(get_session().get_config_variable("region") or "")


class Standing(NamedTuple):
    """How a stack stands.

    Args:
        status: as CloudFormation calls it; "" where there is none.
        template: what is deployed; None where nothing is.
        parameters: the values of its parameters.
    """

    status: str
    template: dict[str, Any] | None
    parameters: dict[str, str]


class Done(NamedTuple):
    """What came of a deployment."""

    changed: bool
    outputs: dict[str, str]


class Stack:
    """One stack of CloudFormation.

    Args:
        client: a boto3 client for ``cloudformation``.
        name: of the stack.
        sleep: waits between two looks.
    """

    def __init__(self, client: Any, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def template(self) -> dict[str, Any] | None:
        """What is deployed; None where nothing is."""
        return self.standing().template

    def standing(self) -> Standing:
        """How it stands, and what is deployed."""
        found = self._found()
        if found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS":
            return Standing("" if found is None else found["StackStatus"], None, {})
        with self._asking("read the template of"):
            body = self._client.get_template(StackName=self._name, TemplateStage="Original")["TemplateBody"]
        template = dict(json.loads(body)) if isinstance(body, str) else dict(body)
        return Standing(found["StackStatus"], template, _parameters(found))

    def outputs(self) -> dict[str, str] | None:
        """Where its parts are, by their names in the template; None where nothing is deployed."""
        found = self._found()
        return None if found is None else _outputs(found)

    def deploy(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
        *,
        place: Callable[[bytes], str] | None = None,
        say: Callable[[str], None] = lambda _: None,
        seen: Standing | None = None,
    ) -> Done:
        """Make the stack as the template says, and wait for it.

        Args:
            template: what is wanted.
            parameters: values for its parameters.
            tags: of everything in it.
            place: puts a template that is too large for a request somewhere, and gives its URL.
            say: is told of what goes on.
            seen: how it stood when it was decided that this may be deployed; None: nobody looked.

        Raises:
            CallerError: it is busy, or stands where it can only be removed; or the template is too large; or
                somebody has changed it since it was `seen` (``stack-changed``).
            PlatformError: it failed; what was there before is there again.
        """
        found = self._found()
        status = found["StackStatus"] if found else ""
        new = not found or status == "REVIEW_IN_PROGRESS"
        self.check(status)
        asked = {
            "StackName": self._name,
            "ChangeSetName": f"rushes-{uuid.uuid4().hex[:12]}",
            "ChangeSetType": "CREATE" if new else "UPDATE",
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            "Tags": [{"Key": k, "Value": v} for k, v in tags.items()],
            **self._body(template, place),
        }
        with self._alone(seen), self._asking("plan a change of"):
            change = self._client.create_change_set(**asked)["Id"]
        with self._alone(seen):
            planned = self._planned(change)
        if not planned:
            say("nothing changes")
            return Done(changed=False, outputs=_outputs(self._found()))
        # Who begins a change from now on makes this one void.
        self._check_same(seen, change)
        with self._alone(seen), self._asking("change"):
            self._client.execute_change_set(ChangeSetName=change, StackName=self._name)
        say("CloudFormation makes the changes")
        return Done(changed=True, outputs=_outputs(self._settled(say)))

    def destroy(self, *, say: Callable[[str], None] = lambda _: None) -> bool:
        """Remove the stack and wait for it; False where there is none.

        Raises:
            PlatformError: something of it cannot be removed.
        """
        found = self._found()
        if found is None:
            return False
        with self._asking("remove"):
            self._client.delete_stack(StackName=self._name)
        say("CloudFormation removes what is there")
        # By its id, under which one that is gone can still be asked for.
        self._settled(say, found["StackId"])
        return True

    def _body(self, template: Mapping[str, Any], place: Callable[[bytes], str] | None) -> dict[str, str]:
        text = json.dumps(template, separators=(",", ":"))
        if len(text.encode()) <= MOST_INLINE:
            return {"TemplateBody": text}
        if place is None:
            raise CallerError(
                f"the template has {len(text.encode()):,} bytes; a request takes {MOST_INLINE:,}.",
                code="template-too-large",
                fix="Name a bucket that it may go through: --template-bucket BUCKET.",
            )
        return {"TemplateURL": place(text.encode())}

    def check(self, status: str) -> None:
        """Refuse to change a stack that stands so.

        Raises:
            CallerError: somebody changes it now (``stack-busy``); it can only be removed (``stack-broken``).
        """
        if status in _BROKEN:
            raise CallerError(
                f"stack {self._name} is {status}: it can only be removed.",
                code="stack-broken",
                fix="Remove it with `rushes infra destroy`, then deploy again.",
            )
        if status == _STUCK:
            raise CallerError(
                f"stack {self._name} is {status}: what was there before could not be put back.",
                code="stack-broken",
                fix="Mend what its events name, then: "
                f"aws cloudformation continue-update-rollback --stack-name {self._name}",
            )
        self.check_idle(status)

    def check_idle(self, status: str) -> None:
        """Refuse to touch a stack in which something goes on.

        Raises:
            CallerError: somebody changes it now (``stack-busy``).
        """
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            what = "is being removed" if status.startswith("DELETE") else "somebody changes it now"
            raise CallerError(
                f"stack {self._name} is {status}: {'it ' if what[0] == 'i' else ''}{what}.",
                code="stack-busy",
                fix="CloudFormation goes on by itself, whoever began it: say this again once that is done; "
                f"aws cloudformation describe-stack-events --stack-name {self._name} says how far it is.",
            )

    @contextmanager
    def _alone(self, seen: Standing | None) -> Iterator[None]:
        """A request of a change that fails because somebody else was faster says so."""
        try:
            yield
        except RushesError as error:
            self._check_same(seen, error=error)
            raise

    def _check_same(
        self, seen: Standing | None, change: str = "", *, error: RushesError | None = None
    ) -> None:
        """Refuse where the stack is not as it was when somebody looked; what was planned is forgotten.

        Raises:
            CallerError: it is not (``stack-changed``), or is being changed (``stack-busy``).
        """
        if seen is None:
            return
        now = self.standing()
        if (now.template, now.parameters) == (seen.template, seen.parameters):
            if error is not None:
                self.check_idle(now.status)
            return
        if change:
            with suppress(RushesError), self._asking("forget a change of"):
                self._client.delete_change_set(ChangeSetName=change, StackName=self._name)
        self.check_idle(now.status)
        raise CallerError(
            f"somebody else has changed stack {self._name} since this was planned; nothing of it was done.",
            code="stack-changed",
            fix="See what is there now: rushes infra diff, with the same options; then deploy again.",
        ) from error

    def _planned(self, change: str) -> bool:
        """Wait for a change set; False where it has no changes."""
        while True:
            with self._asking("plan a change of"):
                found = self._client.describe_change_set(ChangeSetName=change, StackName=self._name)
            status, reason = found["Status"], found.get("StatusReason", "")
            if status == "CREATE_COMPLETE":
                return True
            if status == "FAILED":
                with self._asking("forget a change of"):
                    self._client.delete_change_set(ChangeSetName=change, StackName=self._name)
                # CloudFormation says this in words alone.
                if "didn't contain changes" in reason or "No updates" in reason:
                    return False
                raise PlatformError(
                    f"stack {self._name} cannot be changed so: {reason}",
                    code="deploy-failed",
                    fix="Change what it names, and deploy again.",
                )
            self._sleep(POLL_S)

    def _settled(self, say: Callable[[str], None], id_: str = "") -> dict[str, Any]:
        """Wait until nothing goes on in the stack."""
        last = ""
        try:
            while True:
                found = self._found(id_)
                status = found["StackStatus"] if found else "DELETE_COMPLETE"
                if status != last:
                    say(status)
                    last = status
                if not status.endswith("_IN_PROGRESS"):
                    break
                self._sleep(POLL_S)
        except KeyboardInterrupt:
            say("CloudFormation goes on by itself; say the same again once it is done, for what comes after")
            raise
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"}:
            return found or {}
        why = "; ".join(self._failures(id_)) or "no resource says why"
        raise PlatformError(
            f"stack {self._name} is {status}: {why}",
            code="deploy-failed",
            fix="What was there before is there again. Mend what it names, and try again.",
            details={"status": status},
        )

    def _failures(self, id_: str) -> list[str]:
        """The resources that failed in the last change, and why; not those that were stopped for it."""
        with self._asking("read the events of"):
            events = self._client.describe_stack_events(StackName=id_ or self._name)["StackEvents"]
        return [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason')}"
            for one in takewhile(lambda one: not _begins(one), events)
            if one.get("ResourceStatus", "").endswith("_FAILED")
            and "cancelled" not in one.get("ResourceStatusReason", "")
        ][:5]

    def _found(self, id_: str = "") -> dict[str, Any] | None:
        try:
            with self._asking("look at"):
                return dict(self._client.describe_stacks(StackName=id_ or self._name)["Stacks"][0])
        except CallerError as error:
            if error.code == "not-found":
                return None
            raise

    @contextmanager
    def _asking(self, act: str) -> Iterator[None]:
        act = f"{act} stack {self._name}"
        try:
            with sent(act):
                yield
        except ClientError as error:
            text = str(error.response.get("Error", {}).get("Message", ""))
            if code_of(error) != "ValidationError":
                raise answer_error(error, act) from error
            # One code for all that is wrong with a request: only the words tell of what is not there.
            gone = "does not exist" in text
            raise CallerError(
                f"could not {act}: {text}",
                code="not-found" if gone else "deploy-failed",
                fix="Deploy it first." if gone else "Change what it names, and try again.",
            ) from error


def _begins(event: Mapping[str, Any]) -> bool:
    """Whether with this event somebody began a change of the stack: what failed before is of another one."""
    its = event.get("PhysicalResourceId") == event.get("StackId")
    return its and event.get("ResourceStatus") in _BEGUN


def _parameters(found: Mapping[str, Any]) -> dict[str, str]:
    return {one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", ())}


def _outputs(found: Mapping[str, Any] | None) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in (found or {}).get("Outputs", ())}


def put_template(body: bytes, bucket: str, key: str, region: str) -> str:
    """Put a template into a bucket of the region; gives the URL that CloudFormation reads it from.

    Raises:
        CallerError: it is not permitted, or there is no such bucket.
    """
    client, act = client_of("s3", region), f"write the template to s3://{bucket}/{key}"
    try:
        with sent(act):
            client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    except ClientError as error:
        raise answer_error(error, act) from error
    return f"{client.meta.endpoint_url}/{bucket}/{key}"
