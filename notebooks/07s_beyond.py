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
# # Supplement to chapter 7
#
# Figures that others published on random search around Qwen2.5 of 0.5 to 7 billion parameters: their sources, how the spread is read, all fits, curvature and size, noise in another scale, the tail of the scores, all winners, the PPO step. The chapter itself: {doc}`07_beyond`.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # nothing on this page depends on it
seed = 0  # nor on this

# %% tags=["hide-input"]
import numpy as np
from IPython.display import display
from scipy.stats import norm

from lglib.report import elsewhere, figures, provenance, tables
from lglib.theory import laws, stats

figures.style()
every = elsewhere.runs()
fall = elsewhere.falls()
kept = elsewhere.kept()
print(", ".join(f"{name} {v}" for name, v in provenance.versions().items()))

# %% [markdown]
# ## The sources
#
# Three tables are of random search on Countdown, three of noise that is scaled by module {cite}`yoshihara2026modular`, and one is of a page of the authors of *Neural Thickets* {cite}`gan2026neural`, read in a fork {cite}`noytau2026randopt`. The figures were typed from these files and lie in `book/data/07_beyond`. We found no licence beside them, so no file is copied; numbers are facts, and each is cited by the commit that holds it.

# %% tags=["hide-input"]
for row in elsewhere.sources().itertuples():
    print(f"{row.table}: {row.what}")
    print(f"    {row.repository}, commit {row.commit[:10]}, licence: {row.licence}")
    print(f"    {row.path}")

# %% [markdown]
# ## How the spread is read
#
# The first three tables come from a study of random search on Countdown {cite}`andyrdt2026randopt`. Its *reward* is one for a right answer and up to a tenth for the form of the answer, averaged over 100 or 200 questions; we give it in points (hundredths).
#
# The tables give the mean and the best of a run, not its scores. So the spread of the scores is read off the best, as (best $-$ mean) $/\,m_N$. For the runs of 40 the scores are known, and we can check:

# %% tags=["hide-input"]
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

# %% [markdown]
# ## The fall of the mean: all fits
#
# Random candidates of noise $\sigma$: the mean reward should fall by $\tfrac12\sigma^2\operatorname{tr}H$ and the spread grow as $\sigma\lVert a\rVert$ ({ref}`others-fall`). The start is fitted too, because the published base is a single evaluation. $n$ counts values of $\sigma$, each the mean of 100 or 200 candidates. Powers from 0.05 to 8 are tried, so an end there is no bound.

# %% tags=["hide-input"]
heads = ["model", "questions", "n", "trace", "sigma^2", "p", "power"]
display(tables.show(fall.map(elsewhere.words), heads))
display(
    tables.show(
        fall.map(elsewhere.words), ["model", "questions", "n", "slope", "floor"]
    )
)

# %% [markdown]
# Where does the square end? For the largest model, with the largest $\sigma$ that is let in:

# %% tags=["hide-input"]
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

# %% [markdown]
# (others-size)=
# ## Does the curvature follow the size?
#
# Rewards of different size are compared as shares of the start, and the trace per parameter. The scale $\sigma^*=\lVert a\rVert m_N/\operatorname{tr}H$ for $N=100$ follows from slope and trace; beside it stands the $\sigma$ at which the *winner was best on 2,000 other questions*, which did not enter the fit.

# %% tags=["hide-input"]
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

# %% [markdown]
# ## Tied noise, and noise in another scale
#
# Re-seeding for every tensor also lets tensors of other shapes share the beginning of their noise; the first study has a switch that turns it off {cite}`andyrdt2026randopt`. Unrelated blocks leave the slope as it is; aligned ones raise it. In the 3B model, as the source counts them, dozens of tensors have one shape, so aligned blocks would give a ratio of several. The comparison of {ref}`others-tied` takes each model and each $\sigma$ up to $0.003$ as a cell, with the spreads within the runs of 40. The floor is in both spreads and draws their ratio towards one.
#
#
# Beside independent and tied noise ({ref}`others-tied`) the first study has noise with another scale for each tensor, its own standard deviation. So norm gains and biases, whose numbers are large, get far more of it:

# %% tags=["hide-input"]
scaled = elsewhere.falls(0.02, "tensor_std")
shown = ["model", "questions", "n", "trace", "sigma^2", "power", "slope"]
display(tables.show(scaled.map(elsewhere.words), shown))

