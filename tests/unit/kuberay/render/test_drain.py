"""Tests of `kuberay.render.drain`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuberay.render.drain import LAG_S, NOTICE_S, STOP_S, drain
from kuberay.render.errors import RenderError
from kuberay.settings import ClusterSettings
from tests.unit.kuberay.render.building import GROUP, cluster

SPOT = GROUP | {"name": "spot", "market": "spot", "min_nodes": 0}


def with_spot(provider: str, drain_s: float | None) -> ClusterSettings:
    return cluster(provider=provider, drain_s=drain_s, groups=[GROUP, SPOT])


@given(
    st.sampled_from(["kind", "eks", "gke", "aks"]),
    st.none() | st.floats(1, 400),
    st.floats(0.5, 200),
    st.sampled_from([0, 1]),
)
def test_everything_fits_or_is_refused(provider: str, drain_s: float | None, serve_s: float, index: int) -> None:
    settings = with_spot(provider, drain_s)
    group = settings.groups[index]
    notice_s = NOTICE_S.get(settings.provider, float("inf")) if group.market == "spot" else float("inf")
    try:
        times = drain(settings, group, serve_s)
    except RenderError:
        # Refused only where it does not fit, to a second.
        assert LAG_S + max(serve_s, 2.0) + STOP_S > min(notice_s, drain_s or float("inf")) - 1
        return
    assert LAG_S + serve_s + STOP_S <= times.grace_s <= notice_s
    assert times.leave_s + STOP_S <= times.grace_s
    assert LAG_S + serve_s <= times.leave_s, "Serve ends its replicas within the time that Ray is told of"


def test_a_spot_pod_has_the_whole_notice_and_others_a_minute_beside() -> None:
    settings = with_spot("eks", None)
    assert [drain(settings, group, 30.0) for group in settings.groups] == [(97, 92), (120, 115)]


def test_it_says_what_to_set() -> None:
    with pytest.raises(RenderError) as refused:
        drain(with_spot("gke", None), with_spot("gke", None).groups[1], 30.0)
    assert str(refused.value) == (
        "group 'spot': gke ends a spot node 30 s after its notice, and to drain takes 37 s; set drain_s in "
        "platform.yaml to at most 23 (it is 30)"
    )
    with pytest.raises(RenderError) as refused:
        drain(with_spot("kind", 20.0), with_spot("kind", 20.0).groups[0], 30.0)
    assert str(refused.value) == (
        "drain_s 20 is too short: the platform's drain_s of 30 s with what a stop takes beside it needs 37 s; "
        "raise it, or lower drain_s in platform.yaml"
    )
