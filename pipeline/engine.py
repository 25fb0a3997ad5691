"""The pure chain, put together once: what `replay`, the live agents, drills and tests drive.

    records ──Ingest──► Windows, Tick, Reject ──Baseline──► Evidence, Tick ──Pattern──► Incident

Each stage is fed one message (ingest: one batch of records) and answers with the messages for the next. No stage reads
a clock or does I/O.
"""
