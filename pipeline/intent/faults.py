"""What is wrong in configuration files.

ConfigurationError      a configuration that cannot be used
└─ faults               every one of them, each with file and line and what would be right
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a configuration file; `line` counts from 1."""

    file: str
    line: int
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.wrong}; {self.right}"


class ConfigurationError(Exception):
    """A configuration that cannot be used; `faults` has every one of them."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))
