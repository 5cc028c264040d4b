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
# # The synthetic transformer: recovery, drift and search
#
# **Finding.** In a transformer of about a hundred thousand parameters that learns, forgets and learns again a toy task, the first ten updates of a recovery hold about half of its displacement. The first updates of *another* run hold nearly as much, so do those of training that recovers nothing, and the lengths of the updates would often explain as much. Gradient bases drift within a few steps.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown
seed = 0  # of the live case: all its randomness follows from it
model = "multitask-gpt2"  # name of the transformer of this chapter
task = "sort"  # task that the live case recovers: sort or reverse
optimiser = "Adam"  # of the live recovery: SGD, momentum or Adam

# %% tags=["hide-input"]
import pandas as pd
import torch
from IPython.display import display

import lglib
from lglib import studies
from lglib.report import Observations, figures, over_seeds, pages, provenance, rows
from lglib.report import tables
from lglib.studies import synthetic
from lglib.tasks import synthetic as tasks

figures.style()
p = studies.parameters(
    "synthetic",
    profile,
    model=model,
    live=dict(seed=seed, task=task, optimiser=optimiser),
)
observed = studies.observed("synthetic", profile)
over = rows(over_seeds(observed.frame), model=model)  # means over seeds, with intervals
ratio = "participation ratio / null"
live = Observations()  # what the live case measures
cell = dict(k=10, horizon="middle")  # the dimension and the T that the text reads
print(pages.measured(observed, seed=seed, versions=provenance.versions()))


def spread(found, column, order):
    """Value, low and high of rows, one for each value of a column, in an order."""
    found = found.set_index(column).loc[list(order)]
    return found[["value", "low", "high"]].to_numpy(float)


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-synthetic-main", "caption": "Share of a recovery's displacement in the span of its first ten updates (prefix) and what else holds as much; transformer of 101,952 parameters, T = 100. Random subspaces hold a ten-thousandth. Dashed: the paper's figure, for LoRA; dotted: if that is a share of length. 95 % over five seeds, each a model of its own."}, "image": {"alt": "Dot plot with six runs as rungs. Prefix, other order and energy share lie together near one half, still to come lower, the static plane near zero."}}
figure, (axes,) = figures.panels(1, height=4.6)
with tables.if_measured("captures of the prefix"):
    found = rows(over, claim=["S2", "S3"], **cell)
    own = {"energy share": "energy share", "capture to come": "still to come"}
    found = found.assign(
        basis=found["basis"].fillna(found["measure"].map(own)),
        run=found["task"] + ", " + found["optimiser"],
    )
    names = found["run"].unique()
    shown = ["prefix", "other order", "energy share", "still to come", "static"]
    series = {b: spread(found[found["basis"] == b], "run", names) for b in shown}
    figures.ladder(axes, names, series)
paper = dict(lw=1.2, color=figures.PAPER, zorder=0)
axes.axvline(0.77, ls="--", label="paper, LoRA", **paper)
axes.axvline(0.77**2, ls=":", label="if a length", **paper)
axes.set(xlabel="capture, k = 10", xlim=(-0.03, 1))
_ = axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=2)

# %% [markdown]
# **In short.** *S3*, the prefix captures a recovery: about half of it, with controls that hold as much; not told from one half. *S2*, the static plane misses it: if the paper's $0.15$ is a share of energy, not if it is a length. *S1*, low rank: yes where the loss is high, and before anything is learned; little of it at the trained point. *S4*, drift: yes. *S5, S6*, alignment predicts gain and static overlap does not: for short steps. *S8*, sequential training is brittle: yes, but being simultaneous does not protect.
#
# ## Use this in your own work
#
# Before you keep a gradient basis, ask two things: how much of a gradient is the mean of all, and whether two halves of the data give the same basis. Here `net` is any causal language model of Hugging Face, `ids` are tokenised texts. It prints the share of the mean, what noise alone leaves of it, and the agreement of two bases, one if they are the same:

# %% tags=["hide-input"]
trained = synthetic.train(p, seed)  # about a quarter of a minute
trained.space.load(trained.points["theta_f"])
net = trained.space.module
ids = [row[None, :-1] for row in trained.batch(task, 16, "advice")]

