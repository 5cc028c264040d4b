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
# # Supplement to chapter 3
#
# The whole study of adapters step by step: coordinates, pairs, ranks of gradients, all bases and controls, gauges and function space, drift, candidates, random search with votes and pass@N, refreshing, cost, other models, every row that was judged. The chapter itself: {doc}`03_lora_drift`.

# %% tags=["parameters"]
profile = "quick"  # whose observations are shown
seed = 0  # of the live case: all its randomness follows from it
model = "micro-gpt2"  # a model of the profile, for the live case and for the figures
pair = "cipher"  # of the live case: cipher, edit, order, last or first
basis = "prefix"  # of its random search: prefix, local, "static, normalised" or "whole space"
every = 5  # steps between two refreshes of its gradient basis

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.ticker import NullFormatter

from lglib import advised_sigma, studies
from lglib.models import load
from lglib.parameters import prefix_capture
from lglib.report import Observations, claims, figures, over_seeds, rows, tables
from lglib.studies import controls, lora
from lglib.tasks import supervised
from lglib.theory import beta_null

figures.style()

# %%
parameters = studies.parameters(
    "lora",
    profile,
    model=model,
    live=dict(seed=seed, pair=pair, basis=basis, every=every),
)
K, T = parameters.k, parameters.horizon  # the cell of the grid that the text reads
norm = parameters.norms[
    0
]  # the length of the steps of random search that the text reads
observed = studies.observed("lora", profile)
over_models = over_seeds(observed.frame)  # means over seeds, with intervals
filed = studies.filed(model)  # the name under which its runs are filed
over = rows(over_models, model=filed)
print(observed)
print(f"in the text: k = {K}, T = {T}, model {filed}; live: pair {pair}, seed {seed}")

# %% tags=["hide-input"]
control_seeds = observed.frame.head(0)  # of the study of controls, one row a seed
control = over.head(0)  # its means over seeds
with tables.if_measured(f"controls of {filed}"):
    if "controls" not in studies.plan(profile):
        raise studies.NotMeasurable(f"profile {profile} leaves them out")
    checked = studies.observed("controls", profile)
    control_seeds = rows(checked.frame, model=filed)
    control = rows(over_seeds(checked.frame), model=filed)
    print(checked)

# %% tags=["hide-input"]
gate = over["measure"] == "score at the gate"
if gate.any():  # a pair that was not learned, not lost or not recovered is left out
    heads = {"pair": "left out", "gate": "at the gate", "value": "score", "null": "bar"}
    display(tables.show(over[gate], heads))
there = set(over.loc[~gate, "pair"].dropna()) if "pair" in over else set()
pair_names = [name for name in parameters.task_pairs if name in there]
refreshed = [name for name in parameters.refresh_pairs if name in there]
if not pair_names:
    raise studies.NotMeasurable(
        f"{filed}: no pair was learned, lost and recovered, see above"
    )
pair = pair if pair in there else pair_names[0]  # of the live case
bases_shown = ["prefix", "other order", "never learned"]
basis_rest = ["still to come", *lora.STATIC, "local", "sign", "Krylov", "random"]


def intervals(column, names, **wanted):
    """(value, low, high) over seeds of one row for each name in a column."""
    found = rows(over, **wanted).set_index(column)
    return [
        tuple(found.loc[name, ["value", "low", "high"]].astype(float)) for name in names
    ]


# %% [markdown]
# (lora-space)=
# ## An adapter is a point
#
# Let $W$ be a matrix of the model, with $m$ inputs and $n$ outputs. LoRA leaves it as it is and adds a product of two thin matrices,
#
# $$ W+s\,BA,\quad A\in\mathbb R^{r\times m},\; B\in\mathbb R^{n\times r}, $$
#
# of *rank* $r$, with a fixed scaling $s$ (here $1$). Only $A$ and $B$ are trained. At first $B=0$, so the model is unchanged. All the $A$ and $B$ of a model, one behind the other, are one vector $\theta\in\mathbb R^d$.
# Adapters are made by peft {cite}`peft`; the table says where each matrix lies in $\theta$, so that every coordinate can be traced.

# %%
live = Observations()  # what the live case measures
language_model = load(parameters.model, device=parameters.device)
adapter = lora.attach(language_model, parameters.shapes[0], seed)
space = adapter.space
print(
    f"{language_model.name}: {language_model.parameters:,} parameters; adapter {parameters.shapes[0]}: {space.d:,}"
)
tables.show(
    pd.DataFrame(adapter.table()), ["layer", "block", "matrix", "shape", "coordinates"]
)

# %% [markdown]
# (lora-pairs)=
# ## Five pairs of tasks, and how A is forgotten
#
# Each pair has a task $A$ that will be lost and found again, and a task $B$ that is learned with it. None is what the base model does by itself. Two are *tables*, which can only be known by heart; three are *rules*, tested on inputs that training never saw.
# The paper forgets by training on $B$ alone. That does not always make $A$ go, and it is one way among several, so we use three:
#
# - **B alone**: train on $B$ and on nothing else (the paper's way). $B$ is known, so its gradients are small, and we take five times the learning rate.
# - **conflict**: train on the prompts of $A$ with other answers.
# - **undone**: train on the prompts of $A$ with the answers that the base model gave.

# %% tags=["hide-input"]
examples = []
for name in pair_names:
    one = lora.experiment(parameters, adapter, name, seed).pair
    a, f = (draw(1, "test", seed)[0] for draw in (one.a, one.forget))
    texts = [
        f"{item.prompt.removesuffix(' Answer:')} {item.answer.strip()}"
        for item in (a, f)
    ]
    told = {
        "pair": name,
        "task A": one.says,
        "example of A": texts[0],
        "forgotten by": one.way,
    }
    examples.append(
        told
        | {"example of forgetting": texts[1], "kind": "table" if one.table else "rule"}
    )
tables.show(pd.DataFrame(examples), list(examples[0]))

# %% [markdown]
# A and B are learned together with AdamW {cite}`loshchilov2019decoupled`, in rounds of 25 steps, until both are at the bar on validation items, and one round more: that is $\theta^\ast$. (Gradients are clipped at length one while learning, nowhere else.) Then A is forgotten, in rounds too, until its exact match is at most 0.15, and one round more: that is $\theta_f$.
# A pair that is not learned or not lost stops the run with its scores. (So a seed on which that happened could not be in this book; it did not happen.) One more point is prepared for a control: $\theta_0$, *never learned*. It has the whole history of $\theta_f$ (as many steps on B, as many of forgetting) except that A was never in it. (It did see the prompts of A, with other answers, where forgetting uses them.)

# %%
experiment = lora.experiment(parameters, adapter, pair, seed)
points = experiment.learn_and_forget(
    bar=parameters.bar, lost=parameters.lost, limit=parameters.limit
)
print(f"learned in {points.learned_in} steps, A forgotten in {points.forgot_in}")
for name in ("star", "forgot", "never"):
    print(name, experiment.scores(getattr(points, name)))

# %% [markdown]
# Now recover: train $\theta_f$ on A alone for $T$ steps with minibatches of 16, here with AdamW (the study does the same with SGD). The end is $\theta_T$, the way $\Delta=\theta_T-\theta_f$. The same from $\theta_0$, which has nothing to recover. And the first steps once more with *another order* of minibatches.

