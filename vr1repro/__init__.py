"""Reproducibility package and benchmark harness for Vision-R1 (arXiv 2503.06749)."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("vr1repro")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
