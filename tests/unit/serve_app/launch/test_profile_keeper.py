"""The launcher keeps the profiles of the settings current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serve_app.launch.profile_keeper import KEEP_S, ProfileKeeper
from serve_app.profiles import read_profiles
from serve_app.selection import Selected, select_models
from serve_app.settings import parse_settings
from serve_app.wire_client import WireError
from tests.unit.serve_app.building import write_version


class Platform:
    """One deployment, whose starts take longer and longer."""

    def __init__(self) -> None:
        self.num_asked = 0
        self.is_away = False

    def ask(self) -> list[dict[str, Any]]:
        self.num_asked += 1
        if self.is_away:
            raise WireError("nothing answers")
        return [{"deployment": "m-v1-cpu", "curve": [0.02, 0.004, 16], "starts_s": [float(self.num_asked)]}]


def select(root: Path, autoscaling: dict[str, Any] | None) -> list[Selected]:
    write_version(root, "m", "1")
    pools = [{"autoscaling": autoscaling}]
    options = {"repositories": [str(root)], "models": [{"name": "m", "pools": pools}]}
    return select_models(parse_settings(options, "test"))


def test_it_writes_once_in_a_while_and_at_the_end(tmp_path: Path) -> None:
    platform, path, said = Platform(), tmp_path / "p.yaml", []
    keeper = ProfileKeeper(path, select(tmp_path, {}), platform.ask, "the test", said.append, 0.0)
    for now_s in (1.0, KEEP_S - 1.0):
        keeper.look(now_s)
    assert platform.num_asked == 0
    for now_s in (KEEP_S, KEEP_S + 1.0, 2.0 * KEEP_S - 1.0):
        keeper.look(now_s)
    assert platform.num_asked == 1
    assert read_profiles(path)["m"]["1"]["cpu"].startup_s == 1.0
    keeper.keep()
    assert read_profiles(path)["m"]["1"]["cpu"].startup_s == 2.0
    assert said == []


def test_why_it_cannot_is_told_once(tmp_path: Path) -> None:
    platform, said = Platform(), []
    platform.is_away = True
    keeper = ProfileKeeper(tmp_path / "p.yaml", select(tmp_path, {}), platform.ask, "the test", said.append, 0.0)
    keeper.keep()
    keeper.keep()
    assert said == ["what was learned is not kept: nothing answers"]
    assert platform.num_asked == 2


def test_without_a_file_in_the_settings_or_a_policy_of_ours_nothing_is_asked(tmp_path: Path) -> None:
    platform = Platform()
    ray = select(tmp_path / "ray", {"policy": "ray"})
    for path, selected in ((None, select(tmp_path, {})), (tmp_path / "p.yaml", ray)):
        keeper = ProfileKeeper(path, selected, platform.ask, "the test", lambda _line: None, 0.0)
        keeper.look(KEEP_S)
        keeper.keep()
    assert platform.num_asked == 0
