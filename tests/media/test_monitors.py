# ruff: noqa: E501 - what tools print is quoted whole
"""What the vendors' monitors print is read as far as it can be, and never believed to be well formed.

The texts are written after the tools' documentation and sources; no card was at hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.devices import Reading
from rushes.media.devices.monitor_texts import (
    Seen,
    parse_lost,
    parse_mautil,
    parse_ni,
    parse_nvidia,
    parse_xids,
    reading_of,
)
from rushes.media.devices.monitors import read_monitors, see

Programs = Callable[..., None]


def smi(**changes: str) -> str:
    """One card of `nvidia-smi -q -x`; what is not read is left out."""
    values = {
        "id": "00000000:3B:00.0", "encoder": "97 %", "sessions": "2", "temp": "61 C", "thermal": "Not Active",
        "idle": "Not Active", "cap": "Not Active", "video": "1485 MHz", "highest": "1770 MHz",
        "reasons": "clocks_event_reasons", "reason": "clocks_event_reason", "power": "gpu_power_readings",
        "recovery": "None", "rows": "No",
    } | changes  # fmt: skip
    return """	<gpu id="{id}">
		<product_name>NVIDIA L4</product_name>
		<minor_number>0</minor_number>
		<gpu_recovery_action>{recovery}</gpu_recovery_action>
		<fan_speed>N/A</fan_speed>
		<{reasons}>
			<{reason}_gpu_idle>{idle}</{reason}_gpu_idle>
			<{reason}_sw_power_cap>{cap}</{reason}_sw_power_cap>
			<{reason}_hw_slowdown>Not Active</{reason}_hw_slowdown>
			<{reason}_hw_thermal_slowdown>Not Active</{reason}_hw_thermal_slowdown>
			<{reason}_hw_power_brake_slowdown>Not Active</{reason}_hw_power_brake_slowdown>
			<{reason}_sync_boost>Not Active</{reason}_sync_boost>
			<{reason}_sw_thermal_slowdown>{thermal}</{reason}_sw_thermal_slowdown>
		</{reasons}>
		<fb_memory_usage><total>23034 MiB</total><used>1203 MiB</used></fb_memory_usage>
		<utilization>
			<gpu_util>31 %</gpu_util>
			<memory_util>9 %</memory_util>
			<encoder_util>{encoder}</encoder_util>
			<decoder_util>12 %</decoder_util>
		</utilization>
		<encoder_stats><session_count>{sessions}</session_count><average_fps>58</average_fps></encoder_stats>
		<remapped_rows><remapped_row_failure>{rows}</remapped_row_failure></remapped_rows>
		<temperature><gpu_temp>{temp}</gpu_temp><gpu_temp_max_threshold>92 C</gpu_temp_max_threshold></temperature>
		<{power}><power_state>P0</power_state><power_draw>41.27 W</power_draw></{power}>
		<clocks><graphics_clock>1620 MHz</graphics_clock><video_clock>{video}</video_clock></clocks>
		<max_clocks><graphics_clock>2040 MHz</graphics_clock><video_clock>{highest}</video_clock></max_clocks>
	</gpu>
