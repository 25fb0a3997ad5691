"""The intent file, DIR/intent.yaml: read, linted, and described as JSON Schema.

file             the whole, and the budget
service          a service: operations, priority, owner, dependencies, sensitivity, where it may degrade
thresholds       lines that a service must not cross; quantities: how durations and shares are written
routing          receivers, routes, quiet hours
lint             what only shows when the whole is read: cycles, what leads nowhere, what contradicts itself
schema           the same as JSON Schema, for editors
"""

from pipeline.config.intent.file import FILE_NAME, IntentFile, load, read

__all__ = ["FILE_NAME", "IntentFile", "load", "read"]
