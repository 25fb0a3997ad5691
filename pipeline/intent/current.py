"""The intent that counts now: the one place that holds it in a process whose configuration may be read again."""

from __future__ import annotations

from pipeline.intent.model import Intent


class CurrentIntent:
    """Holds the intent.

    Attributes:
        intent: the one that counts.
        revision: how often it was replaced. Whoever was made of an earlier one is made anew.
    """

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        self.revision = 0

    def use(self, intent: Intent) -> None:
        """From now on it is this one; the same again changes nothing."""
        if intent != self.intent:
            self.intent = intent
            self.revision += 1
