"""The bundles that nodes should have room for."""

from __future__ import annotations

import pytest

from serve_app.node_floor import Reserved, bundles

GPU = {"GPU": 1.0, "CPU": 2.0}


@pytest.mark.parametrize(("in_hour", "num"), [(None, 2), (0, 2), (1, 2), (3, 3), (5, 5), (9, 5)])
def test_room_for_what_the_hour_takes_within_the_bounds(in_hour: int | None, num: int) -> None:
    assert bundles([Reserved("m", GPU, 2, 5)], {"m": {"replicas_in_hour": in_hour}}) == [GPU] * num


def test_what_is_not_scaled_or_has_said_nothing_yet_counts_at_rest() -> None:
    """The autoscaler compares the bundles with the whole cluster: what is left out would have to share their room."""
    reserved = [
        Reserved("m", GPU, 0, 5),
        Reserved("n", {"CPU": 1.0}, 3, 3),
        Reserved("o", {"CPU": 1.5}, 1, 4),
        Reserved("free", {}, 2, 2),
    ]
    found = bundles(reserved, {"o": {"now": None}, "gone": {"replicas_in_hour": 7}})
    assert found == [*[{"CPU": 1.0}] * 3, {"CPU": 1.5}]