""".format(**values)


def log(*cards: str) -> str:
    return (
        '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\n'
        "<nvidia_smi_log>\n\t<driver_version>550.90.07</driver_version>\n"
        f"\t<attached_gpus>{len(cards)}</attached_gpus>\n{''.join(cards)}</nvidia_smi_log>\n"
    )


OLD = {"reasons": "clocks_throttle_reasons", "reason": "clocks_throttle_reason", "power": "power_readings"}
BUSY = Seen("0000:3b:00", 97, 12, 2, None, 61, 41.27, (), 1485 / 1770)


# -- NVIDIA --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [{}, OLD], ids=["new-names", "old-names"])
def test_a_card_s_load_sessions_heat_and_power_are_read_from_old_and_new_drivers(
    names: dict[str, str],
) -> None:
    assert parse_nvidia(log(smi(**names))) == [BUSY]


@pytest.mark.parametrize(
    ("changes", "slowed", "rate"),
    [
        ({}, (), 1.0),
        ({"idle": "Active"}, (), 1.0),
        ({"thermal": "Active", "video": "885 MHz"}, ("heat",), 0.5),
        ({"cap": "Active", "thermal": "Active", "video": "1416 MHz"}, ("power cap", "heat"), 0.8),
        ({"thermal": "Active", "video": "N/A"}, ("heat",), 0.5),
        ({"thermal": "Active", "video": "1770 MHz"}, ("heat",), 1.0),
    ],
)
def test_heat_and_power_take_as_much_as_the_video_clock_has_lost(
    changes: dict[str, str], slowed: tuple[str, ...], rate: float
) -> None:
    (card,) = parse_nvidia(log(smi(**changes)))

    assert card.slowed == slowed
    assert reading_of(card) == Reading(rate=rate, sessions=2)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"recovery": "Reset"}, "nvidia-smi asks for: Reset"),
        ({"recovery": "Drain and Reset"}, "nvidia-smi asks for: Drain and Reset"),
        ({"rows": "Yes"}, "its memory has more damaged rows than it can replace"),
        ({"temp": "GPU is lost"}, "nvidia-smi says that the GPU is lost"),
        ({"temp": "N/A", "encoder": "[Not Supported]"}, ""),
    ],
)
def test_a_card_that_needs_care_says_so(changes: dict[str, str], fault: str) -> None:
    (card,) = parse_nvidia(log(smi(**changes)))

    assert card.fault == reading_of(card).lost == fault


def test_a_card_that_nvidia_smi_cannot_reach_is_told_by_its_address() -> None:
    said = (
        "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover"
        " this GPU\nUnable to determine the device handle for GPU0000:AF:00.0: Unknown Error\n"
    )

    assert parse_lost(said) == {
        "0000:3b:00": "nvidia-smi says: GPU is lost",
        "0000:af:00": "nvidia-smi says: Unknown Error",
    }


def test_xids_that_a_card_does_not_recover_from_are_read_from_the_kernel_s_log() -> None:
    said = (
        "6,900,1000000,-;usb 1-1: new high-speed USB device\n"
        "4,901,2000000,-;NVRM: Xid (PCI:0000:3b:00): 13, pid=812, name=ffmpeg, Graphics Exception\n"
        "4,902,3000000,-;NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', GPU has fallen off the bus.\n"
        "4,903,1500000,-;NVRM: Xid (PCI:0000:af:00): 48, pid=77, DBE (double bit error)\n"
    )

    assert parse_xids(said, since_us=0) == {
        "0000:3b:00": "the driver reported Xid 79",
        "0000:af:00": "the driver reported Xid 48",
    }
    assert parse_xids(said, since_us=2_000_000).keys() == {"0000:3b:00"}


# -- NETINT --------------------------------------------------------------------------------------------------


def ni(kind: str, index: int, load: int, inst: int, model: int = 0, *, more: str = "") -> str:
    return (
        f'{{ "{kind}" :\n\t[\n\t\t{{\n\t\t\t"NUMBER": 2,\n\t\t\t"INDEX": {index},\n\t\t\t"LOAD": {load},\n'
        f'\t\t\t"MODEL_LOAD": {model},\n\t\t\t"FW_LOAD": 3,\n\t\t\t"INST": {inst},\n{more}\t\t\t"MAX_INST": 128,\n'
        f'\t\t\t"MEM": 4,\n\t\t\t"SHARE_MEM": 2,\n\t\t\t"DEVICE": "/dev/nvme{index}",\n\t\t\t"L_FL2V": "4.8.0",\n'
        f'\t\t\t"FR": "480r6Rr5",\n\t\t\t"NUMA_NODE": -1,\n\t\t\t"PCIE_ADDR": "0000:0{index}:00.0"\n'
        "\t\t}\n\t]\n}\n"
    )


_NI = (
    "**************************************************\n"
    "2 devices retrieved from current pool at start up\n"
    "Sat Nov  9 12:00:01 2024 up 00:00:00 v480r6Rr5\n"
    + ni("decoder", 0, 11, 4)
    + ni("decoder", 1, 0, 0)
    + ni("encoder", 1, 0, 0)
    + ni("encoder", 0, 42, 5, 61)
    + ni("uploader", 0, 0, 1)
    + "**************************************************\n"
)


def test_ni_rsrc_mon_is_read_although_it_is_no_json() -> None:
    first, second = parse_ni(_NI)

    assert (first.where, first.encoder_pct, first.decoder_pct) == ("/dev/nvme0", 61, 11)
    assert (first.sessions, first.most_sessions) == (5, 128)
    assert (second.where, second.encoder_pct, second.sessions) == ("/dev/nvme1", 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        # Words and hexadecimal without quotes, a comma behind the last, as its detailed view prints them.
        '{ "encoder" :\n[\n{ "INDEX": 0,\n"LOAD": 7,\n"INST": 1,\n"Format": YUV,\n"SID": 9e48,\n"DEVICE": "/dev/nvme0",\n},\n]\n}\n',
        '{"encoders": [{"INDEX":0,"LOAD":7,"INST":1,"DEVICE":"/dev/nvme0n1"},]}',
        # Cut off.
        '{ "encoder" :\n\t[\n\t\t{ "INDEX": 0, "LOAD": 7, "INST": 1, "DEVICE": "/dev/nvme0" ]',
    ],
    ids=["barewords", "json1", "cut-off"],
)
def test_ni_rsrc_mon_is_read_in_each_way_that_it_prints(text: str) -> None:
    assert parse_ni(text) == [Seen("/dev/nvme0", 7, None, 1)]


def test_sessions_of_other_machines_on_the_same_card_are_counted() -> None:
    (card,) = parse_ni(ni("encoder", 0, 10, 2, more='\t\t\t"INST-ALL": 6,\n'))

    assert card.sessions == 6


# -- AMD -----------------------------------------------------------------------------------------------------


def test_mautil_s_heat_power_and_load_are_read() -> None:
    said = (
        "---------------------------------\n1/2 [0000:29:00.0] : MA35 Device\n---------------------------------\n"
        "MA35 Electrical Info:\nBoard Electrical Info:\n  id: 12V PEX Voltage [12016 mV]\n  id: board_power [9021 mW]\n"
        "MA35 Thermal Info:\nDevice Temperature:\n  id: ma35_temp_s2 [89 C]\nBoard Temperature:\n"
        "  id: board_temp [45 C]\nMA35 Utilization:\n  id: encoder_0 [30 %]\n  id: decoder_0 [5 %]\n"
        "2/2 [0000:10:00.0] : MA35 Device\nMA35 Thermal Info:\n  id: ma35_temp_s2 [51 C]\n"
    )

    first, second = parse_mautil(said)

    assert (first.where, first.temperature_c, first.power_w) == ("0000:29:00", 89, 9.021)
    assert (first.encoder_pct, first.decoder_pct) == (30, 5)
    assert (second.where, second.temperature_c, second.power_w) == ("0000:10:00", 51, None)


# -- anything ------------------------------------------------------------------------------------------------


_TEXTS = st.sampled_from([log(smi()), _NI])


@given(st.one_of(st.text(), st.builds(lambda text, end: text[:end], _TEXTS, st.integers(0, 3000))))
def test_whatever_a_tool_prints_is_read_as_far_as_it_goes(text: str) -> None:
    for parse in (parse_nvidia, parse_ni, parse_mautil):
        assert all(isinstance(one, Seen) for one in parse(text))
    assert isinstance(parse_lost(text), dict)
    assert isinstance(parse_xids(text, 0), dict)


def test_entities_are_not_expanded() -> None:
    bomb = log(smi()).replace("<nvidia_smi_log>", '<nvidia_smi_log><!ENTITY a "aaaa">', 1)

    assert parse_nvidia(bomb) == []


# -- running them --------------------------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """`programs(name=script)`: shell scripts that are found by these names, and nothing else is."""
    monkeypatch.setenv("RUSHES_BOX", "rlimits")

    def install(**scripts: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, script in scripts.items():
            path = folder / name.replace("_smi", "-smi")
            path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return install


def test_absent_tools_say_nothing_and_are_no_error(programs: Programs) -> None:
    programs()

    assert read_monitors(["nvenc:0", "netint:0", "ama:0", "qsv:0"]) == {}


def test_tools_are_run_and_read_however_they_end(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "smi.xml").write_text(log(*[smi(id=f"00000000:{n:02X}:00.0") for n in range(60)]))
    (tmp_path / "ni.txt").write_text(_NI)
    programs(
        nvidia_smi=f"cat {tmp_path}/smi.xml", ni_rsrc_mon=f"cat {tmp_path}/ni.txt; exit 1", mautil="exit 3"
    )

    seen = see(["nvenc:0", "nvenc:59", "netint:0", "ama:0"])

    assert sorted(seen) == ["netint:0", "nvenc:0", "nvenc:59"], "more than is kept of a tool for people"
    assert seen["nvenc:59"].where == "0000:3b:00"


def test_a_card_that_is_lost_is_found_among_the_others_by_pci_order(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = tmp_path / "gpus"
    for name in ("0000:3b:00.0", "0000:af:00.0"):
        (cards / name).mkdir(parents=True)
    monkeypatch.setattr("rushes.media.devices.monitors._NVIDIA_CARDS", cards)
    programs(
        nvidia_smi="echo 'Unable to determine the device handle for GPU 0000:AF:00.0: GPU is lost.'; exit 15"
    )

    found = read_monitors(["nvenc:0", "nvenc:1"])

    assert (found["nvenc:0"].lost, found["nvenc:1"].lost) == ("", "nvidia-smi says: GPU is lost")


def test_a_fault_that_the_kernel_s_log_reports_is_its_card_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_us = time.monotonic_ns() // 1000
    kernel = tmp_path / "kmsg"
    kernel.write_text(f"4,1,{now_us},-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.\n")
    monkeypatch.setattr("rushes.media.devices.monitors._KERNEL", kernel)

    def ask(tool: str, args: Sequence[str]) -> str:
        return log(smi()) if tool == "nvidia-smi" else ""

    assert read_monitors(["nvenc:0"], ask)["nvenc:0"].lost == "the driver reported Xid 79"
