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
# # LoRA drift: what is recovered, and what stays where it was
#
# LoRA {cite}`hu2022lora` edits a language model by few numbers: here by a few thousand. If learned behaviour sits in fixed linear directions, this is where to look for them: the space is small, and edits are made in it every day. The paper
# {cite}`piontkovskaia2026recoverable` makes its central measurement here. An adapter learns two tasks, forgets one, and learns it again; the first steps of the way back (ten, says a secondary source) are said to hold $0.77$ of it.
#
# We repeat that for five pairs of tasks where the paper has two, and put every number beside what chance, or a duller explanation, would give.
#
# | Claim | In one line | Section |
# |---|---|---|
# | S1 | Task gradients have low rank locally | {ref}`lora-rank` |
# | S2 | The static task plane misses the recovery direction | {ref}`lora-captures` |
# | S3 | The first updates of a recovery capture most of it, $0.77$ | {ref}`lora-captures` |
# | S4 | The useful basis drifts within 100 steps | {ref}`lora-drift` |
# | S5, S6 | Alignment predicts a candidate's gain, static overlap does not | {ref}`lora-predict` |
# | S7 | Density ranks subspaces; the prefix is best | {ref}`lora-search` |
# | S9 | Best of $N$, votes of $k$, pass@$N$, run by run | {ref}`lora-search` |
#
# Two questions are ours: do these captures mean anything for the *function* ({ref}`lora-function`), and how often must an edit direction be refreshed ({ref}`lora-refresh`)? The models come from {doc}`02b_models`, laws and nulls from
# {doc}`01_theory`, the vocabulary of recovery from {doc}`02_synthetic_transformer`. Symbols are on the {doc}`../notation` page. We did not have the paper's code: where a definition is our reading, we say so.

# %% tags=["parameters"]
profile = "quick"  # name under which the results are filed
seed = 0  # all randomness of this run follows from it
model = "micro-gpt2"  # a shipped model, a folder, or a hub id with its commit
task_pairs = ["cipher", "edit", "order", "last", "first"]  # see the table of pairs
shapes = ["4-attention", "8-linear"]  # rank and layers; the first is for all pairs
shape_pairs = ["edit"]  # pairs for the other shapes
bar = 0.9  # exact match at which a task is learned
lost = 0.15  # exact match of A at which it is forgotten
back = 0.5  # exact match of A at which it is recovered
limit = 1000  # most steps of learning, or of forgetting
rate = 0.003  # learning rate of AdamW
sgd_rate = 0.05  # learning rate of SGD
ks = [1, 2, 5, 10]  # dimensions of the subspaces; the last is read in the text
horizons = [25, 50, 100]  # recovery steps T; the last is read in the text
gradients = 12  # minibatch gradients in each of three sets
candidates = 256  # N of the random search
norms = [0.25, 1.0]  # lengths of its steps, in lengths of the recovery
items = 24  # twice the questions on which candidates are selected
pool_candidates = 12  # candidates of each subspace, norm and point for S5 and S6
refresh = [1, 5, 10, 25, 50]  # steps between two refreshes of a basis
refresh_pairs = ["cipher", "order"]  # pairs for the recalibration
allow_download = False  # whether a hub model may be fetched
device = "cpu"  # where the model runs

# %%
from dataclasses import replace
from statistics import fmean

import numpy as np
import torch
from IPython.display import display

from lglib.theory import nulls
from lglib.report import across, figures, provenance, results, siblings, verdicts
from lglib.parameters import descent, recovery, subspace_descent
from lglib.theory import correlation, stats
from lglib.geometry import drift, spectra
from lglib.models import function_space, loading, lora
from lglib.tasks import pairs, supervised
from lglib.studies import gates
from lglib.base import seeding
from lglib.search import lora_candidates, pools, proposals, votes
from lglib.studies.lora import forget_and_recover
from lglib.report.results import Record
from lglib.geometry.subspace import Subspace

figures.style()
parameters = dict(task_pairs=task_pairs, shapes=shapes, shape_pairs=shape_pairs)
parameters |= dict(bar=bar, lost=lost, back=back, limit=limit)
parameters |= dict(rate=rate, sgd_rate=sgd_rate, ks=ks, horizons=horizons)
parameters |= dict(gradients=gradients, candidates=candidates, norms=norms, items=items)
parameters |= dict(pool_candidates=pool_candidates, device=device)
parameters |= dict(refresh=refresh, refresh_pairs=refresh_pairs)
records = []  # every measured value of this run, filed at the end
print(f"profile {profile}, seed {seed}, model {model}")
print(", ".join(f"{name} = {value}" for name, value in parameters.items()))
print(", ".join(f"{name} {v}" for name, v in provenance.versions().items()))

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
found = loading.load(model, device=device, allow_download=allow_download)
K, T = ks[-1], horizons[-1]  # the cell of the grid that the text reads


def attach(shape):
    """Fresh adapters of a shape such as 4-attention."""
    r, layers = shape.split("-")
    return lora.attach(found, int(r), layers, seed=seed)


adapter = attach(shapes[0])
space = adapter.space
print(
    f"{found.name}: {found.parameters:,} parameters; adapter {shapes[0]}: {space.d:,}"
)
figures.table(adapter.table(), index="layer")

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
chosen = {name: pairs.pair(name, seed) for name in task_pairs}
rows = []
for name, pair in chosen.items():
    a, b, f = (d(1, "test", seed)[0] for d in (pair.a, pair.b, pair.forget))
    example = f"{a.prompt.removesuffix(' Answer:')} {a.answer.strip()}"
    lose = f"{f.prompt.removesuffix(' Answer:')} {f.answer.strip()}"
    rows.append(
        {
            "pair": name,
            "task A": pair.says,
            "example of A": example,
            "forgotten by": pair.way,
            "example of forgetting": lose,
            "kind": "table" if pair.table else "rule",
        }
    )
figures.table(rows, index="pair")

# %% [markdown]
# A and B are learned together with AdamW {cite}`loshchilov2019decoupled`, in rounds of 25 steps, until both are at the bar on validation items, and one round more: that is $\theta^\ast$. (Gradients are clipped at length one while learning, nowhere else.) Then A is forgotten, in rounds too, until its exact match is at most 0.15, and one round more: that is $\theta_f$.
# A pair that is not learned or not lost stops the run with its scores. (So a seed on which that happened could not be in this book; it did not happen.) One more point is prepared for a control: $\theta_0$, *never learned*. It has the whole history of $\theta_f$ (as many steps on B, as many of forgetting) except that A was never in it. (It did see the prompts of A, with other answers, where forgetting uses them.)

# %%
rates = {"AdamW": rate, "SGD": sgd_rate}
studies, points = {}, {}
for name, pair in chosen.items():
    studies[name] = forget_and_recover.Study(adapter, pair, seed, rates)
    points[name] = studies[name].prepare(bar=bar, lost=lost, limit=limit)

# %% [markdown]
# Now recover: train $\theta_f$ on A alone for $T$ steps with minibatches of 16, once with AdamW and once with SGD. The end is $\theta_T$, the way $\Delta=\theta_T-\theta_f$. The same from $\theta_0$, which has nothing to recover. And the first steps once more with
# *another order* of minibatches.

# %%
runs, others, never = {}, {}, {}
for name, study in studies.items():
    for o in rates:
        runs[name, o] = study.recover(points[name].forgot, o, T)
        others[name, o] = study.recover(points[name].forgot, o, K, order=1)
        never[name, o] = study.recover(points[name].never, o, T)

# %% tags=["hide-input"]
rows, ends = [], {}
for name, study in studies.items():
    p = points[name]
    at = {"theta*": p.star, "theta_f": p.forgot, "theta_0": p.never}
    row = {"pair": name, "learned in": p.learned_in, "forgotten in": p.forgot_in}
    row |= {f"A at {where}": study.scores(theta)["A"] for where, theta in at.items()}
    row["B at theta*"] = study.scores(p.star)["B"]
    for o in rates:
        ends[name, o] = study.scores(recovery.point(runs[name, o], T))["A"]
        row[f"A back, {o}"] = ends[name, o]
    rows.append(row)
gates.require_learned({f"{n}, A back, {o}": s for (n, o), s in ends.items()}, back)
print(f"exact match on 48 test items; known at {bar}, lost at {lost}, back at {back}")
figures.table(rows, index="pair", digits=2)

# %% [markdown]
# (lora-rank)=
# ## S1: gradients of low rank?
#
# **What the paper claims.** S1: locally, the gradients of a task have a strong low-rank structure.
#
# **What we do.** As in chapter 2: the participation ratio of minibatch gradients of A, by that of random vectors with the same norms (the null, so $1$ means no structure), at the fresh adapter, at $\theta^\ast$ and at $\theta_f$; raw, and with their mean taken off. Three sets of gradients give the spread.

# %%
SETS = 3
sets = {
    n: [study.batches([study.pair.a], gradients, f"set {s}") for s in range(SETS)]
    for n, study in studies.items()
}


def gradients_at(name, theta):
    """Gradients of A at a point: a matrix (gradients, d) for each set."""
    with space.at(theta):
        return [lora_candidates.gradients(adapter, b) for b in sets[name]]


grads = {}
for name, p in points.items():
    for where, theta in (
        ("initial", p.initial),
        ("theta*", p.star),
        ("theta_f", p.forgot),
    ):
        grads[name, where] = gradients_at(name, theta)

# %% tags=["hide-input"]
told = dict(unit="1", null=1.0, null_means="random directions of equal norms")
ratios = {}
for (name, where), matrices in grads.items():
    for kind in ("raw", "centred"):
        rows = [g - g.mean(0) if kind == "centred" else g for g in matrices]
        nulls = [spectra.same_norms(g, seed=seed + i) for i, g in enumerate(rows)]
        ratio = [
            spectra.spectrum(g).participation_ratio
            / spectra.spectrum(n, centre=kind == "centred").participation_ratio
            for g, n in zip(rows, nulls, strict=True)
        ]
        ratios[name, where, kind] = stats.mean_interval(ratio)
        what = f"participation ratio / null, {kind}, at {where}, {name}"
        records.append(Record.of("S1", what, ratios[name, where, kind], **told))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-rank", "caption": "Participation ratio of the gradients of A in units of its null (grey line at 1), for each pair at three points. Raw gradients (top) are far below the null where the loss is high, at the fresh adapter and at the forgetful point, and so they were before anything was learned. With the mean taken off (bottom) more is left. Dots: means over three sets, 95 % intervals."}, "image": {"alt": "Two dot plots with five pairs as rungs and three points as colours. In the upper panel most dots lie left of one half; in the lower they lie further right."}}