# %%
run = experiment.recover(points.forgot, "AdamW", T)
other = experiment.recover(points.forgot, "AdamW", K, order=1)
never = experiment.recover(points.never, "AdamW", T)
print("exact match of A at the end:", experiment.scores(run.points[-1])["A"])
print(prefix_capture(run, K, never_learned=never))

# %% [markdown]
# The last lines are what this chapter is about: the capture of the recovery by its own first steps, and the nulls beside it. First, what all pairs know where, over seeds.

# %% tags=["hide-input"]
shown = rows(over, claim="context", measure="exact match", task="A")
display(tables.wide(shown, "pair", "point"))
display(
    tables.wide(
        rows(over, claim="context", measure="exact match", task="B", point="theta*"),
        "pair",
        "point",
    )
)
print(
    f"exact match on 48 test items; learned at {parameters.bar}, lost at {parameters.lost}, back at {parameters.back}"
)
print(
    "guessing:",
    rows(over, claim="context", measure="exact match", point="theta*", task="A")
    .set_index("pair")["null"]
    .round(3)
    .to_dict(),
)

# %% [markdown]
# (lora-rank)=
# ## S1: gradients of low rank?
#
# **What the paper claims.** S1: locally, the gradients of a task have a strong low-rank structure.
#
# **What we do.** As in chapter 2: the participation ratio of minibatch gradients of A, by that of random vectors with the same norms (the null, so $1$ means no structure), at the fresh adapter, at $\theta^\ast$ and at $\theta_f$; raw, and with their mean taken off. Three sets of gradients give the spread.

# %%
sets = lora.gradient_sets(experiment, parameters.gradients)
places = {"initial": points.initial, "theta*": points.star, "theta_f": points.forgot}
gradients = {
    at: lora.gradients_at(experiment, theta, sets) for at, theta in places.items()
}
for at, (first, *_) in gradients.items():
    ratio = [lora.rank_ratio(first, seed, centre=centre) for centre in (False, True)]
    print(f"{at:8s} ratio of the first set: raw {ratio[0]:.2f}, centred {ratio[1]:.2f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-rank", "caption": "Participation ratio of the gradients of A in units of its null (grey line at 1), for each pair at three points. Raw gradients (top) are far below the null where the loss is high, at the fresh adapter and at the forgetful point, and so they were before anything was learned. With the mean taken off (bottom) more is left. Dots: means over seeds, 95 % intervals."}, "image": {"alt": "Two dot plots with five pairs as rungs and three points as colours. In the upper panel most dots lie left of one half; in the lower they lie further right."}}
figure, axes = figures.panels(2, height=3.0)
for panel, kind in zip(axes, ("raw", "centred"), strict=True):
    wanted = dict(claim="S1", measure="participation ratio / null", spectrum=kind)
    labels = {"initial": "fresh", "theta*": r"$\theta^*$", "theta_f": r"$\theta_f$"}
    series = {
        label: intervals("pair", pair_names, point=at, **wanted)
        for at, label in labels.items()
    }
    figures.ladder(panel, pair_names, series)
    panel.axvline(1, color=figures.NULL, label="null", zorder=0)
    panel.set(xlim=(0, 1.15), title=kind)
axes[1].set_xlabel("participation ratio / null")
figures.legend_below(axes[1])

# %% [markdown]
# **What we see** on micro-gpt2. Raw gradients are far below the null at the fresh adapter and at $\theta_f$, where the model is wrong nearly everywhere. At $\theta^\ast$ *last* and *first* come near it; *order* and the tables do not. With the mean taken off, from more than a third to about four fifths of the null is left. As in chapter 2, much of the low rank is one shared direction, the mean gradient, and it is
# there before anything is learned.
#
# **What this does not show.** For tables the same sixteen or two dozen questions fill every minibatch, so their gradients cannot have a rank above that, whatever the network; and with twelve gradients no rank above twelve can be seen. At a fresh adapter $B=0$, so only the $B$-half of the gradient is not zero.

# %% [markdown]
# (lora-captures)=
# ## S2 and S3: what captures a recovery?
#
# **What the paper claims.** S2: the static task plane misses the recovery direction (a secondary source gives about $0.15$). S3: the first updates of the recovery capture $0.77$ of the displacement.
#
# The *capture* of a subspace is the share $\lVert P\Delta\rVert^2/\lVert\Delta\rVert^2$. Beside the bases of chapter 2 (**prefix**, **static**, **static, normalised**, **static, own task**, **local**, **Krylov**, **random**, **way back**) stands
# **sign**: the leading directions of the signs of local gradients, since AdamW's first steps follow signs. The controls are those of chapter 2: the prefix of *another order*; the *energy share*, the squared length of the first $k$ updates over that of all, which is what a random walk with steps of these lengths would show;
# what is *still to come* after the prefix; and the prefix of the *never-learned* run in its own displacement.

# %%
bases = lora.bases_before(parameters, experiment, points, gradients)
grid = lora.capture_grid(run, other, never, bases, parameters.ks, parameters.horizons)
lora.add_captures(live, parameters, pair, "AdamW", grid, space.d)
null = beta_null(K, space.d)
print(f"null: {null.mean:.1e}, 95 % within [{null.low:.1e}, {null.high:.1e}]")
shown = pd.DataFrame(
    {name: table[-1] for name, table in grid.items()}, parameters.horizons
)
shown.T.dropna().rename_axis(columns=f"k = {K}, T =").round(3)


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-captures", "caption": "Captures of the recovery by ten directions, for five pairs and two optimisers, over seeds. The prefix and its controls scatter together over most of the axis. Dashed: the paper's 0.77 as a share of energy; dotted: if it is a share of length; grey line at the left edge: the Beta null. Dots: means, 95 % intervals over seeds."}, "image": {"alt": "Two dot plots, AdamW above SGD, with the five pairs as rungs; prefix, other order, energy share and never learned scatter together over the whole width."}}
def papers_value(line):
    """The paper's 0.77, once as a share of energy, once as a length."""
    look = dict(color=figures.PAPER, lw=1.2, zorder=0)
    line(0.77, ls="--", label="paper", **look)
    line(0.77**2, ls=":", label="if a length", **look)


figure, axes = figures.panels(2, height=3.4)
for panel, o in zip(axes, parameters.rates, strict=True):
    at = dict(claim="S3", optimiser=o, k=K, T=T)
    series = {
        b: intervals("pair", pair_names, measure="capture", basis=b, **at)
        for b in bases_shown
    }
    series["energy share"] = intervals("pair", pair_names, measure="energy share", **at)
    figures.ladder(panel, pair_names, series)
    papers_value(panel.axvline)
    panel.axvline(null.mean, color=figures.NULL, label="null", zorder=0)
    panel.set(xlim=(-0.1, 1.1), title=o)
axes[1].set_xlabel(f"capture, k = {K}, T = {T}")
figures.legend_below(axes[1])

# %% tags=["hide-input"]
for o in parameters.rates:
    found = over[
        (over["measure"] == "capture")
        & (over["optimiser"] == o)
        & (over["k"] == K)
        & (over["T"] == T)
    ]
    print(f"{o}: captures at k = {K}, T = {T} (null {null.mean:.1e})")
    display(tables.wide(rows(found, basis=basis_rest), "basis", "pair"))
