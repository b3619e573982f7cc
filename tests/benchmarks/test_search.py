"""The search for learning rates: its trials, its choice, what is done again."""

import json
import runpy
from pathlib import Path

import pytest

from wlam.config import load_config

ROOT = Path(__file__).parents[2]
SEARCH = runpy.run_path(str(ROOT / "benchmarks" / "search.py"))
TINY, WIFO = "configs/tiny.py", "configs/peers.py:wifo"
Options, main = SEARCH["Options"], SEARCH["main"]


@pytest.fixture
def trained(monkeypatch):
    """Runs that were trained, and after how many a signal comes, if any.

    The loss is lowest at 1e-3, and 1e-2 diverges.
    """
    runs, stop = [], []

    def train(config):
        if stop and len(runs) == stop[0]:
            return 143
        runs.append(config)
        rate = config.optimizer.learning_rate
        if rate == 1e-2:
            raise FloatingPointError("step 3: loss not finite")
        folder = Path(config.run)
        folder.mkdir()
        lines = [{"step": config.steps, "loss": 0.0}]
        lines += [{"step": config.steps, "validation": abs(rate - 1e-3)}]
        text = "\n".join(map(json.dumps, lines))
        (folder / "metrics.jsonl").write_text(text)
        return 0

    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(main.__globals__, "train", train)
    return runs, stop


def test_a_trial_is_the_experiment_in_short():
    config = load_config(str(ROOT / TINY), [])
    short = SEARCH["trial"](config, 3e-3, 48)
    assert (short.steps, short.validate_every, short.steps_per_dispatch) == (48, 48, 2)
    assert short.optimizer.learning_rate == 3e-3
    assert short.optimizer.warmup_steps == 3  # of 48, as 100 of 1600
    assert (short.mixture, short.rows, short.model, short.seed) == (
        config.mixture,
        config.rows,
        config.model,
        config.seed,
    )
    assert SEARCH["trial"](config, 3e-3, 1).optimizer.warmup_steps == 1


def test_choosing():
    choose = SEARCH["choose"]
    assert choose({3e-3: 0.3, 3e-4: 0.2, 1e-3: 0.1}) == 1e-3
    assert choose({3e-3: 0.1, 3e-4: 0.1, 1e-3: None}) == 3e-4
    assert choose({1e-3: None}) is None


def test_the_table():
    table = SEARCH["table_of"](
        {
            "one": {3e-4: 0.25, 1e-3: 0.125, 3e-3: 0.5},
            "two": {3e-4: 0.25, 1e-3: 0.125, 3e-3: 0.0625},
            "three": {3e-4: None, 1e-3: None, 3e-3: None},
        }
    )
    assert table.header == ["experiment", "0.0003", "0.001", "0.003", "chosen"]
    assert table.rows == [
        ["one", "0.2500", "0.1250", "0.5000", "0.001"],
        ["two", "0.2500", "0.1250", "0.0625", "0.003 (edge of the grid)"],
        ["three", "diverged", "diverged", "diverged", "none"],
    ]


def test_all_experiments_have_the_same_trials_and_none_is_done_again(
    trained, tmp_path, capsys
):
    runs, _ = trained
    options = Options((TINY, WIFO), 20, (1e-2, 1e-3, 3e-4), str(tmp_path / "s"))
    assert main(options) == 0
    rates = [(c.optimizer.learning_rate, c.steps) for c in runs]
    assert rates == 2 * [(3e-4, 20), (1e-3, 20), (1e-2, 20)]
    assert len({config.run for config in runs}) == 6
    printed = capsys.readouterr().out
    cells = [[x.strip() for x in row.split("|")] for row in printed.splitlines()]
    assert ["", TINY, "0.0007", "0.0000", "diverged", "0.001", ""] in cells
    lines = (tmp_path / "s" / "results.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 8
    losses = {r["learning_rate"]: r["validation"] for r in records if "validation" in r}
    assert losses[1e-2] is None
    chosen = {r["experiment"]: r["chosen"] for r in records if "chosen" in r}
    assert chosen == {TINY: 1e-3, WIFO: 1e-3}

    assert main(options) == 0
    assert len(runs) == 6
    again = capsys.readouterr().out
    assert again.startswith("| experiment")
    assert printed.endswith(again)
    # A wider grid has one trial more, other steps have all of them again.
    assert main(Options((TINY,), 20, (3e-3, 1e-3), str(tmp_path / "s"))) == 0
    assert len(runs) == 7
    assert main(Options((TINY,), 30, (3e-3, 1e-3), str(tmp_path / "s"))) == 0
    assert len(runs) == 9


def test_a_stopped_search_goes_on_where_it_was(trained, tmp_path):
    runs, stop = trained
    options = Options((TINY,), 20, (3e-4, 1e-3), str(tmp_path))
    stop.append(1)
    assert main(options) == 143
    kept = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["learning_rate"] for line in kept] == [3e-4]
    stop.clear()
    assert main(options) == 0
    assert [c.optimizer.learning_rate for c in runs] == [3e-4, 1e-3]


def test_a_loss_that_is_no_number_is_a_diverged_run(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "validation": NaN}\n')
    assert SEARCH["validation"](tmp_path, 5) is None


BAD = [
    ({"experiments": ()}, "CONFIG: found none; needed one or more"),
    ({"experiments": ("none.py",)}, "CONFIG: no file 'none.py'"),
    ({"experiments": ("configs/peers.py",)}, "needed configs/peers.py:NAME"),
    ({"steps": 0}, "--steps: found 0; needed at least 1"),
    ({"learning_rates": ()}, r"--learning-rates: found \(\); needed one or more"),
    ({"learning_rates": (1e-3, -1.0)}, r"--learning-rates: .* all above 0"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_options_are_named_and_nothing_is_trained(
    trained, tmp_path, change, message
):
    given = {"experiments": (TINY,), "folder": str(tmp_path / "s")} | change
    with pytest.raises(ValueError, match=message) as error:
        main(Options(**given))
    assert "\n" not in str(error.value)
    assert not trained[0]
    assert not list(tmp_path.iterdir())


def test_a_broken_file_of_results_is_named(trained, tmp_path):
    (tmp_path / "results.jsonl").write_text('{"key": "a"}\n{"ke')
    with pytest.raises(ValueError, match=r"results\.jsonl: found a line that is no"):
        main(Options((TINY,), folder=str(tmp_path)))


def test_bad_options_are_one_line(program):
    done = program("benchmarks/search.py", "none.py", code=2)
    assert done.stderr == (
        "search.py: CONFIG: no file 'none.py'; needed a Python file, see configs/\n"
    )
