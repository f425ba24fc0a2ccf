"""Structured logs, one JSON object a line, for CloudWatch and for the local console.

Tracer is left out on purpose: its import costs more than everything else in a cold start.
"""

from __future__ import annotations

import logging

from aws_lambda_powertools import Logger

logger = Logger()

# Lambda's JSON logging sets the root logger to INFO, and botocore tells where it found everything.
logging.getLogger("botocore").setLevel(logging.WARNING)
