"""Seamwatch: sees a pattern of small inconsistencies at the seams between a platform and its operators.

`pipeline` is the stream program; `models`, beside it, holds the estimators it uses. Both names are generic on
purpose: they are the names of the two things this distribution ships.

The way of the data, one direction, no stage calls back::

     operators' topics                                                          Alertmanager, webhooks
     (any format) ──► INGEST ──► windows ──► BASELINE ──► evidence ──► PATTERN ──► incidents ──► ROUTE
                        │                       │                         │                  web page, API
                        └─► rejects             └─► state                 └─► state

======================  ===============================================================================
observation, messages   what flows: canonical records, and what the stages say to each other
operators/              one wire format a file: bytes to Observations and Rejects
contracts, compliance   clauses of an interface, and who breaks which
workarounds             what is known to be wrong, whose it is, and until when it pages nobody
config/                 the files of a configuration directory: intent, operators, workarounds
compile/                what the intent means to Alertmanager and Prometheus
clocks, ordering        skew and delay; duplicates, inversions and gaps
windows                 Observations to cohort windows of one minute on the arrival clock
detect/                 baselines of cohorts, evidence, lattice of scopes, pattern, explanation
incidents/              life cycle, severity, wording
intent/                 what matters: services, priorities, thresholds, budget
engine                  the pure chain put together once; live, replay and tests share it
inspection              any of its state as a person reads it
stream/ web/ sinks/     the effects: Kafka and Faust, HTTP, Alertmanager
simulate/ replay cli/   seeded fleets and faults; files; the command line
======================  ===============================================================================
"""
