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
# Two questions that the paper does not ask, and that the tools of this book answer.
#
# *Do the laws of {doc}`01_theory` describe real models?* That chapter searched networks of at most a million parameters. Others searched around Qwen2.5 of 0.5 to 7 billion parameters and published their figures. We hold the laws against them; nothing is measured anew, and no GPU is needed.
#
# *What is the mean of two LoRA adapters?* The factors of an adapter have a gauge freedom ({ref}`lora-function`), so their mean depends on a choice that nobody made.
#
# | Question | Section |
# |---|---|
# | Whose figures are these? | {ref}`others` |
# | Does the mean score fall as $\sigma^2\operatorname{tr}H/2$? | {ref}`others-fall` |
# | What does tied noise change? | {ref}`others-tied` |
# | Is the tail Gaussian, and what is left of the best on new questions? | {ref}`others-kept` |
# | One random step against one PPO step | {ref}`others-step` |
# | How to merge adapters | {ref}`merge-adapters` |

# %% tags=["parameters"]
profile = "quick"  # nothing on this page depends on it
seed = 0  # of the adapters that are trained live
model = "micro-gpt2"  # the model that they are trained on
rank = 4  # of the adapters
steps = 120  # of their training

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from scipy.stats import norm

from lglib.geometry import gauge
from lglib.models import load, lora
from lglib.parameters import descend, optimizer
from lglib.report import elsewhere, figures, provenance, tables
from lglib.tasks import pairs, supervised
from lglib.theory import laws, stats

figures.style()
print(f"seed {seed}, {model}, adapters of rank {rank}")
print(", ".join(f"{name} {v}" for name, v in provenance.versions().items()))

# %% [markdown]
# (others)=
# ## Whose figures
#
# The figures were typed from these files and lie in `book/data/07_beyond`. We found no licence beside them, so no file is copied; numbers are facts, and each is cited by the commit that holds it.

# %%
for row in elsewhere.sources().itertuples():
    print(f"{row.table}: {row.what}")
    print(f"    {row.repository}, commit {row.commit[:10]}, licence: {row.licence}")
    print(f"    {row.path}")

# %% [markdown]
# The first three tables come from a study of random search on Countdown, an arithmetic puzzle {cite}`andyrdt2026randopt`. A candidate adds noise of standard deviation $\sigma$ to every weight. Its *reward* is one for a right answer and up to a tenth for the form of the answer, averaged over 100 or 200 questions; we give it in points (hundredths).
# The next three are from a study of noise that is scaled by module {cite}`yoshihara2026modular`, on Countdown and on the school problems of GSM8K, with Qwen2.5-1.5B. The last is a page of the authors of *Neural Thickets* {cite}`gan2026neural`, read in a fork {cite}`noytau2026randopt`.
#
# The tables give the mean and the best of a run, not its scores. So the spread of the scores is read off the best, as (best $-$ mean) $/\,m_N$. For the runs of 40 the scores are known, and we can check:

# %%
scores = elsewhere.table("countdown_candidates").query("noise == 'independent'")
own = 100 * scores.groupby(["model", "sigma"])["reward"].std()
large = elsewhere.runs().query("questions == 100").set_index(["model", "sigma"])
ratio = np.log(large["spread"] / own.rename("own")).dropna()
for name, part in ratio.groupby("model"):
    print(
        f"{name:5s}{stats.mean_interval(part):.2f}  log of spread by the best / by scores"
    )

# %% [markdown]
# For 1.5 to 7 billion parameters the two agree on average (a logarithm of zero). For 0.5 billion the intervals are wide: its rewards lie between zero and the base's, and are no Gaussian. That model has next to no right answer, its reward is for form alone, and we leave it out where skill is meant.
#
# (others-fall)=
# ## Does the mean fall as the law says?
#
# **What the law says.** A random step costs $\tfrac12\sigma^2\operatorname{tr}H$ on average, as long as the score is quadratic ({ref}`curvature`). So the mean reward falls as $\sigma^2$ from where it starts, and the spread grows as $\sigma\lVert a\rVert$.
#
# **What we do.** For each model and each set of questions, up to $\sigma=0.003$: fit $\text{start}-\tfrac12\sigma^2\operatorname{tr}H$ by weighted least squares and test it by $\chi^2$; then leave the power of $\sigma$ free. The start is fitted too, because the published base is a single evaluation. $n$ counts values of $\sigma$, each the mean of 100 or 200 candidates. Powers from 0.05 to 8 are tried, so an end there is no bound.

