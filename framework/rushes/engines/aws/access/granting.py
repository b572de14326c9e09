"""What an attempt may reach: its clip, its place, for an hour, by credentials of its own.

With a work role (`RUSHES_WORK_ROLE`) every attempt has a session of it whose policy names its clip and the
place of its outputs: one request to STS an attempt, none where the last one reached the same. Without one it
has what this process has. On Lambda, where one attempt runs at a time, the author's body finds the session in
its environment, as if that were all there is. This module must not know what an attempt does.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from rushes.engines.aws.access.session_policy import MOST_CHARACTERS, session_policy
from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.engines.aws.access.settings import AwsSettings
    from rushes.ports import Store
    from rushes.runtime.shared.meter import Meter
    from rushes.runtime.shared.remote_attempt import StoreReach

__all__ = ["Granting", "Session"]

LASTS_S: Final = 3600
"""The longest that a role may be had by who has one already
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining)."""
LEFT_S: Final = 1800.0
"""That a session has to have left when a transfer begins."""
KEPT: Final = 16
_SIZES: Final = (MOST_CHARACTERS, MOST_CHARACTERS // 2, MOST_CHARACTERS // 4)
"""Of policies that are tried one after the other
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, PackedPolicyTooLarge)."""
_BODY_S: Final = 14 * 60
"""botocore looks into the environment again for what expires within 15 minutes, and takes nothing that has
expired: longer than any attempt on Lambda, and so short that no body works with the session of another."""
_NAMES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_EXPIRES: Final = "AWS_CREDENTIAL_EXPIRATION"
_ROLE: Final = re.compile(r"arn:(aws[a-z-]*):iam::\d{12}:role/.+")


class Session(NamedTuple):
    """Credentials that end by themselves."""

    key: str
    secret: str
    token: str
    until: float
    """UTC epoch seconds."""


class Granting:
    """Gives attempts their stores; a `rushes.runtime.shared.claim_run.Grant`.

    Args:
        settings: the role, and what is said with every write.
        client: gives a client of boto3 for a service, with the credentials of a session where there is one.
        environ: where a body finds its credentials; None where several attempts run at a time.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        settings: AwsSettings,
        client: Callable[[str, Session | None], Any],
        environ: MutableMapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._client = client
        self._environ = environ
        self._clock = clock
        self._sessions: OrderedDict[StoreReach, Session] = OrderedDict()
        self._clients: dict[Session | None, tuple[Any, Any]] = {}

    @contextmanager
    def __call__(self, reach: StoreReach, meter: Meter) -> Iterator[Store]:
        """The store of one attempt, whose use is metered.

        Raises:
            CallerError: the work role may not be had (``not-permitted``), or is none (``bad-role``).
            PlatformError: STS does not answer.
        """
        session = self._session(reach)
        with self._signed_in(session):
            yield cast("Store", _Renewed(lambda: self._store(reach, meter)))

    def _store(self, reach: StoreReach, meter: Meter) -> Store:
        from rushes.storage.s3 import S3Options, S3Store  # noqa: PLC0415 - botocore, not at a cold start
        from rushes.storage.s3_metered import MeteredClient, Regions  # noqa: PLC0415 - with it

        session = self._session(reach)
        if session not in self._clients:
            if len(self._clients) >= KEPT:
                self._clients.clear()
            made = self._client("s3", session)
            self._clients[session] = made, Regions(made)
        client, regions = self._clients[session]
        options = S3Options(self._settings.storage_class, self._settings.kms_key)
        return S3Store(MeteredClient(client, meter, regions), options)

    def _session(self, reach: StoreReach) -> Session | None:
        """Credentials that reach so far, with enough time left; None without a work role."""
        if not self._settings.work_role:
            return None
        known = self._sessions.pop(reach, None)
        if known is None or known.until - self._clock() < LEFT_S:
            known = self._asked(reach)
        self._sessions[reach] = known
        while len(self._sessions) > KEPT:
            self._sessions.popitem(last=False)
        return known

    def _asked(self, reach: StoreReach) -> Session:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - as above

        from rushes.aws_errors import answer_error, sent  # noqa: PLC0415 - as above

        role = self._settings.work_role
        found = _ROLE.fullmatch(role)
        if found is None:
            raise CallerError(
                f"the work role {role!r} is no role.",
                code="bad-role",
                fix="Set RUSHES_WORK_ROLE to its ARN, arn:aws:iam::ACCOUNT:role/NAME, or unset it.",
            )
        act = f"work as {role}"
        keys = self._settings.kms_key, self._settings.clip_keys
        try:
            with sent(act):
                said = self._assumed(role, lambda most: session_policy(reach, found[1], *keys, most))
        except ClientError as error:
            failure = answer_error(error, act)
            if failure.code == "not-permitted":
                failure.fix = (
                    "Let its trust policy name the role of this function or host, or unset RUSHES_WORK_ROLE."
                )
            raise failure from error
        return Session(
            said["AccessKeyId"], said["SecretAccessKey"], said["SessionToken"], said["Expiration"].timestamp()
        )

    def _assumed(self, role: str, policy_of: Callable[[int], str]) -> Any:
        """Credentials with the first policy of `_SIZES` that STS does not find too large.

        It packs them, and may refuse one that has no more characters than it takes.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - as above

        from rushes.aws_errors import code_of  # noqa: PLC0415 - as above

        sts = self._client("sts", None)
        for most in _SIZES:
            try:
                return sts.assume_role(
                    RoleArn=role,
                    RoleSessionName="rushes-attempt",
                    Policy=policy_of(most),
                    DurationSeconds=LASTS_S,
                )["Credentials"]
            except ClientError as error:
                if most == _SIZES[-1] or not code_of(error).startswith("PackedPolicyTooLarge"):
                    raise
        raise AssertionError("unreachable: the last returns or raises")

    @contextmanager
    def _signed_in(self, session: Session | None) -> Iterator[None]:
        """Whoever looks into the environment finds the credentials of a session."""
        environ = self._environ
        if session is None or environ is None:
            yield
            return
        before = {name: environ.get(name) for name in (*_NAMES, _EXPIRES)}
        ends_at = min(session.until, self._clock() + _BODY_S)
        environ.update(dict(zip(_NAMES, session[:3], strict=True)))
        environ[_EXPIRES] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends_at))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    environ.pop(name, None)
                else:
                    environ[name] = value


class _Renewed:
    """A store that is made anew for each verb: what outlasts a session goes on with the next."""

    def __init__(self, made: Callable[[], Store]) -> None:
        self._made = made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made(), name)
