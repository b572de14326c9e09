"""The file of sinks: what it may say, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes import CallerError
from rushes.core.sinks import DEFAULT_KINDS
from rushes.runtime.configuration.event_file import event_sinks, problem_of


def read(tmp_path: Path, text: str) -> list[object]:
    path = tmp_path / "events.toml"
    path.write_text(text)
    return list(event_sinks({"RUSHES_EVENTS": str(path)}))


def test_without_a_file_nobody_is_told() -> None:
    assert event_sinks({}) == []


def test_a_file_names_webhooks_and_commands(tmp_path: Path) -> None:
    path = tmp_path / "events.toml"
    path.write_text(
        '[sinks.hook]\nurl = "https://example.com/x"\nsecret_file = "key"\nevents = ["failed"]\n'
        'shows = ["dune"]\nat_once = 1\ntimeout = "5s"\n'
        '[sinks.program]\ncommand = ["/bin/true", "-x"]\n'
    )
    hook, program = event_sinks({"RUSHES_EVENTS": str(path)})
    assert (hook.url, hook.secret_file) == ("https://example.com/x", str(tmp_path / "key"))
    assert (hook.kinds, hook.shows, hook.at_once, hook.timeout_s) == (
        frozenset({"failed"}),
        frozenset({"dune"}),
        1,
        5.0,
    )
    assert (program.command, program.kinds, program.url) == (("/bin/true", "-x"), DEFAULT_KINDS, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sinks.a]\n", "give it either a url or a command"),
        ('[sinks.a]\nurl="https://x.example/"\ncommand=["/bin/true"]\n', "either a url or a command"),
        ('[sinks.a]\ncommand=["true"]\n', "'true' is no absolute path"),
        ('[sinks.a]\nurl="ftp://x.example/"\n', "no https:// address"),
        ('[sinks.a]\nurl="https://me:pw@x.example/"\n', "has a user name"),
        ('[sinks.a]\nurl="http://x.example/"\n', "anybody on its way can read"),
        ('[sinks.a]\nurl="https://x.example/"\nevents=["ended"]\n', "there is no event 'ended'"),
        ('[sinks.a]\nurl="https://x.example/"\nevents=[]\n', "sinks.a.events"),
        ('[sinks.a]\nurl="https://x.example/"\nsecret="whsec_x"\n', "sinks.a.secret"),
        ('[sinks.a]\nurl="https://x.example/"\nat_once=0\n', "sinks.a.at_once"),
        ('[sinks.a]\nurl="https://x.example/"\ntimeout="soon"\n', "soon"),
        ('[sinks.a]\ncommand=["/bin/true"]\nsecret_file="k"\n', "signs the deliveries of a url"),
        ("sinks = 3\n", "sinks is 3, and has to be a table of names and values"),
        ("", "sinks is missing"),
        ("sink = 3\n[sinks.a]\nurl='https://x.example/'\n", "sink does not exist; there are sinks"),
        ("[sinks.a]\ncommand='/bin/true'\n", "command is '/bin/true', and has to be a list of texts"),
        ("[sinks.a]\nurl='https://x.example/'\nshows='dune'\n", "shows is 'dune', and has to be a list"),
        ("[sinks.a]\nurl='https://x.example/'\nat_once='x'\n", "at_once is 'x', and has to be a whole"),
        ("[sinks.a]\nurl='https://x.example/'\nurls='x'\n", "there are allow_http, at_once, command"),
        ("[sinks.a]\nurl='https://x.example/'\ntimeout='-3s'\n", "sinks.a.timeout: '-3s' is no duration"),
        ("this is no toml", "is no TOML"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CallerError) as caught:
        read(tmp_path, text)
    assert caught.value.code == "bad-events"
    assert said in caught.value.message


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_http_is_permitted_to_this_machine(tmp_path: Path, host: str) -> None:
    assert read(tmp_path, f'[sinks.a]\nurl="http://{host}:8080/x"\n')


def test_http_is_permitted_where_somebody_says_so(tmp_path: Path) -> None:
    assert read(tmp_path, '[sinks.a]\nurl="http://tracker.studio/x"\nallow_http=true\n')


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="cannot be read: No such file"):
        event_sinks({"RUSHES_EVENTS": str(tmp_path / "none.toml")})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('command=["/no/such/program"]', "the command /no/such/program does not exist"),
        ('command=["/etc/passwd"]', "the command /etc/passwd cannot be executed"),
        ('url="https://x.example/"\nsecret_file="none"', "none cannot be read: No such file or directory"),
        ('url="https://x.example/"\nsecret_file="empty"', "empty is empty"),
        ('url="https://x.example/"\nsecret_file="open"', "open"),
        ('url="https://x.example/"\nsecret_file="kept"', ""),
        ('command=["/bin/sh"]', ""),
        ('url="https://x.example/"', ""),
    ],
)
def test_what_keeps_a_sink_from_being_told_is_seen_before_anything_happens(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    for name, mode in (("open", 0o640), ("kept", 0o600)):
        (tmp_path / name).write_text("whsec_x")
        (tmp_path / name).chmod(mode)
    (tmp_path / "events.toml").write_text(f"[sinks.a]\n{text}\n")
    (sink,) = event_sinks({"RUSHES_EVENTS": str(tmp_path / "events.toml")})

    problem = problem_of(sink)

    assert problem.endswith(said)
    assert bool(problem) is bool(said)