# %% tags=["advice"]
space = lglib.ParameterSpace(net)
loss = lambda m, x: torch.nn.functional.cross_entropy(m(x).logits[0, :-1], x[0, 1:])
g = torch.stack([space.gradient(loss, x) for x in ids])
a, b = (lglib.Subspace.from_gradients(half, 2) for half in (g[::2], g[1::2]))
print(g.mean(0).norm() ** 2 / g.square().sum(1).mean(), 1 / len(g), a.overlap(b))

# %% [markdown]
# (tasks)=
# ## Learn, forget, learn again
#
# The paper {cite}`piontkovskaia2026recoverable` first looks at a small transformer with toy tasks. We did not have its code, and its model may differ. Ours is a GPT-2 with two blocks, trained from scratch for each seed. An input is a row of digits; a task maps it to another row:

# %%
for name in tasks.TASKS:
    row = tasks.draw(name, 1, part="train", key=seed, length=p.length)[0].tolist()
    x, y = row[1 : p.length + 1], row[p.length + 2 :]
    print(f"{name:8s} {' '.join(map(str, x))}  ->  {' '.join(map(str, y))}")

# %% [markdown]
# It learns the first four together, which gives $\theta^\ast$. Then it learns *negate* alone until the others are lost: $\theta_f$. (The paper forgets by training on its task $B$; a new task is our choice.) Two gates stop the page unless both worked. Exact match, the share of inputs whose whole answer is right, on inputs that training never saw:

# %%
moved = (trained.points["theta_f"] - trained.points["theta*"]).norm()
print(f"d = {trained.space.d:,} parameters, |theta_f - theta*| = {moved:.2f}")
known = {at: trained.scores(theta) for at, theta in trained.points.items()}
tables.show(pd.DataFrame(known).rename_axis("task").reset_index(), ["task", *known])

# %% [markdown]
# (low-rank)=
# ## S1: are task gradients of low rank?
#
# **What the paper claims.** Locally, the gradients of a task have a strong low-rank structure. **What we do.** Gradients of minibatches of one task are the rows of a matrix with squared singular values $\lambda_i$. The **participation ratio** $(\sum\lambda_i)^2/\sum\lambda_i^2$ is $k$ for $k$ equal ones. The null has random directions of the same lengths. *Centred*: with the mean gradient taken off. Shares of the null:

# %%
sets = {at: synthetic.gradient_sets(trained, task, at) for at in trained.points}
for point, found in sets.items():
    synthetic.add_ranks(live, found, task, point, seed)
for row in rows(live.frame(), measure=ratio, spectrum=["raw", "centred"]).itertuples():
    print(f"{row.point}, {row.spectrum}: {row.value:.2f} of random directions")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-low-rank", "caption": "Participation ratio of minibatch gradients, as a share of random directions of the same lengths (grey). Raw, it is as low at random initialisation as at the forgetful point, and not at the trained one. 95 % over five seeds, transformer of 101,952 parameters."}, "image": {"alt": "Dot plot for two tasks at three points; raw values lie far left at the initial and the forgetful point, centred ones further right."}}
figure, axes = figures.panels(2, height=2.8)
names = {"initial": "initial", "theta*": r"$\theta^*$", "theta_f": r"$\theta_f$"}
for panel, name in zip(axes, ("sort", "reverse"), strict=True):
    with tables.if_measured(f"{ratio}, {name}"):
        found = rows(over, measure=ratio, task=name)
        kinds = found.groupby("spectrum", sort=False)
        series = {kind: spread(part, "point", names) for kind, part in kinds}
        figures.ladder(panel, list(names.values()), series)
    panel.axvline(1, color=figures.NULL, label="null", zorder=0)
    panel.set(xscale="log", xlim=(0.03, 1.4), title=name)
    panel.set_xticks([0.05, 0.1, 0.2, 0.5, 1], ["0.05", "0.1", "0.2", "0.5", "1"])
    panel.minorticks_off()
axes[1].set_xlabel(ratio)
figures.legend_below(axes[1])

