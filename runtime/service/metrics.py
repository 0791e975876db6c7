"""The figures of a run over HTTP: `/metrics` for Prometheus, `/health` for whoever restarts or calls somebody."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, get_args
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from ..closing import Closing
from ..errors import InputError
from ..loop.run_state import CameraSnapshot, RunSnapshot, RunState
from ..require import require
from ..sources.source_events import SourceState
from .address import read_address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from prometheus_client.metrics_core import Metric


_REQUEST_S = 10.0
"""Who asks nothing for so long is left, with its thread."""


class MetricsServer(Closing):
    """Answers in threads of its own until it is closed.

    Args:
        address: `9090` or `0.0.0.0:9090`; port 0 leaves the choice to the system.
        state: of the run.

    Raises:
        InputError: it is no address, or its port is taken.
        MissingDependencyError: prometheus-client is not installed.
    """

    def __init__(self, address: str, state: RunState) -> None:
        host, port = read_address(address)
        require("prometheus_client", extra="metrics", why="--metrics")
        from prometheus_client import CollectorRegistry, make_wsgi_app

        registry = CollectorRegistry()
        registry.register(_StateCollector(state))
        try:
            self._server = _Server((host, port), _QuietHandler)
        except OSError as error:
            raise InputError(
                f"--metrics {address}: expected a free port of this machine, got: {error.strerror}. Name another."
            ) from error
        self._server.set_app(_app(state, make_wsgi_app(registry)))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def line(self) -> str:
        """The same for people."""
        return f"metrics: {self.url}/metrics, {self.url}/health"

    def close(self) -> None:
        """Free the port; a second time does nothing."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def complaints(snapshot: RunSnapshot) -> list[str]:
    """Say what is not as it should be; nothing where all is well.

    That is a camera while it is lost, when it has ended by an error or was given up, and while its results are older
    than promised.
    """
    found = []
    for camera in snapshot.cameras:
        if camera.state == "lost" or (camera.state == "ended" and camera.reason):
            found.append(f"{camera.name}: {camera.state}")
        elif camera.keeps_promise is False:
            found.append(f"{camera.name}: older than the promised {snapshot.promise_ms:g} ms")
    return found


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # untyped in its documentation
        """Say nothing of who asks and leaves, or asks nothing; what is our own fault keeps its trace."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def server_bind(self) -> None:
        """Take the port without asking the network for this machine's name, which may take seconds."""
        from socketserver import TCPServer

        TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    timeout = _REQUEST_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Log no request."""


def _app(state: RunState, metrics: Callable[..., Iterable[bytes]]) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start_response)
        if path == "/health":
            wrong = complaints(state.snapshot())
            status, text = ("503 Service Unavailable", "\n".join(wrong)) if wrong else ("200 OK", "ok")
        else:
            status, text = "404 Not Found", "/metrics or /health"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    return answer


class _StateCollector:
    """Makes metrics of what the run says at the moment of asking."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yield them, as Prometheus's client asks."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        snapshot = self._state.snapshot()
        for name, meaning, value in _FIGURES:
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            metric = family(f"singleshot_{name}", meaning, labels=["camera"])
            for camera in snapshot.cameras:
                metric.add_metric([camera.name], value(camera))
            yield metric
        yield from _labelled(snapshot)
        yield from _deliveries(snapshot)
        promise = GaugeMetricFamily("singleshot_promised_age_seconds", "The greatest age that was promised.")
        if snapshot.promise_ms is not None:
            promise.add_metric([], snapshot.promise_ms / 1e3)
        yield promise
        yield GaugeMetricFamily("singleshot_healthy", "Whether /health says ok.", value=not complaints(snapshot))
        yield GaugeMetricFamily(
            "singleshot_shedding", "Whether work is left out to keep the promised age.", value=bool(snapshot.shedding)
        )


_FIGURES: tuple[tuple[str, str, Callable[[CameraSnapshot], float]], ...] = (
    ("frames_total", "Frames with a result.", lambda camera: camera.frames),
    ("frames_per_second", "Results a second, over the last 10 s.", lambda camera: camera.frames_per_s),
    ("seconds_since_result", "Since the last result.", lambda camera: camera.quiet_s),
)
"""Name, meaning and value of what each camera has one of."""


def _labelled(snapshot: RunSnapshot) -> Iterator[Metric]:
    """Yield what a camera has several of."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    state = GaugeMetricFamily("singleshot_camera_state", "1 of the state it is in.", labels=["camera", "state"])
    dropped = CounterMetricFamily(
        "singleshot_dropped_frames_total", "Frames that were not looked at.", labels=["camera", "cause"]
    )
    age = GaugeMetricFamily(
        "singleshot_frame_age_seconds",
        "Age of the latest 1024 frames at a stage.",
        labels=["camera", "stage", "quantile"],
    )
    for camera in snapshot.cameras:
        for name in get_args(SourceState):
            state.add_metric([camera.name, name], camera.state == name)
        for cause, count in camera.drops.items():
            dropped.add_metric([camera.name, cause], count)
        for stage, ages in camera.ages.items():
            for quantile, value_ms in (("0.5", ages.p50_ms), ("0.95", ages.p95_ms), ("0.99", ages.p99_ms)):
                age.add_metric([camera.name, stage, quantile], value_ms / 1e3)
    yield from (state, dropped, age)


def _deliveries(snapshot: RunSnapshot) -> Iterator[Metric]:
    """Yield what became of events."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    sent = CounterMetricFamily("singleshot_events_sent_total", "Events that were taken.", labels=["target"])
    waiting = GaugeMetricFamily("singleshot_events_waiting", "Events that wait for who is told.", labels=["target"])
    away = GaugeMetricFamily("singleshot_event_target_away", "Whether it cannot be reached.", labels=["target"])
    dropped = CounterMetricFamily(
        "singleshot_events_dropped_total", "Events, pictures and clips that are lost.", labels=["target", "cause"]
    )
    for counts in snapshot.deliveries:
        sent.add_metric([counts.target], counts.sent)
        waiting.add_metric([counts.target], counts.waiting)
        away.add_metric([counts.target], bool(counts.away))
        for cause, count in counts.dropped.items():
            dropped.add_metric([counts.target, cause], count)
    yield from (sent, waiting, away, dropped)
