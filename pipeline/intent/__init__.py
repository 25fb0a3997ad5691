"""What matters, written once by people: services, priorities, lines that must not be crossed, whom to tell, the budget.

The file is read by `pipeline.config.intent`.
"""

from pipeline.intent.current import CurrentIntent
from pipeline.intent.default import default
from pipeline.intent.faults import ConfigurationError, Fault
from pipeline.intent.model import (
    Degradation,
    Intent,
    Priority,
    QuietHours,
    Receiver,
    Service,
    Severity,
    Threshold,
)

__all__ = [
    "ConfigurationError",
    "CurrentIntent",
    "Degradation",
    "Fault",
    "Intent",
    "Priority",
    "QuietHours",
    "Receiver",
    "Service",
    "Severity",
    "Threshold",
    "default",
]