# %% [markdown]
# Its $\sigma$ counts standard deviations, so its trace is another number and not to be compared. The square is rejected for 7B, and for 3B the mean *rises* with the noise. So no single trace describes it.

# %% [markdown]
# ## Is the tail Gaussian?
#
# The second study counts how many candidates lie so many points above the base. A Gaussian is fitted to the counts by maximum likelihood and tested by $\chi^2$. (Here plain and modular noise are both tied.)

# %% tags=["hide-input"]
tail = elsewhere.tails()
bad = elsewhere.holm(tail["p of a Gaussian"].to_numpy())
tail["after Holm"] = np.where(bad, "rejected", "not rejected")
display(tables.show(tail, list(tail)))

# %% [markdown]
# A Gaussian's best of $N$ grows as $m_N$. Whether it does so here can only be read from the shares: no table has the best for several $N$.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-others-tail", "caption": "Above: shares of candidates that reach a gain, as normal quantiles; a Gaussian is a straight line (black: fitted). Below: accuracy of the vote of the best 25 of N on GSM8K, less that at N = 25; dashed: all that the spread promises (plain noise). Three seeds, 95 %."}, "image": {"alt": "Upper panel: three nearly straight rows of dots. Lower panel: two rows of dots that rise and lie below a dashed line."}}
figure, (upper, lower) = figures.panels(2, height=3.2)
for (name, n, above), (_, fit) in zip(elsewhere.shares(), tail.iterrows(), strict=True):
    inner = above[(above > 4) & (above < n - 4)]
    upper.plot(inner.index, norm.isf(inner / n), "o", ms=4, label=name)
    figures.law(upper, inner.index, (inner.index - fit["mean"]) / fit["spread"], "_")
upper.set(xlabel="gain over the base, points", ylabel="normal quantile")
upper.legend(loc="upper left")
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
# **What we see.** After correction for three tests no tail is told from a Gaussian, up to two standard deviations; one comes close. The gain on held-out questions ({ref}`others-kept`) is there on GSM8K for both kinds of noise, and it is a third to a half of what selection promises, with intervals from a tenth to three quarters. On Countdown three seeds cannot tell. A vote may also gain because its members differ, which is not in the law.
#
# The first study asked the *single* best of 100 candidates 2,000 new questions. Its gain there, over the winner at the smallest noise, where a candidate is nearly the base:

# %% tags=["hide-input"]
won = elsewhere.winners()
display(tables.show(won, list(won)))

# %% [markdown]
# **What we see.** At $\sigma=3\cdot10^{-5}$ selection seems to gain some points, and none of them is there on new questions: this is the floor of the spread, and choosing by it is choosing by noise. At $0.001$ the winner of 7B and that of 1.5B are better by several points on new questions too; that of 3B is so at $0.003$ only. (For 1.5B the gain at $10^{-4}$ is far above what its slope allows: there the law fails.) So at the right $\sigma$ random search finds something real in models of this size, and a table that shows selection scores alone cannot tell the two apart. (Selection counts form as well, so the two columns are not in the same unit.)
#
# **What this does not show.** How another search would have come out: there is one winner in each line.

# %% [markdown]
# ## The PPO step in full
#
# **What the law says.** If the score were linear, a step along the gradient would lie $\sqrt d$ standard deviations of the random ones above zero. The share of better random steps gives where the PPO step lies, hence its cosine with the gradient.

# %% tags=["hide-input"]
step = elsewhere.one_step()
shown = ["model", "better", "d", "sigma", "PPO in spreads", "cosine"]
display(tables.show(step, shown))

# %% [markdown]
# A cosine of zero to the fourth digit is not credible for a step that was computed to raise the reward. What else? The noise per coordinate of such a step is so small that the first study covers it. For Qwen2.5 3B on 200 Countdown questions, in points:

# %% tags=["hide-input"]
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

# %% [markdown]
# ## Merging without forming a product
#
# The mean of products need not be formed: two thin QR factorisations and an SVD of size $2r$ give the nearest adapter of rank $r$ {cite}`eckart1936approximation`. It is exact at rank $2r$ ({ref}`ex-rank`). With aligned factors no gauge enters, and the last term of {eq}`eq-factor-mean` is small where the adapters are alike. How much is lost by rank $r$ is in the column "off the mean" of {ref}`merge-adapters`.
