"""What an attempt may reach: its clip, its place, for an hour, by credentials of its own.

With a work role (`RUSHES_WORK_ROLE`) every attempt has a session of it whose policy names its clip and the
place of its outputs: one request to STS an attempt, none where the last one reached the same. Without one it
has what this process has. Each request is signed with a session that lives, so an upload may take longer than
one. On Lambda, where one attempt runs at a time, the author's body finds the session in its environment, as
if that were all there is; on a host it asks for it (`rushes.engines.aws.hosts.body_sessions`). This module
must not know what an attempt does.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rushes.engines.aws.access.session_policy import MOST_CHARACTERS, session_policy
from rushes.errors import CallerError, RushesError

if TYPE_CHECKING:
    from rushes.engines.aws.access.settings import AwsSettings
    from rushes.ports import Store
    from rushes.runtime.shared.money.meter import Meter
    from rushes.runtime.shared.objects.attempt import StoreReach

__all__ = ["LEAST_S", "Granting", "Session"]

LASTS_S: Final = 3600
"""The longest that a role may be had by who has one already
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining)."""
LEFT_S: Final = 1800.0
"""That a session has to have left when an attempt begins: a body on Lambda finds it in its environment."""
SIGNS_S: Final = 600.0
"""And when it signs a request; else another is asked for."""
LEAST_S: Final = 30.0
"""And where no other is to be had just now."""
KEPT: Final = 64
_SIZES: Final = (MOST_CHARACTERS, MOST_CHARACTERS // 2, MOST_CHARACTERS // 4)
"""Of policies that are tried one after the other
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, PackedPolicyTooLarge)."""
_BODY_S: Final = 15 * 60 - 5
"""botocore looks into the environment again for what expires within 15 minutes, and takes nothing that has
expired: longer than any attempt on Lambda, which is stopped 20 s before its 15 minutes are over, and so short
that no body works with the session of another."""
_NAMES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_EXPIRES: Final = "AWS_CREDENTIAL_EXPIRATION"
_ROLE: Final = re.compile(r"arn:(aws[a-z-]*):iam::\d{12}:role/.+")


_NOTHING: Final = "s3://nothing/nothing"
"""What nobody reaches: asked for to see whether anything can be."""


class Session(NamedTuple):
    """Credentials that end by themselves."""

    key: str
    secret: str
    token: str
    until: float
    """UTC epoch seconds."""


class Granting:
    """Gives attempts their stores; a `rushes.runtime.shared.claims.run.Grant`.

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
        self._accesses: OrderedDict[StoreReach | None, _Access] = OrderedDict()
        self._turn = threading.Lock()

    @contextmanager
    def __call__(self, reach: StoreReach, meter: Meter) -> Iterator[Store]:
        """The store of one attempt, whose use is metered.

        Raises:
            CallerError: the work role may not be had (``not-permitted``), or is none (``bad-role``).
            PlatformError: STS does not answer.
        """
        access = self._access(reach)
        with self._signed_in(access.session(LEFT_S)):
            yield self._store(access, meter)

    def living(self, reach: StoreReach) -> Callable[[], Session]:
        """What gives the session of an attempt, or the next one when that is at its end.

        It raises what asking for another does. Without a work role there is none to be given.
        """
        access = self._access(reach)

        def session() -> Session:
            found = access.session(SIGNS_S)
            if found is None:
                raise CallerError("attempts have no session.", code="bad-role", fix="Set RUSHES_WORK_ROLE.")
            return found

        return session

    def check(self) -> None:
        """See that the work role can be had, before anything is worked on: else all of it would fail.

        Raises:
            CallerError: it cannot (``not-permitted``), or is none (``bad-role``).
            PlatformError: STS does not answer.
        """
        if self._settings.work_role:
            from rushes.runtime.shared.objects.attempt import StoreReach  # noqa: PLC0415 - as above

            self._asked(StoreReach((_NOTHING,), None))

    def _store(self, access: _Access, meter: Meter) -> Store:
        from rushes.storage.s3 import S3Options, S3Store  # noqa: PLC0415 - botocore, not at a cold start
        from rushes.storage.s3_metered import MeteredClient  # noqa: PLC0415 - with it

        client, regions = access.client
        options = S3Options(self._settings.storage_class, self._settings.kms_key)
        return S3Store(MeteredClient(client, meter, regions), options)

    def _access(self, reach: StoreReach) -> _Access:
        """What reaches so far; without a work role all share what this process has."""
        whose = reach if self._settings.work_role else None
        ask = partial(self._asked, reach) if whose is not None else None
        with self._turn:  # of a host many attempts ask at a time
            found = self._accesses.pop(whose, None) or _Access(ask, self._client, self._clock)
            self._accesses[whose] = found
            while len(self._accesses) > KEPT:
                self._accesses.popitem(last=False)
        return found

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


class _Access:
    """How far one reach goes: its session, and the client that signs with it, each request with a living one.

    Args:
        ask: asks STS for a session; None: there is none, and the process's own credentials are used.
        client: gives a client of boto3 for a service.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        ask: Callable[[], Session] | None,
        client: Callable[[str, Session | None], Any],
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._new_client = client
        self._clock = clock
        self._session: Session | None = None
        self._signs: Any = None
        self._made: tuple[Any, Any] | None = None
        self._turn = threading.RLock()

    def session(self, left_s: float) -> Session | None:
        """A session that has so long left; None where there is none.

        Raises:
            RushesError: no other is to be had, and the one that there was is at its end.
        """
        if self._ask is None:
            return None
        with self._turn:
            known = self._session
            if known is not None and known.until - self._clock() >= left_s:
                return known
            try:
                found = self._ask()
            except RushesError:
                if known is None or known.until - self._clock() < LEAST_S:
                    raise
                return known  # another may be had later, and this one is good yet
            self._session, self._signs = found, None
            return found

    @property
    def client(self) -> tuple[Any, Any]:
        """A client for S3, and what it knows of the regions of buckets."""
        with self._turn:
            if self._made is None:
                from rushes.storage.s3_metered import Regions  # noqa: PLC0415 - as above

                made = self._new_client("s3", self.session(LEFT_S))
                if self._ask is not None:
                    made.meta.events.register("before-sign.s3", self._sign)
                self._made = made, Regions(made)
            return self._made

    def _sign(self, request: Any, **_: Any) -> None:
        """Let a request be signed with a session that lives: an upload may take longer than one."""
        from botocore.credentials import Credentials  # noqa: PLC0415 - as above

        with self._turn:
            session = self.session(SIGNS_S)
            if session is None:
                return
            if self._signs is None:
                self._signs = Credentials(*session[:3])
            request.context.setdefault("signing", {})["request_credentials"] = self._signs
