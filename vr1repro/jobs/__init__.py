"""`vr1repro stage JOB`: what each rule of the workflow runs, a module a job.

A job finds its settings and inputs through the config and the plan, calls one function of its stage, and closes its
folder with a manifest. Only the named job's module is imported, for a rule's code hash covers that module and all that
it imports.
"""

import importlib
from collections.abc import Sequence

# Name on the command line to module; each has a function `run`.
JOBS = {
    name: f"{__name__}.{name.replace('-', '_')}"
    for name in (
        *("problems", "lab-model", "fetch-model", "bridge", "coldset", "overlap", "released-coldset"),
        *("sft", "rl", "elsewhere"),
        *("evaluate", "extract", "judge", "grade", "select", "lengths", "tables", "figures", "report"),
    )
}


def main(arguments: Sequence[str]) -> None:
    """Run the job that the first argument names; without one, show all."""
    import typer  # a warm start's client imports this package, and waits for nothing

    named = arguments[0] if arguments and arguments[0] in JOBS else None
    app = typer.Typer(help="The jobs of the workflow; its rules call them.", no_args_is_help=True, add_completion=False)
    app.callback()(_no_options)
    for name in JOBS if named is None else [named]:
        app.command(name)(importlib.import_module(JOBS[name]).run)
    app(list(arguments), prog_name="vr1repro stage")


def _no_options() -> None:
    """The jobs of the workflow; its rules call them."""