back = over[
    (over["measure"] == "capture") & (over["basis"] == "way back") & (over["T"] == T)
]
print(f"way back: the single line from theta_f to theta* (null {1 / space.d:.1e})")
tables.wide(back, "optimiser", "pair")

# %% tags=["hide-input"]
leads = rows(
    over,
    measure="lead of the prefix",
    over_basis=["energy share", "never learned", "other order"],
)
print("capture of the prefix less that of each control (null 0)")
tables.wide(
    leads.assign(run=leads["over_basis"] + ", " + leads["optimiser"]), "run", "pair"
)

# %% [markdown]
# (lora-remarkable)=
# ### Is 0.77 remarkable?
#
# (The null of most captures is that of a random ten-dimensional subspace, $k/d$. The energy share has another, $k/T=0.1$ for updates of equal length, and the way back $1/d$.)
#
# Put all runs, five pairs by two optimisers in each seed, and their never-learned twins into one picture: the capture of the prefix against the energy share, which knows nothing of directions.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-energy", "caption": "Capture of the prefix against the energy share, the capture that updates in unrelated directions would have (grey diagonal). Filled: recoveries; open: runs of the same history in which A was never learned. Most of the variation between pairs and optimisers is variation of the energy share. Dashed and dotted: the paper's value, as energy and as length."}, "image": {"alt": "Scatter plot near the diagonal; filled and open symbols mix."}}
mine = rows(observed.frame, model=filed, k=K, T=T)
keys = ["seed", "pair", "optimiser"]
figure, (axes,) = figures.panels(1, height=4.0)
for kind, share, of, fill in (
    ("recovery", "energy share", "prefix", None),
    ("never learned", "energy share, never learned", "never learned", "none"),
):
    x = rows(mine, measure=share).set_index(keys)["value"]
    y = rows(mine, measure="capture", basis=of).set_index(keys)["value"]
    for i, o in enumerate(parameters.rates):
        look = dict(color=figures.PALETTE[i], mfc=fill, label=f"{kind}, {o}")
        axes.plot(
            x.xs(o, level="optimiser"),
            y.xs(o, level="optimiser").reindex(x.xs(o, level="optimiser").index),
            "os"[i],
            ms=5,
            **look,
        )
axes.plot([0, 1], [0, 1], color=figures.NULL, label="equal", zorder=0)
papers_value(axes.axhline)
axes.set(
    xlim=(0, 1.02),
    ylim=(0, 1.02),
    xlabel="energy share",
    ylabel="capture of the prefix",
)
figures.legend_below(axes)

# %% tags=["hide-input"]
told = dict(claim="S3", measure="correlation of capture and energy share")
tables.show(
    rows(over, **told).fillna({"optimiser": "both"}),
    {"optimiser": "runs with", tables.VALUE: "correlation [95 %] (n)", "null": "null"},
)

# %% [markdown]
# A correlation is not a cause. So we *change* the energy share: recover once more with AdamW at a third of the rate. Its updates have nearly the same length while the loss falls, and now it falls for longer, so the first ten steps must hold less of the energy. Does the capture follow?

# %%
runs = [{"AdamW": one} for one in (run, other, never)]
case = lora.Case(experiment, points, *runs, sets, gradients, bases)
slow = lora.at_a_third(parameters, case)
usual = {"energy share": grid["energy share"], "capture": grid["prefix"]}
for name, table in usual.items():
    print(
        f"{pair}, {name}: {table[-1, -1]:.2f}, at a third of the rate {slow[name]:.2f}"
    )

# %% tags=["hide-input"]
change = rows(over, measure="change at a third of the rate, mean over pairs")
tables.show(
    change,
    {"of": "change of", tables.VALUE: "mean over pairs [95 %] (n)", "null": "null"},
)

# %% [markdown]
# **What we see** on micro-gpt2. *The prefix* captures from a third to four fifths on average over seeds, and in single runs anything from a fifth to nearly all. The value is not a property of LoRA: it changes with the pair, with the way of forgetting, and with the optimiser, and $0.77$ lies within that range, towards its upper end.
#
# *Energy share.* Over the runs the capture goes up and down with the energy share, which knows the lengths of the updates and not one of their directions, and on average it is not far from it. But that is a correlation. When we lower the energy share by a slower rate, the capture hardly follows: then the first steps are shorter, so they must agree more with the rest of the way. So a random walk with steps of these lengths would show captures of the size that we see, and still the first steps are no random walk.
#
# *Another order* of minibatches gives a prefix that captures somewhat less on average, in single runs far less: there a few long steps of one particular run hold everything. *Never learned*: training A for the first time gives captures of the same size; on average over runs and seeds the prefix is ahead by less than a tenth, and the interval holds zero. So a high capture does not show that something is *recovered*.
#
# *The static planes* capture a few percent with AdamW and up to a seventh with SGD. That is many times the null, and little. A plane made of the task's own gradients at $\theta^\ast$ does no better than the mixed ones. *Local* gradients, their *signs* with AdamW, and *Krylov* spaces lie between. *Way back*: the single line from $\theta_f$ to $\theta^\ast$ (null $1/d$, about $10^{-4}$) holds a tenth to a fifth for some pairs and next to nothing for others: the recovery hardly retraces the forgetting.
#
# **The answer.** Against a random subspace, whose capture is a thousandth, any such value looks like a discovery. Against captures of the same measure on other pairs, against training that recovers nothing, and against what the lengths of the updates alone would give, $0.77$ is unremarkable for adapters of this model of 0.9 million parameters. What would be remarkable is a capture well above its own energy share and its never-learned twin. We cannot say
# what these were in the paper's runs; they are the numbers to ask for.
#
# **What this does not show.** That the prefix holds no information: it is the best basis here. Over seeds its whole interval lies above both its energy share and its never-learned twin for *order* with both optimisers and for *edit* with SGD; it lies below its energy share for *cipher* and *first* with AdamW. The mean over runs in the table of claims hides this. The ten runs of a seed share their base model and, by pairs, their forgetting, so they are fewer than ten independent ones.

# %% [markdown]
# ### Another shape of adapter

# %% tags=["hide-input"]
try:
    shaped = over[
        over["measure"].isin(
            ["capture in another shape", "energy share in another shape"]
        )
    ]
    shaped = shaped.fillna({"basis": "energy share"}).assign(
        run=lambda f: f["pair"] + ", " + f["optimiser"]
    )
    print(
        shaped["shape"].unique().tolist(),
        f"k = {K}, T = {T}; static: mixed batches of A and B at theta*",
    )
    display(tables.wide(shaped, "basis", "run"))
except KeyError:
    print("no other shape")

# %% [markdown]
# With eight times as many coordinates, in every linear layer of the model, the captures of the prefix and its controls are of the size of those above, though the null is eight times smaller; the static plane's is smaller, as its null is. (The static plane here is made of mixed batches.)

# %% [markdown]
# (lora-to-come)=
# ### What is still to come
#
# A prefix holds its own updates, and they are a part of the displacement. The capture of $\theta_T-\theta_k$, which is *still to come* after $k$ steps, is free of that. Beside it stand four controls.
#
# - **shuffled updates**: $k$ updates drawn at random from the same run capture the sum of the others (mean over draws). If updates could change places, this would be the law of the prefix. They lie all along the way, and neighbours are alike, above all with momentum. So this control asks whether the *first* updates are special.
# - **isotropic walk** and **walk of these lengths**: steps in random directions, all of one length or of the lengths of this run. What is to come is then captured by $k/d$ on average.
# - **walk of these updates**: the later updates $u$ as independent Gaussian draws with their own covariance $C$, the mean of $uu^\top$. By the projector $P$ on the prefix, $\operatorname{tr}(PC)/\operatorname{tr}(C)$ is captured.
# - the **twin**: the same for a run that never learned the task.

