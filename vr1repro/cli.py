"""The command line: evaluate, grade, look at and keep runs; and what the workflow's rules call (`vr1repro stage`)."""

import errno
import importlib
import os
import sys
from pkgutil import iter_modules
from typing import Annotated

import typer

import vr1repro
from vr1repro import commands
from vr1repro.core.errors import UserError
from vr1repro.core.mistakes import keep_traceback

# Failures of a place on the disk that a command line names.
_PLACES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOSPC)

app = typer.Typer(
    name="vr1repro",
    help="Reproduce Vision-R1 (arXiv 2503.06749), and evaluate any model under its benchmarks' protocols.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(vr1repro.__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Nothing runs before a command."""


def _add_commands() -> None:
    """The commands of every module in `vr1repro/commands`, by name."""
    modules = [importlib.import_module(f"{commands.__name__}.{info.name}") for info in iter_modules(commands.__path__)]
    registered = [command for module in modules if hasattr(module, "app") for command in module.app.registered_commands]
    app.registered_commands.extend(
        sorted(registered, key=lambda command: str(command.name or getattr(command.callback, "__name__", "")))
    )


_add_commands()


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def stage(context: typer.Context) -> None:
    """The jobs of the workflow; its rules call them."""
    from vr1repro import jobs

    jobs.main(context.args)


def main() -> None:
    """Run the command line; a mistake of the user's is one message and its exit code, no traceback.

    A mistake of ours is one line too, and exit code 1; its traceback is kept (`core.mistakes`).
    """
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(error.status)
    except BrokenPipeError:
        # The reader of our output went away (`vr1repro ... | head`); it has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _PLACES and error.filename is not None:
            message = f"{error.filename}: {error.strerror}; give a place that can be written"
            typer.secho(f"error: {message}", fg="red", err=True)
            sys.exit(UserError.status)
        typer.secho(f"error: {keep_traceback(error, here=sys.argv[1:2] == ['stage'])}", fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
