from dataclasses import replace
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from bench.load.result import Bin
from bench.report.plot_burst import time_line
from bench.report.plot_load import LoadCurve, goodput, load_curves
from bench.report.plot_style import styles
from bench.report.plots import bars, latencies
from bench.report.summary import ScenarioSummary, by_system, summarize, system_names
from bench.results import Measurement, Results
from tests.unit.bench.report.building import load, measurement, only, varied


def draw_all(results: Results, scenario: ScenarioSummary) -> list[str]:
    looks = styles(system_names(results), "headrace", "raw-loop")
    measured: dict[str, list[Measurement]] = {
        system: list(ones.values()) for system, ones in by_system(results, scenario.name).items()
    }
    return [bars(scenario, looks), latencies(scenario, measured, looks), time_line(scenario, measured, looks)]


def text_of(svg: str) -> str:
    return " ".join(
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if "text" in element.tag
    )


@pytest.mark.parametrize("num_repetitions", [0, 1, 5])
def test_every_scenario_can_be_drawn(num_repetitions: int) -> None:
    results = varied(num_repetitions)
    before = dict(mpl.rcParams)
    for scenario in summarize(results).scenarios:
        for svg in draw_all(results, scenario):
            assert svg.startswith("<svg")
            assert ElementTree.fromstring(svg).attrib["role"] == "img"
    assert dict(mpl.rcParams) == before


def test_missing_systems_are_named_in_the_bars() -> None:
    results = varied()
    scenario = summarize(results).scenarios[0]
    text = text_of(draw_all(results, scenario)[0])
    assert "gone" in text
    assert "no wheel for this <machine>" in text
    assert "headrace" in text


def test_lines_are_labelled_beside_them() -> None:
    results = varied()
    text = text_of(draw_all(results, summarize(results).scenarios[2])[1])
    assert {"headrace", "peer", "SLO"} <= set(text.split())
    assert "dead" not in text


def test_a_scenario_of_errors_alone_can_be_drawn() -> None:
    results = only(varied(), "dead")
    bar, latency, time = draw_all(results, summarize(results).scenarios[3])
    assert "nothing was measured" in text_of(latency)
    assert "nothing was measured" in text_of(time)
    assert "dead" in text_of(bar)


def test_a_dollar_or_a_tag_in_a_name_is_text() -> None:
    results = varied()
    results.systems["$x_1$ <b>"] = "odd"
    results.measurements.append(measurement("$x_1$ <b>", "echo-64", 0, load()))
    bar, latency, _ = draw_all(results, summarize(results).scenarios[0])
    assert "$x_1$ <b>" in text_of(bar)
    assert "$x_1$ <b>" in text_of(latency)


def test_a_plot_is_the_same_each_time_and_its_ids_are_its_own() -> None:
    results = varied()
    first, second = summarize(results).scenarios[:2]
    assert draw_all(results, first) == draw_all(results, first)
    ids = [
        element.attrib["id"]
        for scenario in (first, second)
        for svg in draw_all(results, scenario)
        for element in ElementTree.fromstring(svg).iter()
        if "id" in element.attrib
    ]
    assert len(ids) == len(set(ids))


def test_a_time_line_without_tails_can_be_drawn() -> None:
    silent = tuple(Bin(0.5 * index, 10, 0, 10, None) for index in range(4))
    results = varied(1)
    results.measurements = [replace(one, load=replace(one.load, timeline=silent)) for one in results.measurements]
    assert "p99" in text_of(draw_all(results, summarize(results).scenarios[4])[2])


def test_load_curves_are_of_steady_loads_of_one_workload() -> None:
    (curve,) = load_curves(varied())
    assert (curve.workload, curve.slo_s) == ("minilm", 0.5)
    points = curve.points["headrace"]
    assert [round(point.offered_per_s) for point in points] == [100, 400]
    assert points[1].goodput_per_s == pytest.approx(200, rel=0.05)
    assert points[1].rejected_ratio == pytest.approx(0.5, abs=0.05)
    assert points[1].failed_ratio == 0
    assert curve.points["dead"][0].failed_ratio == 1
    text = text_of(goodput(curve, styles(list(curve.points), "headrace", "raw-loop")))
    assert "headrace" in text


def test_one_load_is_no_curve_and_an_empty_one_can_be_drawn() -> None:
    results = varied()
    del results.scenarios["high"]
    assert load_curves(results) == []
    assert "nothing was measured" in text_of(goodput(LoadCurve("minilm", None, {}), {}))
