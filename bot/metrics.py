"""What is counted while the program runs, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from bot.dialogue import Outcome

_REGISTRY = CollectorRegistry()
QUESTIONS = Counter("hotline_questions", "Questions by outcome", ["outcome"], registry=_REGISTRY)
SECONDS = Histogram(
    "hotline_reply_seconds",
    "From a question at the door to its reply on record",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    registry=_REGISTRY,
)
OUTBOX = Gauge("hotline_outbox", "Messages that wait to be sent or fetched", registry=_REGISTRY)
OPEN_CASES = Gauge("hotline_open_cases", "Cases without an answer", registry=_REGISTRY)
OVERDUE_CASES = Gauge("hotline_overdue_cases", "Of these, the ones after their deadline", registry=_REGISTRY)
STREAMS = Gauge("hotline_event_streams", "Pages kept up to date", registry=_REGISTRY)
for _outcome in Outcome:
    QUESTIONS.labels(_outcome)  # there from the first scrape on


def exposition() -> tuple[bytes, str]:
    """All of it in Prometheus's text format, and the type of that."""
    return generate_latest(_REGISTRY), CONTENT_TYPE_PLAIN_0_0_4
