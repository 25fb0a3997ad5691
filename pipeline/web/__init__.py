"""The page, the API, health and metrics of a worker. Knows no Faust; whoever runs it feeds it.

    board = Board()
    board.evidence(evidence)         # each message of the baseline stage, as it is made
    board.anchors(anchors)           # and of its anchors, if the page is to say who still learns
    board.incident(incident)         # each record of the incidents topic; the board is a sink as well
    app = application(board, registry, health)       # an aiohttp application: run it with web.AppRunner

`registry` is the one that `pipeline.metrics.Metrics` was made with. `health` is anything shaped as `Health`, such as
`pipeline.stream.health.Health`. All of it is used on one event loop.

    /                    what forms, fires, recovers; cohorts and feeds       /events    that something changed
    /incidents/{id}      one incident and its course                         /healthz   200, or 503 and why
    /api/v1/incidents    newest records, fields as in the wire contract      /readyz    200, or 503 and why
    /api/v1/cohorts      observed and expected by cohort and signal; feeds   /metrics   for Prometheus
"""

from pipeline.web.board import Board
from pipeline.web.health import Health
from pipeline.web.routes import application

__all__ = ["Board", "Health", "application"]
