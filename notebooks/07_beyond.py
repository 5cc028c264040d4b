# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Beyond the paper: what others published, and how to merge adapters
#
# **Finding.** Around Qwen2.5 of 7 billion parameters the mean reward of random candidates is compatible with the fall that the law of chapter 1 says, on one of two sets of questions; around 3 and 1.5 billion that cannot be told or is rejected. A vote of selected candidates keeps some of what selection promises on new questions of GSM8K, with wide intervals. And the mean of two LoRA *factors* depends on a gauge that no output shows; the mean of products does not.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # nothing on this page depends on it
seed = 0  # of the adapters that are trained live
model = "micro-gpt2"  # the model that they are trained on
rank = 4  # of the adapters
steps = 120  # of their training

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from peft import get_peft_model_state_dict, set_peft_model_state_dict

from lglib.models import load, lora
from lglib.parameters import descend, optimizer
from lglib.report import elsewhere, figures, provenance, tables
from lglib.tasks import pairs, supervised
from lglib.theory import stats

figures.style()
print(f"seed {seed}, {model}, adapters of rank {rank}")
print(", ".join(f"{name} {v}" for name, v in provenance.versions().items()))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-others-fall", "caption": "Mean reward of random candidates on Countdown against the noise, three sizes of Qwen2.5, as published by others. Lines: start minus sigma squared times tr(H)/2, fitted up to sigma = 0.003 (grey line); dashed: 100 questions, solid: 200. Bars: 95 %, from the spread of the candidates."}, "image": {"alt": "Three panels, one a model, mean reward against the logarithm of sigma. The 7B points follow a parabola and leave it upwards at the end; 3B and 1.5B are flat and then drop."}}
figure, panels = figures.panels(3, height=2.3)
grid = np.geomspace(1e-5, 0.01, 200)
every = elsewhere.runs()
for axes, name in zip(panels, ("7B", "3B", "1.5B"), strict=True):
    for questions, part in every[every["model"] == name].groupby("questions"):
        bars = 1.96 * part["error"]
        value = part["sigma"], part["mean"], part["mean"] - bars, part["mean"] + bars
        figures.points(axes, *value, label=f"{questions} questions")
        law = elsewhere.fall(part, 0.003)
        curve = law.start.estimate - grid**2 * law.trace.estimate / 2
        line = "--" if questions == 100 else "-"
        axes.plot(grid, np.where(curve > 0, curve, np.nan), line, color="black", lw=1)
    axes.axvline(0.003, color=figures.NULL, lw=1, zorder=0)
    axes.set(xscale="log", title=name, ylabel="mean reward, points", ylim=(0, None))
panels[-1].set_xlabel(r"$\sigma$")
figures.legend_below(panels[-1])

# %% [markdown]
# **In short.** Two questions that the paper does not ask, and that the tools of this book answer. *Do the laws of {doc}`01_theory` describe real models?* Others searched around Qwen2.5 of 0.5 to 7 billion parameters; we hold the laws against their figures. Of the search nothing is measured anew. *What is the mean of two LoRA adapters?* Their factors have a gauge freedom ({ref}`lora-function`), so their mean depends on a choice that nobody made.
#
# ## Use this in your own work
#
# Merge adapters by their products. `states` are what `peft.get_peft_model_state_dict` gives, one an adapter, on any model; `set_peft_model_state_dict` takes the answer. The last line says how far the mean of *factors* would be from the mean of products, in its length:

# %% tags=["hide-input"]
adapter = lora.attach(load(model), rank)
task, space = pairs.pair("cipher", seed), adapter.space
test = supervised.lesson(adapter.base.tokenizer, task.a(24, "test", seed))


def train(start, order):
    """Train from a point, on minibatches in some order; return peft's state dict."""
    space.load(start)
    drawn = [task.a(16, "train", (seed, order, i)) for i in range(steps)]
    batches = [supervised.lesson(adapter.base.tokenizer, items) for items in drawn]
    descend(space, supervised.loss, optimizer("AdamW", 0.01), batches, every=steps)
    return {k: v.clone() for k, v in get_peft_model_state_dict(adapter.model).items()}


