from importlib import import_module

import pytest

from pipeline.cli import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: seamwatch {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_the_shape_that_the_command_line_relies_on(name: str) -> None:
    command = import_module(f"pipeline.cli.{name}")
    assert callable(command.configure)
    assert callable(command.run)


@pytest.mark.parametrize("words", [[], ["replya", "x"], ["--wrong"]])
def test_an_unknown_command_ends_2_and_says_which_there_are(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: seamwatch" in capsys.readouterr().err


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("seamwatch 0.")
