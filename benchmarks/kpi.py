"""Forecasts without training of generated radio KPIs: the case kpi_1s of the benchmark.

python benchmarks/kpi.py
"""

import runpy
from pathlib import Path

from wlam.evaluation.cases import generated_case
from wlam.evaluation.judge import judge


def main() -> None:
    file = Path(__file__).parents[1] / "configs" / "benchmark.py"
    case = runpy.run_path(str(file))["config"].evaluation["kpi_1s"]
    for result in judge(generated_case("kpi_1s", case), None).results:
        if result.metric in ("MAE", "RMSE"):
            print(f"{result.predictor:15s} {result.metric:5s} {result.value:.2f} dB")


if __name__ == "__main__":
    main()
