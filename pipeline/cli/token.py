"""`seamwatch token`: a token for somebody, and the line of the file that lets it in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.web.access import TokenFileError, new_token, parse_tokens


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="whose it is; stands beside what is done with it")
    parser.add_argument("--may", choices=("read", "act"), default="read", help="act: read as well (default read)")
    parser.add_argument("--to", metavar="FILE", help="append the line to this file (web_tokens_file), not print it")
    parser.epilog = (
        "The token is printed once and kept nowhere; the file has its hash. Exit status: 0 it is made; "
        "2 unusable arguments."
    )


def run(arguments: argparse.Namespace) -> int:
    token, line = new_token(arguments.name, arguments.may)
    try:
        before = Path(arguments.to).read_text(encoding="utf-8") if arguments.to and Path(arguments.to).exists() else ""
        parse_tokens(f"{before.rstrip()}\n{line}\n")
        if arguments.to:
            with Path(arguments.to).open("a", encoding="utf-8") as file:
                file.write(("" if not before or before.endswith("\n") else "\n") + line + "\n")
    except TokenFileError as error:
        print(f"seamwatch token: {arguments.to or 'the name'}, line {error.args[0]}: {error.args[1]}", file=sys.stderr)
        return 2
    except (OSError, UnicodeDecodeError) as error:
        print(f"seamwatch token: {arguments.to}: {error}", file=sys.stderr)
        return 2
    print(token)
    if not arguments.to:
        print(f"the line for web_tokens_file: {line}", file=sys.stderr)
    return 0