start, dice = space.flatten(), torch.Generator().manual_seed(seed)
other = start.clone()
for layer in adapter.layers:  # another A of the same law; B is zero
    a = 2 * torch.rand(layer.a.stop - layer.a.start, generator=dice) - 1
    other[layer.a] = a * layer.inputs**-0.5
one, two, third = train(start, 1), train(start, 2), train(other, 3)
states = [one, third]

# %% tags=["advice"]
from lglib.geometry import gauge

merged = gauge.mean_of_adapters(states)  # the mean of products, cut to the rank
print("off the mean of products:", gauge.distance_from_mean(merged, states))
print(gauge.distance_from_mean(gauge.mean_of_factors(states), states))

# %% [markdown]
# (others)=
# ## Whose figures
#
# One study searched at random on Countdown, an arithmetic puzzle {cite}`andyrdt2026randopt`: a candidate adds noise of standard deviation $\sigma$ to every weight, and its *reward*, in points (hundredths), is averaged over 100 or 200 questions. Another scales noise by module {cite}`yoshihara2026modular`, on Countdown and on the school problems of GSM8K, with Qwen2.5-1.5B. The third is a page of the authors of *Neural Thickets* {cite}`gan2026neural`, read in a fork {cite}`noytau2026randopt`. Each figure is cited by the commit that holds it ({doc}`07s_beyond`). The spread of the scores is read off the best of a run, as (best $-$ mean) $/\,m_N$.
#
# (others-fall)=
# ## Does the mean fall as the law says?
#
# **What the law says.** A random step costs $\tfrac12\sigma^2\operatorname{tr}H$ on average, as long as the score is quadratic ({ref}`curvature`). **What we do.** For each model and set of questions, up to $\sigma=0.003$: fit $\text{start}-\tfrac12\sigma^2\operatorname{tr}H$ by weighted least squares and test it by $\chi^2$ (Holm over all rows); then leave the power of $\sigma$ free.

# %%
fall = elsewhere.falls()
tables.show(fall.map(elsewhere.words), ["model", "questions", "sigma^2", "power"])

# %% [markdown]
# **What we see.** *7B*: on 200 questions the free power is two with a narrow interval; on 100 the square holds up to $\sigma=0.002$ and is rejected at $0.003$, where the reward must flatten, since it cannot fall below zero. *3B and 1.5B*: the mean stays, or even rises, and then drops. The square is rejected for 3B on 100 questions; elsewhere the power is hardly bounded: these figures cannot tell. *0.5B*: its reward is for the form of an answer, and form breaks at once. The spread does not start at zero: a floor is left at the smallest noise, probably of the arithmetic in bfloat16. How the curvature goes with the size of the model, and where it puts the best scale: {ref}`others-size`.
#
# (others-tied)=
# ## What tied noise changes
#
# Public code for random search re-seeds its generator for every tensor, so that tensors of one shape get *the same* noise. This is known in public since 13 March 2026 {cite}`andyrdt2026randopt`. What is ours is the law: the slope changes from the gradient's length to the length of the *sum* of the tied blocks ({ref}`tied`). **What we do.** Compare tied with independent noise, cell by cell. The null is no difference of means (points), and a ratio of spreads of one.

# %%
tables.show(elsewhere.tied(), list(elsewhere.tied()))

# %% [markdown]
# **What we see.** No difference of means in any model, and a ratio whose interval holds one. So the blocks' gradients are nearly unrelated: aligned blocks would give a ratio of several. A gain of a third in the spread is not excluded. Figures made with tied noise may then be read with the law of independent noise, at this precision.
#
# (others-kept)=
# ## What is left of the best on new questions?
#
# **What the law says.** What selection promises grows with $N$ as $m_N$, the mean of the best of $N$ normals. On new questions a share of it is left ({ref}`selection`). **What we do.** The second study lets the best 25 of $N$ candidates vote on held-out questions, for $N$ from 25 (no selection) to 300. The slope of the vote's accuracy over the mean of the best 25 of $N$ normals, by the spread on the selection questions, is the share that is kept. The first study asked the *single* best of 100 candidates 2,000 new questions.

