from pathlib import Path

from bench.report.write import write_report
from bench.results import load_results
from tests.unit.bench.report.building import varied


def test_three_files_are_written_and_the_results_can_be_read_again(tmp_path: Path) -> None:
    results = varied(1)
    paths = write_report(results, tmp_path / "new" / "run")
    assert [path.name for path in paths] == ["results.json", "report.md", "report.html"]
    assert load_results(paths[0]) == results
    assert paths[1].read_text().startswith("# Bench results")
    assert paths[2].read_text().startswith("<!DOCTYPE html>")
