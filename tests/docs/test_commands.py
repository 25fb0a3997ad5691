"""Commands that the documents quote are understood by the programs they name: subcommand, options and their values.

What README.md tells a newcomer is run as well (test_readme.py).
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

import pytest

from pipeline.cli import COMMANDS
from tests.docs.blocks import ROOT, Command, commands, documents, spans

ENDS = {"|", ">", ">>", "<", ";", "&&", "||", "&", "2>", "2>&1"}
PROGRAM = re.compile(r"^(?:\w+=\S+ )*(?=seamwatch |python -m |make )")
MAKEFILE = (ROOT / "Makefile").read_text()


class Understood(Exception):  # no error: it ends a program before it does anything
    """A parser took its words."""


class NotUnderstoodError(ValueError):
    """Why a command would not run."""


def refuse(why: str, cause: BaseException | None = None) -> NoReturn:
    raise NotUnderstoodError(why) from cause


class _Parser(argparse.ArgumentParser):
    """Says what is wrong instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def words_of(text: str) -> list[str]:
    """Of its first program; no comment, nothing that the shell does with its output."""
    words = shlex.split(PROGRAM.sub("", text).replace("\\\n", " "), comments=True)
    end = next((at for at, word in enumerate(words) if word in ENDS), len(words))
    return words[:end]


def understand(words: Sequence[str], monkeypatch: pytest.MonkeyPatch, *, whole: bool = True) -> None:
    """Raises NotUnderstoodError. whole: with all that is required; else options alone are looked at."""
    match words:
        case ["seamwatch", name, *rest] if name in COMMANDS:
            parser = _Parser(prog=f"seamwatch {name}", allow_abbrev=False)
            import_module(f"pipeline.cli.{name}").configure(parser)
            _parse(parser, rest, whole)
        case ["seamwatch", name, *_]:
            refuse(f"there is no subcommand {name}")
        case ["python", "-m", module, *rest]:
            _module(module, rest, monkeypatch)
        case ["make", target, *rest]:
            _make(target, rest, monkeypatch)


def _parse(parser: argparse.ArgumentParser, words: Sequence[str], whole: bool) -> None:
    if whole:
        parser.parse_args(words)
        return
    known = set(_options(parser))
    for word in words:
        if word.startswith("--") and word.split("=")[0] not in known:
            refuse(f"{parser.prog} has no {word}")


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Of it and of its subcommands."""
    for action in parser._actions:  # argparse has no public way to ask
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _options(below)


def _module(name: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program of the tests: its `main` is run up to where it has read its words."""
    spec = find_spec(name)
    if spec is None:
        refuse(f"there is no module {name}")
    if not words:
        return
    if spec.submodule_search_locations is not None:
        name += ".__main__"
    parse = argparse.ArgumentParser.parse_args

    def parse_and_end(self: argparse.ArgumentParser, args: Sequence[str] | None = None) -> None:
        parse(self, args)
        raise Understood

    with monkeypatch.context() as context:
        context.setattr(sys, "argv", [name, *words])
        context.setattr(argparse.ArgumentParser, "parse_args", parse_and_end)
        try:
            import_module(name).main()
        except Understood:
            return
        except SystemExit as ended:
            refuse(f"{name} does not know {shlex.join(words)}", ended)
    refuse(f"{name} takes no options")


def _make(target: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a target: what `ARGS` becomes in its recipe."""
    found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    if found is None:
        refuse(f"make has no target {target}")
    for word in words:
        name, _, value = word.partition("=")
        if name != "ARGS":
            refuse(f"make {target} takes ARGS, not {name}")
        recipe = [
            line.strip().lstrip("@").replace("$(BIN)/", "") for line in found[1].splitlines() if "$(ARGS)" in line
        ]
        if not recipe:
            refuse(f"make {target} takes no ARGS")
        understand(words_of(recipe[0].replace("$(ARGS)", value)), monkeypatch)


def quoted() -> Iterator[tuple[str, Command, bool]]:
    """Document, command, and whether it is quoted whole: in prose it may be named by its subcommand alone."""
    for document in documents():
        text, name = document.read_text(), str(document.relative_to(ROOT))
        for whole, found in ((True, commands(text)), (False, spans(text))):
            for command in found:
                if PROGRAM.match(command.text):
                    yield name, command, whole


def test_every_command_that_is_quoted_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, seen = [], 0
    for document, command, whole in quoted():
        seen += whole
        try:
            # In prose a value may be left open.
            understand(words_of(command.text if whole else command.text.replace("…", "1")), monkeypatch, whole=whole)
        except NotUnderstoodError as error:
            wrong.append(f"{document}:{command.line}: {command.text}: {error}")
    assert wrong == []
    assert seen > 40


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("seamwatch replya month.ndjson", "no subcommand replya"),
        ("seamwatch replay --reports r.html month.ndjson", "--reports"),
        ("seamwatch replay --report r.html", "FILE"),
        ("seamwatch incident acknowledge 5d2f --by anna", "acknowledge"),
        ("python -m tests.bench.page", "no module"),
        ("python -m tests.bench.pages --cohort-count 3", "does not know"),
        ("python -m tests.detect.measure_nothing --x", "no module"),
        ("make lintt", "no target"),
        ("make lint ARGS=--fix", "takes no ARGS"),
        ("make bench-detect ARGS='--seed-numbers 1-3'", "does not know"),
        ("make demo ARGS=--exit-when-over  # soon", "--exit-when-over"),
    ],
)
def test_what_would_not_run_is_found(text: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotUnderstoodError, match=re.escape(why)):
        understand(words_of(text), monkeypatch)


def test_commands_are_found_with_their_lines_here_documents_and_continuations() -> None:
    text = "a\n```sh\nx\ncat > f <<'E'\n1\nE\ny \\\n  z # until Ctrl-C: z\n```\n```yaml\nno\n```\n"
    found = list(commands(text))
    assert found == [
        Command(3, "x", 1),
        Command(4, "cat > f <<'E'\n1\nE", 1),
        Command(7, "y \\\n  z # until Ctrl-C: z", 1),
    ]
    assert [command.stays for command in found] == [False, False, True]
    assert words_of("A=1 seamwatch check \\\n  'a b' > f # c") == ["seamwatch", "check", "a b"]
