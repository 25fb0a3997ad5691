"""How much of the one budget of false pages each operation gets: what the intent's priorities and sensitivities mean.

A channel's weight multiplies its part of the budget; the parts are then scaled so that together they are what they
were. So a service that matters more is believed sooner, the others later, and false pages stay within the same budget.
"""

from __future__ import annotations

from typing import Final

from pipeline.detect.channels import Channel
from pipeline.intent import Intent, Priority

PRIORITY: Final = {Priority.NON_NEGOTIABLE: 16.0, Priority.DEGRADABLE: 1.0, Priority.BEST_EFFORT: 1 / 16}
"""Chosen by measuring, see docs/intent-sensitivity.md: a step is nearly three nats."""
ANY: Final = "*"


class Weights:
    """What each operation's channels weigh, by an intent."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent

    def __call__(self, channel: Channel) -> float:
        """Of the services that an operation belongs to the heaviest; one that no service names is a ticket, and
        weighs what `degradable` does."""
        weights = (
            PRIORITY[service.priority]
            * service.sensitivity.get(channel.reported_signal, service.sensitivity.get(ANY, 1.0))
            for service in self._intent.services
            if channel.operation in service.operations
        )
        return max(weights, default=PRIORITY[Priority.DEGRADABLE])
