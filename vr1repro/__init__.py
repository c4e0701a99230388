"""Reproducibility package and benchmark harness for Vision-R1 (arXiv 2503.06749)."""


def __getattr__(name: str) -> str:
    """`__version__`, read when it is asked for: importlib.metadata alone is a tenth of a command's start."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vr1repro")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"
