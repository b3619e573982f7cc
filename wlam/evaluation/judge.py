"""Several models and their baselines on several cases."""

from collections.abc import Iterator, Mapping, Sequence

from wlam.evaluation.evaluator import Evaluator, Result
from wlam.models.base import Model


def judge(
    evaluators: Mapping[str, Evaluator], models: Sequence[Model]
) -> Iterator[tuple[str, Result | None, list[str]]]:
    """Runs evaluators one after the other.

    Args:
        evaluators: by the name of the case.
        models: under the names of their cards, which differ.

    Yields:
        The case's name; the result of all models that can be judged, None where none
        can; and a line for each model that cannot, with the reason.
    """
    for name, evaluator in evaluators.items():
        found: list[Result] = []
        skipped = []
        for model in models:
            if why := evaluator.why_not(model):
                who = f"{model.card.name}: " if len(models) > 1 else ""
                skipped.append(f"skipped {name}: {who}{why}")
                continue
            result = evaluator.run(name, model, baselines=not found)
            found.append(result.renamed(model.card.name))
        yield name, found[0].beside(found[1:]) if found else None, skipped
