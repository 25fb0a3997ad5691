"""What all tests share: the real services, how Hypothesis searches, and a last word on what was not run, or run twice.

A test asks for a service by its fixture. Where it cannot be had the test is skipped and says why; with CI=true it
fails, because a machine that checks the project must have all of them (tests/integration/install-services.sh).
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.integration import chromium as browser
from tests.integration import kafka_cluster, monitoring
from tests.integration.chromium import OpenPage
from tests.integration.kafka_cluster import KafkaCluster, StartCluster
from tests.integration.monitoring import Start
from tests.integration.program import HttpProgram
from tests.integration.services import IN_CI, need

# By fixture; each has a marker of the same name, so that `-m "not kafka"` works without marking tests by hand.
_SERVICES = {
    "kafka": "kafka",
    "kafka_clusters": "kafka",
    "kafka_jars": "kafka",
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "chromium": "chromium",
}

# In CI, where nobody is there to look, what waited in vain is tried once more and named in the last lines: brokers,
# browsers and a dozen processes share two cores, and may be late. A wrong result is a failure at once.
_LATE = [r"^\w*TimeoutError\b", "^Failed: Timeout", r"^KafkaException: KafkaError\{code=_TIMED_OUT"]
_SECOND_TRY = pytest.mark.flaky(reruns=1, only_rerun=_LATE)

# No deadline: how long one example takes on a shared machine says nothing. In CI the same examples each time, so that
# a change is judged by what it changed; a person's runs go on looking for new ones.
settings.register_profile("person", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if IN_CI else "person")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if IN_CI:
            item.add_marker(_SECOND_TRY)
        for fixture, marker in _SERVICES.items():
            if isinstance(item, pytest.Function) and fixture in item.fixturenames:
                item.add_marker(marker)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says last, where nobody overlooks it, which tests were not run and why, and which needed a second try."""
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    terminalreporter.section("not run")
    for reason, count in sorted(skipped.items()):
        terminalreporter.line(f"{count} skipped: {reason}")
    if not skipped:
        terminalreporter.line("nothing was skipped")
    late = terminalreporter.stats.get("rerun", [])
    if late:
        terminalreporter.section("late")
    for report in late:
        terminalreporter.line(f"needed a second try: {report.nodeid}: {_what_ended(report)}")


def _what_ended(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr).splitlines()[0]


def _reason(report: pytest.TestReport) -> str:
    # pytest gives the place and the reason of a skip as a triple.
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return why.removeprefix("Skipped: ")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a real Apache Kafka of one broker, which lives as long as the test run.

    All tests of a worker share it: use topics and groups with names of the test's own. Topics are not made on first
    use. A test that stops or kills a broker takes `kafka_clusters`.
    """
    need("Apache Kafka", kafka_cluster.missing())
    with KafkaCluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster.bootstrap


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The folder of the broker's jars, for a test that starts one in its own way."""
    need("Apache Kafka", kafka_cluster.missing())
    return kafka_cluster.fetch_jars()


@pytest.fixture
def kafka_clusters(tmp_path: Path) -> Iterator[StartCluster]:
    """Starts clusters of the test's own: `kafka_clusters(size=3, properties={...})`; they end with the test."""
    need("Apache Kafka", kafka_cluster.missing())
    with ExitStack() as started:

        def start(*, size: int = 1, properties: Mapping[str, str] | None = None) -> KafkaCluster:
            home = tmp_path / f"kafka-{len(list(tmp_path.glob('kafka-*')))}"
            return started.enter_context(KafkaCluster(home, size=size, properties=properties))

        yield start


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Start]:
    """Starts a real Prometheus: `prometheus(config)`, with the content of prometheus.yml; they end with the test."""
    need("Prometheus", monitoring.prometheus_missing())
    yield from _programs(tmp_path, monitoring.new_prometheus)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Start]:
    """Starts a real Alertmanager: `alertmanager(config)`, with the content of alertmanager.yml; as `prometheus`."""
    need("Alertmanager", monitoring.alertmanager_missing())
    yield from _programs(tmp_path, monitoring.new_alertmanager)


def _programs(tmp_path: Path, new: Callable[[Path, Mapping[str, object]], HttpProgram]) -> Iterator[Start]:
    with ExitStack() as started:

        def start(config: Mapping[str, object]) -> HttpProgram:
            home = tmp_path / f"{new.__name__}-{len(list(tmp_path.iterdir()))}"
            home.mkdir()
            program = new(home, config)
            started.callback(program.stop)
            program.start()
            return program

        yield start


@pytest.fixture
async def chromium() -> AsyncIterator[OpenPage]:
    """Opens pages in a real headless Chromium: `page = await chromium()`.

    The test fails at its end when a page asked for anything beyond loopback, or left an exception uncaught.
    """
    need("Chromium", browser.missing())
    async with browser.pages() as opened:
        yield opened.open
    if opened.faults:
        pytest.fail("\n".join(opened.faults), pytrace=False)
