"""The options, and what they lead to. Those that httpx's command has too have its names, short forms and defaults."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Any, BinaryIO

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem, get_completion_class

from ..__version__ import __version__
from .._exceptions import RequestError
from .request import Options, UsageError
from .terminal import FILE_FAILURE, OutputError, Terminal

__all__ = ["execute", "main"]

SUCCESS, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses, with FILE_FAILURE: docs/cli.md has what they mean."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE")
_FIELD_NAMES = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "User-Agent",
)
_SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "httpfast"


def execute(options: Options, terminal: Terminal) -> int:
    """Do what the options ask for. Returns the exit status.

    Raises:
        click.UsageError: they do not fit together.
    """
    try:
        return SUCCESS if _dispatch(options, terminal) else FAILURE
    except RequestError as error:
        terminal.tell_error(type(error).__name__, str(error))
        return FAILURE
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    except OutputError as error:
        if str(error):
            terminal.tell_error("Error", str(error))
        return FILE_FAILURE
    except OSError as error:
        # Of a file that was to be read; those of the network are RequestErrors.
        terminal.tell_error("Error", str(error))
        return FILE_FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED


def _dispatch(options: Options, terminal: Terminal) -> bool:
    if options.curl:
        return _print_curl(options, terminal)
    if options.repeat is not None:
        from .load import load

        return load(options, terminal)
    from .fetch import fetch

    return fetch(options, terminal)


def _print_curl(options: Options, terminal: Terminal) -> bool:
    from .curl import curl_command
    from .display import request_head
    from .fetch import build, open_client

    with open_client(options) as client:
        request = build(client, options)
        command = curl_command(options, request)
    if options.verbose:
        terminal.tell(request_head(request, "HTTP/1.1", show_secrets=options.show_secrets))
    # Not `show`: what was typed goes out as it was typed, for it will be typed again.
    click.echo(command.encode("utf-8", "surrogateescape"))
    return True


def _parse_json(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[Any] | None:
    if value is None:
        return None
    try:
        return (jsonlib.loads(value),)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"Not valid JSON: {error}") from error


def _ask_password(
    context: click.Context, parameter: click.Parameter, value: tuple[str, str] | None
) -> tuple[str, str] | None:
    # Left out, it is None or a tuple of that, by the version of click.
    if not value or value[0] is None:
        return None
    username, password = value
    if password == "-" and not context.resilient_parsing:
        password = click.prompt("Password", hide_input=True, err=True)
    return username, password


def _print_completion(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None or context.resilient_parsing:
        return
    shell = get_completion_class(value)
    assert shell is not None
    click.echo(shell(main, {}, _PROGRAM, f"_{_PROGRAM.upper()}_COMPLETE").source())
    context.exit()


def _complete_method(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(method) for method in _METHODS if method.startswith(incomplete.upper())]


def _complete_field(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in _FIELD_NAMES if name.lower().startswith(incomplete.lower())]


@click.command(
    epilog="Exit status: 0 for an answer of 2xx; 1 for another answer, or none; 2 for wrong options; 3 for a file that "
    "cannot be read or written; 130 when interrupted.",
)
@click.argument("url")
@click.option(
    "--method",
    "-m",
    metavar="METHOD",
    shell_complete=_complete_method,
    help="The request's method.  [default: GET, or POST if there is a body]",
)
@click.option("--params", "-p", type=(str, str), multiple=True, metavar="NAME VALUE", help="Add to the URL's query.")
@click.option("--content", "-c", metavar="TEXT", help="A body, as it is.")
@click.option("--data", "-d", type=(str, str), multiple=True, metavar="NAME VALUE", help="Add a field of a form.")
@click.option(
    "--files",
    "-f",
    type=(str, click.File("rb")),
    multiple=True,
    metavar="NAME FILE",
    help="Add a file to a form. - is standard input.",
)
@click.option("--json", "-j", metavar="TEXT", callback=_parse_json, help="A body of JSON.")
@click.option(
    "--headers",
    "-h",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    shell_complete=_complete_field,
    help="Add a header field.",
)
@click.option("--cookies", type=(str, str), multiple=True, metavar="NAME VALUE", help="Add a cookie.")
@click.option(
    "--auth",
    type=(str, str),
    default=None,
    metavar="USER PASSWORD",
    callback=_ask_password,
    help="Credentials for Basic authentication. - for the password asks for it.",
)
@click.option("--proxy", metavar="URL", help="Go by this proxy: http, https, socks5 or socks5h.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to connect, and to wait each time that something is read or written.",
)
@click.option("--follow-redirects", is_flag=True, help="Follow redirects.")
@click.option("--no-verify", "verify", is_flag=True, default=True, flag_value=False, help="Do not check certificates.")
@click.option("--http2", is_flag=True, help="Speak HTTP/2 with servers that do.")
@click.option(
    "--download",
    metavar="FILE",
    type=click.Path(),
    help="Save the body: in a file; in a new file of a folder, named by the response; - is standard output.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show the connection, its certificate, and the request.")
@click.option(
    "--show-secrets",
    is_flag=True,
    envvar="HTTPFAST_SHOW_SECRETS",
    show_envvar=True,
    help="Show credentials and cookies, which are masked otherwise.",
)
@click.option("--timings", is_flag=True, help="Show where the time went.")
@click.option(
    "--repeat", type=click.IntRange(min=1), metavar="N", help="Send the request N times, and show how long that took."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), default=1, metavar="N", help="With --repeat: N at a time."
)
@click.option("--curl", is_flag=True, help="Send nothing: print the curl command that would.")
@click.option(
    "--completion",
    type=click.Choice(_SHELLS),
    is_eager=True,
    expose_value=False,
    callback=_print_completion,
    help="Print the shell's completion script.",
)
@click.version_option(__version__, prog_name=_PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def main(
    context: click.Context,
    /,
    params: tuple[tuple[str, str], ...],
    files: tuple[tuple[str, BinaryIO], ...],
    **values: Any,
) -> None:
    """A next generation HTTP client.

    Sends a request and shows the response. To a file or a pipe, only its body goes, as it is.
    """
    options = Options(params=params, files=files, **values)
    options.is_timeout_given = context.get_parameter_source("timeout") is not ParameterSource.DEFAULT
    _check(context, options)
    try:
        terminal = Terminal.of_process(is_raw=options.download == "-")
    except OutputError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(FILE_FAILURE)
    sys.exit(execute(options, terminal))


def _check(context: click.Context, options: Options) -> None:
    """Refuse options that say nothing together. Raises click.UsageError."""
    if options.repeat is None:
        if context.get_parameter_source("concurrency") is not ParameterSource.DEFAULT:
            raise click.UsageError("--concurrency goes with --repeat")
        return
    for name in ("download", "timings", "verbose", "curl"):
        if getattr(options, name):
            raise click.UsageError(f"--{name} does not go with --repeat")
