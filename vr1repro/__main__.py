"""The program `vr1repro`: a job of the workflow starts warm where it can, everything else is the command line's."""

import sys

from vr1repro.jobs.warm.client import end_as, run_warm


def main() -> None:
    """Run the command line."""
    if (code := run_warm("vr1repro.cli", sys.argv[1:])) is not None:
        end_as(code)
    from vr1repro import cli  # half a second, which a waiting job need not pay

    cli.main()


if __name__ == "__main__":
    main()
