"""The backend that duckdb's own wraps; see sdist_metadata."""

from sdist_metadata import *  # noqa: F403
