"""Entry point of the `advet` command: maps errors to messages and exit codes."""

import sys

import rich_click as click

from consumer.cli.root import advet
from consumer.errors import AdvetError, SettingsInvalid, StartRefused

EXIT_FAILURE, EXIT_USAGE, EXIT_PREFLIGHT, EXIT_INTERRUPTED = 1, 2, 4, 130


def main() -> None:
    """Runs the command line; never shows a stack trace for an error raised on purpose."""
    try:
        code = advet.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except AdvetError as error:
        click.echo(f"advet: {error}", err=True)
        code = _exit_code(error)
    sys.exit(code if isinstance(code, int) else 0)


def _exit_code(error: AdvetError) -> int:
    if isinstance(error, SettingsInvalid):
        return EXIT_USAGE
    return EXIT_PREFLIGHT if isinstance(error, StartRefused) else EXIT_FAILURE


if __name__ == "__main__":
    main()
