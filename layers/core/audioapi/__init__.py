"""The audio backend's own package: everything its Lambda functions do, by family."""

__version__ = "0.1.0"
