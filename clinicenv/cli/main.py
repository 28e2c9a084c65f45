"""The command `clinicenv`: finds the verb, imports only its module, and turns errors into one sentence."""

import os
import sys
from importlib import import_module

import click

from clinicenv import __version__
from clinicenv.files import InputError

VERBS = {
    "run": ("clinicenv.cli.run:run", "Play many consultations and keep them in a run's folder."),
    "show": ("clinicenv.cli.show:show", "Show a run's summary, or one consultation."),
    "score": ("clinicenv.cli.score:score", "Score a run by all rules, or one consultation."),
    "compare": ("clinicenv.cli.compare:compare", "Compare doctors: intervals, paired differences, ranks."),
    "export": ("clinicenv.cli.export:export", "Write a run as an Inspect AI log, or as Parquet."),
    "report": ("clinicenv.cli.report:report", "Make a page about runs that opens without a network."),
    "play": ("clinicenv.cli.play:play", "Be the doctor yourself, line by line."),
    "scenarios": ("clinicenv.cli.scenarios:scenarios", "List, show, lint and write scenarios."),
    "agents": ("clinicenv.cli.agents:agents", "List, show, check and start agent cards."),
    "models": (
        "clinicenv.cli.models:models",
        "List models that can be used here, and check what they can do.",
    ),
    "import": ("clinicenv.cli.importing:import_", "Turn public case files into scenarios."),
    "check": ("clinicenv.cli.check:check", "Say what is installed and missing, and what to do about it."),
}


class Verbs(click.Group):
    """The verbs; a verb's module is imported when it is called, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clinicenv")
def cli() -> None:
    """A simulation environment for clinical dialogue. It simulates; it is no medical device."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and exits: 0 done, 1 some consultations failed, 2 wrong input, 130 interrupted."""
    sys.exit(call(arguments))


def call(arguments: list[str] | None = None) -> int:
    """The exit code of a command line."""
    try:
        code = cli.main(args=arguments, prog_name="clinicenv", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except InputError as e:
        click.echo(f"clinicenv: {e}", err=True)
        return 2
    except click.ClickException as e:
        e.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("clinicenv: interrupted; what is finished is kept", err=True)
        return 130
    except BrokenPipeError:  # the reader of our output is gone, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    main()
