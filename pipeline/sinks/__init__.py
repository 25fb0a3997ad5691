"""Where incidents are told: Alertmanager, a terminal, the metrics.

What a worker does with a sink (`Sink`), and all that it does:

    sink = AlertmanagerSink("http://127.0.0.1:9093", metrics=metrics, now=time.time, page="http://127.0.0.1:6066")
    await sink.restore(newest)   # once, before anything is sent: the newest record of each incident told before
    await sink.send(incident)    # each change, in the order of the log; never fails, never waits for a network
    await sink.close()           # a last try to deliver, for some seconds at most

`restore` is what makes a firing incident outlive a worker: an alert that nobody refreshes ends by itself.
`Webhook` delivers every single change, which is what the route agent's couriers
are for; `Heartbeat` is no sink: it tells that there is somebody to tell.
"""

from pipeline.sinks.access import HttpAccess
from pipeline.sinks.alertmanager import AlertmanagerSink, Pace
from pipeline.sinks.alerts import Told
from pipeline.sinks.heartbeat import Heartbeat, Pulse
from pipeline.sinks.meter import MeterSink
from pipeline.sinks.sink import Sink
from pipeline.sinks.stdout import StdoutSink
from pipeline.sinks.webhook import Patience, Webhook

__all__ = [
    "AlertmanagerSink",
    "Heartbeat",
    "HttpAccess",
    "MeterSink",
    "Pace",
    "Patience",
    "Pulse",
    "Sink",
    "StdoutSink",
    "Told",
    "Webhook",
]
