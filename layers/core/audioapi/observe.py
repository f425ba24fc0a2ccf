"""Structured logs, one JSON object a line, for CloudWatch and for the local console.

Tracer is left out on purpose: its import costs more than everything else in a cold start.
"""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger()
