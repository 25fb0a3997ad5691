"""A drill that was held, for people: as text, Markdown, and a page in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.drill.outcome import PROVEN, Held, Outcome, duration, named
from pipeline.intent import Priority
from pipeline.templating import environment

HEAD: Final = ("service", "fault", "strength", "scope", "found", "within", "routed to", "")


def cells(one: Outcome) -> list[str]:
    """A row of the table, in the order of `HEAD`."""
    if one.found_ms is not None:
        found = duration(one.found_ms)
    elif one.alarm_ms is not None:
        found = f"{duration(one.alarm_ms)}, as {named(one.said_scope or {})}"
    else:
        found = "–"
    told = f"{one.said_severity}: {', '.join(one.said_receivers)}" if one.said_severity is not None else "–"
    return [
        one.service or "(the stream)",
        one.name,
        one.strength,
        named(one.scope) if one.fault else "–",
        found,
        duration(one.within_ms),
        told,
        mark(one),
    ]


def mark(one: Outcome) -> str:
    """How it went, in some words."""
    if one.needless:
        return f"left out: {one.why}"
    text = "; ".join(one.wrong) or ("nobody paged" if one.tolerated else "proven")
    return f"{text} (told again as {'; '.join(one.also)})" if one.also else text


def headline(held: Held) -> str:
    """One sentence."""
    services = len(held.priorities)
    proven = services - len(held.unproven)
    quiet = (
        "quiet without faults" if not held.control.fired else f"NOT quiet without faults ({len(held.control.fired)})"
    )
    vital = [name for name, priority in held.priorities.items() if priority == Priority.NON_NEGOTIABLE]
    text = f"{proven} of {services} services proven, {quiet}"
    if held.unproven:
        text += f"; not proven: {', '.join(held.unproven)}"
        text += "; every non-negotiable one is" if vital and not set(vital) & set(held.unproven) else ""
    return text


def lines(held: Held) -> Iterator[str]:
    """For a terminal: a table, the control, the services."""
    rows = [list(HEAD), *(cells(one) for one in held.outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
    yield f"drill {held.title!r} on a stream that is {held.stream}"
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
    yield f"nothing wrong for {duration(held.control.watched_ms)}: " + ("; ".join(held.control.fired) or "quiet")
    if held.history:
        yield f"in the history, with nothing wrong either: {'; '.join(held.history)}"
    for proof in held.proofs(0):
        word = "proven" if proof.found else "NOT PROVEN"
        yield f"{proof.service} ({held.priorities[proof.service]}): {word}: {proof.detail}"
    yield f"{headline(held)}; {held.seconds:.0f} s"


def markdown(held: Held) -> str:
    """The same as Markdown."""
    rows = [[*HEAD[:-1], "outcome"], *(cells(one) for one in held.outcomes)]
    table = ["| " + " | ".join(map(_escaped, row)) + " |" for row in rows]
    table.insert(1, "|" + "---|" * len(HEAD))
    services = [
        f"- **{_escaped(proof.service)}** ({held.priorities[proof.service]}): "
        f"{'proven' if proof.found else '**not proven**'}: {_escaped(proof.detail)}"
        for proof in held.proofs(0)
    ]
    control = "; ".join(map(_escaped, held.control.fired)) or "quiet"
    return "\n".join(
        [
            f"# Drill {_escaped(held.title)}",
            "",
            f"{_escaped(headline(held))}.",
            "",
            f"Stream: {_escaped(held.stream)}. Took {held.seconds:.0f} s.",
            "",
            *table,
            "",
            f"The same stream with nothing wrong, for {duration(held.control.watched_ms)}: {control}.",
            "",
            *services,
            "",
        ]
    )


def html(helds: Sequence[Held]) -> str:
    """Drills as one page that fetches nothing."""
    templates = environment()
    return templates.get_template("drill.html").render(
        drills=[_drawn(held) for held in helds], head=[*HEAD[:-1], "outcome"]
    )


def _drawn(held: Held) -> dict[str, object]:
    """What the template needs of one drill."""
    return {
        "held": held,
        "headline": headline(held),
        "rows": [(one, cells(one)) for one in held.outcomes],
        "proofs": held.proofs(0),
        "watched": duration(held.control.watched_ms),
        "well": held.status == PROVEN,
    }


def _escaped(text: str) -> str:
    """Names come from operators: nothing in them is markup."""
    special = "\\`*_[]<>|#"
    return "".join(f"\\{sign}" if sign in special else sign for sign in text.replace("\n", " "))
