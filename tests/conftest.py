"""Fixtures for every Python test; the servers behind them are in support/."""

from servers import minio  # noqa: F401