# %%
sizes = elsewhere.votes()["population"].unique()
print("N, of which the best 25 vote:", *sizes)
kept = elsewhere.kept()
tables.show(kept, ["candidates", "promised", "held out", "share kept"])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-others-winners", "caption": "Gain of the best of 100 candidates, Qwen2.5 on Countdown, as published: on the questions that chose it, over the mean at the smallest noise (open); on 2,000 others, over the winner there (filled, 95 %). Grey: no gain. One winner a dot."}, "image": {"alt": "Three panels, one a model, gain against sigma. At the smallest sigma the open marks lie above zero and the filled ones on it; at a thousandth both are high for 7B and 1.5B."}}
won = elsewhere.winners()
print(f"winners of 100 on 200 questions, asked {won['held out'].iloc[0].n:,} others")
models_won = won["model"].unique()
figure, panels = figures.panels(len(models_won), height=2.3)
for axes, name in zip(panels, models_won, strict=True):
    part = won[won["model"] == name]
    axes.plot(part["sigma"], part["selection"], "o", mfc="none", label="selection")
    ends = np.array([[w.estimate, w.low, w.high] for w in part["held out"]]).T
    figures.points(axes, part["sigma"] * 1.08, *ends, label="held out")
    figures.null_line(axes, 0, "no gain")
    axes.set(xscale="log", title=name, ylabel="gain, points")
panels[-1].set_xlabel(r"$\sigma$")
figures.legend_below(panels[-1])

# %% [markdown]
# **What we see.** On GSM8K the gain of the vote is there for both kinds of noise, a third to a half of what selection promises; on Countdown three seeds cannot tell. For single winners, selection seems to gain some points at the smallest noise shown, and none of them is there on new questions: choosing there is choosing by noise. At the right $\sigma$ the winner of 7B and that of 1.5B are better by several points on new questions too. So random search finds something real in models of this size, and a table that shows selection scores alone cannot tell the two apart. Whether the tail of the scores is Gaussian: {doc}`07s_beyond`.
#
# (others-step)=
# ## One random step against one PPO step
#
# A random step of the norm of one PPO step is reported to do better in half of the cases for OLMo-3 7B, and in about a sixth for Qwen2.5 3B. Is that a sign of a thicket? At the noise per coordinate of such a step, for Qwen2.5 3B on Countdown, in points:

# %%
step = elsewhere.one_step().iloc[0]
part = every.query("model == '3B' and questions == 200")
slope, floor = elsewhere.slope_and_floor(part, 0.003)
print(f"spread by the slope {step['sigma'] * slope.estimate:.2f}; its floor {floor}")
gain = step["PPO in spreads"] * floor.estimate
print(f"gain of the PPO step that gives the reported share by the floor: {gain:.1f}")

# %% [markdown]
# **What we see.** At this length a random step does almost nothing by slope; its score differs from the base's by the floor. The comparison is between the gain of one PPO step and the noise of an evaluation. A gain of one or two points for Qwen and of none for OLMo gives the reported shares, with no thicket. A test: repeat it with the *base*, evaluated again under another order of arithmetic, in place of the random step.
#
# (merge-adapters)=
# ## For people who merge adapters
#
# An adapter adds $BA$ to a matrix, and $(BM)(M^{-1}A)$ is the same product for every invertible $M$. So the factors are known only up to a *gauge* $M$, and the mean of factors is not the mean of products:
#
# $$ \begin{aligned}\tfrac12(B_1+B_2)\,&\tfrac12(A_1+A_2)\\ =\;&\tfrac12(B_1A_1+B_2A_2)\\ &-\tfrac14(B_1-B_2)\\ &\quad\cdot(A_1-A_2).\end{aligned} $$ (eq-factor-mean)
#
# The last term depends on both gauges, and can be made as large as one likes. That factors cannot be averaged is known in federated learning {cite}`sun2024improving`, and adapters from different tasks have been merged in a common SVD basis {cite}`stoica2025knots`. Two remedies: **average the products** and cut to rank $r$ by SVD, the nearest adapter of that rank {cite}`eckart1936approximation`; or **align first**: balance the factors, $B^\top B=AA^\top$, then rotate to the first adapter (orthogonal Procrustes {cite}`schonemann1966generalized`).
#
# **What we do.** Two adapters trained above on one task (a list of code words) with other minibatches, from the same start as in a model soup {cite}`wortsman2022model`; the second of them again in a random gauge, which is the same model; and a third from another start.