# %%
fall = elsewhere.falls()
shown = ["model", "questions", "n", "trace", "sigma^2", "p", "power"]
tables.show(fall.map(elsewhere.words), shown)

# %% tags=["hide-input"]
tables.show(fall.map(elsewhere.words), ["model", "questions", "n", "slope", "floor"])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-others-fall", "caption": "Mean reward of random candidates on Countdown against the noise, for three sizes of Qwen2.5, as published. Lines: start minus sigma squared times tr(H)/2, fitted up to sigma = 0.003 (grey line) and drawn beyond; dashed: 100 questions, solid: 200. For 7 billion parameters the square describes two decades and then falls too fast; for 3 billion the mean stays and then drops. Bars: 95 %, from the spread of the candidates."}, "image": {"alt": "Three panels, one a model, mean reward against the logarithm of sigma. The 7B points follow a parabola and leave it upwards at the end; 3B and 1.5B are flat and then drop."}}
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
# Where does the square end? For the largest model, with the largest $\sigma$ that is let in:

# %%
for questions, part in every[every["model"] == "7B"].groupby("questions"):
    for upto in (0.001, 0.002, 0.003, 0.005):
        if (part["sigma"] <= upto).sum() > 2 and (part["sigma"] == upto).any():
            law = elsewhere.fall(part, upto)
            print(f"{questions} questions, to {upto}: p {law.p:.1e}, tr(H) {law.trace}")

# %% [markdown]
# **What we see.**
#
# - *7B*: on 200 questions the free power is two with a narrow interval, over more than two decades of $\sigma$. On 100 questions the square holds up to $0.002$ and is rejected at $0.003$. Beyond that the reward must flatten, since it cannot fall below zero. (The three smallest $\sigma$ scatter more than their errors allow, hence the small p there.)
# - *3B and 1.5B*: the mean stays, or even rises, up to $0.001$ and then drops. The square is rejected for 3B on 100 questions. For 1.5B it is not, but the power is hardly bounded: these figures cannot tell.
# - *0.5B*: the fall is far slower than the square, a power below one. Its reward is for form, and form breaks at once.
# - *The spread does not start at zero.* A floor is left at the smallest noise, where the slope alone would give almost none. A likely reason is arithmetic: weights in bfloat16 near $0.02$ are $10^{-4}$ apart, so noise of $10^{-5}$ changes few of them and changes those by far more, and one other word early in an answer changes the rest. These figures cannot tell.
#
# (others-size)=
# ### Does the curvature follow the size?
#
# Rewards of different size are compared as shares of the start, and the trace per parameter. The scale $\sigma^*=\lVert a\rVert m_N/\operatorname{tr}H$ for $N=100$ follows from slope and trace; beside it stands the $\sigma$ at which the *winner was best on 2,000 other questions*, which did not enter the fit.

# %%
size = elsewhere.table("models").set_index("model")["parameters"]
best = every.dropna(subset="winner_held_out").sort_values("winner_held_out")
best = best.groupby("model")["sigma"].last()
for row in fall[fall["model"] != "0.5B"].itertuples():
    trace = row.trace.estimate
    star = laws.optimal_sigma(row.slope.estimate, trace, 100)
    share = trace / row.start.estimate / size[row.model]
    told = f"sigma* {star:.4f}, best on new questions {best[row.model]}"
    print(f"{row.model:5s}{row.questions}: tr(H)/start/d {share:.1e}; {told}")

# %% [markdown]
# **What we see.** The trace grows with the size of the model, and as a share of the start it grows too, but not faster than the number of parameters; per parameter it stays within a factor of three. With three sizes of one family no more can be said. For 7B the predicted scale is near where the winner was best; for 3B it is of the right order, and for 1.5B too large by a factor of five or more.
#
# **What this does not show.** The effective dimension $D=\operatorname{tr}H/\kappa$, which decides what random search is worth beside a gradient step. It needs the curvature $\kappa$ along the gradient, and no gradient was published. The slope that we read off the spread also holds the curvature's own spread, $\sigma^2\lVert H\rVert_F/\sqrt2$.
#
# (others-tied)=
# ## What tied noise changes
#
# Public code for random search re-seeds its generator for every tensor, so that tensors of one shape get *the same* noise, and others share its beginning. This is known in public since 13 March 2026 {cite}`andyrdt2026randopt`, with a switch that turns it off. What is ours is the law: the slope changes from $\lVert a\rVert$ to the length of the *sum* of the tied blocks ({ref}`tied`). Unrelated blocks leave it as it is; aligned ones raise it.
#
# **What we do.** Compare the two kinds of noise cell by cell (one model, one $\sigma$ up to $0.003$): the means in points, and the spreads within the runs of 40. The null is no difference, and a ratio of one.