figure, axes = figures.panels(2, height=3.0)
for panel, kind in zip(axes, ("raw", "centred"), strict=True):
    series = {}
    for where, label in (
        ("initial", "fresh"),
        ("theta*", r"$\theta^*$"),
        ("theta_f", r"$\theta_f$"),
    ):
        series[label] = [
            (r.estimate, r.low, r.high)
            for r in (ratios[n, where, kind] for n in chosen)
        ]
    figures.ladder(panel, list(chosen), series)
    panel.axvline(1, color=figures.NULL, label="null", zorder=0)
    panel.set(xlim=(0, 1.15), title=kind)
axes[1].set_xlabel("participation ratio / null")
figures.legend_below(axes[1])
# %% [markdown]
# **What we see.** Raw gradients are far below the null at the fresh adapter and at $\theta_f$, where the model is wrong nearly everywhere. At $\theta^\ast$ *last* and *first* are near it; *order* and the tables are not. With the mean taken off, a third to four fifths of the null is left. As in chapter 2, much of the low rank is one shared direction, the mean gradient, and it is
# there before anything is learned.
#
# **What this does not show.** For tables the same 16 or 24 questions fill every minibatch, so their gradients cannot have a rank above that, whatever the network; and with twelve gradients no rank above twelve can be seen. At a fresh adapter $B=0$, so only the $B$-half of the gradient is not zero.
#
# (lora-captures)=
# ## S2 and S3: what captures a recovery?
#
# **What the paper claims.** S2: the static task plane misses the recovery direction (a secondary source gives about $0.15$). S3: the first updates of the recovery capture $0.77$ of the displacement.
#
# The *capture* of a subspace is the share $\lVert P\Delta\rVert^2/\lVert\Delta\rVert^2$. Beside the bases of chapter 2 (**prefix**, **static**, **static, normalised**, **static, own task**, **local**, **Krylov**, **random**, **way back**) stands
# **sign**: the leading directions of the signs of local gradients, since AdamW's first steps follow signs. The controls are those of chapter 2: the prefix of *another order*; the *energy share*, the squared length of the first $k$ updates over that of all, which is what a blind walk would show;
# what is *still to come* after the prefix; and the prefix of the *never-learned* run in its own displacement.


# %%
def bases_before(name):
    """Bases that can be made without running the recovery."""
    study, p = studies[name], points[name]
    a, at_f = grads[name, "theta*"], torch.cat(grads[name, "theta_f"])
    with space.at(p.star):
        b_batches = study.batches([study.pair.b], gradients, "static b")
        b = lora_candidates.gradients(adapter, b_batches)
    scaled = [g / g.square().sum(1).mean().sqrt() for g in (a[0], b)]
    batch = study.lesson(study.pair.a, 64, "train", "krylov")
    with space.at(p.forgot):
        product = space.hvp_operator(supervised.loss, batch)
        krylov = Subspace.krylov(product, space.gradient(supervised.loss, batch), K)
    return {
        "static": Subspace.from_gradients(torch.cat([a[0], b]), K),
        "static, normalised": Subspace.from_gradients(torch.cat(scaled), K),
        "static, own task": Subspace.from_gradients(torch.cat(a), K),
        "local": Subspace.from_gradients(at_f, K),
        "sign": Subspace.from_gradients(at_f.sign(), K),
        "Krylov": krylov,
        "random": Subspace.random(space.d, K, seed, dtype=space.dtype, device=device),
        "way back": Subspace.from_vectors((p.star - p.forgot)[None]),
    }


before = {name: bases_before(name) for name in chosen}


# %%
def measure(run, other, control, bases):
    """Captures of a recovery by all bases, each (k, T), with its controls."""
    own = dict(bases)
    own["prefix"] = Subspace.prefix(run.points, K)
    own["other order"] = Subspace.prefix(other.points, K)
    cell = recovery.captures(own, run, ks, horizons)
    cell["energy share"] = recovery.energy_share(run, ks, horizons)
    cell["still to come"] = recovery.still_to_come(run, ks, horizons)
    first = {"prefix": Subspace.prefix(control.points, K)}
    cell["never learned"] = recovery.captures(first, control, ks, horizons)["prefix"]
    return cell


grid = {
    (n, o): measure(runs[n, o], others[n, o], never[n, o], before[n]) for n, o in runs
}

# %% tags=["hide-input"]
nothing = nulls.beta_null(K, space.d)
order = ["prefix", "other order", "energy share", "never learned", "still to come"]
order += [n for n in before[task_pairs[0]] if n != "way back"]
for o in rates:
    rows = [{"basis": b, **{n: grid[n, o][b][-1, -1] for n in chosen}} for b in order]
    rows.append(
        {"basis": "way back, k = 1"}
        | {n: grid[n, o]["way back"][0, -1] for n in chosen}
    )
    rows.append(
        {"basis": "length, prefix"}
        | {n: grid[n, o]["prefix"][-1, -1] ** 0.5 for n in chosen}
    )
    print(f"{o}: captures at k = {K}, T = {T}")
    display(figures.table(rows, index="basis", digits=2))
print(f"null: {nothing.mean:.1e}, 95 % within [{nothing.low:.1e}, {nothing.high:.1e}]")

# %% tags=["hide-input"]
null = dict(unit="1", null_means="random k-dimensional subspace")
EQUAL = dict(unit="1", null_means="updates of equal length")


def once(value):
    """A value of a single run: it has no interval until there are more seeds."""
    return stats.Interval(value, value, value, 0.95, 1)


for (name, o), cell in grid.items():
    for basis, table in cell.items():
        claim = "S2" if basis.startswith("static") else "S3"
        for i, j in np.ndindex(table.shape):
            read_here = ks[i] == K or horizons[j] == T  # the last row and column
            if read_here and np.isfinite(table[i, j]):
                what = f"capture: {basis}, {name}, {o}, k = {ks[i]}, T = {horizons[j]}"
                chance = null | dict(null=ks[i] / space.d)
                if basis == "energy share":
                    chance = EQUAL | dict(null=ks[i] / horizons[j])
                records.append(Record.of(claim, what, once(table[i, j]), **chance))
    for control in ("other order", "energy share", "never learned", "local"):
        gap = once(cell["prefix"][-1, -1] - cell[control][-1, -1])
        what = f"prefix minus {control}, {name}, {o}"
        records.append(
            Record.of("S3", what, gap, unit="1", null=0.0, null_means="no difference")
        )
for control in ("other order", "energy share", "never learned"):
    gaps = [cell["prefix"][-1, -1] - cell[control][-1, -1] for cell in grid.values()]
    what = f"prefix minus {control}, mean over runs"
    told = dict(unit="1", null=0.0, null_means="no difference")
    records.append(Record.of("S3", what, once(fmean(gaps)), **told))
    print(f"{what}: {fmean(gaps):.3f} (null 0)")
STATIC = ("static", "static, normalised", "static, own task")
for basis in (*STATIC, "still to come"):
    claim = "S2" if basis in STATIC else "S3"
    largest = once(max(cell[basis][-1, -1] for cell in grid.values()))
    records.append(
        Record.of(
            claim,
            f"largest capture of all runs: {basis}",
            largest,
            null=K / space.d,
            **null,
        )
    )


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-captures", "caption": "Captures of the recovery by ten directions, for five pairs and two optimisers, one run each. The prefix lies between a third and five sixths, and its controls lie with it. Dashed: the paper's 0.77 as a share of energy; dotted: if it is a share of length; grey line at the left edge: the Beta null."}, "image": {"alt": "Two dot plots, AdamW above SGD, with the five pairs as rungs; prefix, other order, energy share and never learned scatter together over the whole width."}}
def papers_value(line):
    """The paper's 0.77, once as a share of energy, once as a length."""
    look = dict(color=figures.PAPER, lw=1.2, zorder=0)
    line(0.77, ls="--", label="paper", **look)
    line(0.77**2, ls=":", label="if a length", **look)


figure, axes = figures.panels(2, height=3.4)
shown = ["prefix", "other order", "energy share", "never learned"]
for panel, o in zip(axes, rates, strict=True):
    series = {b: [(grid[n, o][b][-1, -1],) * 3 for n in chosen] for b in shown}
    figures.ladder(panel, list(chosen), series)
    papers_value(panel.axvline)
    panel.axvline(nothing.mean, color=figures.NULL, label="null", zorder=0)
    panel.set(xlim=(-0.03, 1.03), title=o)
axes[1].set_xlabel(f"capture, k = {K}, T = {T}")
figures.legend_below(axes[1])
# %% [markdown]
# (lora-remarkable)=
# ### Is 0.77 remarkable?
#
# (The null under the tables is that of a random ten-dimensional subspace, $k/d$. Some rows have others: the energy share $k/T=0.1$ for updates of equal length, the way back $1/d$, a length $\sqrt{k/d}$.)
#
# Put the ten runs of this chapter, and their ten never-learned twins, into one picture: the capture of the prefix against the energy share, which knows nothing of directions.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-energy", "caption": "Capture of the prefix against the energy share, the capture that updates in unrelated directions would have (grey diagonal). Filled: recoveries; open: runs of the same history in which A was never learned. Most of the variation between pairs and optimisers is variation of the energy share. Dashed and dotted: the paper's value, as energy and as length."}, "image": {"alt": "Scatter plot near the diagonal; filled and open symbols mix."}}
figure, (axes,) = figures.panels(1, height=4.0)
for i, o in enumerate(rates):
    for kind, own, fill in (("recovery", runs, None), ("never learned", never, "none")):
        share = [recovery.energy_share(own[n, o], [K], [T]).item() for n in chosen]
        basis = "prefix" if kind == "recovery" else "never learned"
        value = [grid[n, o][basis][-1, -1] for n in chosen]
        look = dict(color=figures.PALETTE[i], mfc=fill, label=f"{kind}, {o}")
        axes.plot(share, value, "os"[i], ms=6, **look)
axes.plot([0, 1], [0, 1], color=figures.NULL, label="equal", zorder=0)
papers_value(axes.axhline)
axes.set(
    xlim=(0, 1.02),
    ylim=(0, 1.02),
    xlabel="energy share",
    ylabel="capture of the prefix",
)
figures.legend_below(axes)

# %%
shares = np.array([grid[c]["energy share"][-1, -1] for c in grid])
captured = np.array([grid[c]["prefix"][-1, -1] for c in grid])
together = correlation.interval(captured, shares)
print(f"correlation of capture and energy share over {len(grid)} runs: {together}")
told = dict(unit="1", null=0.0, null_means="unrelated")
records.append(
    Record.of("S3", "correlation of prefix capture and energy share", together, **told)
)
for o in rates:
    own = [k for k, c in enumerate(grid) if c[1] == o]
    r = float(np.corrcoef(captured[own], shares[own])[0, 1])
    what = f"correlation of prefix capture and energy share, {o}"
    records.append(Record.of("S3", what, once(r), **told))
    print(f"within {o}: {r:.2f}")

