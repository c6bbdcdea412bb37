"""Every command names a function that exists: its module is imported only when the command runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mdm.cli import main

PLACES = sorted({place for command in main.COMMANDS.values() for place in (command.run, command.arguments) if place})


@pytest.mark.parametrize("place", PLACES)
def test_the_function_of_a_command_exists(place: str) -> None:
    assert callable(main.find_function(place))


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: cartable {name}" in capsys.readouterr().out


def test_an_interrupted_command_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(main.COMMANDS, "up", replace(main.COMMANDS["up"], call=interrupt))
    assert main.main(["up"]) == 130
    assert capsys.readouterr().err == "\nArrêté. / Stopped.\n"