# %%
tied = elsewhere.tied()
tables.show(tied, list(tied))

# %% [markdown]
# **What we see.** No difference of means in any model, and a ratio of spreads whose interval holds one. So the blocks' gradients are nearly unrelated: with dozens of tensors of one shape in the 3B model, as the source counts them, aligned blocks would give a ratio of several. The intervals are wide for one model, and a gain of a third in the spread is not excluded. (The floor is in both spreads and draws the ratio towards one.) It follows that figures made with tied noise may be read with the law of independent noise, at this precision.
#
# The third kind of noise has another scale for each tensor, its own standard deviation. So norm gains and biases, whose numbers are large, get far more of it:

# %%
scaled = elsewhere.falls(0.02, "tensor_std")
shown = ["model", "questions", "n", "trace", "sigma^2", "power", "slope"]
tables.show(scaled.map(elsewhere.words), shown)

# %% [markdown]
# Its $\sigma$ counts standard deviations, so its trace is another number and not to be compared. The square is rejected for 7B, and for 3B the mean *rises* with the noise. So no single trace describes it.
#
# (others-kept)=
# ## The tail, and what is left on new questions
#
# **What the law says.** Scores of candidates are Gaussian, and what selection promises grows with $N$ as the mean of the best of $N$ normals. On new questions a share of it is left: the cosine between the gradients of the two sets, if they are equally long ({ref}`selection`).
#
# **Is the tail Gaussian?** The second study counts how many candidates lie so many points above the base. A Gaussian is fitted to the counts by maximum likelihood and tested by $\chi^2$. (Here plain and modular noise are both tied.)

# %%
tail = elsewhere.tails()
bad = elsewhere.holm(tail["p of a Gaussian"].to_numpy())
tail["after Holm"] = np.where(bad, "rejected", "not rejected")
tables.show(tail, list(tail))

# %% [markdown]
# A Gaussian's best of $N$ grows as $m_N$. Whether it does so here can only be read from the shares: no table has the best for several $N$.
#
# **What is left?** The study lets the best 25 of $N$ candidates vote on held-out questions, for $N$ from 25 (no selection) to 300. If the vote follows the mean of its members, its accuracy grows with the mean of the best 25 of $N$ normals, and the slope of this line over the spread on the selection questions is the share that is kept.

# %%
kept = elsewhere.kept()
tables.show(kept, list(kept)[:4])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-others-tail", "caption": "Above: shares of candidates that reach a gain over the base, as standard normal quantiles; a Gaussian is a straight line (black: fitted). Below: on GSM8K, accuracy of the vote of the best 25 of N, less that at N = 25, against the mean of the best 25 of N normals; grey: no gain. It rises, by less than what the spread promises (dashed: all of it, plain noise). Means over three seeds, bars: 95 % intervals."}, "image": {"alt": "Upper panel: three nearly straight rows of dots. Lower panel: two rows of dots that rise and lie below a dashed line."}}
figure, (upper, lower) = figures.panels(2, height=3.2)
for (name, n, above), (_, fit) in zip(elsewhere.shares(), tail.iterrows(), strict=True):
    inner = above[(above > 4) & (above < n - 4)]
    upper.plot(inner.index, norm.isf(inner / n), "o", ms=4, label=name)
    figures.law(upper, inner.index, (inner.index - fit["mean"]) / fit["spread"], "_")
upper.set(xlabel="gain over the base, points", ylabel="normal quantile")
upper.legend()
school = elsewhere.votes().query("task == 'gsm8k'").groupby("method", sort=False)
for shift, (method, part) in zip((-0.01, 0.01), school, strict=True):
    table = part.pivot(index="selected", columns="seed", values="accuracy")
    gain = [stats.mean_interval(row) for row in (table - table.iloc[0]).to_numpy()]
    value = np.array([[g.estimate, g.low, g.high] for g in gain]).T
    look = dict(label=f"gsm8k, {method}", color=figures.PALETTE[1 + (shift > 0)])
    figures.points(lower, table.index + shift, *value, **look)
full = kept.set_index("candidates").loc["gsm8k, plain", "promised"] * table.index
lower.plot(table.index, full, "--", color=figures.PAPER, label="all kept")
figures.null_line(lower, 0, "no gain")
lower.set(xlabel="mean of the best 25 of N normals", ylabel="gain of the vote, points")
figures.legend_below(lower)

