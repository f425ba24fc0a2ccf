"""Structured logs, one JSON object a line, for CloudWatch and for the local console; and metrics,
which are such lines too.

Tracer is left out on purpose: its import costs more than everything else in a cold start.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = Logger()

# Lambda sets the root logger to the level of ours. Libraries would tell where they found everything
# at INFO, and at DEBUG with which credentials.
logging.getLogger().setLevel(logging.WARNING)

NAMESPACE = "Audio"

Metric = Literal[
    "Chunks",
    "ChunkBytes",
    "AckLatency",
    "SessionsOpened",
    "SessionsCompleted",
    "SessionsFailed",
    "JobsDone",
    "JobsRetried",
    "JobsFailed",
    "JobDuration",
    "RealTimeFactor",
    "Failures",
    "WebhooksDelivered",
    "WebhooksNotDelivered",
    "SseConsumers",
    "SseEvents",
]
UNITS: Mapping[Metric, MetricUnit] = {
    "ChunkBytes": MetricUnit.Bytes,
    "AckLatency": MetricUnit.Milliseconds,
    "JobDuration": MetricUnit.Milliseconds,
    "RealTimeFactor": MetricUnit.NoUnit,
}
"""All others are counts."""


def measure(values: Mapping[Metric, float], **dimensions: str) -> None:
    """Tells CloudWatch, by one log line in its embedded metric format, which costs no call. Of a
    dimension there must be few values, as each is a metric to pay for; `service` is always one.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE)
    for name, value in values.items():
        metrics.add_metric(name=name, unit=UNITS.get(name, MetricUnit.Count), value=value)
    for dimension, text in dimensions.items():
        metrics.add_dimension(name=dimension, value=text)
    metrics.flush_metrics()
