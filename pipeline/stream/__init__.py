"""The live stream: the pure stages put on Kafka by Faust, exact after any crash.

    input topics ─► ingest ─► windows ─► baseline ─► evidence ─► pattern ─► incidents ─► route ─► sinks
                      │                    │                       │
                      └─► rejects          └─► state.baseline      └─► state.pattern

========================  =========================================================================================
settings, names, topics   what a worker is told; what topics are called and should be
transport                 Faust's Kafka transport with whole batches for messages, and commits of our own
broker, kafka             what the work on a partition needs of Kafka, and how Faust gives it
agents/                   the work on one partition: ingest, stage (baseline and pattern), route
stamps, checkpoints       recognising repeats; state and position written together
works, app, assignment    who does what; the Faust app; partitions come and go
worker, health            the life of the process
embedded                  a broker inside the process, for the demo and fast tests
========================  =========================================================================================
"""