# %% [markdown]
# A correlation is not a cause. So we *change* the energy share: recover once more with AdamW at a third of the rate. Its updates have nearly the same length while the loss falls, and now it falls for longer, so the first ten steps must hold less of the energy. Does the capture follow?

# %%
slow = {}
for name, study in studies.items():
    third = replace(study, rates={"AdamW": rate / 3})
    run = third.recover(points[name].forgot, "AdamW", T)
    own = {"prefix": Subspace.prefix(run.points, K)}
    captured_by = recovery.captures(own, run, [K], [T])["prefix"].item()
    slow[name] = captured_by, recovery.energy_share(run, [K], [T]).item()

# %% tags=["hide-input"]
rows = []
for name, (captured_by, share_of) in slow.items():
    usual = grid[name, "AdamW"]
    pair_of = usual["energy share"][-1, -1], usual["prefix"][-1, -1]
    rows.append({"pair": name, "energy share": pair_of[0], "at a third": share_of})
    rows[-1] |= {"capture": pair_of[1], "capture at a third": captured_by}
moves = {
    "energy share": fmean(r["at a third"] - r["energy share"] for r in rows),
    "capture": fmean(r["capture at a third"] - r["capture"] for r in rows),
}
for what, value in moves.items():
    told = dict(unit="1", null=0.0, null_means="no change")
    quantity = f"change of {what} at a third of the rate, mean over pairs"
    records.append(Record.of("S3", quantity, once(value), **told))
print("mean change:", {what: round(value, 3) for what, value in moves.items()})
figures.table(rows, index="pair", digits=2)

# %% [markdown]
# **What we see.** *The prefix* captures a third to more than four fifths here, and over all seeds anything from a fifth to 0.98. The value is not a property of LoRA: it changes with the pair, with the way of forgetting, and with the optimiser, and $0.77$ lies within that range, towards its upper end.
#
# *Energy share.* Over the ten runs the capture goes up and down with the energy share, which knows the lengths of the updates and not one of their directions, and on average it is not far from it. But that is a correlation. When we lower the energy share by a slower rate, the capture hardly follows: then the first steps are shorter, so they must agree more with the rest of the way. So a blind walk would show captures of the size that we see, and still the prefix is no blind walk.
#
# *Another order* of minibatches gives a prefix that captures somewhat less on average, in single runs far less: there a few long steps of one particular run hold everything. *Never learned*: training A for the first time gives captures of the same size; on average over runs and seeds the prefix is ahead by less than a tenth, and the interval holds zero. So a high capture does not show that something is *recovered*.
#
# *The static planes* capture a few percent with AdamW and up to a seventh with SGD (a fifth in one seed). That is many times the null, and little. A plane made of the task's own gradients at $\theta^\ast$ does no better than the mixed ones. *Local* gradients, their *signs* with AdamW, and *Krylov* spaces lie between. *Way back*: the single line from $\theta_f$ to $\theta^\ast$ (null $1/d$, about $10^{-4}$) holds about a tenth for some pairs and next to nothing for others: the recovery hardly retraces the forgetting.
#
# **The answer.** Against a random subspace, whose capture is a thousandth, any such value looks like a discovery. Against captures of the same measure on other pairs, against training that recovers nothing, and against what the lengths of the updates alone would give, $0.77$ is unremarkable. What would be remarkable is a capture well above its own energy share and its never-learned twin. We cannot say
# what these were in the paper's runs; they are the numbers to ask for.
#
# **What this does not show.** That the prefix holds no information: it is the best basis here. Over seeds its whole interval lies above both its energy share and its never-learned twin for *order* with both optimisers and for *edit* with SGD, by 0.07 to 0.17; it lies below its energy share for *cipher* and *first* with AdamW. The mean over runs in the table of claims hides this. The ten runs share their base model and, by pairs, their forgetting, so they are fewer than ten independent ones.
#
# ### Another shape of adapter

# %%
lora.detach(adapter)
shaped = {}
for shape in shapes[1:]:
    adapter = attach(shape)
    for name in shape_pairs:
        study = forget_and_recover.Study(adapter, pairs.pair(name, seed), seed, rates)
        p = study.prepare(bar=bar, lost=lost, limit=limit)
        for o in rates:
            run, control = (study.recover(x, o, T) for x in (p.forgot, p.never))
            other = study.recover(p.forgot, o, K, order=1)
            with adapter.space.at(p.star):
                b = study.batches([study.pair.a, study.pair.b], gradients, "static")
                g = lora_candidates.gradients(adapter, b)
            bases = {"static": Subspace.from_gradients(g, K)}
            shaped[shape, name, o] = (
                measure(run, other, control, bases),
                adapter.space.d,
            )
    lora.detach(adapter)
adapter = attach(shapes[0])
space = adapter.space
studies = {n: replace(study, adapter=adapter) for n, study in studies.items()}

# %% tags=["hide-input"]
rows = []
for (shape, name, o), (cell, d) in shaped.items():
    row = {"shape": shape, "d": d, "pair": name, "optimiser": o}
    row |= {b: cell[b][-1, -1] for b in (*shown, "still to come", "static")}
    row["null"] = f"{K / d:.1e}"
    rows.append(row)
    for b in (*shown, "still to come", "static"):
        what = f"capture: {b}, {name}, {o}, shape {shape}"
        claim = "S2" if b == "static" else "S3"
        records.append(
            Record.of(claim, what, once(cell[b][-1, -1]), null=K / d, **null)
        )
print(f"k = {K}, T = {T}; static: mixed batches of A and B at theta*")
figures.table(rows, index="shape", digits=2)

# %% [markdown]
# With eight times as many coordinates, in every linear layer of the model, the captures of the prefix and its controls are of the size of those above, though the null is eight times smaller; the static plane's is smaller, as its null is. (The static plane here is made of mixed batches.)
#
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
# $BM\,M^{-1}A=BA$. Gradients go by $G^{-\top}$ because the change of the loss, $g\cdot\delta$, stays. In a layer, $G$ multiplies the columns of $A$ by $M^{-1}$ and the rows of $B$ by $M$, so it is linear; it is orthogonal if each $M$ is, and an orthogonal map keeps inner products. For $M=cI$ it multiplies the $A$-part of a vector by $1/c$ and the $B$-part by $c$. The capture does not change when all vectors are divided by $c$; the $A$-parts are then multiplied by $1/c^2\to0$. The
# capture is a continuous function of vectors that stay linearly independent in the limit. The same with $1/c$ for $c$ when $c\to0$.
# :::
#
# So a capture in LoRA coordinates is a statement about the function *and* perhaps about an accident of scale: peft starts with $B=0$ and $A$ of some size. How much does the accident matter? We express the recorded runs in other gauges and measure again. (The runs are the same; training anew in another gauge would be another run, because neither SGD nor AdamW is blind to it.)

# %%
GAUGES = {f"c = {c:g}": (c, 1.0) for c in (0.1, 0.3, 1.0, 3.0, 10.0)}
GAUGES |= {f"random, {w:g}": (1.0, w) for w in (3.0, 10.0)}  # each layer its own


def matrices(name, c, wide):
    """One M for each layer: c times a random matrix with singular values from 1 / wide to wide."""
    r, made = adapter.r, []
    for one in adapter.layers:
        dice = seeding.generator(seed, "gauge", name, one.name)
        left, right = torch.linalg.qr(torch.randn(2, r, r, generator=dice))[0]
        values = wide ** torch.linspace(-1, 1, r) if wide > 1 else torch.ones(r)
        made.append(c * left @ torch.diag(values) @ right)
    return [m.to(space.flatten()) for m in made]


def in_gauge(name, o, c, wide):
    """Captures of a recorded run in other coordinates."""
    m = matrices(name, c, wide)
    path = lora.gauge(adapter, runs[name, o].points, m)
    other = lora.gauge(adapter, others[name, o].points, m)
    at_star, at_f = (
        lora.gauge(adapter, torch.cat(grads[name, where]), m, dual=True)
        for where in ("theta*", "theta_f")
    )
    delta, steps = path[-1] - path[0], path.diff(dim=0).square().sum(1)
    return {
        "prefix": Subspace.prefix(path, K).capture(delta),
        "other order": Subspace.prefix(other, K).capture(delta),
        "energy share": (steps[:K].sum() / steps.sum()).item(),
        "static, own task": Subspace.from_gradients(at_star, K).capture(delta),
        "local": Subspace.from_gradients(at_f, K).capture(delta),
    }


