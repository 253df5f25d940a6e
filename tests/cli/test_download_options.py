"""Options of `soulmesh download` that say what to do before anybody is asked."""

from __future__ import annotations

from tests.cli.conftest import Command


def test_kinds_that_may_be_missing_belong_to_a_whole_folder(soulmesh: Command) -> None:
    done = soulmesh("download", "--folder", "--may-miss", "jpg", "eve", r"Music\Album")
    assert done.code == 2
    assert done.err == "error: --may-miss says what a --whole folder can do without\n"


def test_without_a_path_there_is_nothing_to_download(soulmesh: Command) -> None:
    assert soulmesh("download", "eve").code == 2