# %% [markdown]
# **What we see.** After correction for three tests no tail is told from a Gaussian, up to two standard deviations; one comes close. The gain on held-out questions is there on GSM8K for both kinds of noise, and it is a third to a half of what selection promises, with intervals from a tenth to three quarters. On Countdown three seeds cannot tell. A vote may also gain because its members differ, which is not in the law.
#
# The first study asked the *single* best of 100 candidates 2,000 new questions. Its gain there, over the winner at the smallest noise, where a candidate is nearly the base:

# %%
won = elsewhere.winners()
tables.show(won, list(won))

# %% [markdown]
# **What we see.** At $\sigma=3\cdot10^{-5}$ selection seems to gain some points, and none of them is there on new questions: this is the floor of the spread, and choosing by it is choosing by noise. At $0.001$ the winner of 7B and that of 1.5B are better by several points on new questions too; that of 3B is so at $0.003$ only. (For 1.5B the gain at $10^{-4}$ is far above what its slope allows: there the law fails.) So at the right $\sigma$ random search finds something real in models of this size, and a table that shows selection scores alone cannot tell the two apart. (Selection counts form as well, so the two columns are not in the same unit.)
#
# **What this does not show.** How another search would have come out: there is one winner in each line.
#
# (others-step)=
# ## One random step against one PPO step
#
# A random step of the same norm as one PPO step is reported to do better in half of the cases for OLMo-3 7B, and in about a sixth for Qwen2.5 3B. Is that a sign of a thicket?
#
# **What the law says.** If the score were linear, a step along the gradient would lie $\sqrt d$ standard deviations of the random ones above zero. The share of better random steps gives where the PPO step lies, hence its cosine with the gradient.

# %%
step = elsewhere.one_step()
shown = ["model", "better", "d", "sigma", "PPO in spreads", "cosine"]
tables.show(step, shown)

# %% [markdown]
# A cosine of zero to the fourth digit is not credible for a step that was computed to raise the reward. What else? The noise per coordinate of such a step is so small that the first study covers it. For Qwen2.5 3B on 200 Countdown questions, in points:

# %%
part = every.query("model == '3B' and questions == 200")
a, floor = elsewhere.slope_and_floor(part, 0.003)
law, sigma = elsewhere.fall(part, 0.003), step["sigma"].iloc[0]
print(f"spread by the slope {sigma * a.estimate:.2f}; floor of the spread {floor}")
print(f"mean cost of the curvature {sigma**2 * law.trace.estimate / 2:.4f}")
gain = step["PPO in spreads"].iloc[0] * floor.estimate
print(f"gain of the PPO step that gives the reported share by the floor: {gain:.1f}")

# %% [markdown]
# **What we see.** At this length a random step does almost nothing by slope and nothing by curvature; its score differs from the base's by the floor. The comparison is then between the gain of one PPO step and the noise of an evaluation. A gain of one or two points for Qwen and of none for OLMo gives the reported shares, with no thicket.
#
# **What cannot be told.** How many random steps there were, so the shares have no interval here; whether the floor of that evaluation is that of the other study; and the curvature along the PPO step, which may eat its gain. A test: repeat the comparison with the *base* evaluated again under another order of arithmetic in place of the random step.
#
# (merge-adapters)=
# ## For people who merge adapters
#
# An adapter adds $BA$ to a matrix, and $(BM)(M^{-1}A)$ is the same product for every invertible $M$. So the factors are known only up to a *gauge* $M$. The mean of factors is not the mean of products:
#
# $$ \frac{B_1+B_2}2\,\frac{A_1+A_2}2=\frac{B_1A_1+B_2A_2}2-\frac{(B_1-B_2)(A_1-A_2)}4 . $$ (eq-factor-mean)
#
# The last term depends on both gauges, and can be made as large as one likes. That factors cannot be averaged is known in federated learning {cite}`sun2024improving`, and adapters from different tasks have been merged in a common SVD basis {cite}`stoica2025knots`. Two remedies:
#
# - **Average the products** and cut to rank $r$ by SVD: the nearest adapter of that rank to the mean {cite}`eckart1936approximation`. The product need not be formed; two thin QR factorisations and an SVD of size $2r$ do it. It is exact at rank $2r$.
# - **Align first**: bring each adapter to balanced factors, $B^\top B=AA^\top$, then rotate to the first one (orthogonal Procrustes {cite}`schonemann1966generalized`). Then no gauge enters, and the last term is small where the adapters are alike.
#
# **What we do.** Train two adapters live on the same task (a list of code words) with other minibatches, from the same start as in a model soup {cite}`wortsman2022model`, and a third from another start.