# %% [markdown]
# **What we see.** At $\theta_f$ raw gradients are far below their null, as claimed. So they are at random initialisation, where nothing was learned: what they share there is their *mean*, most of each gradient where the model is wrong everywhere ({doc}`02s_synthetic_transformer`). At $\theta^\ast$, and with the mean taken off, the ratio is much nearer to one. A low rank that precedes training is no trace of a task.
#
# (recovery)=
# ## S2 and S3: what captures a recovery?
#
# **What the paper claims.** The static task plane misses the recovery (a secondary source: $0.15$); the first updates capture most of it ($0.77$, for LoRA). **What we do.** Train $\theta_f$ on one lost task for $T$ steps; $\Delta=\theta_T-\theta_f$. A subspace with projector $P$ *captures* $\lVert P\Delta\rVert^2/\lVert\Delta\rVert^2$. **Static**: leading gradient directions of all four tasks at $\theta^\ast$. **Local** and **Krylov**: of gradients and of the Hessian at $\theta_f$. **Prefix**: the first $k$ updates. A prefix contains the beginning of what it is to capture. So there is also the prefix of an **other order**, a second recovery on other minibatches, which shares no step with the first; and the **energy share**, the squared length of the first $k$ updates over that of all, which an isotropic random walk with steps of these lengths would show.

# %%
planes = synthetic.static_planes(trained)
beforehand = synthetic.bases_beforehand(trained, task, planes)
recovery = synthetic.recover_and_capture(trained, task, optimiser, beforehand)
synthetic.add_captures(live, trained, (task, optimiser), recovery)
print(f"{task}, {optimiser}: exact match by T:", recovery.exact_match)
for row in rows(live.frame(), measure="capture", **cell).itertuples():
    print(f"{row.basis}: {row.value:.2g} (random: {row.null:.1g})")

# %% [markdown]
# Is a recovery special? Over seeds, beside training from *random weights*, where nothing is recovered (sort, capture of the prefix); and beside fixed quadratics, where nothing drifts, at the gradient noise that these recoveries have ({ref}`quadratics`):

# %% tags=["hide-input"]
with tables.if_measured("captures from scratch"):
    again = rows(over, measure="capture", basis="prefix", task="sort", **cell)
    scratch = rows(over, measure="capture from scratch", task="sort")
    both = pd.concat([again.assign(run="recovery"), scratch.assign(run="from scratch")])
    display(tables.wide(both, "optimiser", "run"))
with tables.if_measured("fixed quadratics"):
    fixed = over_seeds(studies.observed("quadratic", profile).frame)
    chosen = dict(measure="capture on a quadratic", k=10, T=100, noise=[0.3])
    fixed, most = rows(fixed, **chosen)["value"], again["value"].max()
    print(f"{len(fixed)} fixed quadratics: {fixed.min():.2f} to {fixed.max():.2f},")
    print(f"{(fixed > most).sum()} of them above all three recoveries")

# %% [markdown]
# **What we see** (figure at the top). The prefix is the best basis: about half of the displacement, above Krylov and local bases and far above the static planes. But another run's prefix has most of that: it is the common descent of any run from this $\theta_f$. The lengths of the updates would explain a share as large, but for sorting with SGD. Of what is *still to come* after $k$ steps it holds much less. Training from nothing shows a capture of the same order, and nearly all fixed quadratics a larger one (their rates and spectra are not matched, so this is a hint and no test). What asks for an explanation is then not that the prefix captures half, but that it does not capture more.
#
# (drift)=
# ## S4: does the basis of raw gradients drift?
#
# **What the paper claims.** The useful basis drifts substantially within 100 steps. **What we do.** $o(t)$ is the overlap (mean squared cosine of principal angles) of the top ten gradient directions at step $t$ with those at step $0$. Two estimates of *one* basis agree only up to a **ceiling** $c(t)$, and unrelated networks overlap at a **floor** $o_{\min}$. The *relative overlap* (our reading)
#
# $$ o_{\mathrm{rel}}(t)=\frac{o(t)-o_{\min}}{\sqrt{c(0)\,c(t)}-o_{\min}} $$ (eq-relative-overlap)
#
# is about $1$ for a basis that stays ({ref}`ex-attenuation`) and $0$ where nothing is left; its **half-life** is the step at which it falls to one half.

