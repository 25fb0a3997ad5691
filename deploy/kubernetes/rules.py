"""The rules for the Prometheus operator, from those for Prometheus:

python deploy/kubernetes/rules.py > deploy/kubernetes/components/monitoring/prometheus-rule.yaml
"""

import sys
from pathlib import Path

RULES = Path(__file__).resolve().parents[1] / "prometheus/rules/seamwatch.yml"
HEAD = """\
# Made by deploy/kubernetes/rules.py from deploy/prometheus/rules/seamwatch.yml; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: seamwatch
spec:
"""


def document() -> str:
    """The file: what both have in common is `groups`."""
    lines = RULES.read_text().splitlines()
    groups = lines[lines.index("groups:") :]
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in groups)


if __name__ == "__main__":
    sys.stdout.write(document())
