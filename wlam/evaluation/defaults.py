"""What a model is judged by where its config names nothing: by what it can do."""

from wlam.evaluation.evaluator import Evaluator
from wlam.models.base import Model


def default_evaluation(model: Model) -> dict[str, Evaluator]:
    """Evaluators by name; none for models of measured sets alone."""
    return {}