# %%
floor = synthetic.overlap_of_strangers(trained)
print(f"floor: {floor:.4f} (another network)")
if task == "sort":  # the task that the study follows
    basis = synthetic.follow_basis(trained, recovery.path, floor)
    synthetic.add_drift(live, optimiser, basis)
    print(f"{optimiser}: half-life in steps: {basis.half_life}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-drift", "caption": "The basis of raw gradients leaves its place within a few steps of a recovery of sorting; 95 % over five seeds, transformer of 101,952 parameters. Grey: no drift. Dotted: one half."}, "image": {"alt": "Relative overlap over recovery steps on a logarithmic axis; it falls from one to near zero within ten steps for three optimisers."}}
figure, (axes,) = figures.panels(1, height=3.2)
with tables.if_measured("drift"):
    drifts = rows(over, claim="S4", measure="relative overlap")
    for i, (name, part) in enumerate(drifts.groupby("optimiser", sort=False)):
        value, low, high = spread(part, "step", part["step"]).T
        x = part["step"].to_numpy(float) * (1 + 0.04 * (i - 1))
        figures.points(axes, x, value, low, high, fmt="o-", label=name)
figures.null_line(axes, 1, "no drift")
axes.axhline(0.5, ls=":", lw=1, color="black")
axes.set(xscale="log", xlabel="recovery step t", ylabel="relative overlap")
axes.set_ylim(-0.05, 1.1)
figures.legend_below(axes)

# %% [markdown]
# **What we see.** Half of the basis is gone within one to a few steps. This claim stands firmest. But the first of these directions is the mean gradient, which a descending model leaves behind by design; centred gradients were not followed here (chapter 3 does, for adapters).
#
# (search-correlations)=
# ## S5 and S6: what predicts the gain of a random step?
#
# **What the paper claims.** Among random candidates alignment with the gradient recovery direction predicts the gain ($r=+0.52$); overlap with the static plane does not ($r=-0.40$). **What we do.** Steps of length $\rho$ from seven proposals (prefix, local, Krylov, two static planes, random, the whole space), at $\theta_f$ and halfway through a recovery. *Alignment*: the cosine of the step with minus the gradient. *Overlap*: its share in the static plane.

# %%
if (task, optimiser) == ("sort", "Adam"):  # the recovery that the study searches around
    pool = synthetic.pool_at(trained, recovery.path, 0, planes)
    synthetic.add_pool(live, "theta_f", pool)
    print(f"{len(pool.gains)} candidates at {len(pool.norms)} lengths")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-synthetic-correlations", "caption": "Correlation of a candidate's gain with its alignment (S5) and with its static overlap (S6), by length of the step. Dots: measured, 95 % over five seeds; lines: slope and curvature of the same candidates. Grey: unrelated; dashed: the paper."}, "image": {"alt": "Two panels of correlation against step length. Above, both series fall from one. Below, both start at zero; one rises, the other falls."}}
figure, axes = figures.panels(2, height=2.9)
names = {"theta_f": r"at $\theta_f$", "halfway": "halfway"}
told = {"S5": ("alignment", 0.52), "S6": ("static overlap", -0.40)}
for panel, (claim, (what, paper)) in zip(axes, told.items(), strict=True):
    for i, point in enumerate(names):
        with tables.if_measured(f"correlation, {claim}, {point}"):
            found = rows(over, claim=claim, measure="correlation", point=point)
            found = rows(found, pool="all seven")
            x, color = found["norm"].to_numpy(), figures.PALETTE[i]
            value, low, high = spread(found, "norm", x).T
            look = dict(color=color, label=names[point])
            figures.points(panel, x * (1 + 0.08 * i), value, low, high, **look)
            panel.plot(x, found["predicted"], lw=1, color=color)
    figures.null_line(panel, 0, "unrelated")
    figures.paper_line(panel, paper, "paper")
    panel.set(xscale="log", ylim=(-1.05, 1.05), ylabel=f"r(gain, {what})")
