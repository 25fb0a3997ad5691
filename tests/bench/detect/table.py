"""The results as tables for people, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.bench.detect.contest import Race, Tuned
from tests.bench.detect.figures import quantile, span, upper_bound
from tests.bench.detect.outcome import SEVERITIES, Alarm, Outcome, Quiet
from tests.bench.detect.scenarios import BY_NAME
from tests.bench.detect.worlds import COLD_DAYS, HISTORY_DAYS


def quiet_table(runs: Sequence[Quiet]) -> str:
    """False alarms a week by severity, cold and warm, by tails."""
    rows = [
        ["fleets", "weeks", *(f"{severity}s a week" for severity in SEVERITIES), "bound on pages", "feed / outages"]
    ]
    groups = [("all, after the history", list(runs), True)]
    for tails in sorted({run.tails for run in runs}):
        groups.append((f"{tails} days", [run for run in runs if run.tails == tails], True))
    groups.append((f"all, days 0 to {HISTORY_DAYS} (cold start)", list(runs), False))
    for name, group, warm in groups:
        weeks = sum(run.warm_days if warm else run.cold_days for run in group) / 7
        alarms = [alarm for run in group for alarm in (run.warm if warm else run.cold)]
        count = Counter(alarm.severity for alarm in alarms if alarm.kind != "feed")
        feeds = sum(alarm.kind == "feed" for alarm in alarms)
        rates = [f"{count[severity] / weeks:.2f} ({count[severity]})" if weeks else "–" for severity in SEVERITIES]
        bound = f"{upper_bound(count['page'], weeks):.2f}"
        outages = f"{feeds}" if not warm else f"{feeds} / {sum(run.outages for run in group)}"
        rows.append([f"{name}: {len(group)} seeds", f"{weeks:.1f}", *rates, bound, outages])
    return _markdown(rows)


def scenario_table(outcomes: Sequence[Outcome], history_days: int = HISTORY_DAYS) -> str:
    """One row a scenario: how many seeds were found with exactly the scope, how soon, and what else was said."""
    rows = [
        [
            "scenario",
            "exact",
            "exact: median",
            "90 %",
            "limit",
            "",
            "first alarm: median",
            "90 %",
            "others",
            "floor",
            "/ floor",
        ]
    ]
    for name, group in _by_scenario(outcomes, history_days):
        scenario = BY_NAME[name]
        exact = [one.exact for one in group]
        found = sum(delay is not None for delay in exact)
        median = quantile(exact, 0.5)
        alarms = [one.alarm for one in group]
        floors = [one.floor for one in group if one.floor is not None]
        ratios = [None if one.exact is None else one.exact / one.floor for one in group if one.floor is not None]
        ratio = quantile(ratios, 0.5) if ratios else None
        rows.append(
            [
                scenario.title,
                f"{found}/{len(group)}",
                span(median),
                span(quantile(exact, 0.9)),
                span(scenario.limit),
                _mark(group, history_days),
                span(quantile(alarms, 0.5)),
                span(quantile(alarms, 0.9)),
                str(sum(len(one.others) for one in group)),
                span(quantile(floors, 0.5)) if floors else "–",
                f"{ratio:.1f}" if ratio is not None else "–",
            ]
        )
    return _markdown(rows)


def passes(group: Sequence[Outcome]) -> bool:
    """At least nine of ten seeds with exactly the scope, and the median in time; a control: not half of them."""
    scenario = BY_NAME[group[0].scenario]
    exact = [one.exact for one in group]
    median = quantile(exact, 0.5)
    in_time = median is not None and median <= scenario.limit
    if scenario.control:
        return not in_time
    enough = sum(delay is not None for delay in exact) >= 0.9 * len(group)
    lasting = not scenario.to_the_end or sum(one.firing_at_end for one in group) >= 0.9 * len(group)
    return enough and in_time and lasting


def _mark(group: Sequence[Outcome], history_days: int) -> str:
    if history_days == COLD_DAYS:
        found = sum(one.exact is not None for one in group) >= 0.9 * len(group)
        return "ok" if found else "**missed**"
    return "ok" if passes(group) else "**missed**"


def _by_scenario(outcomes: Sequence[Outcome], history_days: int) -> Iterable[tuple[str, list[Outcome]]]:
    for name in BY_NAME:
        group = [one for one in outcomes if one.scenario == name and one.history_days == history_days]
        if group:
            yield name, group


def tuned_table(tuned: Sequence[Tuned]) -> str:
    """What the yardsticks' thresholds came to."""
    rows = [["yardstick", "threshold", "false pages a week in tuning", "weeks"]]
    for one in tuned:
        threshold = "–" if one.yardstick.startswith("ADWIN") else f"{one.threshold:.3g}"
        rows.append([one.yardstick, threshold, f"{one.pages / one.weeks:.2f}", f"{one.weeks:.0f}"])
    return _markdown(rows)


def race_table(races: Sequence[Race], outcomes: Sequence[Outcome]) -> str:
    """First alarm within twice the limit, found and median, of Seamwatch and of each yardstick."""
    names = list(dict.fromkeys(one.yardstick for one in races))
    rows = [["scenario", "Seamwatch, first alarm", *names]]
    for name in BY_NAME:
        mine = [one for one in races if one.scenario == name]
        if not mine:
            continue
        watched = {one.seed: one.watched for one in mine}
        ours = [
            one.alarm if one.alarm is not None and one.alarm <= watched[one.seed] else None
            for one in outcomes
            if one.scenario == name and one.history_days == HISTORY_DAYS and one.seed in watched
        ]
        theirs = [[one.delay for one in mine if one.yardstick == yardstick] for yardstick in names]
        rows.append([BY_NAME[name].title, *map(_within, [ours, *theirs])])
    return _markdown(rows)


def _within(delays: Sequence[int | None]) -> str:
    found = sum(delay is not None for delay in delays)
    return f"{found}/{len(delays)}, {span(quantile(delays, 0.5))}" if delays else "–"


def alarms_list(runs: Sequence[Quiet], outcomes: Sequence[Outcome]) -> str:
    """Every false alarm and every other scope, one a line: what a developer looks at next."""
    lines = [
        f"quiet seed {run.seed} ({run.tails}): {_told(alarm)}"
        for run in runs
        for alarm in _patterns(run.cold + run.warm)
    ]
    seen: set[tuple[int, int]] = set()
    for one in outcomes:
        if (one.seed, one.history_days) not in seen:
            seen.add((one.seed, one.history_days))
            lines += [f"seed {one.seed}, before anything was wrong: {_told(alarm)}" for alarm in _patterns(one.before)]
        lines += [
            f"seed {one.seed}, {one.scenario} ({one.history_days} d): {_told(alarm, one.start)}" for alarm in one.others
        ]
        if one.exact is None and not BY_NAME[one.scenario].control:
            lines.append(f"seed {one.seed}, {one.scenario} ({one.history_days} d): NOT FOUND: {'; '.join(one.faults)}")
    return "\n".join(lines)


def _patterns(alarms: Sequence[Alarm]) -> list[Alarm]:
    return [alarm for alarm in alarms if alarm.kind != "feed"]


def _told(alarm: Alarm, start: int = 0) -> str:
    scope = ", ".join(f"{name}={value}" for name, value in alarm.scope.items()) or "the whole fleet"
    return f"{span(alarm.at - start)}: {alarm.severity} {alarm.kind} {scope}; {'; '.join(alarm.signals[:3])}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])
