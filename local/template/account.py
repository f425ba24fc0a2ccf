"""The account and region that a stack here pretends to be in."""

from __future__ import annotations

ACCOUNT = "123456789012"
REGION = "us-east-1"
