"""What became of a load, as one HTML page that opens without a network: figures, charts, assumptions.

Pure: findings in, text out. This module must not know how anything was run.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from rushes.core.money import format_dollars
from rushes.simulator.assumptions import assumptions_of
from rushes.simulator.charts import areas, bars, legend, stacked
from rushes.simulator.figures import Figure, beside, figures_of
from rushes.simulator.load import Scenario
from rushes.simulator.outcome import Group
from rushes.simulator.study import Finding, Growth, Threshold
from rushes.units import format_duration

__all__ = ["page"]

_RANKS: Final = ("interactive", "urgent", "standard", "background")

_STYLE: Final = """
:root{--bg:#fff;--ink:#1c2430;--dim:#667085;--rule:#e4e7ec;--card:#f8f9fb;--line:#1c2430;
--c0:#2f6fde;--c1:#e8833a;--c2:#3aa57a;--c3:#8a63d2;--c4:#c9485b;--c5:#8d99ae;
--s0:#2f6fde;--s1:#8fb3f0;--s2:#d5e2fa}
@media(prefers-color-scheme:dark){:root{--bg:#14181f;--ink:#e6e9ef;--dim:#98a2b3;--rule:#2a313d;--card:#1b212b;
--line:#e6e9ef;--s0:#5b93f5;--s1:#38588f;--s2:#263a5c}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:36px 28px 60px}
h1{font-size:28px;line-height:1.2;margin:0 0 6px}h2{font-size:19px;margin:36px 0 10px}
h3{font-size:15px;margin:22px 0 6px}p{margin:0 0 10px;max-width:80ch}.dim{color:var(--dim)}
.lead{font-size:17px}.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(138px,1fr));
gap:10px;margin:14px 0}
.card{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 12px}
.card b{display:block;font-size:21px;line-height:1.25;font-variant-numeric:tabular-nums}
.card span{color:var(--dim);font-size:13px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:8px 40px}
svg{width:100%;max-width:640px;height:auto;display:block}svg text{font-size:12px;
fill:var(--ink)}svg .v{fill:var(--dim)}
.g{stroke:var(--rule)}.line{fill:none;stroke:var(--line);stroke-width:1.4}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}.scroll{overflow-x:auto}
th,td{text-align:right;padding:5px 10px;border-bottom:1px solid var(--rule);white-space:nowrap}
th{color:var(--dim);font-weight:500;font-size:13px}
th:first-child,td:first-child,.text td:nth-child(2),
.text th:nth-child(2){text-align:left}
.text td:nth-child(2){white-space:normal}
.better{color:var(--c2);font-weight:600}.worse{color:var(--c4);font-weight:600}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;padding:0;margin:4px 0 0;
color:var(--dim);font-size:13px}
.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px}
li{margin:2px 0}footer{margin-top:40px;border-top:1px solid var(--rule);padding-top:12px;
color:var(--dim);font-size:13px}
@media print{main{padding:0}h2{break-after:avoid}.pair>div{break-inside:avoid}}
"""
_COLOURS: Final = "".join(
    f".a{n},.k{n}{{fill:var(--c{n});background:var(--c{n})}}.s{n}{{fill:var(--s{min(n, 2)})}}"
    for n in range(6)
)


def page(
    title: str,
    scenario: Scenario,
    findings: Sequence[Finding],
    *,
    growth: Growth | None = None,
    command: str = "",
) -> str:
    """The report.

    Args:
        title: the name of the load.
        scenario: what was tried.
        findings: by policy; several stand side by side.
        growth: a capacity question, answered.
        command: that makes this report again.
    """
    body = [_opening(title, findings, growth)]
    if len(findings) > 1:
        body.append(_beside(findings))
    if growth is not None:
        body.append(_growth(growth))
    scales = _scales(findings)
    columns = "".join(f"<div>{_one(finding, scales, alone=len(findings) == 1)}</div>" for finding in findings)
    body.append(f'<div class="pair">{columns}</div>' if len(findings) > 1 else columns)
    assumed = assumptions_of(scenario, findings, growth)
    body.append(
        f"<h2>What this rests on</h2><ul>{''.join(f'<li>{escape(text)}</li>' for text in assumed)}</ul>"
    )
    again = f"Made again by <code>{escape(command)}</code>. " if command else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}: Rushes simulation</title><style>{_STYLE}{_COLOURS}</style></head>"
        "<body><main>"
        f"{''.join(body)}<footer>{again}The scheduler is the one that runs the real pool; the clock is "
        "virtual.</footer></main></body></html>\n"
    )


def _opening(title: str, findings: Sequence[Finding], growth: Growth | None) -> str:
    said = [_sentence(finding, named=len(findings) > 1) for finding in findings]
    if growth is not None:
        said.append(_verdict(growth))
    name = title.replace("-", " ").capitalize()
    return f"<h1>{escape(name)}</h1>" + "".join(f'<p class="lead">{escape(text)}</p>' for text in said)


def _sentence(finding: Finding, *, named: bool) -> str:
    groups, bill = finding.outcome.groups, finding.bill
    count = sum(group.invocations for group in groups)
    worst = _of_best_class(groups)
    text = f"{finding.case.name}: " if named else ""
    text += f"{count:,} invocations were done after {format_duration(finding.outcome.until_s)}"
    if worst is not None:
        text += (
            f"; nine of ten of the {worst.priority} ones ({worst.show}) within "
            f"{format_duration(worst.turnaround.p90)}"
        )
    if bill.total:
        text += f", for {format_dollars(bill.total)}"
    held = sum(group.held for group in groups)
    text += "."
    if held:
        text += f" {held:,} were held: the money of their show was spent."
    return text


def _of_best_class(groups: Sequence[Group]) -> Group | None:
    known = [group for group in groups if group.priority in _RANKS] or list(groups)
    ranked = sorted(known, key=lambda g: (_rank(g.priority), -g.turnaround.p90))
    return ranked[0] if ranked else None


def _rank(priority: str) -> int:
    return _RANKS.index(priority) if priority in _RANKS else len(_RANKS)


def _cards(finding: Finding) -> str:
    cards = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value, _ in figures_of(finding)
        if value
    )
    return f'<div class="cards">{cards}</div>'


def _scales(findings: Sequence[Finding]) -> tuple[float, float]:
    """The tops of what waits and of cores: the same for all that stand side by side."""
    samples = [sample for finding in findings for sample in finding.course.samples]
    return (
        max((float(sum(sample.waiting.values())) for sample in samples), default=1.0),
        max((max(sample.cores, sample.busy) for sample in samples), default=1.0),
    )


def _one(finding: Finding, scales: tuple[float, float], *, alone: bool) -> str:
    name = "What became of it" if alone else finding.case.name
    samples, groups = finding.course.samples, finding.outcome.groups
    times = [sample.at for sample in samples]
    classes = sorted({name for sample in samples for name in sample.waiting}, key=_rank)
    waiting = {name: [float(sample.waiting.get(name, 0)) for sample in samples] for name in classes}
    shown = [name for name in classes if any(waiting[name])]
    ordered = sorted(groups, key=lambda g: (_rank(g.priority), -g.turnaround.p90))[:12]
    spreads = bars(
        [
            (f"{g.priority} · {g.show}", (g.turnaround.p50, g.turnaround.p90, g.turnaround.p99))
            for g in ordered
        ],
        [
            [format_duration(t) for t in (g.turnaround.p50, g.turnaround.p90, g.turnaround.p99)]
            for g in ordered
        ],
        "Turnaround by class and show",
    )
    at_work = sorted({name for sample in samples for name in sample.busy_by}, key=_rank)
    busy = {name: [sample.busy_by.get(name, 0.0) for sample in samples] for name in at_work}
    cores = areas(
        times,
        busy,
        [sample.cores for sample in samples],
        most=scales[1],
        label="Cores in use by class, and cores that there are",
    )
    queues = areas(times, waiting, most=scales[0], label="Invocations that wait, by class")
    parts = [
        f"<h2>{escape(name)}</h2>{_cards(finding)}",
        '<div class="pair"><div><h3>Waiting, by class</h3>' if alone else "<h3>Waiting, by class</h3>",
        queues + legend({name: name for name in shown}),
        "</div><div>" if alone else "",
        "<h3>Cores in use by class, under those that there are</h3>" + cores,
        legend({name: name for name in at_work}),
        "</div></div>" if alone else "",
        "<h3>Turnaround: half, nine of ten, 99 of a hundred (root scale)</h3>" + spreads,
        _money(finding),
        _groups(ordered),
        _displaced(finding),
    ]
    return "".join(parts)


def _money(finding: Finding) -> str:
    bill = finding.bill
    if not bill.total:
        return ""
    shows = sorted(bill.by_show.items(), key=lambda item: -item[1])
    parts = {f"show {show}": nano for show, nano in shows[:3] if nano}
    if rest := sum(nano for _, nano in shows[3:]):
        parts["other shows"] = rest
    if bill.waste:
        parts["done again"] = bill.waste
    parts["idle"] = bill.idle
    sizes = {name: float(nano) for name, nano in parts.items()}
    words = {name: format_dollars(nano) for name, nano in parts.items()}
    return "<h3>Where the money goes</h3>" + stacked(sizes, words, "Cost by show, and what nobody used")


def _groups(groups: Sequence[Group]) -> str:
    head = (
        "class",
        "show",
        "done",
        "wait p50",
        "wait p99",
        "turnaround p50",
        "p90",
        "p99",
        "last of a batch",
        "late",
    )
    rows = [
        (
            group.priority,
            group.show,
            f"{group.invocations:,}" + (f" of {group.invocations + group.held:,}" if group.held else ""),
            *(format_duration(t) for t in (group.wait.p50, group.wait.p99)),
            *(format_duration(t) for t in (group.turnaround.p50, group.turnaround.p90, group.turnaround.p99)),
            format_duration(group.done_s) if group.done_s else "–",
            "" if group.late is None else f"{group.late:.0%}",
        )
        for group in groups
    ]
    return _table(head, rows, "text")


def _displaced(finding: Finding) -> str:
    shares = finding.outcome.displacement
    if not shares:
        return ""
    rows = [
        (
            f"{batch} ← {share.batch}",
            share.show,
            f"{share.invocations:,}",
            format_duration(share.aside_s),
            format_duration(share.redone_s) if share.redone_s else "",
            f"{share.awaited:,}" if share.awaited else "",
        )
        for batch, share in sorted(shares, key=lambda item: -item[1].aside_s)[:8]
    ]
    head = ("for ← stood aside", "show", "invocations", "aside, all together", "done again", "let finish")
    return "<h3>Who stood aside for whom</h3>" + _table(head, rows, "text")


def _beside(findings: Sequence[Finding]) -> str:
    """The figures of several policies, and how each compares with the first."""
    rows = [
        (escape(row[0].name), escape(row[0].shown or "–"), *(_against(one, row[0].less) for one in row[1:]))
        for row in beside(findings)
    ]
    head = ("", *(finding.case.name for finding in findings))
    return "<h2>Side by side</h2>" + _table(head, rows, raw=True)


def _against(one: Figure, first: float | None) -> str:
    text = escape(one.shown or "–")
    if one.less is None or first is None or one.less == first:
        return text
    return f'<span class="{"better" if one.less < first else "worse"}">{text}</span>'


def _growth(growth: Growth) -> str:
    rows = []
    for step in growth.steps:
        broken = "; ".join(f"{threshold.what}: {threshold.shown(value)}" for threshold, value in step.broken)
        bill = step.finding.bill
        rows.append(
            (
                f"× {step.factor:g}",
                broken or "everything holds",
                format_duration(step.finding.outcome.until_s),
                f"{bill.headroom:.0%}",
                format_dollars(bill.total) if bill.total else "",
                format_dollars(step.stream_nano) if step.stream_nano else "",
            )
        )
    head = (growth.dimension, "what breaks", "done after", "headroom", "cost", "a stream")
    return f"<h2>More {escape(growth.dimension)}</h2>" + _table(head, rows, "text")


def _verdict(growth: Growth) -> str:
    step = growth.first
    last = growth.steps[-1]
    cost = f" A stream then costs {format_dollars(last.stream_nano)}." if last.stream_nano else ""
    now = "; ".join(_broken(threshold, value) for threshold, value in growth.already)
    before = f"As it is now this is too much already: {now}. " if now else ""
    if step is None:
        more = " more" if now else ""
        return f"{before}With {last.factor:g} times the {growth.dimension} nothing{more} breaks.{cost}"
    threshold, value = growth.next_broken(step)
    return (
        f"{before}With more {growth.dimension}, at {step.factor:g} times, what breaks "
        f"{'next' if now else 'first'} is this: {_broken(threshold, value)}.{cost}"
    )


def _broken(threshold: Threshold, value: float) -> str:
    return (
        f"{threshold.what}, {threshold.shown(value)} (at most {threshold.shown(threshold.most)} was wanted)"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "", *, raw: bool = False) -> str:
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{text if raw else escape(text)}</td>" for text in row) + "</tr>"
        for row in rows
    )
    table = f"<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody>"
    return f'<div class="scroll"><table class="{kind}">{table}</table></div>'
