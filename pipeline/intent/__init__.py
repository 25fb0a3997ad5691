"""What matters, written once by people: services, their operations and priorities, the budget of false pages."""

from pipeline.intent.default import default
from pipeline.intent.load import ConfigurationError, Fault, load
from pipeline.intent.model import Intent, Priority, Service, Severity

__all__ = ["ConfigurationError", "Fault", "Intent", "Priority", "Service", "Severity", "default", "load"]
