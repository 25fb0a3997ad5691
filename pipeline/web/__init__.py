"""The page, the API, health and metrics of a worker. Knows no Faust and no Kafka; whoever runs it feeds it.

    board = Board()
    board.take(message)              # evidence, anchors, incidents, changes, proofs, as topics hold them
    app = application(board, registry, health)       # an aiohttp application; `serve` runs one in a thread

`registry` is the one that `pipeline.metrics.Metrics` was made with. `health` is anything shaped as `Health`, such as
`pipeline.stream.health.Health`. The board is used on one event loop, the one that serves.

    /                    what forms, fires, recovers; budget, proofs, feeds        /events    that something changed
    /incidents           all of them; /incidents/{id} one, and what to do          /healthz   200, or 503 and why
    /cohorts             find, sort, compare two                                   /readyz    200, or 503 and why
    /operators           feeds, contracts, changes; /workarounds                   /metrics   for Prometheus
    /state               what any model knows                                      /login     with a token
    /api/v1/…            all of it as records; /api/v1/openapi.json describes it

======================  ===============================================================================
board, cohorts,         what is shown, bounded, as it is now and as it was
trends, feeds
reach, similar          who is affected; incidents of the past like one
answers, records        the board as records; endpoints, openapi declare and describe them
api, acts, paging       requests of machines; what people do, as messages
pages, views, plots,    requests of people: what stands where, drawn as SVG, in words
wording
access, guards          who may read and act; what every request passes
live, serving           changes as they come; the server and its thread
======================  ===============================================================================
"""

from pipeline.web.access import Access
from pipeline.web.board import Board
from pipeline.web.health import Health
from pipeline.web.routes import Behind, application

__all__ = ["Access", "Behind", "Board", "Health", "application"]