gauged = {
    (n, g): in_gauge(n, "AdamW", *how) for n in chosen for g, how in GAUGES.items()
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-gauge", "caption": "The same recoveries with AdamW in other coordinates, which leave the model as it is: captures in units of those in peft's coordinates, on a logarithmic axis. M = c I in every layer, or a random M in each layer with singular values from a third to three, and from a tenth to ten. Grey: a capture that survives. Dots: geometric means over the pairs, 95 % intervals over pairs."}, "image": {"alt": "Dot plot with seven gauges as rungs and four bases as colours; prefix, other order and energy share stay near one, the static plane falls far below."}}
figure, (axes,) = figures.panels(1, height=3.8)
series = {}
for b in gauged[task_pairs[0], "c = 1"]:
    series[b] = []
    for g in GAUGES:
        logs = [np.log(gauged[n, g][b] / gauged[n, "c = 1"][b]) for n in chosen]
        r = stats.mean_interval(logs)
        series[b].append(tuple(np.exp([r.estimate, r.low, r.high])))
        if g != "c = 1":
            claim = "S2" if b.startswith("static") else "S3"
            told = dict(unit="log", null=0.0, null_means="a capture that survives")
            what = f"log ratio of captures, gauge {g}: {b}, AdamW"
            records.append(Record.of(claim, what, r, **told))
figures.ladder(axes, list(GAUGES), series)
axes.axvline(1, color=figures.NULL, label="survives", zorder=0)
axes.set(xscale="log", xlabel="capture / capture in peft's coordinates")
figures.legend_below(axes)
# %% [markdown]
# What does not depend on a gauge is the *merged* change $s\,BA$ of each matrix. So we ask the same questions of it: which share of the change of all merged matrices lies in the span of the first $k$ changes along the path? And in the span of the leading gradients of A by the matrices themselves, at $\theta^\ast$ and at $\theta_f$?
# Beyond that, what does the captured part *do*? Keep only $P\Delta$, go to $\theta_f+P\Delta$, and compare with $\theta_T$: which share of the change $\delta z$ of the logits on held-out questions does its change $\delta z_P$ explain, $1-\lVert\delta z-\delta z_P\rVert^2/\lVert\delta z\rVert^2$, and which share of the decrease of the loss does it bring?


# %%
def merged_captures(name, o):
    """Captures of the change of the merged matrices."""
    p, run = points[name], runs[name, o]
    delta = function_space.change(adapter, run.points[0], run.points[-1])
    own = {
        "prefix": function_space.updates(adapter, run.points, K),
        "other order": function_space.updates(adapter, others[name, o].points, K),
    }
    same_batches = [b for batches in sets[name] for b in batches]
    for label, theta in (("static, own task", p.star), ("local", p.forgot)):
        with space.at(theta):
            g = function_space.gradients(adapter, supervised.loss, same_batches)
        own[label] = function_space.leading(g, K)
    return {label: function_space.capture(basis, delta) for label, basis in own.items()}


entries = sum(one.inputs * one.outputs for one in adapter.layers)
merged = {c: merged_captures(*c) for c in runs}

# %%
PROJECTED = ("prefix", "other order", "local", "static, normalised", "random")


def effects(name, o):
    """What the part of the displacement inside a basis does, by basis."""
    study, run = studies[name], runs[name, o]
    own = dict(before[name])
    own["prefix"] = Subspace.prefix(run.points, K)
    own["other order"] = Subspace.prefix(others[name, o].points, K)
    held = study.lesson(study.pair.a, 48, "test", "logits")
    own = {b: own[b] for b in PROJECTED}
    return function_space.shares(adapter, run.points[0], run.points[-1], own, held)


effect = {c: effects(*c) for c in runs}

# %% tags=["hide-input"]
told = dict(unit="1", null=K / entries, null_means="random k-dimensional subspace")
keep = dict(unit="1", null=0.0, null_means="a part that does nothing")
rows = []
for (name, o), cell in merged.items():
    for b, value in cell.items():
        what = f"capture of merged matrices: {b}, {name}, {o}"
        claim = "S2" if b.startswith("static") else "S3"
        records.append(Record.of(claim, what, once(value), **told))
    for b, found_shares in effect[name, o].items():
        for what in ("matrices", "logits", "loss"):
            quantity = f"explained {what}: {b}, {name}, {o}"
            claim = "S2" if b.startswith("static") else "S3"
            records.append(Record.of(claim, quantity, once(found_shares[what]), **keep))
    rows.append({"pair": name, "optimiser": o, **cell})
print(
    f"captures of the change of the merged matrices, k = {K} (null {K / entries:.1e})"
)
figures.table(rows, index="pair", digits=2)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-function", "caption": "From coordinates to function, with AdamW (top) and SGD (bottom): the capture of the prefix in LoRA coordinates, in the merged matrices, and what the captured part of the displacement alone does for the logits and for the loss on held-out questions. Captures in coordinates and in matrices are close to each other; the share of the loss is larger; that of the logits varies most, and can be negative (cipher with AdamW lies left of the axis: its value is in the table). Grey: a part that does nothing."}, "image": {"alt": "Two dot plots with five pairs as rungs and four measures as colours."}}
figure, axes = figures.panels(2, height=3.4)
for panel, o in zip(axes, rates, strict=True):
    series = {
        "coordinates": [(grid[n, o]["prefix"][-1, -1],) * 3 for n in chosen],
        "matrices": [(merged[n, o]["prefix"],) * 3 for n in chosen],
        "logits": [(effect[n, o]["prefix"]["logits"],) * 3 for n in chosen],
        "loss": [(effect[n, o]["prefix"]["loss"],) * 3 for n in chosen],
    }
    figures.ladder(panel, list(chosen), series)
    panel.axvline(0, color=figures.NULL, label="nothing", zorder=0)
    panel.set(title=o, xlim=(-0.35, 1.05))
axes[1].set_xlabel("share of the whole displacement")
figures.legend_below(axes[1])

# %% tags=["hide-input"]
rows = [
    {"pair": name, "optimiser": o, "basis": b, **shares_of}
    for (name, o), cell in effect.items()
    for b, shares_of in cell.items()
]
figures.table(rows, index="pair", digits=2)

# %% [markdown]
# **What we see.** *Gauge.* Captures by *displacements* (prefix, other order) and the energy share hardly change on average over the pairs (with AdamW; SGD was not asked): the parts of the way that lie in $A$ and in $B$ are captured alike. Captures by *gradients* (static, local) collapse. That is no accident of these tasks. Gradients change in the opposite way, so any gradient plane must lose every displacement when $A$ and $B$ are rescaled against each other ({ref}`ex-dual`). A plane of gradients is a plane of directions only after one has chosen how to measure length, and peft's coordinates are one choice. So the
# prefix passes this test; comparisons of prefix and static plane do not pass it.
#
# *Merged matrices.* Without coordinates, the prefix captures nearly what it captured with them, a little less with AdamW (for *first* a third less). Gradients by the full matrices capture less than two percent at $\theta^\ast$, and one to ten percent at $\theta_f$; but a random plane captures far less here than in the coordinates of the adapter.
#
# *What the captured part does.* The part of the displacement that lies in the prefix brings a larger share of the decrease of the loss than its share of the displacement, in nearly all runs. Its share of the change of logits varies most, and can be below zero: a part of the way may lead elsewhere than the whole. The static plane too does more than its few percent: in this run for *edit* it brings about a third of the decrease of the loss. Which pair it helps changes with the seed (for *last* it brings from a fiftieth to more than four fifths). Most of a long way does not matter for the answers; a small part of it matters much.
#
# **What this does not show.** Logits and loss are measured on the questions of task A only. What the discarded part does to everything else was not asked.
#
# (lora-drift)=
# ## S4: does the useful basis drift?
#
# **What the paper claims.** S4: the useful basis drifts substantially within 100 steps.
#
# **What we do.** As in chapter 2: the span of the ten leading gradient directions at step $t$ of a recovery, its overlap with step $0$, relative to the *ceiling* (what two estimates of one basis share) and to the *floor* (an unrelated network: the untrained twin with an adapter of its own), see {eq}`eq-relative-overlap`.

# %%
STEPS = [s for s in (0, 2, 10) if s < T] + [T]
twin = loading.load(
    model, trained=False, seed=seed + 1000, device=device, allow_download=allow_download
)
r, layers = shapes[0].split("-")
stranger = lora.attach(twin, int(r), layers, seed=seed + 1000)
dice = seeding.generator("stranger", seed)
noise = 0.05 * torch.randn(space.d, generator=dice, dtype=space.dtype).to(device)
strange = stranger.space.flatten() + noise  # B is not zero, as after training
with stranger.space.at(strange):
    unrelated = {
        n: [Subspace.from_gradients(lora_candidates.gradients(stranger, b), K) for b in sets[n]]
        for n in chosen
    }


def along(name, o):
    """Gradients of each set at each step of a recovery."""
    run = runs[name, o]
    later = [gradients_at(name, run.points[step]) for step in STEPS[1:]]
    return [grads[name, "theta_f"], *later]


paths = {c: along(*c) for c in runs}


# %%
def read(d):
    """What the jackknife follows: relative overlap at each step, then the half-life."""
    return [*d.relative[1:], min(d.half_life, float(T))]


def drifted(name, o):
    """Drift of the whole basis, and the jackknife's intervals."""
    estimates = [
        [Subspace.from_gradients(g, K) for g in step] for step in paths[name, o]
    ]
    first = estimates[0]
    floor = fmean(a.overlap(b) for a in first for b in unrelated[name])
    columns = drift.jackknife(STEPS, estimates, floor, read).T
    *relative, half = map(stats.mean_interval, columns)
    return drift.measure(STEPS, estimates, floor), relative, half


drifts = {c: drifted(*c) for c in paths}

# %% tags=["hide-input"]
stays = dict(unit="1", null=1.0, null_means="a basis that stays")
ever = dict(unit="steps", null=float(T), null_means="no drift: the run's length")
rows = []
for (name, o), (d, relative, half) in drifts.items():
    for step, value in zip(STEPS[1:], relative, strict=True):
        what = f"relative overlap at step {step}, {name}, {o}"
        records.append(Record.of("S4", what, value, **stays))
    records.append(Record.of("S4", f"half-life, {name}, {o}", half, **ever))
    rows.append(
        {"pair": name, "optimiser": o, "floor": d.floor, "ceiling at 0": d.ceiling[0]}
    )
    rows[-1] |= {
        f"relative at {s}": v for s, v in zip(STEPS[1:], d.relative[1:], strict=True)
    }
    rows[-1]["half-life (steps)"] = min(d.half_life, float(T))
figures.table(rows, index="pair", digits=2)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-drift", "caption": "Overlap of the gradient basis with step 0, relative to ceiling and floor, along ten recoveries. It falls below one half (dotted) within a few steps nearly everywhere. Grey: no drift. Intervals: jackknife over three sets."}, "image": {"alt": "Two panels, AdamW and SGD, of relative overlap against the step on a logarithmic axis; nearly all curves fall fast."}}
figure, axes = figures.panels(2, height=2.8)
x = np.array(STEPS) + 1
for panel, o in zip(axes, rates, strict=True):
    for i, name in enumerate(chosen):
        d, relative, _ = drifts[name, o]
        panel.plot(x, d.relative, lw=1, color=figures.PALETTE[i])
        value, low, high = np.array([(v.estimate, v.low, v.high) for v in relative]).T
        place = x[1:] * (1 + 0.04 * (i - 2))
        figures.points(
            panel, place, value, low, high, color=figures.PALETTE[i], label=name
        )
    figures.null_line(panel, 1, "no drift")
    panel.axhline(0.5, ls=":", lw=1, color="black")
    panel.set(xscale="log", ylabel="relative overlap", ylim=(-0.3, 1.3), title=o)
axes[1].set_xlabel("recovery step t, shown at t + 1")
figures.legend_below(axes[1], columns=3)
# %% [markdown]
# Is it the same in every layer? Each block has coordinates of its own; cut the gradients to them and measure again, with AdamW.


# %%
def by_block(name, block):
    """Half-life of the basis in the coordinates of one block."""
    own = adapter.of_block(block)
    cut = [
        [Subspace.from_gradients(g[:, own], K) for g in step]
        for step in paths[name, "AdamW"]
    ]
    with stranger.space.at(strange):
        g = lora_candidates.gradients(stranger, sets[name][0])
    far = Subspace.from_gradients(g[:, own], K)
    floor = fmean(a.overlap(far) for a in cut[0])
    return min(drift.measure(STEPS, cut, floor).half_life, float(T))


lives = {(n, b): by_block(n, b) for n in chosen for b in adapter.blocks}

# %% tags=["hide-input"]
rows = [
    {"pair": n, **{f"block {b}": lives[n, b] for b in adapter.blocks}} for n in chosen
]
for b in adapter.blocks:
    spread = stats.mean_interval([lives[n, b] for n in chosen])
    records.append(
        Record.of(
            "S4", f"half-life in block {b}, mean over pairs, AdamW", spread, **ever
        )
    )
print(f"half-life in steps, AdamW (null: no drift, {T})")
figures.table(rows, index="pair", digits=2)

# %% [markdown]
# **What we see.** Half of the basis is gone within a few steps, here always within nine, in single runs of other seeds within some thirty, and at step 100 little is left for most pairs; *order* with SGD keeps the largest part, about three tenths. Over seeds S4 holds for all ten pairs of task and optimiser. Half-lives are read between the few steps that we measured (0, 2, 10 and 100). On average over the pairs the last block, nearest to the answer, keeps its basis longest.
#
# **What this does not show.** That nothing useful stays; the section on recalibration asks that directly.
#
# (lora-predict)=
# ## S5 and S6: what predicts a candidate's gain?
#
# **What the paper claims.** S5: alignment with the gradient predicts the gain of a random candidate, $r=+0.52$. S6: overlap with the static plane does not, $r=-0.40$. What such correlations can and cannot mean was derived in {ref}`search-correlations`; here the same measurement is made on one pair, *cipher*, in LoRA space: twelve candidates from each of six proposals (prefix, local, sign, static, random, whole space) at four lengths, around $\theta_f$ and *halfway*, that is after half of the steps of the recovery with AdamW. "No recovery" is the pool of static, random and whole space alone.

# %%
subject = task_pairs[0]
path = runs[subject, "AdamW"].points
length = (path[-1] - path[0]).norm().item()
SHARES = [0.01, 0.1, 0.3, 1.0]
plane = before[subject]["static, normalised"]
batch = studies[subject].lesson(chosen[subject].a, items, "test", "gain")


def pool_at(step):
    """Candidates from six proposals around a point of the recovery."""
    space.load(path[step])
    local = lora_candidates.gradients(adapter, sets[subject][0])
    proposed = {
        "prefix": Subspace.prefix(path[step:], K),
        "local": Subspace.from_gradients(local, K),
        "sign": Subspace.from_gradients(local.sign(), K),
        "static": plane,
        "random": before[subject]["random"],
        "whole space": None,
    }
    norm = [share * length for share in SHARES]
    asked = dict(static=plane, norms=norm, candidates=pool_candidates, seed=seed)
    return pools.draw(space, supervised.loss, batch, proposed, **asked)


pool = {"theta_f": pool_at(0), "halfway": pool_at(T // 2)}

# %% tags=["hide-input"]
POOLS = {
    "all six": list(pool["theta_f"].density),
    "no recovery": ["static", "random", "whole space"],
}
rows, told = [], dict(unit="1", null=0.0, null_means="unrelated")
for at_point, whole in pool.items():
    for label, families in POOLS.items():
        p = whole.take(families)
        row = {"point": at_point, "pool": label}
        for j, share in enumerate(SHARES):
            for claim, x in (("S5", p.alignment), ("S6", p.overlap)):
                r = correlation.interval(p.gains[:, j], x)
                law = correlation.interval(p.quadratic[:, j], x).estimate
                what = f"correlation, {at_point}, pool {label}, norm {share:g} |Delta|"
                records.append(Record.of(claim, what, r, predicted=law, **told))
                if share in (0.01, 0.1, 1.0):
                    row[f"{claim} at {share:g}"] = (
                        f"{r.estimate:.2f} [{r.low:.2f}, {r.high:.2f}]"
                    )
        rows.append(row)
print(
    f"correlations for {subject} at lengths in |Delta|, 95 % over candidates (null 0)"
)
figures.table(rows, index="point")

# %% [markdown]
# **What we see.** S5: for very short steps the correlation is high, close to one from $\theta_f$ and lower halfway, and it falls as steps grow. S6: for the shortest steps from $\theta_f$ it is within noise of zero. Halfway it is negative throughout, and more so for long steps and in the pool without recovery directions; that is the paper's sign. At $\theta_f$ its sign depends on length and pool. By {prf:ref}`prop-overlap` a negative sign for short steps is a statement about curvature: steps in the static plane do *worse than equally long steps in directions that do nothing*. For the longest steps the quadratic law is no guide any more.
# In the pool without recovery directions, the overlap has in effect two values, one for the static family and nothing for the others, so $r$ is one contrast between families.
#
# **What this does not show.** One pair, one optimiser; gains measured on the questions that gave gradient and curvature.
#
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
SPACES = ("prefix", "local", "static, normalised", "whole space")
VOTERS = min(16, candidates)
AT = (1, 4, candidates)  # pass@n


def questions_for(name):
    """Test questions to select on, and others to report on; no question is in both."""
    drawn = studies[name].pair.a(4 * items, "test", f"{seed}/search")
    drawn = list(
        {one.prompt: one for one in drawn}.values()
    )  # a table has each but once
    first, second = ([drawn[i] for i in half] for half in pairs.halves(drawn))
    context = dict(context=found.context, device=device)
    lessons = [
        supervised.lesson(found.tokenizer, q, **context)
        for q in (first[: items // 2], second)
    ]
    return *lessons, [len(one.answers) for one in first[: items // 2]]


def search_in(name):
    """Random search around theta_f in each basis at each norm: all candidates, then the best again."""
    select, held, options = questions_for(name)
    run = runs[name, "AdamW"]
    space.load(points[name].forgot)
    g, d = space.gradient(supervised.loss, select), space.d
    own = before[name] | {"prefix": Subspace.prefix(run.points, K)}
    size, tried, density = run.displacement.norm().item(), {}, {}
    for b in SPACES:
        whole = b == "whole space"
        density[b] = g.square().sum().item() / d if whole else own[b].density(g)
        u = (
            proposals.everywhere_by_tensor(space, seed)
            if whole
            else proposals.within(own[b], seed, f"{name}/{b}")
        )
        for share in norms:
            asked = dict(norm=share * size, label=f"{name}, {b}")
            every = lora_candidates.run(adapter, select, u, candidates=candidates, **asked)
            first = votes.best_first(every.gains(), VOTERS).tolist()
            again = lora_candidates.run(
                adapter, held, lambda i: u(first[i]), candidates=VOTERS, **asked
            )
            tried[b, share] = every, first, again
    return (select, held, options), tried, density


searched = {name: search_in(name) for name in chosen}


# %%
def judged_by(asked, every, first, again):
    """The columns of the table for one search."""
    _, held, options = asked
    vote = torch.as_tensor(votes.majority(again.predicted)).to(device)
    return {
        "gain, selected": every.gains()[first[0]],
        "gain, held out": again.gains()[0],
        "best of N": again.right[0].mean(),
        f"ens-{VOTERS}-of-N": supervised.right(vote, held).double().mean().item(),
        **{f"pass@{n}": votes.pass_at(every.right, n) for n in AT},
        **{f"chance@{n}": votes.chance(options, n) for n in AT},
    }


table7 = {
    (name, *key): judged_by(asked, *found_here)
    for name, (asked, tried, _) in searched.items()
    for key, found_here in tried.items()
}
for name, ((select, held, _), _, _) in searched.items():
    print(
        f"{name}: {len(select.tokens)} questions to select on, {len(held.tokens)} to report on"
    )

# %% tags=["hide-input"]
for share in norms:
    rows = []
    for (name, b, s), row in table7.items():
        if s == share:
            own = {k: v for k, v in row.items() if "@" not in k}
            for n in AT:
                own[f"pass@{n} (chance)"] = (
                    f"{row[f'pass@{n}']:.2f} ({row[f'chance@{n}']:.2f})"
                )
            rows.append({"pair": name, "basis": b} | own)
    print(f"N = {candidates}, norm {share:g} |Delta|; gains in nats, else exact match")
    display(figures.table(rows, index="pair", digits=2))

# %% tags=["hide-input"]
ZERO = dict(unit="nats", null=0.0, null_means="no gain")
for (name, b, share), row in table7.items():
    where = f"{name}, {b}, norm {share:g} |Delta|"
    records.append(
        Record.of(
            "S9",
            f"best of N, held-out gain, {where}",
            once(row["gain, held out"]),
            **ZERO,
        )
    )
    for column, null_of, means in (
        ("best of N", 0.0, "the forgetful model"),
        (f"ens-{VOTERS}-of-N", row["best of N"], "the best candidate alone"),
        *((f"pass@{n}", row[f"chance@{n}"], "independent guesses") for n in AT),
    ):
        told = dict(unit="1", null=null_of, null_means=means)
        records.append(
            Record.of(
                "S9", f"{column}, exact match, {where}", once(row[column]), **told
            )
        )
    less = {
        "vote minus best": row[f"ens-{VOTERS}-of-N"] - row["best of N"],
        **{f"pass@{n} minus chance": row[f"pass@{n}"] - row[f"chance@{n}"] for n in AT},
    }
    for what, value in less.items():
        told = dict(unit="1", null=0.0, null_means="no difference")
        records.append(Record.of("S9", f"{what}, {where}", once(value), **told))

# %% [markdown]
# Does density rank the four proposals? Chapter 1 says it must, at a fixed length on a straight loss. And is the prefix the best of them?

# %%
from scipy.stats import spearmanr

for share in norms:
    ranks, leads = [], {b: [] for b in SPACES if b != "prefix"}
    for name, (_, _, density) in searched.items():
        best = {b: table7[name, b, share]["gain, held out"] for b in SPACES}
        ranks.append(spearmanr(list(density.values()), [best[b] for b in density])[0])
        for b in leads:
            leads[b].append(best["prefix"] - best[b])
    told = dict(unit="1", null=0.0, null_means="unrelated ranking")
    rank = stats.mean_interval(ranks)
    what = f"rank correlation of density and best of N, mean over pairs, norm {share:g} |Delta|"
    records.append(Record.of("S7", what, rank, **told))
    print(f"norm {share:g} |Delta|: rank correlation over four bases {rank} (null 0)")
    for b, values in leads.items():
        lead = stats.mean_interval(values)
        told = dict(unit="nats", null=0.0, null_means="no lead")
        what = (
            f"prefix minus {b}, held-out gain, mean over pairs, norm {share:g} |Delta|"
        )
        records.append(Record.of("S7", what, lead, **told))
        print(f"    prefix minus {b}: {lead} nats (null 0)")

# %% [markdown]
# ### What it costs
#
# A candidate costs one forward pass over the selection questions. A gradient step costs about three (one forward, and about two for the way back). So $N$ candidates cost as much as $N/3$ gradient steps on the *same* questions. What do that many steps of AdamW bring on the same held-out questions? And after how many are they even with the search? We compare with the best of the eight searches of each pair, chosen by its held-out gain, and do not charge it for the other seven or for making its basis: both favour the search. So does the factor of three: for an adapter on this model a gradient takes less than two forward passes (`benchmarks/lora.json`), since the weights of the base need none.


# %%
BUDGET = candidates // 3
MARKS = sorted({*range(min(20, BUDGET)), *range(20, BUDGET, 5), BUDGET})


def cost(name):
    """The best search of a pair against as dear a number of gradient steps on the same questions."""
    (select, held, _), tried, _ = searched[name]
    space.load(points[name].forgot)
    step = forget_and_recover.optimizer("AdamW", rate)
    run = descent.descend(
        space, supervised.loss, step, [select] * BUDGET, label=f"{name}, cost"
    )
    curve = []
    for mark in MARKS:
        with space.at(run.points[mark]):
            curve.append(space.loss(supervised.loss, held))
    best = max((table7[name, *key]["gain, held out"], key) for key in tried)
    even = [
        mark
        for mark, value in zip(MARKS, curve, strict=True)
        if value <= curve[0] - best[0]
    ]
    return {
        "pair": name,
        "loss at theta_f": curve[0],
        "after the best search": curve[0] - best[0],
        "in": f"{best[1][0]}, {best[1][1]:g}",
        f"after {BUDGET} gradient steps": curve[-1],
        "steps to draw even": even[0] if even else f"over {BUDGET}",
    }


costs = [cost(name) for name in chosen]
print(
    f"held-out loss in nats; {candidates} candidates cost as much as {BUDGET} gradient steps"
)
figures.table(costs, index="pair", digits=2)

# %% tags=["hide-input"]
ahead = stats.mean_interval(
    [c[f"after {BUDGET} gradient steps"] - c["after the best search"] for c in costs]
)
told = dict(unit="nats", null=0.0, null_means="as good as gradient steps")
what = "loss after equally dear gradient steps minus loss after the best search, mean over pairs"
records.append(Record.of("S9", what, ahead, **told))
print(f"the search is ahead by {ahead} nats (null 0)")

# %% [markdown]
# **What we see.** *Best of $N$.* In informative bases the best of $N$ gains nats on held-out questions for most pairs; for *cipher*, where one code word says nothing of another, it gains little, or loses up to a few nats. (For the two tables the bases were made from gradients on all questions, the held-out ones too: the selection is held out, the basis is not.) The whole space gains nearly nothing at the shorter norm. There the prefix is ahead of the static plane on average; its lead over local gradients, which need no trajectory, is within the noise.
#
# *Density*: in this one run the rank correlations are within the noise. Over seeds density ranks the four bases well at the shorter norm, and loosely at the length of the recovery itself (see the table of claims).
#
# *Votes.* The vote of sixteen is mostly no better than the best candidate alone, and sometimes worse. The candidates hardly agree with each other, so a plurality is two or three votes: see {ref}`ex-votes`.
#
# *Pass@$N$* can look impressive, but with $N=256$ its chance level is nearly one for all pairs: that many blind guesses find nearly every answer. It cannot tell anything. At small $N$ it can: pass@4 of the informative bases lies above its chance level for *cipher*, at or below it for *edit*, and far below it for rules, where the forgetful model is *surely* wrong and small steps leave it so. We do not know the paper's answer sets or its $N$; its table needs this column.
#
# *Cost.* Here random search surprised us. On these few questions, as many gradient steps as the search could pay for overfit on the tables: for *cipher* they raise the loss on the held-out half, for *edit* they lower it less than the best search does. The best of eight searches, chosen afterwards, ends at about the same held-out loss or somewhat lower, averaged over pairs. That average hides two cases: on the two tables the best search ends lower, on the three rules gradient steps do, even on the same twelve questions. And where the training stream offers as many questions as one likes, a recovery of a hundred steps reaches losses that no search comes near.
#
# **What this does not show.** A table with one run a cell scatters: *cipher* has 12 held-out questions, *edit* 8, the rules about 40. Intervals are in "Across seeds". The model is small, and $\theta_f$ is far from a solution. Near one, random search does better {cite}`gan2026neural`.
#
# (lora-refresh)=
# ## How often must a direction be refreshed?
#
# The paper's finding has a practical side. Who keeps an edit direction, or a basis for cheap edits, wants to know how long it can be used. So we recover with updates that are *confined* to a basis: $\theta=\theta_s+Uz$, with $\theta_s$ the point at the last refresh, where only the $k$ numbers $z$ move, by SGD. The basis $U$ is the span of ten fresh minibatch gradients (four items each), and it is made anew every $m$ steps. With $m=1$ each step has a fresh basis; with *never*
# the one of $\theta_f$ must do. The steps, the minibatches and the rate are those of the plain SGD run. Controls:
#
# - **mean, every 1**: the single direction of the mean of those ten gradients. If this does as well as the basis, ten directions at every step are no evidence of a *subspace*: any descent uses one fresh direction a step.
# - **random, every 1**: a random basis, made anew at every step.
# - **prefix, kept**: the prefix of a recovery on *other* minibatches, kept for the whole way.
#
# Fresh gradients cost something. So we compare twice: after equal steps, and after equal numbers of *items* whose gradient was computed: 16 a step, 40 a refresh, 160 for the ten steps behind a prefix.

# %%
FRESH = 10  # gradients behind a basis


def confine(name, m, kind="fresh"):
    """A recovery confined to a basis that is refreshed every m steps."""
    study = studies[name]
    small = replace(study, size=4)

    def basis(step):
        if kind == "random":
            return Subspace.random(
                space.d,
                K,
                seeding.generator(seed, name, step).initial_seed() % 2**31,
                dtype=space.dtype,
                device=device,
            )
        if kind == "prefix":
            return Subspace.prefix(others[name, "SGD"].points, K)
        b = small.batches([study.pair.a], FRESH, f"refresh {step}")
        g = lora_candidates.gradients(adapter, b)
        if kind == "mean":
            return Subspace.from_vectors(g.mean(0)[None])
        values = spectra.spectrum(g / g.norm(dim=1, keepdim=True)).eigenvalues
        rank = int((values > 1e-8 * values[0]).sum())  # late gradients may be dependent
        return Subspace.from_gradients(g, min(K, FRESH, rank), normalise=True)

    space.load(points[name].forgot)
    paid = dict(
        fresh=FRESH * small.size, mean=FRESH * small.size, prefix=K * study.size
    )
    asked = dict(basis=basis, every=m, cost=paid.get(kind, 0), price=study.size)
    step = forget_and_recover.optimizer("SGD", sgd_rate)
    batches = study.batches([study.pair.a], T, "recover 0")
    label = f"{name}, refresh {m}"
    return subspace_descent.descend(
        space, supervised.loss, step, batches, label=label, **asked
    )


WAYS = {f"every {m}": (m, "fresh") for m in refresh} | {"never": (None, "fresh")}
WAYS |= {"mean, every 1": (1, "mean"), "random, every 1": (1, "random")}
WAYS["prefix, kept"] = (None, "prefix")
kept = {(n, way): confine(n, *how) for n in refresh_pairs for way, how in WAYS.items()}

# %%
LOOKS = np.unique(np.linspace(0, T, 11).round().astype(int)).tolist()


def curve(name, run, steps=LOOKS):
    """Held-out loss at some steps of a run."""
    lesson = studies[name].lesson(chosen[name].a, 48, "test", "scores")
    found_losses = []
    for step in steps:
        with space.at(run.points[step]):
            found_losses.append(space.loss(supervised.loss, lesson))
    return found_losses


curves = {c: curve(c[0], one.run) for c, one in kept.items()}
plain = {n: curve(n, runs[n, "SGD"]) for n in refresh_pairs}

# %% tags=["hide-input"]
rows, PAID = [], 16 * T  # items of the plain run
for name in refresh_pairs:
    start_loss = plain[name][0]
    after = {"plain SGD": (plain[name][-1], PAID, plain[name][-1])}
    for way in WAYS:
        one = kept[name, way]
        reached = (
            int((one.spent <= PAID).sum()) - 1
        )  # steps that the plain run's items pay for
        equal = curve(name, one.run, [reached])[0]
        after[way] = curves[name, way][-1], one.spent[-1].item(), equal
    for way, (at_end, spent, equal) in after.items():
        row = {
            "pair": name,
            "basis": way,
            f"loss at step {T}": at_end,
            "items": spent,
        }
        rows.append(row | {f"loss after {PAID:,} items": equal})
        told = dict(unit="nats", null=start_loss, null_means="no step at all")
        what = f"recalibration, loss at step {T}, {name}, {way}"
        records.append(Record.of("S4", what, once(at_end), **told))
        what = f"recalibration, loss at equal cost, {name}, {way}"
        records.append(Record.of("S4", what, once(equal), **told))
        what = f"recalibration, share of the plain decrease, {name}, {way}"
        kept_share = (start_loss - at_end) / (start_loss - plain[name][-1])
        told = dict(unit="1", null=0.0, null_means="no step at all")
        records.append(Record.of("S4", what, once(kept_share), **told))
print(
    "test loss in nats; at the start "
    + ", ".join(f"{n} {plain[n][0]:.2f}" for n in refresh_pairs)
)
figures.table(rows, index="pair", digits=2)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-refresh", "caption": "Recovery confined to ten gradient directions that are made anew every m steps, with SGD: test loss against steps, a panel for each pair. Dashed black: plain LoRA training; dash-dotted black: the mean gradient alone, fresh at every step; dotted black: the prefix of another run, kept; grey: a random basis at every step. Loss on a logarithmic axis."}, "image": {"alt": "Two panels of falling loss curves. Frequent refreshes follow plain training; kept bases flatten early, in the first panel sooner than in the second."}}
from matplotlib.ticker import NullFormatter

figure, axes = figures.panels(len(refresh_pairs), height=3.2)
special = {"mean, every 1": "-.", "prefix, kept": ":"}
for panel, name in zip(axes, refresh_pairs, strict=True):
    for i, way in enumerate(WAYS):
        look = dict(color="black", ls=special.get(way, "-"))
        if way not in special:
            look["color"] = (
                figures.NULL if way.startswith("random") else figures.PALETTE[i % 7]
            )
        panel.plot(LOOKS, curves[name, way], marker="o", ms=3, lw=1, label=way, **look)
    panel.plot(LOOKS, plain[name], "--", color="black", label="plain SGD")
    panel.set(title=name, ylabel="test loss (nats)", yscale="log")
    panel.yaxis.set_minor_formatter(NullFormatter())
axes[-1].set_xlabel("steps")
figures.legend_below(axes[-1], columns=3)
# %% [markdown]
# **What we see.** With a fresh basis at every step the run nearly follows plain SGD. But so does the single fresh mean gradient, so that alone is no evidence of a useful *subspace*. The evidence comes from bases that are *kept*. Ten directions kept for five or ten steps bring most of the decrease in most runs (not in *cipher* here: "every 5" jumps back up in its last ten steps; in the other four seeds it keeps more than nine tenths of the decrease); kept for ever they bring the smaller part of it for *cipher*, and most of it for *order*. A random basis, fresh at every step, brings next to nothing.
# So a local linear structure is there, it is shared by the steps that follow, and it wears off, at a speed that depends on the task.
#
# The *prefix* of another run, kept, does better than a local basis that is kept, and than one that is refreshed every fifty steps; it is worse than one refreshed at every step.
#
# *Cost.* At equal numbers of items plain training wins: forty items for a basis in which to take a step of sixteen are not repaid. For *order* a refresh every five or ten steps ends at a few times plain training's loss; for *cipher* nothing comes near. A basis pays where it can be used many times, or where gradients are dear and steps are not.
#
# **The practical answer.** How often an edit direction must be refreshed is not a property of LoRA. On these two pairs, a refresh every five to ten steps keeps most of the decrease, with one run in five that fell back; for one of them much less would do.
#
# **What this does not show.** Two pairs, SGD only, one rate, ten directions; for *cipher* the test questions are the training questions. With an optimiser of its own memory, such as AdamW, a refresh also means to begin anew or to carry the memory over; that is another experiment.

# %% tags=["hide-input"]
filed = {"chapter": "03_lora_drift", "profile": profile, "seed": seed}
filed["model"] = found.name.rstrip("/").replace("/", "--")
result = results.write(records, parameters=parameters, device=device, **filed)
print(f"{len(records)} values filed")

# %% [markdown]
# (across-seeds-lora)=
# ## Across seeds
#
# Everything above was one run with one seed, which fixes the adapters' start, the tables, all data and all noise; the base model is the same. The same chapter was run with other seeds. From here on an interval is Student's $t$ interval over seeds.

# %%
over = across.seeds(result)
print(over)


# %% tags=["hide-input"]
def value_of(claim, quantity):
    """Value and interval over seeds, for a figure."""
    r = over.record(claim, quantity)
    return r.value, r.low, r.high


def capture_of(basis, name, o):
    """Capture at the cell of the grid that the text reads."""
    claim = "S2" if basis.startswith("static") else "S3"
    return value_of(claim, f"capture: {basis}, {name}, {o}, k = {K}, T = {T}")


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-seeds", "caption": "Captures at k = 10 and T = 100 over seeds, five pairs, AdamW above SGD. Dashed: the paper's 0.77 as a share of energy; dotted: if it is a share of length; grey: the Beta null. Dots: means, 95 % intervals over seeds."}, "image": {"alt": "Two dot plots with five pairs as rungs and four bases as colours, with intervals."}}
figure, axes = figures.panels(2, height=3.6)
for panel, o in zip(axes, rates, strict=True):
    series = {b: [capture_of(b, n, o) for n in chosen] for b in shown}
    figures.ladder(panel, list(chosen), series)
    papers_value(panel.axvline)
    panel.axvline(nothing.mean, color=figures.NULL, label="null", zorder=0)
    panel.set(xlim=(-0.1, 1.1), title=o)
axes[1].set_xlabel(f"capture, k = {K}, T = {T}")
figures.legend_below(axes[1])
# %% tags=["hide-input"]
rows = []
for o in rates:
    for basis in [b for b in order if b not in shown]:
        row = {"basis": basis, "optimiser": o}
        for name in chosen:
            value, low, high = capture_of(basis, name, o)
            row[name] = f"{value:.3f} [{max(low, 0):.3f}, {high:.3f}]"
        rows.append(row)
print(f"captures over seeds, k = {K}, T = {T} (null {nothing.mean:.1e})")
figures.table(rows, index="basis")

# %% tags=["hide-input"]
rows = []
for name, b, share in table7:
    where = f"{name}, {b}, norm {share:g} |Delta|"
    if share != norms[0]:
        continue
    row = {"pair": name, "basis": b}
    for label, quantity in (
        ("held-out gain (nats)", "best of N, held-out gain"),
        ("best of N", "best of N, exact match"),
        (f"ens-{VOTERS}-of-N", f"ens-{VOTERS}-of-N, exact match"),
    ):
        r = over.record("S9", f"{quantity}, {where}")
        row[label] = f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"
    for n in AT:
        r = over.record("S9", f"pass@{n}, exact match, {where}")
        row[f"pass@{n} (chance)"] = f"{r.value:.2f} ({r.null:.2f})"
    rows.append(row)
print(f"random search over seeds, N = {candidates}, norm {norms[0]:g} |Delta|")
figures.table(rows, index="pair")

# %% tags=["hide-input"]
rows = []
for name in refresh_pairs:
    for way in ("plain SGD", *WAYS):
        row = {"pair": name, "basis": way}
        for label, what in (
            (f"loss at step {T}", f"loss at step {T}"),
            ("loss at equal cost", "loss at equal cost"),
            ("share of plain decrease", "share of the plain decrease"),
        ):
            r = over.record("S4", f"recalibration, {what}, {name}, {way}")
            row[label] = f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"
        rows.append(row)
print("recalibration over seeds")
figures.table(rows, index="pair")

# %% [markdown]
# (lora-models)=
# ## Other models
#
# The same chapter, same seed, on the other small models.

# %% tags=["hide-input"]
same = siblings.gather(result)
print(same)
rows = []
for name in same.runs:
    for o in rates:
        row = {"model": name, "optimiser": o}
        for label, claim, quantity in (
            ("prefix", "S3", "capture: prefix, {}, {}, k = {}, T = {}"),
            ("energy share", "S3", "capture: energy share, {}, {}, k = {}, T = {}"),
            ("never learned", "S3", "capture: never learned, {}, {}, k = {}, T = {}"),
            (
                "static, normalised",
                "S2",
                "capture: static, normalised, {}, {}, k = {}, T = {}",
            ),
            ("half-life", "S4", "half-life, {}, {}"),
        ):
            measured = [
                same.record(name, claim, quantity.format(n, o, K, T)) for n in chosen
            ]
            values = stats.mean_interval([m.value for m in measured if m is not None])
            row[label] = f"{values.estimate:.2f} [{values.low:.2f}, {values.high:.2f}]"
        rows.append(row)
print(
    f"means over the pairs, 95 % over pairs (nulls: captures {nothing.mean:.1e}, half-life {T})"
)
figures.table(rows, index="model")

# %% [markdown]
# The other two architectures, with one seed each, show the same picture: prefixes near the energy share, never-learned runs somewhat below, static planes of some percent, half-lives of some steps up to some tens. Where a model was left out above, the line says why.
#
# (claims-lora)=
# ## The claims, measured
#
# Each verdict follows from a rule in the code below, as in the chapters before. The bars are our choice, made after first runs. "Below" and "above" ask whether the whole interval over seeds lies beyond the bar. A claim is "partly" unless all its lines agree.

# %%
below, above = verdicts.falls_below, verdicts.exceeds
spread = f"k = {K}, T = {T}"
cells = [(n, o) for n in chosen for o in rates]
correlated = [
    f"correlation, {p}, pool {label}, norm {share:g} |Delta|"
    for p in pool
    for label in POOLS
    for share in (0.1, 1.0)
]
small_step = f"norm {norms[0]:g} |Delta|"
rules = {
    "S1": [
        (f"participation ratio / null, raw, at {p}, {n}", below, 0.5)
        for n in chosen
        for p in ("theta*", "theta_f")
    ],
    "S2": [
        (f"capture: {b}, {n}, {o}, {spread}", below, 0.25)
        for b in STATIC
        for n, o in cells
    ],
    "S3": [(f"capture: prefix, {n}, {o}, {spread}", above, 0.5) for n, o in cells],
    "S4": [(f"relative overlap at step {T}, {n}, {o}", below, 0.5) for n, o in cells],
    "S5": [(what, above, 0) for what in correlated],
    "S6": [(what, below, 0.2) for what in correlated],
    "S7": [
        (
            f"rank correlation of density and best of N, mean over pairs, {small_step}",
            above,
            0,
        ),
        *(
            (
                f"prefix minus {b}, held-out gain, mean over pairs, {small_step}",
                above,
                0,
            )
            for b in SPACES
            if b != "prefix"
        ),
    ],
    "S9": [
        (f"{what}, {n}, prefix, {small_step}", above, 0)
        for what in (
            "best of N, held-out gain",
            "vote minus best",
            f"pass@{AT[1]} minus chance",
        )
        for n in chosen
    ],
}
judged = [
    verdicts.row(over.record(claim, q), rule, edge)
    for claim, lines in rules.items()
    for q, rule, edge in lines
]

# %%
statements = {
    "S1": "task gradients have low rank locally",
    "S2": "the static task plane misses the recovery direction",
    "S3": "the prefix captures most of the displacement",
    "S4": "the useful basis drifts within 100 steps",
    "S5": "alignment with the gradient predicts the gain",
    "S6": "overlap with the static plane predicts no gain (r not above 0.2)",
    "S7": "density ranks subspaces, the prefix is best",
    "S9": "the best, the vote and pass@4 gain over their nulls",
}
figures.table(verdicts.by_claim(judged, statements), index="claim")

# %% tags=["hide-output"]
figures.table(judged, index="claim")

# %% [markdown]
# Beyond the paper, by the same rules: is the fresh adapter low-rank too, and is the rank low with the mean taken off? Is the largest static capture below $0.15$ if that is read as a length? Does the prefix beat its controls? Does search repay its cost?

# %% tags=["hide-input"]
beyond = [
    ("S1", f"participation ratio / null, raw, at initial, {n}", below, 0.5)
    for n in chosen
]
beyond += [
    ("S1", f"participation ratio / null, centred, at theta_f, {n}", below, 0.5)
    for n in chosen
]
beyond += [("S2", f"largest capture of all runs: {b}", below, 0.15**2) for b in STATIC]
for control in ("other order", "energy share", "never learned"):
    beyond.append(("S3", f"prefix minus {control}, mean over runs", above, 0))
what = "loss after equally dear gradient steps minus loss after the best search, mean over pairs"
beyond.append(("S9", what, above, 0))
rows = [
    verdicts.row(over.record(claim, q), rule, edge) for claim, q, rule, edge in beyond
]
answers = {
    "S1": "low rank at the fresh adapter too; and centred",
    "S2": "no static plane captures more than 0.15 as a length",
    "S3": "the prefix beats its three controls, on average",
    "S9": "the best search beats equally dear gradient steps",
}
figures.table(verdicts.by_claim(rows, answers), index="claim")

# %% tags=["hide-output"]
figures.table(rows, index="claim")

# %% [markdown]
# ## What this chapter shows, and what it does not
#
# - A prefix capture of $0.77$ in LoRA space is unremarkable by itself. Over pairs, optimisers and ways of forgetting it can be nearly anything, runs that recover nothing show captures of the same size, and the lengths of the updates alone would give a share like it. The prefix is still the best basis, and not only by its lengths: with shorter first steps it captures nearly as much, while the energy share falls.
# - Static planes capture little of the recovery, and gradient bases drift within some steps. Both hold as the paper says, in peft's coordinates.
# - Captures are statements about coordinates. Those of the prefix survive a change of gauge and the passage to merged matrices; those of gradient planes do not. And a share of the displacement is not the same share of the effect on logits and loss.
# - *Local* linear structure is real and short-lived: ten kept directions serve for some steps, and then wear off.
# - Random search in adapters finds gains. At a short length density ranks the bases, and the prefix does well. On a dozen questions the best search, picked afterwards, is ahead of gradient steps of the same price on tables and behind on rules; it is no rival to training. Votes do not help, and pass@$N$ must be read beside guessing.
# - All of this is on language models of a million parameters in a made-up world, with adapters of rank 4 and 8, fixed rates, and pairs that we made. The verdict bars were chosen after first runs. DistilGPT-2 and GPT-2 run by the `paper` profile; no result of theirs is in this book yet.
#
# ## Exercises
#
# :::{exercise} A capture below the energy share
# :label: ex-below
#
# Let $p$ be the sum of the first $k$ updates and $q$ the sum of the others. Let the first ones be orthogonal to each other, and the later ones orthogonal to each other. When is the capture of the prefix below its energy share?
# :::
#
# :::{solution} ex-below
# :class: dropdown
#
# Write $E_1=\lVert p\rVert^2$ and $E_2=\lVert q\rVert^2$ for the sums of squared lengths, and $q=q_\parallel+q_\perp$ for the parts of $q$ inside and outside the prefix. The capture is $\lVert p+q_\parallel\rVert^2/(\lVert p+q_\parallel\rVert^2+\lVert q_\perp\rVert^2)$, the energy share $E_1/(E_1+E_2)$. So the capture is smaller just when
# $\lVert q_\perp\rVert^2E_1>\lVert p+q_\parallel\rVert^2E_2$. With $s=\lVert q_\parallel\rVert^2$ and $\lVert q_\perp\rVert^2=E_2-s$ this is $2\,p\cdot q_\parallel<-s\,(1+E_1/E_2)$: the later updates must *undo* some of the first ones, and by enough. Without orthogonality there is a second way: later updates that agree with each other make $q$ longer than its energy.
# :::
#
# :::{exercise} How many coordinates are gauge?
# :label: ex-gauge
#
# How many of the $d=r(m+n)$ coordinates of one adapted matrix can be changed without changing $BA$, near a point where $A$ and $B$ have full rank? Check it on a small case by the rank of the derivative of $(A,B)\mapsto BA$.
# :::

# %% [markdown]
# ```{solution-start} ex-gauge
# :class: dropdown
# ```
# Small changes $\dot A,\dot B$ leave $BA$ alone, to first order, just when $\dot BA+B\dot A=0$. $A$ has full row rank, so it has a right inverse $A^+$, and $\dot B=BN$ with $N=-\dot AA^+$. Then $B(NA+\dot A)=0$, and since $B$ has full column rank, $\dot A=-NA$. So the changes are exactly the pairs $(-NA,BN)$, one for each $r\times r$ matrix $N$: $r^2$ directions, and the rank of the derivative is $r(m+n)-r^2$.

# %%
m_in, n_out, r_small = 5, 4, 2
a0 = torch.randn(
    r_small, m_in, generator=seeding.generator("exercise a"), dtype=torch.float64
)
b0 = torch.randn(
    n_out, r_small, generator=seeding.generator("exercise b"), dtype=torch.float64
)
jacobian = torch.autograd.functional.jacobian(lambda a, b: b @ a, (a0, b0))
flat = torch.cat([j.reshape(n_out * m_in, -1) for j in jacobian], dim=1)
rank, d_small = int(torch.linalg.matrix_rank(flat)), r_small * (m_in + n_out)
print(
    f"d = {d_small}, rank {rank}, gauge directions {d_small - rank} = r^2 = {r_small**2}"
)
gauge_all = len(adapter.layers) * adapter.r**2
print(f"this chapter's adapter: {gauge_all} of {space.d:,} coordinates are gauge")

# %% [markdown]
# A small share of the coordinates. But a gauge can be *large*: it is not how many directions there are but how far one can go along them that moved the captures above.
#
# ```{solution-end}
# ```
#
# :::{exercise} The plug-in pass@k
# :label: ex-pass
#
# With $c$ of $M$ candidates right it is tempting to write $1-(1-c/M)^N$ for pass@$N$. Show that on average this is too small, and that the estimator of the text is unbiased. How large is the difference for $M=20$, $N=10$ and a true probability of $0.1$?
# :::

# %% [markdown]
# ```{solution-start} ex-pass
# :class: dropdown
# ```
# $x\mapsto(1-x)^N$ is convex, so by Jensen's inequality $E(1-c/M)^N\ge(1-p)^N$: the plug-in understates pass@$N$. The text's estimator is the mean, over all $N$-subsets of the $M$ candidates, of "one of these is right"; each subset is a fair draw of $N$ candidates, so its mean is $1-(1-p)^N$.

# %%
from scipy.stats import binom

M, N, p = 20, 10, 0.1
weights = binom.pmf(range(M + 1), M, p)
rows_of = [np.arange(M)[:, None] < c for c in range(M + 1)]
unbiased = sum(w * votes.pass_at(r, N) for w, r in zip(weights, rows_of, strict=True))
plug_in = sum(w * (1 - (1 - c / M) ** N) for c, w in enumerate(weights))
print(f"true {1 - (1 - p) ** N:.4f}, estimator {unbiased:.4f}, plug-in {plug_in:.4f}")

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Why the vote does not help
# :label: ex-votes
#
# Independent voters who are right with probability $0.6$ are right together more often, when there are two answers. Compute it for fifteen (an odd number has no ties). Then measure how often the sixteen best candidates of a search agree with each other, against sixteen random ones, and explain what the table above shows.
# :::

# %% [markdown]
# ```{solution-start} ex-votes
# :class: dropdown
# ```
# For two possible answers the majority of independent voters is a binomial tail.


# %%
def agreement(answers):
    """Share of pairs of candidates that give the same answer, mean over questions."""
    same_answer = (answers[:, None] == answers[None]).all(-1).mean(2)
    n = len(answers)
    return (same_answer.sum() - n) / (n * (n - 1))


print(f"majority of 15 independent voters at 0.6: {1 - binom.cdf(7, 15, 0.6):.2f}")
for name, (_, tried, _) in searched.items():
    every, first, _ = tried["local", norms[-1]]
    alike, mixed = (
        agreement(every.predicted[first]),
        agreement(every.predicted[:VOTERS]),
    )
    print(
        f"{name:7s} agreement of the best {alike:.2f}, of the first {VOTERS} drawn {mixed:.2f}"
    )

# %% [markdown]
# With two answers fifteen voters help. Here there are many answers, and the candidates hardly agree: the best more often than any others, and still in at most a ninth of all pairs. Each is wrong in its own way, so a plurality is two or three votes, often a tie, and a tie goes to the best candidate. A vote helps where candidates know something in common; these know little.
#
# ```{solution-end}
# ```
#
# :::{exercise} What is a gradient step worth in candidates?
# :label: ex-worth
#
# On a straight loss, compare the best of $N$ random steps of length $\rho$ in a $k$-dimensional subspace with one step of the same length along the projected gradient. How many candidates draw even, for $k=10$? For the whole space, $d=8192$?
# :::

# %% [markdown]
# ```{solution-start} ex-worth
# :class: dropdown
# ```
# The gradient step gains $\rho\lVert Pg\rVert$. A random unit vector of the subspace has a component $\lVert Pg\rVert\,c$ along it with $c$ of variance $1/k$, so the best of $N$ gains about $\rho\lVert Pg\rVert\,m_N/\sqrt k$, but never more than the gradient step, which is the best of all. The rough law draws even at $m_N=\sqrt k$, for $k=10$ near $N=760$; the exact one gets close and never there. For the whole space $m_N=\sqrt{8192}\approx90$ would need about $e^{4000}$ candidates.

# %%
from lglib.theory import laws

dice = np.random.default_rng(seed)
for n in (16, 256, 4096):
    z = dice.standard_normal((200, n, K))
    exact = (z[..., 0] / np.linalg.norm(z, axis=-1)).max(1).mean()
    rough = laws.expected_maximum(n) / K**0.5
    print(
        f"k = {K}, N = {n:4d}: {exact:.2f} of the gradient step (rough law {rough:.2f})"
    )
print(
    f"whole space, d = {space.d:,}, N = 4096: {laws.expected_maximum(4096) / space.d**0.5:.3f}"
)

# %% [markdown]
# In ten dimensions 256 candidates find most of a gradient step, at many times its price. In the whole space they find a few percent of one.
#
# ```{solution-end}
# ```
#
#
# :::{exercise} The basis of a gradient
# :label: ex-dual
#
# In a gauge $M=cI$ gradients go to $(c\,g_A,g_B/c)$, since the change of the loss $g\cdot\delta$ must not depend on coordinates, and displacements to $(\delta_A/c,c\,\delta_B)$. Show that the capture of a displacement by the line of a gradient tends to zero both for $c\to0$ and for $c\to\infty$, if no part is zero. At which power of $c$? What does that say about the captures of static and local planes?
# :::
#
# :::{solution} ex-dual
# :class: dropdown
#
# The inner product of the two stays $g\cdot\delta$. The squared lengths are $c^2\lVert g_A\rVert^2+\lVert g_B\rVert^2/c^2$ and $\lVert\delta_A\rVert^2/c^2+c^2\lVert\delta_B\rVert^2$. Their product grows like $c^4\lVert g_A\rVert^2\lVert\delta_B\rVert^2$ for $c\to\infty$ and like $c^{-4}\lVert g_B\rVert^2\lVert\delta_A\rVert^2$ for $c\to0$, so the capture, $(g\cdot\delta)^2$ over that product, falls like
# $c^{-4}$ and $c^4$. Gradients are not directions: they become directions when one chooses what "equally long" means. A capture by a plane of gradients depends on that choice, whatever the task; the capture by a plane of *displacements*, such as the prefix, much less. Plain gradient descent makes the same choice silently, and so does every static plane.
# :::