# %%
for name, one in {"recovery": run, "never learned": never}.items():
    captured = controls.captured(one, K, 200, seed)
    told = {by: round(found.to_come, 3) for by, found in captured.items()}
    print(f"{pair}, AdamW, {name}, still to come: {told}")

# %% tags=["hide-input"]
with tables.if_measured("captures of what is still to come"):
    shown = rows(control, measure="controlled capture", of="to come", k=K)
    shown = shown.assign(cell=shown["pair"] + ", " + shown["optimiser"])
    for name, part in shown.groupby("run", sort=False):
        print(f"{name}: capture of what is still to come, k = {K}, T = {T}")
        display(tables.wide(part, "cell", "by"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-twin", "caption": "Capture of what is still to come by the prefix of a recovery, less that by the prefix of its never-learned twin, for each pair and optimiser. One dot a seed. Grey line: no difference."}, "image": {"alt": "Dot plot with a rung for each pair and optimiser and one dot for each seed, on both sides of a vertical line at zero."}}
with tables.if_measured("the prefix less its twin"):
    shown = rows(control_seeds, measure="prefix less its twin", of="to come")
    cells = shown["pair"] + ", " + shown["optimiser"]
    names = cells.unique().tolist()[::-1]
    figure, (axes,) = figures.panels(1, height=3.6)
    axes.plot(shown["value"], cells.map(names.index), "o", ms=4, alpha=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.axvline(0, color=figures.NULL, label="no difference", zorder=0)
    axes.set_xlabel("prefix less its twin, still to come")
    figures.legend_below(axes)

# %% [markdown]
# (lora-function)=
# ## In function space
#
# A capture is measured in the coordinates of $\theta$, and those are not unique.
#
# :::{prf:proposition} Gauge freedom
# :label: prop-gauge
#
# For any invertible $M\in\mathbb R^{r\times r}$ the adapters $(A,B)$ and $(M^{-1}A,BM)$ are the same function. A change of gauge, one $M$ for each layer, is a linear map $G$ of $\theta$ and of displacements; gradients go by $G^{-\top}$. It preserves all captures if every $M$ is orthogonal. Call the coordinates of a vector that belong to $B$-matrices its $B$-part. For $M=cI$, as $c\to\infty$, the capture of $\Delta$ by the
# first $k$ updates tends to the capture of the $B$-part of $\Delta$ by the $B$-parts of the updates, if the $B$-part of $\Delta$ is not zero and those of the updates are linearly independent; and as $c\to0$ to the same for $A$.
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# $BM\,M^{-1}A=BA$. Gradients go by $G^{-\top}$ because the change of the loss, $g\cdot\delta$, stays. In a layer, $G$ multiplies the columns of $A$ by $M^{-1}$ and the rows of $B$ by $M$, so it is linear; it is orthogonal if each $M$ is, and an orthogonal map keeps inner products. For $M=cI$ it multiplies the $A$-part of a vector by $1/c$ and the $B$-part by $c$. The capture does not change when all vectors are divided by $c$; the $A$-parts are then multiplied by $1/c^2\to0$. The
# capture is a continuous function of vectors that stay linearly independent in the limit. The same with $1/c$ for $c$ when $c\to0$.
# :::
#
# So a capture in LoRA coordinates is a statement about the function *and* perhaps about an accident of scale: peft starts with $B=0$ and $A$ of some size. How much does the accident matter? We express the recorded runs in other gauges and measure again. (The runs are the same; training anew in another gauge would be another run, because neither SGD nor AdamW is blind to it.)

# %%
gauged = {g: lora.in_gauge(case, "AdamW", K, *how) for g, how in lora.GAUGES.items()}
pd.DataFrame(gauged).T.rename_axis(columns=f"capture, {pair}").round(3)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-gauge", "caption": "The same recoveries with AdamW in other coordinates, which leave the model as it is: captures in units of those in peft's coordinates, on a logarithmic axis. M = c I in every layer, or a random M in each layer with singular values from a third to three, and from a tenth to ten. Grey: a capture that survives. Dots: geometric means over the pairs, then over seeds, with 95 % intervals."}, "image": {"alt": "Dot plot with six gauges as rungs and five bases as colours; prefix, other order and energy share stay near one, the static plane falls far below."}}
figure, (axes,) = figures.panels(1, height=3.8)
ratios = rows(over, measure="log ratio of captures")
gauges = [gauge for gauge in lora.GAUGES if gauge in set(ratios["gauge"])]
series = {
    b: np.exp(intervals("gauge", gauges, measure="log ratio of captures", basis=b))
    for b in ratios["basis"].unique()
}
figures.ladder(axes, gauges, series)
axes.axvline(1, color=figures.NULL, label="survives", zorder=0)
axes.set(xscale="log", xlabel="capture / capture in peft's coordinates")
figures.legend_below(axes)

# %% [markdown]
# What does not depend on a gauge is the *merged* change $s\,BA$ of each matrix. So we ask the same questions of it: which share of the change of all merged matrices lies in the span of the first $k$ changes along the path? And in the span of the leading gradients of A by the matrices themselves, at $\theta^\ast$ and at $\theta_f$?
# Beyond that, what does the captured part *do*? Keep only $P\Delta$, go to $\theta_f+P\Delta$, and compare with $\theta_T$: which share of the change $\delta z$ of the logits on held-out questions does its change $\delta z_P$ explain, $1-\lVert\delta z-\delta z_P\rVert^2/\lVert\delta z\rVert^2$, and which share of the decrease of the loss does it bring?

# %%
print(
    "merged matrices:",
    pd.Series(lora.merged_captures(case, "AdamW", K)).round(3).to_dict(),
)
pd.DataFrame(lora.effects(case, "AdamW", K)).T.rename_axis(
    columns=f"share, {pair}"
).round(3)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-function", "caption": "From coordinates to function, with AdamW (top) and SGD (bottom): the capture of the prefix in LoRA coordinates, in the merged matrices, and what the captured part of the displacement alone does for the logits and for the loss on held-out questions. Captures in coordinates and in matrices are close to each other; the share of the loss is larger; that of the logits varies most, and can be negative (an interval may leave the axis: its value is in the table). Grey: a part that does nothing. Dots: means over seeds, 95 % intervals."}, "image": {"alt": "Two dot plots with five pairs as rungs and four measures as colours."}}
figure, axes = figures.panels(2, height=3.4)
for panel, o in zip(axes, parameters.rates, strict=True):
    at = dict(claim="S3", basis="prefix", optimiser=o)
    series = {
        "coordinates": intervals("pair", pair_names, measure="capture", k=K, T=T, **at)
    }
    series["matrices"] = intervals(
        "pair", pair_names, measure="capture of merged matrices", **at
    )
    for of in ("logits", "loss"):
        series[of] = intervals(
            "pair", pair_names, measure="explained share", of=of, **at
        )
    figures.ladder(panel, pair_names, series)
    panel.axvline(0, color=figures.NULL, label="nothing", zorder=0)
    panel.set(title=o, xlim=(-0.6, 1.15))
axes[1].set_xlabel("share of the whole displacement")
figures.legend_below(axes[1])

# %% tags=["hide-input"]
for measure, of in (
    ("capture of merged matrices", None),
    ("explained share", "logits"),
    ("explained share", "loss"),
):
    for o in parameters.rates:
        found = rows(over, measure=measure, of=of, optimiser=o)
        print(
            measure if of is None else f"explained share of {of}",
            o,
            f"(null {found['null'].iloc[0]:.1e}: {found['null_means'].iloc[0]})",
        )
        display(tables.wide(found, "basis", "pair"))

# %% [markdown]
# **What we see** on micro-gpt2. *Gauge.* Captures by *displacements* (prefix, other order) and the energy share hardly change on average over the pairs (with AdamW; SGD was not asked): the parts of the way that lie in $A$ and in $B$ are captured alike. Captures by *gradients* (static, local) collapse. That is no accident of these tasks. Gradients change in the opposite way, so any gradient plane must lose every displacement when $A$ and $B$ are rescaled against each other ({ref}`ex-dual`). A plane of gradients is a plane of directions only after one has chosen how to measure length, and peft's coordinates are one choice. So the
# prefix passes this test; comparisons of prefix and static plane do not pass it.
#
# *Merged matrices.* Without coordinates, the prefix captures nearly what it captured with them, a little less with AdamW (for *first* about a third less). Gradients by the full matrices capture less than two percent at $\theta^\ast$, and one to ten percent at $\theta_f$; but a random plane captures far less here than in the coordinates of the adapter.
#
# *What the captured part does.* The part of the displacement that lies in the prefix brings a larger share of the decrease of the loss than its share of the displacement, in nearly all runs. Its share of the change of logits varies most, and can be below zero: a part of the way may lead elsewhere than the whole. The static plane too does more than its few percent: on average it brings from a twelfth to a third of the decrease of the loss, and which pair it helps changes with the seed (the intervals are wide, that of *last* above all). Most of a long way does not matter for the answers; a small part of it matters much.
#
# **What this does not show.** Logits and loss are measured on the questions of task A only. What the discarded part does to everything else was not asked.

# %% [markdown]
# (lora-drift)=
# ## S4: does the useful basis drift?
#
# **What the paper claims.** S4: the useful basis drifts substantially within 100 steps.
#
# **What we do.** As in chapter 2: the span of the ten leading gradient directions at step $t$ of a recovery, its overlap with step $0$, relative to the *ceiling* (what two estimates of one basis share) and to the *floor* (an unrelated network: the untrained twin with an adapter of its own), see {eq}`eq-relative-overlap`.

# %%
steps = lora.read_steps(T)
stranger = lora.stranger(parameters, seed)
unrelated = [stranger.gradients(batches) for batches in sets]
along = lora.gradients_along(case, "AdamW", steps)
drift = lora.drifted(along, unrelated, steps, K)
lora.add_drift(live, drift, pair, "AdamW")
print(f"floor {drift.whole.floor:.3f}, half-life {drift.whole.half_life:.1f} steps")
columns = ["overlap", "ceiling", "relative"]
pd.DataFrame(
    {name: getattr(drift.whole, name) for name in columns}, index=steps
).T.round(3)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-drift", "caption": "Overlap of the gradient basis with step 0, relative to ceiling and floor, along recoveries. It falls below one half (dotted) within a few steps nearly everywhere. Grey: no drift. Dots: means over seeds, 95 % intervals."}, "image": {"alt": "Two panels, AdamW and SGD, of relative overlap against the step on a logarithmic axis; nearly all curves fall fast."}}
figure, axes = figures.panels(2, height=2.8)
for panel, o in zip(axes, parameters.rates, strict=True):
    for i, name in enumerate(pair_names):
        found = rows(
            over, measure="relative overlap", pair=name, optimiser=o
        ).sort_values("step")
        x = (found["step"].to_numpy(float) + 1) * (1 + 0.04 * (i - 2))
        look = dict(color=figures.PALETTE[i], label=name)
        figures.points(panel, x, found["value"], found["low"], found["high"], **look)
        panel.plot([1, *x], [1, *found["value"]], lw=1, color=figures.PALETTE[i])
    figures.null_line(panel, 1, "no drift")
    panel.axhline(0.5, ls=":", lw=1, color="black")
    panel.set(xscale="log", ylabel="relative overlap", ylim=(-0.3, 1.3), title=o)
axes[1].set_xlabel("recovery step t, shown at t + 1")
figures.legend_below(axes[1], columns=3)

# %% tags=["hide-input"]
print(f"half-life in steps (null: no drift, {T})")
display(tables.wide(rows(over, measure="half-life"), "optimiser", "pair"))
tables.show(
    rows(over, measure="half-life in a block, mean over pairs"),
    {
        "block": "block",
        tables.VALUE: "half-life in steps, AdamW [95 %] (n)",
        "null": "null",
    },
)

# %% [markdown]
# **What we see** on micro-gpt2. Half of the basis is gone within a few steps, on average over seeds within one to about a dozen, and at step 100 little is left for most pairs; *order* keeps the largest part, about three tenths. Over seeds S4 holds for all ten pairs of task and optimiser. Half-lives are read between the few steps that we measured (0, 2, 10 and 100). On average over the pairs the last block, nearest to the answer, keeps its basis longest.
#
# **What this does not show.** That nothing useful stays; the section on recalibration asks that directly.

# %% [markdown]
# ### Along a run that never learned, and without the mean
#
# Does a basis drift because something is *recovered*? The same is measured along the never-learned run. And a raw gradient basis is led by the mean gradient. So the mean of each set is taken off (*centred*) and the basis is made of what is left.

# %% tags=["hide-input"]
with tables.if_measured("drift along a run that never learned"):
    shown = rows(control, measure="controlled overlap", step=T)
    shown = shown.assign(cell=shown["pair"] + ", " + shown["optimiser"])
    shown = shown.assign(what=shown["run"] + ", " + shown["basis"])
    print(f"relative overlap at step {T} (1: a basis that stays)")
    display(tables.wide(shown, "cell", "what"))

# %% [markdown]
# (lora-predict)=
# ## S5 and S6: what predicts a candidate's gain?
#
# **What the paper claims.** S5: alignment with the gradient predicts the gain of a random candidate, $r=+0.52$. S6: overlap with the static plane does not, $r=-0.40$. What such correlations can and cannot mean was derived in {ref}`search-correlations`; here the same measurement is made on one pair, *cipher*, in LoRA space: twelve candidates from each of six proposals (prefix, local, sign, static, random, whole space) at four lengths, around $\theta_f$ and *halfway*, that is after half of the steps of the recovery with AdamW. "No recovery" is the pool of static, random and whole space alone.

# %% tags=["hide-input"]
found = over[over["claim"].isin(["S5", "S6"]) & over["norm"].isin([0.01, 0.1, 1.0])]
found = found.assign(where=found["point"] + ", " + found["pool"])
for claim in ("S5", "S6"):
    print(
        f"{claim}: {rows(found, claim=claim)['measure'].iloc[0]}, at lengths in |Delta| (null 0)"
    )
    display(tables.wide(rows(found, claim=claim), "where", "norm"))

# %% [markdown]
# **What we see** on micro-gpt2. S5: for very short steps the correlation is high, close to one from $\theta_f$ and lower halfway, and it falls as steps grow. S6: for the shortest steps from $\theta_f$ it is within noise of zero in the whole pool. Halfway it is negative on average, and more so for long steps and in the pool without recovery directions; that is the paper's sign. At $\theta_f$ its sign depends on the length. By {prf:ref}`prop-overlap` a negative sign for short steps is a statement about curvature: steps in the static plane do *worse than equally long steps in directions that do nothing*. For the longest steps the quadratic law is no guide any more.
# In the pool without recovery directions, the overlap has in effect two values, one for the static family and nothing for the others, so $r$ is one contrast between families.
#
# **What this does not show.** One pair, one optimiser; gains measured on the questions that gave gradient and curvature.

# %% [markdown]
# (lora-scatter)=
# ### Candidate by candidate, on several pairs
#
# The paper's figure 3 shows its candidates one by one. Here are ours, a few of each proposal, around $\theta_f$. The figure is of one seed; the table holds all seeds, all lengths, and means over pairs (on Fisher's scale).

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-candidates", "caption": "Candidates around the forgetful point, as in the paper's figure 3: gain against alignment with the negative gradient (top) and against overlap with the static task plane (bottom), for steps of a tenth of the recovery. One symbol a candidate, seed 0, several pairs; colour: where it was drawn. Grey: no gain."}, "image": {"alt": "Two scatter plots of gain, against alignment above and against overlap below, with a colour for each of six proposals."}}
with tables.if_measured("candidates one by one"):
    shown = rows(control_seeds, measure="candidate", norm=0.1)
    figure, axes = figures.panels(2, height=2.8)
    for panel, x in zip(axes, ("alignment", "overlap"), strict=True):
        for family, part in shown.groupby("subspace", sort=False):
            panel.plot(part[x], part["value"], "o", ms=4, alpha=0.7, label=family)
        panel.axhline(0, color=figures.NULL, zorder=0)
        r = np.corrcoef(shown[x].astype(float), shown["value"])[0, 1]
        panel.set(xlabel=x, ylabel="gain (nats)", title=f"r = {r:+.2f}, all pairs")
    figures.legend_below(axes[1], columns=3)

# %% tags=["hide-input"]
with tables.if_measured("correlations on several pairs"):
    name = "correlation with the gain, mean over pairs"
    shown = rows(control, measure=name, claim=["S5", "S6"])
    shown = shown.assign(where=shown["point"] + ", " + shown["pool"])
    for of, part in shown.groupby("of", sort=False):
        print(f"{of}: {name}, at lengths in |Delta| (null 0)")
        display(tables.wide(part, "where", "norm"))

# %% tags=["hide-input"]
with tables.if_measured("correlations beside permutations"):
    shown = rows(control_seeds, measure="p-value by permutation")
    shown = shown.assign(small=shown["value"] < 0.05)
    by = ["of", "permuted", "pool", "norm"]
    shares = shown.groupby(by, sort=False)["small"].mean().unstack("norm")
    print(
        "share of runs (pairs, points, seeds) with p below 0.05 by permutation (null 0.05)"
    )
    display(shares.round(2))

# %% [markdown]
# (lora-search)=
# ## S7 and S9: random search in adapters
#
# **What the paper claims.** S7: random search ranks subspaces by signal density, and the prefix is best (figure 2b). S9: a table of runs with the best of $N$, the vote of the best $k$ of $N$, and pass@$N$ (table 7).
#
# **What we do.** From $\theta_f$, draw $N$ directions in a basis and step along each by a share of $\lVert\Delta\rVert$. Test questions are parted by their text: candidates are *selected* on one part, and what is reported comes from the *other*.
#
# - **best of $N$**: the candidate with the lowest loss on the first part; its gain and exact match on the second.
# - **ens-$k$-of-$N$**: the $k$ best candidates vote on each answer token; ties go to the better candidate.
# - **pass@$N$**: the share of questions that at least one of $N$ candidates answers rightly, by the unbiased estimator of {cite:t}`chen2021evaluating`: with $c$ of $M$ candidates right, $1-\binom{M-c}{N}/\binom MN$. It selects nothing, so it needs no second part. But it is won by guessing often: $N$ independent guesses among $m$ answers are right
#   with probability $1-(1-1/m)^N$. That *chance level* stands beside it.

# %%
asked, searched = lora.questions(parameters, case), lora.bases_of(parameters, case)

found_search = lora.search(parameters, case, asked, basis, searched[basis], norm)
counts = len(asked.select.tokens), len(asked.held_out.tokens)
print(f"{pair}: {counts[0]} questions to select on, {counts[1]} to report on")
print("density:", pd.Series(lora.densities(case, asked, searched)).to_dict())
scores = lora.scores(asked, found_search, lora.draws(parameters))
pd.DataFrame({f"{basis}, norm {norm:g} |Delta|": scores}).round(3)

# %% tags=["hide-input"]
at = dict(claim="S9", norm=norm)
print(
    f"N = {parameters.candidates}, norm {norm:g} |Delta|: held-out gain in nats (null 0), then exact match"
)
for measure in (
    "held-out gain",
    "exact match of the best",
    "exact match of the vote",
    "vote minus best",
):
    print(measure)
    display(tables.wide(rows(over, measure=measure, **at), "basis", "pair"))

# %% tags=["hide-input"]
guess = rows(over, measure="pass@N", **at)
guess = guess.assign(run=guess["basis"] + ", N = " + guess["candidates"].astype(str))
display(tables.wide(guess, "run", "pair"))
print(
    "chance:",
    rows(guess, basis="prefix")
    .set_index(["candidates", "pair"])["null"]
    .round(2)
    .unstack()
    .to_dict("index"),
)

# %% [markdown]
# Does density rank the four proposals? Chapter 1 says it must, at a fixed length where the loss is linear over the step. And is the prefix the best of them?

# %% tags=["hide-input"]
ranks = rows(over, claim="S7").fillna({"over_basis": ""})
shown = {
    "measure": "measure",
    "over_basis": "over",
    "norm": "norm",
    tables.VALUE: "mean over pairs [95 %] (n)",
    "unit": "unit",
    "null": "null",
}
tables.show(ranks, shown)

# %% [markdown]
# ### What it costs
#
# A candidate costs one forward pass over the selection questions. A gradient step costs about three (one forward, and about two for the way back). So $N$ candidates cost as much as $N/3$ gradient steps on the *same* questions. What do that many steps of AdamW bring on the same held-out questions? And after how many are they even with the search? We compare with the best of the eight searches of each pair, chosen by its held-out gain, and do not charge it for the other seven or for making its basis: both favour the search. So does the factor of three: for an adapter on this model a gradient takes less than two forward passes (`benchmarks/lora.json`), since the weights of the base need none.

# %%
before, after = lora.gradient_steps(parameters, case)
print(
    f"{pair}: held-out loss {before:.2f} at theta_f, {after:.2f} after {parameters.candidates // 3} gradient steps"
)

# %% tags=["hide-input"]
for measure in (
    "loss after the best search",
    "loss after gradient steps of the same price",
):
    print(measure, "(null: no step at all)")
    display(tables.wide(rows(over, measure=measure), "unit", "pair"))
lead = rows(
    over, measure="lead of the best search over gradient steps, mean over pairs"
)
tables.show(lead, ["measure", tables.VALUE, "unit", "null"])

# %% [markdown]
# **What we see** on micro-gpt2. *Best of $N$.* In informative bases the best of $N$ gains nats on held-out questions for most pairs; for *cipher*, where one code word says nothing of another, it gains about a nat at most, and may lose. (For the two tables the bases were made from gradients on all questions, the held-out ones too: the selection is held out, the basis is not.) The whole space gains nearly nothing at the shorter norm. There the prefix is ahead of the static plane on average; its lead over local gradients, which need no trajectory, is within the noise.
#
# *Density*: in a single run the rank correlations are within the noise. Over seeds density ranks the four bases well at the shorter norm, and loosely at the length of the recovery itself.
#
# *Votes.* The vote of sixteen is mostly no better than the best candidate alone, and sometimes worse. The candidates hardly agree with each other, so a plurality is two or three votes: see {ref}`ex-votes`.
#
# *Pass@$N$* can look impressive, but with $N=256$ its chance level is nearly one for all pairs: that many blind guesses find nearly every answer. It cannot tell anything. At small $N$ it can: pass@4 of the informative bases lies above its chance level for *cipher* at a quarter of $\lVert\Delta\rVert$ and at or below it at the full length, at or below it for *edit*, and far below it for rules, where the forgetful model is *surely* wrong and small steps leave it so. We do not know the paper's answer sets or its $N$; its table needs this column.
#
# *Cost.* Random search surprised us. On these few questions, as many gradient steps as the search could pay for overfit on the tables: for *cipher* they raise the loss on the held-out half, for *edit* they lower it less than the best search does. The best of eight searches, chosen afterwards, ends at about the same held-out loss or somewhat lower, averaged over pairs. That average hides two cases: on the two tables the best search ends lower, on the three rules gradient steps do, even on the same twelve questions. And where the training stream offers as many questions as one likes, a recovery of a hundred steps reaches losses that no search comes near.
#
# **What this does not show.** Single runs scatter: *cipher* has 12 held-out questions, *edit* eight, the rules some forty. The model is small, and $\theta_f$ is far from a solution. Near one, random search does better {cite}`gan2026neural`.

# %% [markdown]
# (lora-equal)=
# ### Search and descent with the same information
#
# The comparison above favours the search: it is the best of eight, picked by its held-out gain, and some bases had seen the held-out questions. So here both sides get the same. Test questions are parted in three by their text: to learn from, to choose on, to report on. The unit of cost is one forward pass over the questions to learn from; a backward pass counts as two, a Hessian product as six, a look at the questions to choose on as one. Each method hands over, within a budget, its point with the lowest loss on the questions to choose on ($\theta_f$ is one of them).
#
# - **AdamW**, **SGD**: all questions in each step, rates as above.
# - **best of $N$**: one round at four lengths, everywhere or in the span of the gradients of the questions to learn from; or at the advised noise scale of the next section, which is paid for.
# - **mirrored pairs** (evolution strategies): pairs $\pm u$, then a step along their sum weighted by gain, again and again.
#
# The rates of descent are those of the study, which learn these pairs well; nothing else was tuned. For the two tables the held-out questions are other code words or countries, of which those to learn from say little.

# %% tags=["hide-input"]
with tables.if_measured("search and descent with the same information"):
    for what in ("held-out loss", "held-out exact match"):
        name = f"{what} at equal forward passes, mean over pairs"
        shown = rows(control, measure=name)
        null_is = f"{shown['null'].mean():.2f}: {shown['null_means'].iloc[0]}"
        print(f"{name}, by budget (null {null_is})")
        display(tables.wide(shown, "method", "budget"))

# %% tags=["hide-input"]
with tables.if_measured("search and descent by pair"):
    name = "held-out loss less that of descent"
    shown = rows(control, measure=name, budget="max")
    print(f"{name} (AdamW) at the largest budget, nats; below 0 the search wins")
    display(tables.wide(shown, "method", "pair"))
    wins = rows(control_seeds, measure=name).assign(won=lambda f: f["value"] < 0)
    print("share of runs (pairs, seeds) in which a method ends below AdamW")
    display(wins.groupby(["method", "budget"])["won"].mean().unstack().round(2))

# %% [markdown]
# (lora-sigma)=
# ### Which noise scale?
#
# Chapter 1 gives the noise scale $\sigma^\ast$ at which the best of $N$ gains most *on the questions that it was selected on*. On others the slope is smaller and the curvature is not, so less is better. Here is the gain on held-out questions, at shares of $\sigma^\ast$, beside its law $\sigma m_N\langle g,g'\rangle/\lVert g\rVert-\sigma^2\tau_N'/2$, with $g'$ and $\tau_N'$ of the held-out questions. `advised_sigma` returns $0.3\,\sigma^\ast$. Where mean curvature is not positive there is no $\sigma^\ast$, and none is advised: means are over the pairs that have one, and a point at which fewer than two have one is missing.

# %%
with tables.if_measured("advised noise scale"), space.at(run.points[T // 2]):
    n = parameters.candidates
    sigma = advised_sigma(space, supervised.loss, asked.select, n=n)
    print(f"{pair}, halfway: advised sigma {sigma:.2e} for the best of {n}")

# %% tags=["hide-input"]
with tables.if_measured("gains at shares of sigma*"):
    for of in ("held-out", "selected"):
        name = f"{of} gain at a share of sigma*, mean over pairs"
        shown = rows(control, measure=name)
        heads = {"point": "around", "share": "share of sigma*"}
        heads |= {tables.VALUE: f"{of} gain, nats", "predicted": "law", "null": "null"}
        display(tables.show(shown, heads))

# %% tags=["hide-input"]
with tables.if_measured("held-out gain less that at sigma*"):
    name = "held-out gain at a share of sigma* less that at sigma*, mean over pairs"
    heads = {"point": "around", "share": "share of sigma*", tables.VALUE: "less, nats"}
    display(tables.show(rows(control, measure=name), heads | {"null": "null"}))

# %% [markdown]
# (lora-refresh)=
# ## How often must a direction be refreshed?
#
# The paper's finding has a practical side. Who keeps an edit direction, or a basis for cheap edits, wants to know how long it can be used. So we recover with updates that are *kept within* a basis: $\theta=\theta_s+Uz$, with $\theta_s$ the point at the last refresh, where only the $k$ numbers $z$ move, by SGD. The basis $U$ is the span of ten fresh minibatch gradients (four items each), and it is made anew every $m$ steps. With $m=1$ each step has a fresh basis; with *never*
# the one of $\theta_f$ must do. The steps, the minibatches and the rate are those of the plain SGD run. Controls:
#
# - **mean, every 1**: the single direction of the mean of those ten gradients. If this does as well as the basis, ten directions at every step are no evidence of a *subspace*: any descent uses one fresh direction a step.
# - **random, every 1**: a random basis, made anew at every step.
# - **prefix, kept**: the prefix of a recovery on *other* minibatches, kept for the whole way.
#
# Fresh gradients cost something. So we compare twice: after equal steps, and after equal numbers of *items* whose gradient was computed: sixteen a step, forty a refresh, ten steps' worth for a prefix.

# %%
at = lora.looks(T)
kept = {f"every {every}": lora.recover_within(parameters, case, every)}
kept["never"] = lora.recover_within(parameters, case, None)
for way, one in kept.items():
    losses = lora.held_out_losses(case, one.run.points, at)
    print(f"{way:8s} items paid {one.spent[-1]:5d}, test loss", np.round(losses, 2))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-refresh", "caption": "Recovery within ten gradient directions that are made anew every m steps, with SGD: test loss against steps, mean over seeds, a panel for each pair. Dashed black: plain LoRA training; dash-dotted black: the mean gradient alone, fresh at every step; dotted black: the prefix of another run, kept; grey: a random basis at every step. Loss on a logarithmic axis."}, "image": {"alt": "Two panels of falling loss curves. Frequent refreshes follow plain training; kept bases flatten early, in the first panel sooner than in the second."}}
figure, axes = figures.panels(len(refreshed), height=3.2)
special = {"plain SGD": "--", "mean, every 1": "-.", "prefix, kept": ":"}
for panel, name in zip(axes, refreshed, strict=True):
    curves = rows(over, measure="loss in a kept basis", pair=name)
    for i, (way, curve) in enumerate(curves.groupby("basis", sort=False)):
        colour = (
            "black"
            if way in special
            else figures.NULL
            if way.startswith("random")
            else figures.PALETTE[i % 7]
        )
        look = dict(
            color=colour, ls=special.get(way, "-"), label=way, lw=1, marker="o", ms=3
        )
        panel.plot(curve["step"].astype(float), curve["value"], **look)
    panel.set(title=name, ylabel="test loss (nats)", yscale="log")
    panel.yaxis.set_minor_formatter(NullFormatter())
axes[-1].set_xlabel("steps")
figures.legend_below(axes[-1], columns=3)

# %% tags=["hide-input"]
for measure, also in (
    ("loss in a kept basis", dict(step=T)),
    ("loss in a kept basis at equal cost", {}),
    ("share of the plain decrease", {}),
):
    print(measure, f"at step {T}" if also else "")
    display(tables.wide(rows(over, measure=measure, **also), "basis", "pair"))

# %% [markdown]
# **What we see** on micro-gpt2. With a fresh basis at every step the run nearly follows plain SGD. But so does the single fresh mean gradient, so that alone is no evidence of a useful *subspace*. The evidence comes from bases that are *kept*. Ten directions kept for five or ten steps bring most of the decrease in most runs (for *cipher* the interval is wide: in one of the runs "every 5" jumped back up in its last steps); kept for ever they bring the smaller part of it for *cipher*, and most of it for *order*. A random basis, fresh at every step, brings next to nothing.
# So a local linear structure is there, it is shared by the steps that follow, and it wears off, at a speed that depends on the task.
#
# The *prefix* of another run, kept, does better than a local basis that is kept, and than one that is refreshed every fifty steps; it is worse than one refreshed at every step.
#
# *Cost.* At equal numbers of items plain training wins: forty items for a basis in which to take a step of sixteen are not repaid. For *order* a refresh every five or ten steps ends at a few times plain training's loss; for *cipher* nothing comes near. A basis pays where it can be used many times, or where gradients cost much and steps do not.
#
# **The practical answer.** How often an edit direction must be refreshed is not a property of LoRA. On these two pairs, a refresh every five to ten steps keeps most of the decrease on average, and a run may fall back; for one of them much less would do.
#
# **What this does not show.** Two pairs, SGD only, one rate, ten directions; for *cipher* the test questions are the training questions. With an optimiser of its own memory, such as AdamW, a refresh also means to begin anew or to carry the memory over; that is another experiment.

# %% [markdown]
# (across-seeds-lora)=
# ## How near the live case is to what was filed
#
# The live case was made by the same steps as the observations. So its numbers must be those that were filed for its seed, up to the rounding of another processor.

# %%
print(live.beside(observed.frame, model=filed, seed=seed))

# %% [markdown]
# (lora-models)=
# ## Other models
#
# The same study on the other small models, with the seeds that were measured.

# %% tags=["hide-input"]
cells = {
    "prefix": ("capture", "prefix"),
    "never learned": ("capture", "never learned"),
    "energy share": ("energy share", None),
    "static, normalised": ("capture", "static, normalised"),
}
at = rows(over_models, k=K, T=T)
means = {
    label: rows(at, measure=m, basis=b).groupby(["model", "optimiser"])["value"].mean()
    for label, (m, b) in cells.items()
}
means["half-life"] = (
    rows(over_models, measure="half-life")
    .groupby(["model", "optimiser"])["value"]
    .mean()
)
print(
    f"means over pairs and seeds (nulls: captures {null.mean:.1e}, energy share {K / T:g}, half-life {T})"
)
tables.show(pd.DataFrame(means).reset_index(), ["model", "optimiser", *means])

# %% [markdown]
# The other two architectures show the same picture: prefixes near the energy share, never-learned runs somewhat below, static planes of some percent, up to an eighth, half-lives of some steps up to some tens. Where a run was left out, the first lines of this page say why.

# %% [markdown]
# ## The claims, row by row
#
# Rules, bars and the reason of each bar stand in `config/claims.yml`. "Below" and "above" ask whether the whole interval over seeds lies beyond the bar. A claim is "partly" unless all its lines agree. With fewer than three seeds, or where the model cannot do the task that is measured, there is no verdict, and the line says why.

# %%
judged = claims.judge("lora", over_models, filed)
tables.show(
    claims.summary(judged), ["claim", "statement", "paper", "verdict", "reproduced"]
)

# %% tags=["hide-output", "hide-input"]
tables.verdicts(judged)

# %% [markdown]
# Beyond the paper, by the same rules: is the fresh adapter low-rank too, and is the rank low with the mean taken off? Is the largest static capture below $0.15$ if that is read as a length? Does the prefix beat its controls? Does search repay its cost?

# %% tags=["hide-input"]
beyond = claims.judge("lora", over_models, filed, beyond=True)
tables.show(claims.summary(beyond), ["claim", "statement", "verdict", "reproduced"])

# %% tags=["hide-output", "hide-input"]
tables.verdicts(beyond)

# %% [markdown]
# And of the controls: on several pairs and at all lengths (S5, S6), and whether what is still to come, and the drift, tell a recovery from a first training (S3, S4). These rules were written before any run of five seeds.

# %% tags=["hide-input"]
with tables.if_measured("claims beside their controls"):
    tables.needs(None if control.empty else control)
    told = [claims.judge("controls", control, filed, beyond=b) for b in (False, True)]
    judged_controls = pd.concat(told, ignore_index=True)
    heads = ["claim", "statement", "verdict", "reproduced"]
    display(tables.show(claims.summary(judged_controls), heads))

# %% tags=["hide-output", "hide-input"]
with tables.if_measured("claims beside their controls, row by row"):
    tables.needs(None if control.empty else control)
    display(tables.verdicts(judged_controls))

# %% [markdown]
# The same for the other models: the verdicts of the claims, with how many lines reproduce each. One seed is no spread, so they wait for more.

# %% tags=["hide-input"]
names = [name for name in over_models["model"].unique() if name != filed]
other_models = [
    claims.summary(claims.judge("lora", over_models, name)).assign(model=name)
    for name in names
]
if other_models:
    found = pd.concat(other_models)
    found = found.assign(told=found["verdict"] + ", " + found["reproduced"]).pivot(
        index="claim", columns="model", values="told"
    )
    display(tables.show(found.reset_index(), ["claim", *names]))
else:
    print("no other model was measured")
