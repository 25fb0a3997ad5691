"""What matters, written once by people: services, their operations and priorities, the budget of false pages."""

from pipeline.intent.default import default
from pipeline.intent.load import ConfigurationError, Fault, load
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
    "load",
]
