"""What the intent means to others: configuration of Alertmanager, rules of Prometheus. Pure; `seamwatch compile` writes
it out.
"""
