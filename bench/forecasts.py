"""Forecasts of an hour ahead on the development series: `python -m bench.forecasts --traces DIR [--series taxi ...]`.

Every bin is shown to the forecaster once, in order; what it then says of an hour later is scored when that bin comes.
The first 40 % of a series is not scored. WAPE is the sum of absolute errors over the sum of what came, so that series
of any size compare. One setting serves all series.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from autoscaling.policy.capacity import Capacity
from autoscaling.policy.hour_ahead.forecaster import HourAhead
from autoscaling.policy.hour_ahead.predictors import NAMES

LEAD_S = 3600.0
QUANTILE = 0.9
SCORED_FROM = 0.4
"""Share of a series after which forecasts are scored."""

UNIT = Capacity(1.0, 1.0, 1.0)
"""A replica of one request a second: only whether there is a floor matters here."""

Rates = NDArray[np.float64]


class Series(NamedTuple):
    """Rates of equal bins.

    Attributes:
        bin_s: Length of a bin, seconds.
        rates: Of each bin, in whatever unit; NaN where nothing is known.
    """

    bin_s: float
    rates: Rates


class Result(NamedTuple):
    """How well a series was forecast.

    Attributes:
        wapes: Of each predictor, and of the product's as `mixture`.
        cover: Share of the bins that were within the bound.
        margin: Sum of the bounds over the sum of what came.
        confidence: At the end.
        floor: Share of the scored bins that had a floor.
    """

    wapes: dict[str, float]
    cover: float
    margin: float
    confidence: float
    floor: float


def column(path: Path, name: str) -> Rates:
    """Read a column of numbers; what is empty is not known.

    Raises:
        ValueError: There is no such column, or a row holds no number; says where.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if name not in (reader.fieldnames or ()):
            raise ValueError(f"{path}: has no column '{name}', only {', '.join(reader.fieldnames or ())}")
        values = []
        for row in reader:
            text = (row[name] or "").strip()
            try:
                values.append(float(text) if text else math.nan)
            except ValueError as error:
                raise ValueError(f"{path}: line {reader.line_num}: '{text}' is no number") from error
    return np.array(values)


def _counts(file: str, name: str, bin_s: float) -> Callable[[Path], Series]:
    return lambda folder: Series(bin_s, column(folder / file, name) / bin_s)


def _worldcup(folder: Path) -> Series:
    """Requests per minute, in bins of ten; a rest at the end is left out."""
    per_minute = column(folder / "worldcup98_per_minute_0511_0620.csv", "requests")
    whole = per_minute[: len(per_minute) // 10 * 10]
    return Series(600.0, whole.reshape(-1, 10).mean(axis=1) / 60.0)


def _servegen(folder: Path) -> Series:
    """Its empty bins are gaps of the source, not silence."""
    rates = column(folder / "servegen_m_small_10min.csv", "rate_rps")
    return Series(600.0, np.where(rates > 0.0, rates, math.nan))


SERIES: dict[str, Callable[[Path], Series]] = {
    "taxi": _counts("nab_nyc_taxi.csv", "value", 1800.0),
    "worldcup": _worldcup,
    "servegen": _servegen,
    "servegen-zeros": lambda folder: Series(600.0, column(folder / "servegen_m_small_10min.csv", "rate_rps")),
    "twitter": _counts("nab_twitter_volume_AMZN.csv", "value", 300.0),
    "elb": _counts("nab_elb_request_count_8c0756.csv", "value", 300.0),
}


def measure(series: Series) -> Result:
    """Forecast a series bin by bin, and score it.

    Raises:
        ValueError: It is too short to score.
    """
    num_ahead = round(LEAD_S / series.bin_s)
    num_scored = len(series.rates) - max(num_ahead, int(SCORED_FROM * len(series.rates)))
    if num_scored <= 0:
        raise ValueError(f"{len(series.rates)} bins of {series.bin_s:.0f} s are too few for a forecast of an hour")
    hourly = HourAhead(series.bin_s, LEAD_S, QUANTILE)
    said, floors = [], []
    for rate in series.rates:
        hourly.add(float(rate))
        forecast = hourly.forecast()
        predictions = hourly.predictions() or dict.fromkeys(NAMES, 0.0)
        said.append([forecast.bound_per_s, forecast.mean_per_s, *predictions.values()])
        floors.append(hourly.floor(UNIT, LEAD_S) is not None)
    actual = series.rates[-num_scored:]
    known = np.isfinite(actual)
    forecasts = np.array(said)[-num_scored - num_ahead : -num_ahead][known]
    actual = actual[known]
    total = float(actual.sum()) or math.nan
    errors = np.abs(forecasts[:, 1:] - actual[:, None]).sum(axis=0) / total
    return Result(
        dict(zip(("mixture", *NAMES), errors.tolist(), strict=True)),
        float((actual <= forecasts[:, 0]).mean()),
        float(forecasts[:, 0].sum()) / total,
        hourly.forecast().confidence,
        float(np.mean(floors[-num_scored:])),
    )


def table(results: dict[str, Result]) -> str:
    """Lay out the results as a table of Markdown."""
    lines = [
        "| series | last | mixture | of last | cover | margin | confidence | floor | predictors alone |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in results.items():
        mixture, last = found.wapes["mixture"], found.wapes["last"]
        others = ", ".join(f"{kind} {100 * wape:.1f}" for kind, wape in found.wapes.items() if kind in NAMES[1:])
        lines.append(
            f"| {name} | {100 * last:.1f} | {100 * mixture:.1f} | {mixture / last:.2f} | {100 * found.cover:.1f} | "
            f"x{found.margin:.2f} | {found.confidence:.2f} | {100 * found.floor:.0f} % | {others} |"
        )
    return "\n".join(lines)


def main(
    traces: Annotated[Path, typer.Option(help="Folder of the traces.")],
    series: Annotated[list[str] | None, typer.Option(help=f"{', '.join(SERIES)}; without it all.")] = None,
    file: Annotated[list[Path] | None, typer.Option(help="Other series: CSV files of one row per bin.")] = None,
    column_name: Annotated[str, typer.Option("--column", help="Of those files.")] = "value",
    bin_s: Annotated[float, typer.Option(help="Of those files, seconds.")] = 300.0,
) -> None:
    """Print errors in percent, the cover of the 90 % bound and its margin, and where there would be a floor."""
    results: dict[str, Result] = {}
    try:
        for name in series or ([] if file else SERIES):
            if name not in SERIES:
                raise ValueError(f"there is no series '{name}', only {', '.join(SERIES)}")
            results[name] = measure(SERIES[name](traces))
        for path in file or ():
            results[path.stem] = measure(Series(bin_s, column(path, column_name)))
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(table(results))


if __name__ == "__main__":
    typer.run(main)
