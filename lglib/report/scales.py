"""On which scale the interval of a measure is made, so that it cannot leave the range of its values."""

from __future__ import annotations

from lglib.theory.intervals import Scale

_OF: dict[Scale, tuple[str, ...]] = {
    "share": (
        *("capture", "largest capture", "capture to come", "largest capture to come", "capture from scratch"),
        *("capture of merged matrices", "capture in another shape", "prefix capture"),
        *("capture by random subspaces", "prefix capture of a random walk"),
        *("energy share", "energy share, never learned", "energy share in another shape"),
        *("overlap", "same-step overlap", "share of the mean", "answered surely"),
        *("exact match", "exact match after recovery", "worst-task exact match"),
        *("mean worst-task exact match", "exact match of the best", "exact match of the vote", "pass@N"),
        *("accuracy", "probability on the answer words", "P(yes)", "ceiling"),
    ),
    "correlation": (
        *("correlation", "correlation of gain and alignment", "correlation of gain and overlap"),
        *("rank correlation", "rank correlation with gain"),
        "rank correlation of density and gain, mean over pairs",
        *("correlation of capture and energy share", "correlation of score and slope"),
        *("correlation of the changes of P(yes)", "correlation between families"),
        *("cosine", "cosine of split halves", "split-half cosine", "halves of one construction", "agreement"),
        *("cosine of shift and activation gradient", "cosine of the shifts of seen and new prompts"),
        *("cosine with the gradient in weight space", "cosine with the gradient's shift", "cosine with CAA"),
    ),
    "positive": (
        *(
            "half-life",
            "half-life in a block, mean over pairs",
            "effective dimension",
            "directions that matter",
        ),
        *("participation ratio", "participation ratio / null", "participation ratio / control"),
        *("participation ratio at a place", "participation ratio by answers", "participation ratio by width"),
        *("participation ratio before sketching", "sketched participation ratio", "rank of the first items"),
        *("stable rank", "stable rank / control", "rank at 90 %", "rank at 90 % / null"),
        *("rank at 90 % / control", "error of sketched inner products / law", "spread of gains / law"),
        *("loss", "gradient norm", "best noise scale", "remainder", "gap between jvp and a small step"),
        *("kernel form against jvp", "difference of kernel form and pushforward", "loss in a kept basis"),
        *("distance from the Krylov space", "error of the predicted crossing", "vector left"),
        *("error of the crossing predicted by the trace", "loss in a kept basis at equal cost"),
        *("loss after the best search", "loss after gradient steps of the same price"),
        *("distance of the held-out gain from its law", "standard deviation of the scores"),
    ),
}
_BY_MEASURE = {measure: scale for scale, measures in _OF.items() for measure in measures}


def of(measure: str) -> Scale:
    """The scale of a measure by its name: "plain" for what has no ends, such as a gain or a difference.

    >>> of("capture"), of("half-life"), of("lead of the prefix")
    ('share', 'positive', 'plain')
    """
    return _BY_MEASURE.get(measure, "plain")


def named() -> frozenset[str]:
    """The measures that have a scale of their own.

    >>> "half-life" in named()
    True
    """
    return frozenset(_BY_MEASURE)
