"""The name nanoarrow gives its build backend; see sdist_metadata."""

from sdist_metadata import *  # noqa: F403