# %%
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


# %%
start, dice = space.flatten(), torch.Generator().manual_seed(seed)
other = start.clone()
for layer in adapter.layers:  # another A of the same law; B is zero
    a = 2 * torch.rand(layer.a.stop - layer.a.start, generator=dice) - 1
    other[layer.a] = a * layer.inputs**-0.5
one, two, third = train(start, 1), train(start, 2), train(other, 3)

# %% [markdown]
# The same second adapter in a random gauge is the same model. Five lines merge any two plain LoRA adapters of peft:

# %%
gauged = gauge.in_gauge(two, 3.0, dice)
states = [one, gauged]  # what get_peft_model_state_dict gives, one a adapter
merged = gauge.mean_of_adapters(states)  # mean of products, cut to the rank
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
cases = {"same start": [one, two], "gauged": states, "other start": [one, third]}
for case, both in cases.items():
    for way, merge in ways.items():
        off = gauge.distance_from_mean(merge(both), both)
        name = {"merged": f"{case}: {way}", "off the mean": off}
        lines.append({**name, **scored(merge(both))})
tables.show(pd.DataFrame(lines), ["merged", "off the mean", "loss", "exact match"])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-merge-gauge", "caption": "Distance of a merged adapter from the mean of the two products, in its length, when the second adapter is written in a random gauge with singular values from 1/c to c. The mean of factors gets worse with the gauge, which no output of either model shows. Aligned factors and the SVD of the mean product do not depend on it; the SVD is the least that rank 4 allows. Dots: means over ten gauges, 95 % intervals. micro-gpt2, two adapters of one task."}, "image": {"alt": "Distance against the ratio c of the gauge: the curve of plain factor means rises, the two others are flat and lower, SVD lowest."}}
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
# **What we see.** Adapters from one start share a gauge by their history, and the mean of their factors is usable. Write one of them in another gauge, or start it elsewhere, and the mean of factors is another model; from another start it has lost most of the task. Aligning and SVD do not notice the gauge, and the SVD is nearest in every case; nearest is not always best, as the losses from one start show. peft's `add_weighted_adapter` has both kinds: its `linear` adds factors, its `svd` products.
#
# **What this does not show.** That the mean of products is a *good* model: it is only the mean. How much is lost by rank $r$ is in the column "off the mean". And one task on one model of 0.9 million parameters is an example, not a benchmark.
#
# ## Exercises
#
# :::{exercise} How large was the network?
# :label: ex-cnn
#
# The page on one PPO step also shows a small network that reads images: its gradient step lies about 185 standard deviations of random steps of that length above zero. If the loss is linear over the step, how many parameters does it have?
# :::
#
# :::{solution} ex-cnn
# :class: dropdown
#
# A random step of length $\rho$ gains $\rho\lVert a\rVert t$ with $t$ of variance $1/d$ ({prf:ref}`prop-sphere`), a gradient step $\rho\lVert a\rVert$. So the gradient step lies $\sqrt d$ standard deviations up, and $d\approx185^2\approx34{,}000$, if the step is along the gradient of that loss. With another batch's gradient the cosine is below one and $d$ larger.
# :::
#
# :::{exercise} The worst gauge
# :label: ex-worst
#
# Two adapters of rank one have the *same* product $ba$, written as $(b,a)$ and $(b/c,ca)$. What is the mean of factors, and for which $c$ is it twice the product? And for negative $c$?
# :::
#
# :::{solution} ex-worst
# :class: dropdown
#
# $\tfrac14(1+1/c)(1+c)\,ba=\tfrac14(2+c+1/c)\,ba$. It is twice the product where $c+1/c=6$, $c=3\pm2\sqrt2$, and grows without bound. For $c=-1$ it is zero: the mean of two equal adapters is no adapter.
# :::
#
# :::{exercise} A larger rank
# :label: ex-rank
#
# Merge `one` and `third` with `gauge.mean_of_adapters(..., rank=2 * rank)`. How far is the result from the mean of products? Why can peft not load it into this adapter?
# :::

# %% [markdown]
# ```{solution-start} ex-rank
# :class: dropdown
# ```
# The sum of two products of rank $r$ has rank at most $2r$, so nothing is cut. An adapter's rank is part of its configuration: make one of rank $2r$ (and of the same scaling $\alpha/r$) to load it.

# %%
wide = gauge.mean_of_adapters([one, third], rank=2 * rank)
print(f"distance {gauge.distance_from_mean(wide, [one, third]):.1e}")

# %% [markdown]
# ```{solution-end}
# ```