# %%
gauged = gauge.in_gauge(two, 3.0, dice)
merged = gauge.mean_of_adapters([one, gauged])
set_peft_model_state_dict(adapter.model, merged)
print(f"exact match {supervised.exact_match(adapter.model, test):.3f}")

# %% tags=["hide-input"]
ways = {
    "factors": gauge.mean_of_factors,
    "aligned": lambda s: gauge.mean_of_factors(s, aligned=True),
    "products, by SVD": gauge.mean_of_adapters,
}


def scored(state):
    """Loss in nats and exact match of an adapter."""
    set_peft_model_state_dict(adapter.model, state)
    with torch.no_grad():
        loss = float(supervised.loss(adapter.model, test))
    return {"loss": loss, "exact match": supervised.exact_match(adapter.model, test)}


lines = [
    {"merged": f"{n} alone", **scored(s)} for n, s in (("one", one), ("gauged", gauged))
]
cases = {"same start": [one, two], "gauged": [one, gauged], "other start": [one, third]}
for case, both in cases.items():
    for way, merge in ways.items():
        off = gauge.distance_from_mean(merge(both), both)
        name = {"merged": f"{case}: {way}", "off the mean": off}
        lines.append({**name, **scored(merge(both))})
display(
    tables.show(pd.DataFrame(lines), ["merged", "off the mean", "loss", "exact match"])
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-merge-gauge", "caption": "Distance of a merged adapter from the mean of two products, when the second is written in a random gauge with singular values from 1/c to c: no output of either model shows it, and the mean of factors gets worse. The SVD is the least that rank 4 allows. 95 % over ten gauges, micro-gpt2."}, "image": {"alt": "Distance against the ratio c of the gauge: the curve of plain factor means rises, the two others are flat and lower, SVD lowest."}}
figure, (axes,) = figures.panels(1)
ratios = [1.0, 2.0, 4.0, 8.0, 16.0]
for way, merge in ways.items():
    curve = []
    for ratio in ratios:
        both = [[one, gauge.in_gauge(two, ratio, dice)] for _ in range(10)]
        off = [gauge.distance_from_mean(merge(b), b) for b in both]
        curve.append(stats.mean_interval(off))
    value = np.array([[c.estimate, c.low, c.high] for c in curve]).T
    figures.points(axes, ratios, *value, label=way, fmt="o-")
shared = gauge.distance_from_mean(gauge.mean_of_factors([one, two]), [one, two])
figures.null_line(axes, shared, "factors, gauge of training")
axes.set(xscale="log", yscale="log", xlabel="ratio c of the gauge", ylabel="distance")
axes.set_xticks(ratios, [f"{c:g}" for c in ratios], minor=False)
axes.set_yticks([0.2, 0.5, 1, 2], ["0.2", "0.5", "1", "2"])
axes.minorticks_off()
figures.legend_below(axes)

# %% [markdown]
# **What we see** on micro-gpt2 (0.9 million parameters). Adapters from one start share a gauge by their history, and the mean of their factors is usable. Write one of them in another gauge, or start it elsewhere, and the mean of factors is another model. Aligning and SVD do not notice the gauge, and the SVD is nearest in every case; nearest is not always best, as the losses from one start show. peft's `add_weighted_adapter` has both kinds: its `linear` adds factors, its `svd` products.
#
# **What this does not show.** That the mean of products is a *good* model: it is only the mean. One task on one small model is an example, not a benchmark. In the figures of others: how another search would have come out, since there is one winner a dot; and the effective dimension, for which the curvature along a gradient would have to be published.
#
# {doc}`07s_beyond` has the sources, all fits, the size, another scale of noise, the tail and the PPO step in full; {doc}`07x_beyond` the exercises.
