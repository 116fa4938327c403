"""The command line: `python run.py --help`. What each command does stands in `commands/`."""

from __future__ import annotations

import logging
import signal
import sys

import typer
from typer.core import TyperGroup

from commands.calibrating import board, calibrate
from commands.compiling import compile, export
from commands.measuring import bench, doctor
from commands.recording import record, take
from commands.reproducing import reproduce
from commands.surveying import datasets
from commands.synthesising import synth
from commands.teaching import finetune, label, weights
from commands.training import evaluate, pretrain
from commands.watching import demo, live

DEFAULT = "live"
INTERRUPTED = 130
COMMANDS = (
    live, demo, record, take, label, finetune, weights, pretrain, synth, evaluate, board, calibrate, bench,
    compile, export, doctor, reproduce,
)  # fmt: skip


class LiveByDefault(TyperGroup):
    """`python run.py --camera 0` is `python run.py live --camera 0`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Puts the default command in front where none is named."""
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=LiveByDefault,
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    help="Real-time 3D human pose from one ordinary camera.\n\n"
    "Without a command the live view runs: `python run.py --camera 0`, `python run.py --video FILE`; "
    "its options: `python run.py live --help`.",
    epilog="Everywhere: --verbose says more, --debug shows tracebacks.",
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(datasets, name="datasets")


def main(arguments: list[str]) -> int:
    """Runs a command; the exit status. 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    debug, verbose = "--debug" in arguments, "--verbose" in arguments
    arguments = [a for a in arguments if a not in ("--debug", "--verbose")]
    logging.basicConfig(level=logging.INFO if verbose or debug else logging.WARNING, format="%(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service that is stopped closes its files as well
    try:
        status = typer.main.get_command(app)(arguments, prog_name="python run.py", standalone_mode=False)
    except typer.TyperException as error:
        print(f"usage: {error.format_message()} `python run.py --help` lists what there is", file=sys.stderr)
        return error.exit_code
    except Exception as error:  # the last place that can turn a fault into one line
        if debug:
            raise
        return _failed(error)
    if status == INTERRUPTED:  # typer's own word for Ctrl-C
        print("interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _failed(error: Exception) -> int:
    """One line on stderr; what nobody foresaw says how to see more."""
    from calib.errors import UserError as CalibError
    from engine.errors import UserError, library_advice

    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        text = f"{error.name} is not installed; `pip install -e .` (training: `pip install -e '.[train]'`)"
    elif isinstance(error, ImportError) and (advice := library_advice(error)):
        text = advice
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif not isinstance(error, (UserError, CalibError)):
        text = f"{type(error).__name__}: {text} (this should not happen; `--debug` shows where)"
    print(f"error: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