axes[1].set_xlabel(r"length of the step / $\|\Delta\|$")
figures.legend_below(axes[1])

# %% [markdown]
# **What we see.** It depends on the length. For short steps alignment predicts the gain and overlap does not; both *must* be so where the loss is linear over the step ({prf:ref}`prop-overlap`). For long steps the sign of the second differs between two points of one run, and it is a matter between families of candidates, not within them. Slope and curvature together do not explain long steps at either point (dots off the lines), so a correlation there says nothing of the two alone. Density of the gradient ranks the subspaces for short steps only ({ref}`density-ranking`).
#
# (schedules)=
# ## S8: which schedules are brittle?
#
# **What the paper claims.** Sequential schedules are brittle, simultaneous ones robust, by exact match of the *worse* of two tasks. **What we do.** Thirteen schedules, the same number of examples and steps, three set-ups.

# %%
setup = "sort + reverse, base"
for schedule in ("alternating", "sequential A then B"):
    outcome = synthetic.train_by(trained, schedule, setup)
    synthetic.add_outcome(live, trained, schedule, setup, outcome)
    print(f"{schedule}: at the switch {outcome.switch}, at the end {outcome.end}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-schedules-seeds", "caption": "Exact match of the worse task, mean over three set-ups; 95 % over five seeds (small dots), transformer of 101,952 parameters. Grey line: guessing. Band: mean gap of two schedules that are the same mathematics, about the raw sum."}, "image": {"alt": "Dot plot of thirteen schedules ordered by their mean; the upper ones lie well above one half, the lower ones near zero."}}
figure, (axes,) = figures.panels(1, height=5.2)
axes.set(xlim=(-0.05, 1.05), xlabel="worst-task exact match")
with tables.if_measured("schedules"):
    means = rows(over, measure="mean worst-task exact match")
    means = means.sort_values("value", ascending=False)
    order = means["schedule"].tolist()
    figures.ladder(axes, order, {"mean over seeds": spread(means, "schedule", order)})
    each = rows(observed.frame, model=model, measure="mean worst-task exact match")
    rungs = [len(order) - 1.25 - order.index(name) for name in each["schedule"]]
    axes.plot(each["value"], rungs, ".", ms=4, color=figures.PALETTE[0], alpha=0.5)
    middle = means.set_index("schedule")["value"]["raw gradient sum"]
    gap = rows(over, measure="mean noise floor")["value"].item()
    look = dict(color=figures.NULL, alpha=0.3, lw=0, label="noise floor")
    axes.axvspan(middle - gap, middle + gap, **look)
    guess = means["null"].iloc[0]
    axes.axvline(guess, color=figures.NULL, label="guessing", zorder=0)
    axes.legend(loc="lower right")

# %% [markdown]
# **What we see.** Sequential training loses the first task, as claimed. But "simultaneous" is not what separates robust from brittle. Alternating at every step does well; with eight blocks the first task is as lost as with two. And three rules that see both tasks in every step (equal decrease, MGDA, loss balancing) are brittle too, since they favour the task that is nearly solved.
#
# (across-seeds-synthetic)=
# ## Live and filed

# %%
print(live.beside(observed.frame, model=model, seed=seed))

# %% [markdown]
# (claims-synthetic)=
# ## The claims, measured
#
# Rules and bars are in `config/claims.yml`; each seed trains a model of its own. {doc}`02s_synthetic_transformer` has every row.

# %% tags=["hide-input"]
display(pages.verdicts("synthetic", over))

# %% [markdown]
# **What this does not show.** That a prefix is useless: it is the best of these bases, but it can be had only by running the recovery. That *no* direction stays. Other architectures, other ways to forget, tuned learning rates: here is one of each. Drift and random search were followed for one task, and gains were measured on the batch that gave the gradient. The next chapters take up adapters and language models.
#
# {doc}`02s_synthetic_transformer` has the data split, spectra, all bases, dimensions and horizons, density, and every row; {doc}`02x_synthetic_transformer` the exercises.
