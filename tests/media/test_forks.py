"""Starting a tool beside a thread that has converted frames: its child comes to exec."""

from __future__ import annotations

import subprocess
import sys

import pytest

_OWN = """
# What a thread keeps, as PyAV 19 keeps a scaler: it waits for what no child has.
class Waits:
    def __del__(self):
        if os.getpid() != PARENT:
            time.sleep(600)

sys.modules["av.video.frame"] = types.SimpleNamespace(_thread_local=threading.local())
def convert():
    sys.modules["av.video.frame"]._thread_local.reformatter = Waits()
"""
_PYAV = """
import av
def convert():
    frame = av.VideoFrame(640, 360, "yuv420p")
    frame.reformat(320, 180, format="rgb24")
"""
_RUN = """
from rushes.media.running.box import Box
from rushes.media.running.process import Supervision, run_tool
others, done = [], threading.Event()
def stay(begun):
    convert()
    begun.set()
    done.wait()
for _ in range(3):
    begun = threading.Event()
    others.append(threading.Thread(target=stay, args=(begun,)))
    others[-1].start()
    begun.wait()
convert()
found = []
def start():
    convert()
    found.append(run_tool(["true"], supervision=Supervision(box=Box("rlimits"))).exit_status)
for _ in range(3):
    one = threading.Thread(target=start)
    one.start()
    one.join()
done.set()
for one in others:
    one.join()
from rushes.media.running import forks
print(found, forks._held, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("convert", [_OWN, _PYAV], ids=["as-pyav-19-has-it", "pyav"])
def test_a_tool_starts_although_other_threads_keep_what_waits_for_threads(convert: str) -> None:
    code = f"import os, sys, threading, time, types\nPARENT = os.getpid()\n{convert}\n{_RUN}"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.returncode) == ("[0, 0, 0] {}\n", 0), done.stderr
