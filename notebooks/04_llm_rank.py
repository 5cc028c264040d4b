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
# # Gradient rank, and how far a straight line reaches
#
# Two statements about language models carry the paper {cite}`piontkovskaia2026recoverable` from toy networks to real ones. The gradients of a task span *few directions*. And around the weights there is a region in which the loss is a *straight line*, so that directions mean something at all. The paper shows the first on Qwen
# against a random-sketch control (its figure 5; at 7 billion parameters it partly fails), and locates the second with two numbers, $F_1$ and $F_2$ (its figure 6, Qwen2.5-0.5B).
#
# | Claim | In one line | Section |
# |---|---|---|
# | L1 | Gradients have low rank, lower than a random control | {ref}`llm-rank` |
# | L2 | There is a linear regime, and $F_1$, $F_2$ find its end | {ref}`llm-regime` |
#
# Three questions are ours. What *makes* the rank low ({ref}`llm-why`)? Is it learned ({ref}`llm-fails`)? And does the theory of {doc}`01_theory`, fed with measured slopes and curvatures, pick the right step for random search on a language model ({ref}`llm-search`)? The models come from {doc}`02b_models`; symbols are on the {doc}`../notation` page.
# We did not have the paper's code: definitions that are our reading are marked so.

# %% tags=["parameters"]
profile = "quick"  # name under which the results are filed
seed = 0  # all randomness of this run follows from it
model = "micro-gpt2"  # a shipped model, a folder, or a hub id with its commit
tasks = ["yes-no", "open", "count", "sort"]  # kinds of items; see the models chapter
examples = 128  # n, gradients in a set
answer_counts = [2, 4, 8, 16]  # different answers that a set may have
widths = [32, 64, 128, 256]  # of untrained networks
sketch_sizes = [8, 32, 128, 512]  # m, dimensions of the sketches
regime_items = 24  # questions behind the loss of the linear regime
random_directions = 4  # random directions along which it is measured
probes = 24  # random signs behind a trace
candidates = 64  # of the random search, at each step size
allow_download = False  # whether a hub model may be fetched
device = "cpu"  # where the models run

# %%
from collections import Counter
from dataclasses import replace
from statistics import fmean

import numpy as np
import torch

from lglib.geometry import spectra
from lglib.report import crossed, figures, provenance, results, verdicts
from lglib.parameters import double, gram, hessian, linearity, memory, sketches
from lglib.tasks import data, supervised
from lglib.activations import directions
from lglib.base import seeding
from lglib.models import loading
from lglib.search import random_search
from lglib.theory import laws, stats
from lglib.parameters.space import ParameterSpace
from lglib.report.results import Record

figures.style()
parameters = dict(tasks=tasks, examples=examples, answer_counts=answer_counts)
parameters |= dict(widths=widths, sketch_sizes=sketch_sizes, device=device)
parameters |= dict(regime_items=regime_items, random_directions=random_directions)
parameters |= dict(probes=probes, candidates=candidates)
records = []  # every measured value of this run, filed at the end
print(f"profile {profile}, seed {seed}, model {model}")
print(", ".join(f"{name} = {value}" for name, value in parameters.items()))
print(", ".join(f"{name} {v}" for name, v in provenance.versions().items()))

# %% [markdown]
# (llm-gram)=
# ## The rank of a set of gradients
#
# Take $n$ items of a task. Each has a loss $L_i(\theta)$, the cross-entropy of its answer (the mean over its tokens), and a gradient $g_i\in\mathbb R^d$ over *all* weights of the model. How many directions do these $n$ vectors span? Noise gives any set full rank, so one asks for an *effective* rank. Everything follows from the **Gram matrix**
#
# $$ G_{ij}=g_i\cdot g_j,\qquad G\in\mathbb R^{n\times n}, $$ (eq-gram)
#
# whose eigenvalues $\lambda_1\ge\dots\ge\lambda_n\ge0$ are the squared singular values of the $n\times d$ matrix of gradients. We use three ranks: the **participation ratio** $r=(\sum\lambda_i)^2/\sum\lambda_i^2$, which is $k$ for $k$ equal eigenvalues; the **stable rank** $\sum\lambda_i/\lambda_1$; and the **rank at 90 %**, the fewest directions that hold nine tenths of $\sum\lambda_i$.
#
# Each can be taken of the *raw* gradients, of *centred* ones (less their mean), and at *unit norm* ($g_i/\lVert g_i\rVert$, so that $G$ holds cosines). That choice matters more than it seems:
#
# :::{prf:proposition} What lengths alone do
# :label: prop-lengths
#
# Orthogonal vectors of lengths $\ell_1,\dots,\ell_n$ have the participation ratio $(\sum\ell_i^2)^2/\sum\ell_i^4$. It is $n$ if the lengths are equal. If one of them is much longer than the others together, it is near $1$.
# :::
#
# :::{prf:proof}
# $G$ is diagonal with entries $\ell_i^2$, so these are its eigenvalues. With equal entries the ratio is $(n\ell^2)^2/(n\ell^4)=n$. With $\ell_1^2\gg\sum_{i>1}\ell_i^2$ numerator and denominator are both near $\ell_1^4$.
# :::
#
# A model that is right nearly everywhere has a few items with long gradients and many with short ones. So raw gradients of a *trained* model look low-rank for a reason that has nothing to do with directions. The honest control is therefore **random directions with the same lengths**. And at unit norm that control is close to $n$.
#
# The $n\times d$ matrix need not exist: one forward and one backward pass yield, for each layer, its inputs and the gradients of its outputs; from these the $n$ gradients of one matrix are formed, multiplied with each other, added to $G$, and dropped. Before it runs, a plan says what it will take.

# %%
found = loading.load(model, device=device, allow_download=allow_download)
twin = loading.load(
    model, trained=False, seed=seed + 1000, device=device, allow_download=allow_download
)
spaces = {
    "trained": ParameterSpace(found.model),
    "untrained": ParameterSpace(twin.model),
}
space, d = spaces["trained"], spaces["trained"].d
SETS = 3  # of items, for the spread within a run


def once(value):
    """A value of a single run: it has no interval until there are more seeds."""
    return stats.Interval(value, value, value, 0.95, 1)


def draw(kind, n, key):
    """Items of a kind; those of BoolQ come from the hub."""
    if kind == "boolq":
        drawn = data.boolq("validation", allow_download=allow_download)
        order = torch.randperm(
            len(drawn), generator=seeding.generator(seed, key)
        ).tolist()
        return data.fit(
            [drawn[i] for i in order], found.tokenizer, found.context - 8
        ).items[:n]
    return data.micro(n, kind, part="test", key=f"{seed}/{key}")


def lesson(items):
    """Items as tokens for this model."""
    return supervised.lesson(
        found.tokenizer, items, context=found.context, device=device
    )


# %%
longest = lesson(draw(tasks[0], examples, "plan"))
first = lesson(draw(tasks[0], 1, "plan"))
planned = dict(n=examples, tokens=longest.tokens.shape[1])
whole = memory.memory_estimate(space, gram.item_losses, first, **planned)
lean = memory.memory_estimate(space, gram.item_losses, first, blocks=found.blocks, **planned)
room = memory.free_memory(found.device)
blocks = () if whole.total < room else found.blocks  # blocks: their activations again
chosen_plan = lean if blocks else whole
chosen_plan.require(room)
print(chosen_plan)

# %% [markdown]
# (llm-rank)=
# ## L1: is the rank low?
#
# **What the paper claims.** L1: measured gradient rank lies below a random-sketch control (figure 5, on Qwen); at 7 billion parameters this partly fails.
#
# **What we do.** Three sets of $n$ items of each task. The trained model; its *untrained twin*, the same network with new random weights; and the trained model with *shuffled labels*, where each item has the answer of another. Beside each stands the control of equal lengths.


# %%
def measured(state, items):
    """Gram matrices of a set in a state of the model."""
    where = "untrained" if state == "untrained" else "trained"
    if state == "shuffled labels":
        dice = seeding.generator(seed, "shuffle", len(items))
        mixed = torch.randperm(len(items), generator=dice).tolist()
        items = [
            replace(one, answers=items[j].answers, label=items[j].label)
            for one, j in zip(items, mixed, strict=True)
        ]
    return gram.grams(spaces[where], lesson(items), blocks=blocks)


STATES = ("trained", "untrained", "shuffled labels")
sets = {t: [draw(t, examples, f"set {s}") for s in range(SETS)] for t in tasks}
grams = {(t, s): [measured(s, one) for one in sets[t]] for t in tasks for s in STATES}

# %%
VIEWS = {"raw": lambda g: g, "centred": spectra.centred, "unit norm": spectra.unit}


def ranks(view, g, set_number):
    """Effective ranks of a set, and of random directions with the same lengths."""
    control = spectra.same_norms(g, d, seed=1000 * seed + set_number)
    own, null = (spectra.spectrum(VIEWS[view](x)) for x in (g, control))
    return {
        "participation ratio": (own.participation_ratio, null.participation_ratio),
        "stable rank": (own.stable_rank, null.stable_rank),
        "rank at 90 %": (float(own.rank()), float(null.rank())),
    }


rank_of = {
    (t, s, v): [ranks(v, one.total, i) for i, one in enumerate(grams[t, s])]
    for t, s in grams
    for v in VIEWS
}

# %% tags=["hide-input"]
RANKS = ("participation ratio", "stable rank", "rank at 90 %")
rows = []
for (t, s, v), found_ranks in rank_of.items():
    row = {"task": t, "state": s, "view": v}
    for what in RANKS:
        own, null = (np.array([r[what][i] for r in found_ranks]) for i in (0, 1))
        told = dict(unit="1", null=null.mean(), null_means="random, equal lengths")
        value = stats.mean_interval(own)
        records.append(Record.of("L1", f"{what}, {v}, {s}, {t}", value, **told))
        row[f"{what} (control)"] = f"{own.mean():.3g} ({null.mean():.3g})"
        share = stats.mean_interval(own / null)
        told = dict(unit="1", null=1.0, null_means="random, equal lengths")
        what = f"{what} / control, {v}, {s}, {t}"
        records.append(Record.of("L1", what, share, **told))
    rows.append(row)
sure = {
    t: fmean(
        (gram.sure(g.losses, lesson(one)) > gram.SURE).double().mean().item()
        for g, one in zip(grams[t, "trained"], sets[t], strict=True)
    )
    for t in tasks
}
print("answered with probability above 0.999 by the trained model:")
print(", ".join(f"{t} {share:.2f}" for t, share in sure.items()))
print(f"n = {examples}, d = {d:,}; means over {SETS} sets")
figures.table(rows, index="task")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-rank", "caption": "Participation ratio of per-example gradients divided by that of random directions of the same lengths (grey: 1, no structure). Raw gradients above, unit norm below. Yes-no questions span a few directions in every state of the model, untrained too; open questions do not."}, "image": {"alt": "Two dot plots with the tasks as rungs and three states of the model as colours, logarithmic axis."}}
figure, axes = figures.panels(2, height=2.6)
for panel, v in zip(axes, ("raw", "unit norm"), strict=True):
    series = {}
    for s in STATES:
        shares = [
            stats.mean_interval(
                [r[RANKS[0]][0] / r[RANKS[0]][1] for r in rank_of[t, s, v]]
            )
            for t in tasks
        ]
        series[s] = [(x.estimate, max(x.low, 1e-3), x.high) for x in shares]
    figures.ladder(panel, tasks, series)
    panel.axvline(1, color=figures.NULL, label="control", zorder=0)
    panel.set(xscale="log", title=v, xlim=(0.01, 2))
axes[1].set_xlabel("participation ratio / control")
figures.legend_below(axes[1])

# %% [markdown]
# **What we see.** *Raw.* For the trained model the control itself is small: a few items have long gradients, and lengths alone make a low rank ({prf:ref}`prop-lengths`). For open questions nothing else is there: the measured rank *is* that of the control. Who compares with $n$ and not with equal lengths sees a low rank there that is none. For yes-no questions and counting it lies well below the control. Centring changes little on the trained model.
#
# *Unit norm.* With lengths out of the way, the participation ratio of yes-no questions is two or three of 128 and that of counting about six; for sorting it is about twenty and for open questions nearly half of what random directions have. The rank at 90 % is much larger, around 50 and 28 for the first two, of 115. They have one or a few strong directions that all items share, and a long weak tail. So L1 is right for some tasks and hardly for others, in one and the same model.
#
# *Untrained.* The twin, which knows nothing, shows the same order of tasks. On this model training lowers the participation ratio for yes-no questions and counting, and *raises* it for open questions and sorting; the rank at 90 % it raises for all four. Other architectures differ ({ref}`across-seeds-llm`).
#
# *Shuffled labels.* At unit norm, wrong answers leave the rank of counting nearly as it was, and raise it for open questions and sorting. For yes-no questions they leave it as it was to three digits, and must: where the model gives both answers all of the probability, the other answer turns $p-e_y$ round, and no eigenvalue of $G$ sees the signs of the $g_i$. There this control says nothing. In Qwen2 and OLMo2 wrong answers nearly double the rank of counting.
#
# **What this does not show.** At unit norm an item that the model answers surely counts as much as one on which it errs, though its gradient moves nothing. The line above the table says how many are answered surely. There is no view that is right for every purpose: the raw one tells what a step of training sees, the unit one what the directions are. Intervals are Student's $t$ over three sets.
#
# ### A rank that grows with $n$ is not a rank
#
# If the gradients of a task lay in $k$ directions, more items would not find more. So take the first $2, 4, 8, \dots$ items of a set.

# %%
SIZES = sorted(
    {2**i for i in range(1, 12) if 2**i < examples} | {examples // 4, examples}
)
grown = {
    (t, s): [spectra.growth(spectra.unit(one.total), SIZES) for one in grams[t, s]]
    for t in tasks
    for s in ("trained", "untrained")
}


ninety = {
    c: [
        {n: spectra.spectrum(spectra.unit(g.total)[:n, :n]).rank() for n in SIZES}
        for g in grams[c]
    ]
    for c in grown
}


def exponent(curve):
    """Slope of log rank against log n over the last factor of four: 1 for random directions, 0 for a rank."""
    last = [n for n in SIZES if n >= examples / 4]
    return np.polyfit(np.log(last), np.log([curve[n] for n in last]), 1)[0]


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-growth", "caption": "Participation ratio at unit norm against the number n of gradients, trained above, untrained below; means over three sets. Grey: random directions, rank n. By this measure yes-no questions reach their rank within some sixteen items; the curve of open questions has not ended at the largest n."}, "image": {"alt": "Two panels of rising curves on logarithmic axes; one stays flat, others keep rising below the grey diagonal."}}
figure, axes = figures.panels(2, height=2.8)
for panel, s in zip(axes, ("trained", "untrained"), strict=True):
    for i, t in enumerate(tasks):
        mean = [fmean(c[n] for c in grown[t, s]) for n in SIZES]
        panel.plot(SIZES, mean, marker="o", ms=4, color=figures.PALETTE[i], label=t)
    panel.plot(SIZES, SIZES, color=figures.NULL, label="random", zorder=0)
    panel.set(xscale="log", yscale="log", title=s, ylabel="participation ratio")
axes[1].set_xlabel("gradients n")
figures.legend_below(axes[1], columns=3)

# %% tags=["hide-input"]
rows = []
for t, s in grown:
    row = {"task": t, "state": s}
    for label, curves in (("participation ratio", grown), ("rank at 90 %", ninety)):
        slopes = stats.mean_interval([exponent(c) for c in curves[t, s]])
        told = dict(unit="1", null=1.0, null_means="random directions")
        records.append(
            Record.of("L1", f"growth exponent, {label}, {s}, {t}", slopes, **told)
        )
        row[label] = str(slopes)
    row[f"rank at 90 % at n = {examples // 4}"] = fmean(
        c[examples // 4] for c in ninety[t, s]
    )
    row[f"at n = {examples}"] = fmean(c[examples] for c in ninety[t, s])
    rows.append(row)
print("growth exponents at unit norm from n / 4 to n (random directions 1, a rank 0)")
figures.table(rows, index="task")

# %% [markdown]
# The participation ratio of yes-no questions is flat from about sixteen items on, that of counting nearly so: *this* rank does not grow. That of open questions rises with an exponent of about $0.6$, where random directions have $1$, and a number quoted for them is a statement about $n$. Sorting lies between.
#
# The *rank at 90 %* grows for every task. So a low participation ratio does not mean that the gradients lie in a few directions. It cannot exceed the square of the stable rank: one direction that all items share keeps it flat, whatever the rest does. What is there is one strong shared direction and a tail without end.
#
# ### Where in the model?
#
# $G$ is a sum over matrices, so each layer and each kind of matrix has a rank of its own.

# %%
KINDS = [k for k, _ in gram.KINDS]
RANDOM = dict(unit="1", null=float(examples), null_means="random directions")


def by_place(task, block, kind):
    """Participation ratio at unit norm of one kind of matrix in one block, mean over the sets."""
    values = []
    for one in grams[task, "trained"]:
        part = one.of(lambda name: gram.place(name) == (block, kind))
        keep = part.diagonal() > 0
        values.append(spectra.spectrum(spectra.unit(part[keep][:, keep])).participation_ratio)
    return fmean(values)


places = sorted(
    {gram.place(n) for n in space.names}, key=lambda p: (p[0] or 0, KINDS.index(p[1]))
)
inner = [k for k in KINDS if any(b and kind == k for b, kind in places)]
layers = sorted({b for b, _ in places if b})

# %% tags=["hide-input"]
rows = []
for t in tasks[:2]:
    for kind in inner:
        row = {"task": t, "matrix": kind}
        for b in layers:
            value = by_place(t, b, kind)
            row[f"block {b}"] = value
            what = f"participation ratio, unit norm, block {b}, {kind}, {t}"
            records.append(Record.of("L1", what, once(value), **RANDOM))
        rows.append(row)
print(f"participation ratio at unit norm, trained (random: {examples})")
figures.table(rows, index="task")

# %% [markdown]
# For yes-no questions the participation ratio falls from the first block to the last, from between ten and twenty-three to between one and three: near the answer everything is about yes or no, far from it, we suppose, about what was read. For open questions it falls a little in the attention and rises in the MLP. These are means over three sets, of the trained model alone. The rank of the whole gradient is a mixture of these, weighted by how much of the energy lies where.
#
# (llm-why)=
# ### What makes it low?
#
# A guess: the number of different *answers*. The gradient of an item is $g_i=J_i^\top(p_i-e_{y_i})$, where $p_i$ are the model's probabilities of the next token, $e_{y_i}$ is the unit vector of the right one, and $J_i$ the derivative of the logits by the weights. If only two answers ever come up, $p_i-e_{y_i}$ is nearly a multiple of one vector, "yes minus no". The rest is how alike the $J_i$ are.
#
# This can be tested by an intervention: open questions, of which we keep those whose answer is among the $m$ most common ones.

# %%
pool = draw("open", 40 * examples, "answers")
common = [a for a, _ in Counter(one.answer for one in pool).most_common()]


def with_answers(m):
    """A set of n open questions with m different answers, equally often as far as possible."""
    kept = [[one for one in pool if one.answer == a] for a in common[:m]]
    return [own[i] for i in range(examples) for own in kept if i < len(own)][:examples]


by_answers = {
    (m, s): measured(s, with_answers(m))
    for m in answer_counts
    for s in ("trained", "untrained")
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-answers", "caption": "Participation ratio at unit norm of open questions against the number of different answers in the set. Same model, same n, all open questions; small sets ask about sizes only, larger ones about colours and likes too. Grey: rank = number of answers; the random control lies at n."}, "image": {"alt": "Two rising curves, trained and untrained, beside a grey diagonal, on logarithmic axes."}}
figure, (axes,) = figures.panels(1, height=3.2)
for i, s in enumerate(("trained", "untrained")):
    value = [
        spectra.spectrum(spectra.unit(by_answers[m, s].total)).participation_ratio
        for m in answer_counts
    ]
    axes.plot(answer_counts, value, marker="o", color=figures.PALETTE[i], label=s)
    for m, v in zip(answer_counts, value, strict=True):
        what = f"participation ratio, unit norm, open with {m} answers, {s}"
        records.append(Record.of("L1", what, once(v), **RANDOM))
        print(f"{s:9s} {m:3d} answers: participation ratio {v:.1f} (random {examples})")
axes.plot(
    answer_counts,
    answer_counts,
    color=figures.NULL,
    label="number of answers",
    zorder=0,
)
axes.set(
    xscale="log", yscale="log", xlabel="different answers", ylabel="participation ratio"
)
axes.set_xticks(answer_counts, [str(m) for m in answer_counts])
axes.minorticks_off()
figures.legend_below(axes)

# %% [markdown]
# **What we see.** The rank rises with the number of answers, by a factor of about $1.8$ for each doubling, in the trained model and in the untrained one. Same model, same $n$. So much of what one would call the rank of a *task* is the number of its *answers*, and a benchmark of yes-no questions, such as BoolQ, should look low-rank in a trained model. (Not in any: in the untrained OLMo2 yes-no questions have a participation ratio of 37, {ref}`across-seeds-llm`.)
#
# **What this does not show.** That it is only that, nor that nothing else changes: the most common answers are sizes (small, tiny, ...), so that sets of up to six answers ask one kind of question and the larger ones mix in colours and likes. Open questions with two answers still span more directions than yes-no questions in the trained model: there the $J_i$, the ways in which different passages lead to the answer, are less alike.
#
# (llm-sketch)=
# ### The sketch has a rank of its own
#
# For large models the gradients are often *sketched*: mapped by a random matrix $S$ to $\mathbb R^m$ with $m\ll d$, and the rank is read from the sketches. We understand the paper's control in this sense. What does a sketch do to a rank?
#
# - **CountSketch** {cite}`charikar2002finding`: each coordinate gets a random sign and is added to one of $m$ buckets.
# - **dense** (Johnson and Lindenstrauss {cite}`johnson1984extensions`): $S$ has independent normal entries of variance $1/m$.
#
# :::{prf:proposition} Sketched inner products
# :label: prop-sketch
#
# For fixed $x,y\in\mathbb R^d$ both sketches are unbiased, $E[Sx\cdot Sy]=x\cdot y$, with the variances
#
# $$ \frac1m\Big(\lVert x\rVert^2\lVert y\rVert^2+(x\cdot y)^2\Big)\;\text{(dense)},\qquad \frac1m\Big(\lVert x\rVert^2\lVert y\rVert^2+(x\cdot y)^2-2\sum_kx_k^2y_k^2\Big)\;\text{(CountSketch)}. $$ (eq-sketch)
#
# A dense sketch of vectors with participation ratio $r$ shows one near $r_m$, where
#
# $$ \frac1{r_m}=\Big(1+\frac1m\Big)\frac1r+\frac1m. $$ (eq-sketch-rank)
# :::
#
# :::{prf:proof}
# *Dense.* Each of the $m$ rows $s$ of $S$ gives a product $(s\cdot x)(s\cdot y)$ with $s\sim N(0,I/m)$. For jointly normal $u=s\cdot x$, $v=s\cdot y$, Isserlis' theorem gives $E[uv]=x\cdot y/m$ and $\mathrm{Var}(uv)=E[u^2]E[v^2]+E[uv]^2=(\lVert x\rVert^2\lVert y\rVert^2+(x\cdot y)^2)/m^2$. Add $m$ independent rows.
#
# *CountSketch.* $Sx\cdot Sy=\sum_{k,l}\epsilon_k\epsilon_l\,1[h(k)=h(l)]\,x_ky_l$ with signs $\epsilon$ and buckets $h$. The terms $k=l$ add up to $x\cdot y$. The others have mean zero; a product of two of them has a mean that is not zero only for the same pair $\{k,l\}$, where it is $\frac1m$ times $x_k^2y_l^2+x_kx_ly_ky_l$. Summing over $k\ne l$ gives the bracket: $\sum_{k\ne l}x_k^2y_l^2=\lVert x\rVert^2\lVert y\rVert^2-\sum_kx_k^2y_k^2$, and the same for the second.
#
# *Rank.* Write $G'$ for the sketched Gram matrix. $E\,\mathrm{tr}\,G'=\mathrm{tr}\,G$, and by the first part $E\lVert G'\rVert_F^2=\sum_{ij}\big(G_{ij}^2+\mathrm{Var}\big)=(1+\frac1m)\lVert G\rVert_F^2+\frac1m(\mathrm{tr}\,G)^2$. Divide by $(\mathrm{tr}\,G)^2$; $r$ is $(\mathrm{tr}\,G)^2/\lVert G\rVert_F^2$. ("Near", because it is a ratio of means, not the mean of a ratio.)
# :::
#
# So a sketch is unbiased for inner products and *biased for ranks*: it can never show more than $m$. And a random control that is sketched too has this bias most of all, since its $r=n$ is the largest.

# %%
KIND_NAMES = {"dense": "dense", "countsketch": "CountSketch"}
task = "open" if "open" in tasks else tasks[0]
made = {
    (kind, m): sketches.Sketch(kind, m=m, d=d, seed=seed)
    for kind in KIND_NAMES
    for m in sketch_sizes
}
squares = sketches.Squares()
asked = lesson(sets[task][0])
exact = gram.grams(space, asked, blocks=blocks, also=[*made.values(), squares])

# %% tags=["hide-input"]
r = spectra.spectrum(spectra.unit(exact.total)).participation_ratio
lengths = exact.total.diagonal().sqrt()
rows = []
for (kind, m), sketch in made.items():
    scaled = sketch.gram / lengths / lengths[:, None]  # sketches of the unit vectors
    seen, law = (
        spectra.spectrum(scaled).participation_ratio,
        sketches.participation_ratio(r, m),
    )
    expected = sketches.variance(
        exact.total, m, squares=None if kind == "dense" else squares.gram
    )
    z = (sketch.gram - exact.total) / expected.sqrt()
    spread = z[np.triu_indices(examples, 1)].square().mean().sqrt().item()
    control = sketches.participation_ratio(float(examples), m)
    told = dict(unit="1", null=control, null_means="sketched random directions")
    what = f"participation ratio, {KIND_NAMES[kind]} m = {m}"
    records.append(Record.of("L1", what, once(seen), predicted=law, **told))
    rows.append(
        {"sketch": KIND_NAMES[kind], "m": m, "participation ratio": seen, "law": law}
        | {"exact": r, "sketched control": control, "error / its law": spread}
    )
print(
    f"{task}, n = {examples}, unit norm; error: root mean square over pairs, 1 if the variance law holds"
)
figures.table(rows, index="sketch")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-sketch", "caption": "What a sketch of dimension m shows of a rank. Dots: measured; black: the law; dashed: the exact participation ratio; grey: what random directions of full rank n show through the same sketch. A small sketch makes everything look low-rank, the control first of all."}, "image": {"alt": "Rising curve of participation ratio against sketch dimension, below the exact value; the grey curve of the control rises with it."}}
figure, (axes,) = figures.panels(1, height=3.2)
fine = np.geomspace(sketch_sizes[0], sketch_sizes[-1], 50)
for i, label in enumerate(KIND_NAMES.values()):
    value = [row["participation ratio"] for row in rows if row["sketch"] == label]
    figures.points(
        axes,
        np.array(sketch_sizes) * (1 + 0.06 * i),
        value,
        label=label,
        color=figures.PALETTE[i],
    )
figures.law(axes, fine, [sketches.participation_ratio(r, m) for m in fine], "law")
axes.plot(
    fine,
    [sketches.participation_ratio(float(examples), m) for m in fine],
    color=figures.NULL,
    label="control",
)
axes.axhline(r, ls="--", lw=1, color="black", label="exact")
axes.set(
    xscale="log",
    yscale="log",
    xlabel="sketch dimension m",
    ylabel="participation ratio",
)
figures.legend_below(axes)

# %% [markdown]
# **What we see.** Both laws hold: the errors of inner products are as large as {eq}`eq-sketch` says (last column near $1$), and the rank follows {eq}`eq-sketch-rank` for both kinds of sketch, though it was derived for the dense one. At $m=8$ a rank of sixty and a control of full rank show the same seven: the sketch's own dimension. Even at $m=n$ the control has lost half of its rank, so the ratio of measured to control comes out too large.
#
# The exact Gram matrix costs $n^2d$ products, a dense sketch $nmd$. So a dense sketch with $m>n$ costs more than what it approximates (a CountSketch, with $nd$ additions, does not); it pays when gradients come one at a time and cannot be kept.
#
# **What this does not show.** How the paper's control was made; its dimension $m$ is the number to ask for.
#
# (llm-fails)=
# ## Where L1 fails, and what would make it a finding
#
# **Across sizes.** The shipped models have one size. What size alone does can be seen on untrained networks of GPT-2's shapes, whose gradients know nothing.

# %%
from transformers import GPT2Config, GPT2LMHeadModel


def untrained(width):
    """A fresh GPT-2 of four blocks, this wide, for the model's tokenizer."""
    tokens = found.model.get_input_embeddings().weight.shape[0]
    shape = dict(n_layer=4, n_head=4, n_positions=max(64, asked.tokens.shape[1]))
    config = GPT2Config(
        vocab_size=tokens, n_embd=width, bos_token_id=0, eos_token_id=0, **shape
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT2LMHeadModel(config).to(device).eval()


sizes = {}
for width in widths:
    fresh = ParameterSpace(untrained(width))
    for t in tasks[:2]:
        g = gram.grams(fresh, lesson(sets[t][0]))
        sizes[width, t] = fresh.d, spectra.spectrum(spectra.unit(g.total)).participation_ratio

# %% tags=["hide-input"]
rows = []
for width in widths:
    row = {"width": width, "parameters": f"{sizes[width, tasks[0]][0]:,}"}
    row |= {t: sizes[width, t][1] for t in tasks[:2]}
    rows.append(row)
    for t in tasks[:2]:
        what = f"participation ratio, unit norm, untrained of width {width}, {t}"
        records.append(Record.of("L1", what, once(sizes[width, t][1]), **RANDOM))
print(f"participation ratio at unit norm, untrained networks (random: {examples})")
figures.table(rows, index="width")

# %% [markdown]
# **What we see.** Nothing was learned here, and the rank of open questions rises with the width all the same, while that of yes-no questions stays at a few. A larger network tells more questions apart before it knows any. So "partly fails at 7B" may mean just that: a task with many answers looks less low-rank in a larger model. We cannot tell from here; the `paper` profile can be run on one.
#
# **What would make low rank a finding about learning?** We would ask for five things at once. (1) It is there at unit norm, so it is not lengths. (2) It lies below the untrained twin on the same items. (3) It does not grow with $n$. (4) It stays when the task has many answers. (5) It goes when the labels are wrong. On this model, by the participation ratio, yes-no questions pass (1) to (3) and cannot be asked (4) or (5): they have two answers, and at unit norm a wrong one only turns the sign. Counting passes (1) to (3) and fails (5); with six answers it says little on (4). Open questions fail (2) and (3). Sorting fails (2). No task passes all five. In Qwen2 and OLMo2 counting passes (5) too, and it is (4) that is open.
# By the rank at 90 % every task fails (2) on this model.
#
# **What this does not show.** Trained models of several sizes. Those in this book all have about 0.9 million parameters.

# %% [markdown]
# (llm-regime)=
# ## L2: how far does a straight line reach?
#
# **What the paper claims.** L2: there is a linear regime, and two numbers locate it (figure 6, Qwen2.5-0.5B). Our reading of them: along a unit direction $u$, at a scale $s$,
#
# $$ \begin{aligned}F_1(s)&=\tfrac12\big[L(\theta+su)-L(\theta-su)\big],\\ F_2(s)&=\tfrac12\big[L(\theta+su)+L(\theta-su)-2L(\theta)\big].\end{aligned} $$ (eq-f1f2)
#
# $F_1$ is odd in $s$ and begins with the slope; $F_2$ is even and begins with the curvature. The linear regime is where $|F_2|\ll|F_1|$ and $F_1(s)$ agrees with $s\,g\cdot u$. We say that it ends where $F_1$ and $F_2$ *cross*, which is generous: there curvature is as large as slope. The table below has the stricter end beside it, the largest scale with $F_1$ within 10 % of first order.
#
# :::{prf:proposition} Where the linear regime ends
# :label: prop-crossing
#
# If $L$ has four continuous derivatives, $F_1(s)=s\,g\cdot u+O(s^3)$ and $F_2(s)=\tfrac12s^2\,u\cdot Hu+O(s^4)$. On a quadratic they cross at
#
# $$ s^\ast=\frac{2\,|g\cdot u|}{|u\cdot Hu|}. $$ (eq-crossing)
#
# For a random unit direction $g\cdot u$ has mean zero and standard deviation $\lVert g\rVert/\sqrt d$, and $u\cdot Hu$ has the mean $\mathrm{tr}(H)/d$. So where $u\cdot Hu$ is near its mean, $s^\ast$ is about $2\sqrt d\,\lVert g\rVert\,|z|/\mathrm{tr}(H)$ with a standard normal $z$.
# :::
#
# :::{prf:proof}
# Expand $L(\theta\pm su)$: odd powers cancel in the sum, even ones in the difference. Equate $s|g\cdot u|$ with $\tfrac12s^2|u\cdot Hu|$. A random unit direction has $E[uu^\top]=I/d$, hence $E[(g\cdot u)^2]=\lVert g\rVert^2/d$ and $E[u\cdot Hu]=\mathrm{tr}(H)/d$.
# :::
#
# **What we do.** Scales over six decades, in units of $\lVert\theta\rVert$. The loss is the mean over some yes-no questions, as the calibrated model answers them. Directions: random ones; the **gradient**; a **LoRA step**, the change of the merged weights in the first gradient step of fresh adapters; and a **steering** direction, the gradient of the projection of $h_\ell$ on the difference
# of its means over true and false claims, at the last block: the step that moves activations fastest along a steering vector. The reference is computed in double precision throughout; float32 and bfloat16 stand beside it.

# %%
RELATIVE = np.logspace(-6, 0, 13)
LAST = len(found.blocks)
questions = {
    part: lesson(draw(tasks[0], regime_items, part)) for part in ("select", "held")
}
claims = draw("claim", 64, "claims")
exact_model = loading.load(
    model, device=device, dtype="float64", allow_download=allow_download
)
fine_space = ParameterSpace(exact_model.model)
length = fine_space.flatten().norm().item()


def lines(model_found, space):
    """Unit directions in weight space, by name."""
    g = space.gradient(supervised.loss, questions["select"])
    found_lines = {
        f"random {i}": directions.unit(random_search.noise(space, seed, i))
        for i in range(random_directions)
    }
    found_lines["gradient"] = directions.unit(g)
    found_lines["LoRA step"] = directions.lora(space, g, model_found.attention, 4, seed)
    labels = [one.label for one in claims]
    found_lines["steering"] = directions.steering(
        model_found, space, lesson(claims), LAST, labels
    )
    for b in layers:
        noise = random_search.noise(space, seed, -b)
        found_lines[f"block {b}"] = directions.inside(space, noise, f".{b - 1}.")
    return found_lines


# %%
with double.Throughout():
    along = lines(exact_model, fine_space)
    scales = (RELATIVE * length).tolist()
    straight = dict(
        zip(
            along,
            linearity.measure(
                fine_space,
                supervised.loss,
                questions["select"],
                list(along.values()),
                scales,
            ),
            strict=True,
        )
    )
    product = fine_space.hvp_operator(supervised.loss, questions["select"])
    bend = dict(zip(along, hessian.along(product, list(along.values())), strict=True))
    del product

# %%
select, held = questions["select"], questions["held"]
a = -space.gradient(supervised.loss, select)
operator = space.hvp_operator(supervised.loss, select)
traced = hessian.trace(operator, a, probes, seed)
kappa = hessian.along(operator, [directions.unit(a)])[0]
del operator
slope, tr = a.norm().item(), traced.estimate
print(f"|g| = {slope:.3f}, tr H = {traced:.0f}, curvature along g {kappa:.1f}")

# %%
coarse = {}
for kind in ("float32", "bfloat16"):
    rough = loading.load(
        model, device=device, dtype=kind, allow_download=allow_download
    )
    rough_space = ParameterSpace(rough.model)
    two = [
        along["random 0"].to(rough_space.dtype),
        along["gradient"].to(rough_space.dtype),
    ]
    coarse[kind] = linearity.measure(
        rough_space, supervised.loss, questions["select"], two, scales
    )

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-regime", "caption": "F1 (blue) and F2 (orange) against the scale of the step, in units of the length of theta, along four directions, in double precision. Black: first order and curvature, from one gradient and one Hessian product. Dotted: where they cross. The linear regime ends at very different scales: for the gradient and for the steering direction much sooner than for a random one."}, "image": {"alt": "Four panels of two straight lines of slopes one and two on logarithmic axes, crossing at different places and bending off to the right."}}
SHOWN = ("random 0", "gradient", "LoRA step", "steering")
figure, axes = figures.panels(len(SHOWN), height=2.5)
for panel, name in zip(axes, SHOWN, strict=True):
    one, s = straight[name], straight[name].scales
    figures.points(
        panel, RELATIVE, np.abs(one.f1), color=figures.PALETTE[0], label="|F1|"
    )
    figures.points(
        panel, RELATIVE, np.abs(one.f2), color=figures.PALETTE[1], label="|F2|"
    )
    figures.law(panel, RELATIVE, np.abs(s * one.slope), "first order")
    figures.law(panel, RELATIVE, np.abs(s**2 * bend[name] / 2), "curvature", ls="--")
    panel.axvline(one.crossing / length, color="black", lw=1, ls=":")
    panel.set(xscale="log", yscale="log", title=name, ylabel="nats", ylim=(1e-13, 1e2))
axes[-1].set_xlabel(r"scale / $\Vert\theta\Vert$")
figures.legend_below(axes[-1])

# %% tags=["hide-input"]
rows = []
for name, one in straight.items():
    crossing = one.crossing
    predicted = 2 * abs(one.slope) / abs(bend[name])
    from_trace = 2 * abs(one.slope) * d / abs(tr)
    decades = np.log10(crossing / scales[0])
    good = one.scales[np.cumsum(one.error >= 0.1) == 0]  # before it is first off
    rows.append(
        {"direction": name, "slope": one.slope, "u.Hu": bend[name]}
        | {"crossing / |theta|": crossing / length}
        | {"from u.Hu": predicted / length, "ratio": crossing / predicted}
        | {"from tr H": from_trace / length if name.startswith("random") else "-"}
        | {"F1 within 10 % up to": (good.max() if len(good) else 0.0) / length}
    )
    value = once(decades)
    told = dict(unit="decades", null=0.0, null_means="no linear regime in the range")
    records.append(Record.of("L2", f"decades of linear regime, {name}", value, **told))
print(f"scales from {RELATIVE[0]:.0e} to {RELATIVE[-1]:.0e} of |theta| = {length:.0f}")
figures.table(rows, index="direction")

# %%
blind = [n for n in straight if n.startswith("random")]
cross = np.log10([straight[n].crossing for n in blind])
law = np.log10([2 * abs(straight[n].slope) / abs(bend[n]) for n in blind])
miss = np.abs(cross - law)
others = np.abs(cross[:, None] - law)  # by the prediction of another direction
swapped = (others.sum(1) - np.diag(others)) / (len(blind) - 1)
told = dict(unit="decades", null=swapped.mean(), null_means="another's prediction")
what = "error of the predicted crossing, random directions"
records.append(Record.of("L2", what, stats.mean_interval(miss), **told))
told = dict(unit="decades", null=0.0, null_means="no better than another's")
gap = stats.mean_interval(miss - swapped)
records.append(Record.of("L2", f"{what}, less that of another's", gap, **told))
print(f"predicted crossing off by {stats.mean_interval(miss)} decades")
print(f"by the prediction of another direction: {swapped.mean():.2f}")
middle = stats.mean_interval(cross - np.log10(length))
told = dict(
    unit="decades",
    null=float(np.log10(RELATIVE[0])),
    null_means="no linear regime in the range",
)
records.append(
    Record.of("L2", "log10 crossing / |theta|, random directions", middle, **told)
)
print(f"log10 of the crossing in |theta|: {middle}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-rounding", "caption": "The ratio of F2 to F1 along a random direction (top) and along the gradient (bottom), in three precisions. Grey: the ratio 1, the end of the linear regime. In float32 steps below about a ten-thousandth of the length of theta drown in rounding along a random direction; in bfloat16 there is hardly a scale at which a random direction can be measured."}, "image": {"alt": "Two panels of ratio against scale; the double-precision curve is straight, float32 leaves it at small scales, bfloat16 is scattered."}}
figure, axes = figures.panels(2, height=2.8)
for panel, i, name in zip(axes, (0, 1), ("random 0", "gradient"), strict=True):
    curves = {
        "float64": straight[name],
        "float32": coarse["float32"][i],
        "bfloat16": coarse["bfloat16"][i],
    }
    for j, (kind, one) in enumerate(curves.items()):
        shown = np.where(np.isfinite(one.ratio) & (one.ratio > 0), one.ratio, np.nan)
        panel.plot(
            RELATIVE,
            shown,
            marker="o",
            ms=4,
            lw=1,
            color=figures.PALETTE[j],
            label=kind,
        )
    figures.null_line(panel, 1, "crossing")
    panel.set(xscale="log", yscale="log", title=name, ylabel="|F2 / F1|")
axes[1].set_xlabel(r"scale / $\Vert\theta\Vert$")
figures.legend_below(axes[1])

# %% [markdown]
# **What we see.** *There is a linear regime*, and one gradient and one Hessian product predict where it ends. Along random directions it ends at a few hundredths of $\lVert\theta\rVert$; the prediction from $u\cdot Hu$ misses by a small part of what another direction's would miss. The trace, with the slope along the direction, does less well: $u\cdot Hu$ scatters around its mean with the relative spread $\sqrt2\lVert H\rVert_F/\mathrm{tr}H$, which many dimensions make small only if many of them bend. Here few do.
#
# *The directions that matter are the ones that bend.* Along the gradient and along the steering direction the regime ends tens of times sooner: $u\cdot Hu$ is larger by many thousands there than along a random direction, the slope only by hundreds or a few thousands. (Both are in the table.) The LoRA step lies between. For gradient and LoRA step the crossing differs from what the quadratic says by factors of up to three or so: higher orders take over first.
#
# *Single blocks* differ widely. Part of it is chance, since each is one direction and its crossing is as random as $|z|$ in {prf:ref}`prop-crossing`; part of it is curvature, which differs between blocks more than slopes do.
#
# *Precision.* In float32 the even part drowns below about a ten-thousandth of $\lVert\theta\rVert$ along a random direction; along the gradient, where losses change much more, it can be seen at all scales. In bfloat16 a random direction has no scale at which $F_1$ and $F_2$ mean anything: rounding of the weights is larger than the step, until the step is so long that the regime has ended.
#
# **What this does not show.** The paper's scales: its figure 6 is on another model and, for all we know, another norm. The regime of one loss on a few questions; with more of them slope and curvature change.
#
# (llm-search)=
# ## What it buys: the right step for random search
#
# Chapter 1 gives the best of $N$ Gaussian candidates a mean gain of $\sigma\lVert a\rVert m_N$ on a straight loss ($a=-g$; $m_N$ is the mean of the largest of $N$ standard normals), and on a quadratic one, to the candidate that is best to first order (a lower bound for the best by loss),
#
# $$ \sigma\lVert a\rVert m_N-\tfrac12\sigma^2\big(\mathrm{tr}H+\kappa(q_N-1)\big),\qquad \sigma^\ast=\frac{\lVert a\rVert m_N}{\mathrm{tr}H+\kappa(q_N-1)}, $$ (eq-sigma-star)
#
# with $\kappa=a\cdot Ha/\lVert a\rVert^2$ and $q_N$ the second moment of that largest value. All of it can be measured *before* the search: $\lVert a\rVert$ by one gradient, $\kappa$ by one Hessian product, and the trace by Hutchinson's estimator {cite}`hutchinson1990stochastic`, the mean of $z\cdot Hz$ over random signs $z$. Does the step that they name turn out to be the right one on a language model, over all of its weights?

# %%
N = min(
    16, candidates // 4
)  # the best of N, by exact order statistics from all candidates
sigma_star = laws.optimal_sigma(slope, tr, N, along=kappa)
print(
    f"sigma* = {sigma_star:.2e}, a step of {sigma_star * d**0.5 / length:.3f} |theta|"
)
told = dict(unit="1", null=float(d), null_means="equal curvature in all directions")
effective = [x / kappa for x in (tr, traced.low, traced.high)]
one = stats.Interval(effective[0], min(effective), max(effective), 0.95, traced.n)
records.append(Record.of("L2", "effective dimension tr H / kappa", one, **told))

# %%
MULTIPLES = [0.1, 0.3, 1.0, 3.0, 10.0]
sigmas = [m * sigma_star for m in MULTIPLES]
asked_search = dict(candidates=candidates, seed=seed)
gains = random_search.gains(
    space, supervised.loss, [select, held], sigmas=sigmas, **asked_search
)
linear = np.array(
    [(random_search.noise(space, seed, i) @ a).item() for i in range(candidates)]
)
b = -space.gradient(supervised.loss, held)
both = [x.double().cpu().numpy() for x in (a, b)]
alike = torch.nn.functional.cosine_similarity(a, b, dim=0).item()
print(f"cosine of the gradients on the two sets of questions: {alike:.2f}")

# %% tags=["hide-input"]
rows, curve = [], {"selected": [], "held out": []}
for j, (m, sigma) in enumerate(zip(MULTIPLES, sigmas, strict=True)):
    own, other = gains[:, j, 0], gains[:, j, 1]
    first_order = laws.best_of_n_gain(sigma, slope, N)
    curved = laws.linear_winner_gain(sigma, slope, tr, kappa, N)
    luck = dict(control=sigma * linear, control_mean=first_order)
    best = random_search.best_of_n(own, N, seed, **luck)
    out = random_search.expected_best(own, N, measured=other)
    curve["selected"].append((best.estimate, best.low, best.high))
    curve["held out"].append((out, out, out))
    told = dict(unit="nats", null=0.0, null_means="no gain")
    where = f"at {m:g} sigma*"
    records.append(
        Record.of("L2", f"best of {N}, {where}", best, predicted=curved, **told)
    )
    other_law = laws.held_out_gain(sigma, *both, N)
    what = f"best of {N}, held out, {where}"
    records.append(Record.of("L2", what, once(out), predicted=other_law, **told))
    ends = [x / first_order for x in (best.estimate, best.low, best.high)]
    told = dict(unit="1", null=0.0, null_means="no gain")
    what = f"best of {N} / Theorem 1, {where}"
    share = stats.Interval(*ends, 0.95, best.n)
    rest = once(out / best.estimate)
    kept = f"held out / selected, best of {N}, {where}"
    records.append(Record.of("L2", kept, rest, predicted=1.0, **told))
    records.append(Record.of("L2", what, share, predicted=1.0, **told))
    rows.append(
        {"sigma / sigma*": m, f"best of {N}": f"{best:.4f}", "curvature law": curved}
        | {"Theorem 1": first_order, "held out": out, "first order there": other_law}
        | {"mean of one": own.mean()}
    )
print(f"gains in nats over a loss of {space.loss(supervised.loss, select):.3f}; null 0")
figures.table(rows, index="sigma / sigma*")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-search", "caption": "Gain of the best of N random steps over all weights of a language model, against the step in units of the step that slope, curvature and trace predict to be best. Dashed: Theorem 1, which knows no curvature. Black: the curvature law. Grey: no gain. Of the steps tried, the predicted one gains most; three times that step loses, and ten times it, far below this panel, destroys the model (table)."}, "image": {"alt": "Measured gains rise with the law up to the predicted step and fall below zero beyond it; the dashed line goes on rising."}}
figure, (axes,) = figures.panels(1, height=3.4)
fine = np.geomspace(MULTIPLES[0], MULTIPLES[-1], 100)
best_possible = laws.optimal_gain(slope, tr, N, along=kappa)
for (label, values), colour in zip(curve.items(), figures.PALETTE, strict=False):
    value, low, high = np.array(values).T / best_possible
    figures.points(axes, MULTIPLES, value, low, high, label=label, color=colour)
figures.law(
    axes,
    fine,
    [
        laws.linear_winner_gain(m * sigma_star, slope, tr, kappa, N) / best_possible
        for m in fine
    ],
    "curvature law",
)
figures.law(
    axes,
    fine,
    [laws.best_of_n_gain(m * sigma_star, slope, N) / best_possible for m in fine],
    "Theorem 1",
    ls="--",
)
figures.null_line(axes, 0, "no gain")
axes.set(
    xscale="log",
    ylim=(-6, 4),
    xlabel=r"$\sigma/\sigma^\ast$",
    ylabel="gain / best gain of the law",
)
figures.legend_below(axes)

# %%
top = max(range(len(MULTIPLES)), key=lambda j: curve["selected"][j][0])
reached = curve["selected"][MULTIPLES.index(1.0)][0] / curve["selected"][top][0]
blindly = fmean(max(v[0], 0) for v in curve["selected"]) / curve["selected"][top][0]
told = dict(unit="1", null=blindly, null_means="one of the five, losses as no gain")
what = "gain at sigma* / largest gain over the steps"
records.append(Record.of("L2", what, once(reached), **told))
print(f"best step: {MULTIPLES[top]:g} sigma*")
print(f"sigma* has {reached:.2f} of its gain (a blind choice: {blindly:.2f})")

# %% [markdown]
# Two more of chapter 1's laws, on the real model at $0.3\,\sigma^\ast$. *Antithetic pairs*: try $\epsilon$ and $-\epsilon$. On a straight loss the best of $N/2$ such pairs gains $\sigma\lVert a\rVert\,E\max|z_i|$ over $N/2$ normals, a little more than $N$ independent draws. *Tied noise*: a generator that is re-seeded for every tensor gives all tensors the same stream, so parts of $a$ at one place of the stream add up before they count.

# %%
sigma = 0.3 * sigma_star


def signed(i):
    """Antithetic directions: each normal draw, then its opposite."""
    return random_search.noise(space, seed, i // 2) * (1 if i % 2 == 0 else -1)


def tied(i):
    """The same stream of noise for every tensor."""
    return random_search.noise(space, seed, i, tied=True)


small = dict(sigmas=[sigma], **asked_search)
pairs = random_search.gains(
    space, supervised.loss, [select], direction=signed, **small
)[:, 0, 0]
knots = random_search.gains(space, supervised.loss, [select], direction=tied, **small)[
    :, 0, 0
]

# %%
from scipy.integrate import quad
from scipy.stats import norm

half = N // 2
largest_abs, its_square = (
    quad(lambda x, p=p: p * x ** (p - 1) * (1 - (2 * norm.cdf(x) - 1) ** half), 0, 12)[
        0
    ]
    for p in (1, 2)
)
stream = torch.zeros(max(p.numel() for p in space.parameters()), device=device)
for part in space.split(a).values():
    stream[: part.numel()] += part.reshape(-1)  # the streams of all tensors begin alike
laws = {
    "independent": (gains[:, 1, 0].std(ddof=1), sigma * slope),
    "tied": (knots.std(ddof=1), sigma * stream.norm().item()),
}
for name, (seen, law) in laws.items():
    told = dict(unit="1", null=0.0, null_means="no spread", predicted=1.0)
    what = f"spread of gains / law, {name} noise"
    records.append(Record.of("L2", what, once(seen / law), **told))
    print(f"{name:12s} spread of the gains {seen:.2e}, law {law:.2e}")

# %%
best_pair = pairs.reshape(-1, 2).max(1)
seen = random_search.expected_best(best_pair, half)
law = sigma * slope * largest_abs - sigma**2 * (tr + kappa * (its_square - 1)) / 2
told = dict(unit="nats", null=0.0, null_means="no gain", predicted=law)
what = f"best of {half} antithetic pairs"
records.append(Record.of("L2", what, once(seen), **told))
told = dict(unit="1", null=0.0, null_means="no gain", predicted=1.0)
records.append(Record.of("L2", f"{what} / law", once(seen / law), **told))
usual = laws.linear_winner_gain(sigma, slope, tr, kappa, N)
print(f"best of {half} antithetic pairs {seen:.4f}, law {law:.4f}")
print(f"best of {N} independent draws {curve['selected'][1][0]:.4f}, law {usual:.4f}")

# %% [markdown]
# **What we see.** *The predicted step is the right one,* to within the factor of three that separates the steps tried. Of five steps over two decades, the one that slope, curvature and trace name before any search gains most. At a tenth of it Theorem 1 holds to some percent; at the step itself the gain is about half of what Theorem 1 says, as the curvature law does (at the best step the curvature takes half of the first order, whatever the model); at ten times it the model is destroyed.
# So the theorem's "dimension does not enter" is right for short steps, and where it ends is decided by $\mathrm{tr}H/\kappa$: the number of directions that bend as much as the gradient's own. That number is a few to about ten on average over seeds in the three models (last tables), of nearly a million directions, and it scatters widely between seeds. (Where negative curvatures take from the trace it can fall below one, and counts nothing any more.)
#
# *Selection bias.* The gains are those on the questions that chose the candidate. On other questions of the same kind a part of it is left at short steps, about what the overlap of the two gradients promises or less, and nothing reliable at $\sigma^\ast$: the curvature there is paid in full. Over seeds and models this part scatters widely (last table of this chapter's measurements). Random search on two dozen questions mostly fits these questions.
#
# *Antithetic pairs* and *tied noise* follow their laws within the scatter of 64 candidates. Tied noise happens to do no harm here, because the parts of the gradient that share noise are nearly orthogonal; chapter 1 shows where it does.
#
# **What this does not show.** That such a search is useful: the gains are thousandths of a nat on a model that answers nearly everything already. It shows that its size can be predicted.

# %% tags=["hide-input"]
filed = {"chapter": "04_llm_rank", "profile": profile, "seed": seed}
filed["model"] = found.name.rstrip("/").replace("/", "--")
result = results.write(records, parameters=parameters, device=device, **filed)
print(f"{len(records)} values filed")

# %% [markdown]
# (across-seeds-llm)=
# ## Across seeds and models
#
# Everything above was one run with one seed, which fixes the items, the untrained twin, the directions, the probes and the noise; the trained model is the same. The same chapter was run with other seeds and on the other small models. From here on an interval is Student's $t$ interval over seeds.

# %%
over = crossed.gather(result)
own_seeds = next(iter(over.models.values()))
print(over)

# %% tags=["hide-input"]
rows = []
for name in over.models:
    for t in tasks:
        row = {"model": name, "task": t}
        for label, quantity in (
            ("trained, unit norm", f"participation ratio, unit norm, trained, {t}"),
            ("untrained, unit norm", f"participation ratio, unit norm, untrained, {t}"),
            ("raw / control", f"participation ratio / control, raw, trained, {t}"),
            ("growth exponent", f"growth exponent, participation ratio, trained, {t}"),
            ("of the rank at 90 %", f"growth exponent, rank at 90 %, trained, {t}"),
        ):
            x = over.record(name, "L1", quantity)
            row[label] = f"{x.value:.3g} [{x.low:.3g}, {x.high:.3g}]"
        rows.append(row)
control = over.record(
    model_name := next(iter(over.models)),
    "L1",
    f"participation ratio, unit norm, trained, {tasks[0]}",
).null
print(
    f"participation ratios over seeds (control at unit norm {control:.0f}; raw / control: 1; growth: 1)"
)
figures.table(rows, index="model")

# %% tags=["hide-input"]
rows = []
for name in over.models:
    for s in ("trained", "untrained"):
        row = {"model": name, "state": s}
        for m in answer_counts:
            what = f"participation ratio, unit norm, open with {m} answers, {s}"
            x = over.record(name, "L1", what)
            row[f"{m} answers"] = f"{x.value:.3g} [{x.low:.3g}, {x.high:.3g}]"
        rows.append(row)
print(f"participation ratio of open questions by number of answers (null {examples})")
figures.table(rows, index="model")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-models", "caption": "Participation ratio at unit norm over seeds, trained (filled) and untrained (open), for three models and four tasks; grey: random directions. Trained, the order of the tasks is the same in every model; untrained it is not: in OLMo2 yes-no questions then lie above counting and sorting."}, "image": {"alt": "Dot plot with the tasks as rungs, one colour a model, filled and open symbols."}}
figure, (axes,) = figures.panels(1, height=4.2)
rungs = np.arange(len(tasks))[::-1]
for i, name in enumerate(over.models):
    for s, fill in (("trained", None), ("untrained", "none")):
        found_here = [
            over.record(name, "L1", f"participation ratio, unit norm, {s}, {t}")
            for t in tasks
        ]
        value, low, high = np.array(
            [(x.value, max(x.low, 1), x.high) for x in found_here]
        ).T
        look = dict(color=figures.PALETTE[i], mfc=fill, label=f"{name}, {s}")
        axes.errorbar(
            value,
            rungs + 0.2 - 0.2 * i,
            xerr=np.abs([value - low, high - value]),
            **{**figures.DOTS, **look},
        )
axes.axvline(control, color=figures.NULL, label="random", zorder=0)
axes.set_yticks(rungs, tasks)
axes.set_ylim(-0.6, len(tasks) - 0.4)
axes.set(xscale="log", xlabel="participation ratio, unit norm")
figures.legend_below(axes)

# %% tags=["hide-input"]
rows = []
for name in over.models:
    row = {"model": name}
    for label, quantity in (
        *(
            (f"decades, {line}", f"decades of linear regime, {line}")
            for line in ("gradient", "LoRA step", "steering")
        ),
        ("log10 crossing, random", "log10 crossing / |theta|, random directions"),
        (
            "error of the prediction",
            "error of the predicted crossing, random directions",
        ),
        ("by another's prediction", None),
        ("tr H / kappa", "effective dimension tr H / kappa"),
        ("gain at sigma* / largest", "gain at sigma* / largest gain over the steps"),
        ("a blind choice", None),
        (
            "held out / selected, 0.1 sigma*",
            f"held out / selected, best of {N}, at 0.1 sigma*",
        ),
        (
            "held out / selected, sigma*",
            f"held out / selected, best of {N}, at 1 sigma*",
        ),
        ("pairs / law", f"best of {half} antithetic pairs / law"),
        (
            "spread / law, independent",
            "spread of gains / law, independent noise",
        ),
        ("spread / law, tied", "spread of gains / law, tied noise"),
        *(
            (f"decades, block {b}", f"decades of linear regime, block {b}")
            for b in layers
        ),
    ):
        if quantity is None:
            row[label] = f"{x.null:.2f}"
            continue
        x = over.record(name, "L2", quantity)
        row[label] = f"{x.value:.2f} [{x.low:.2f}, {x.high:.2f}]"
    rows.append(row)
print(
    "linear regime and random search over seeds; nulls: 0, -6 for the crossing, d for tr H / kappa"
)
figures.table(
    [
        {"quantity": k, **{r["model"]: r[k] for r in rows}}
        for k in rows[0]
        if k != "model"
    ],
    index="quantity",
)

# %% [markdown]
# **What we see.** *Rank.* After training the three models agree: participation ratios of two to three for yes-no questions, six to eleven for counting, about twenty to twenty-five for sorting, some forty to sixty for open questions, and growth with $n$ in the same order. *Before* training they do not. Yes-no questions span about 5 directions in the untrained GPT-2, 15 in Qwen2 and 37 in OLMo2, whose norms stand behind its layers. So how much of a low rank is learned depends on what the architecture brings along:
# in OLMo2 training lowers it more than tenfold, in GPT-2 twofold. An untrained twin must be shown for each model.
#
# *Regime.* It has the same shape in all three: four to five decades along random directions, about three along the gradient and the steering direction. The prediction from $u\cdot Hu$ beats that of another direction; in Qwen2 not with its whole interval: in one seed most directions were missed by more than a decade. There the trace is small, $u\cdot Hu$ nearly zero or negative, and higher orders decide.
#
# *Search.* In GPT-2 and Qwen2 $\sigma^\ast$ is the best of the five steps, or within some percent of it. In OLMo2 three times that step gains more in some seeds, well above the law: there the quadratic law ends before the gain does.
#
# (claims-llm)=
# ## The claims, measured
#
# Each verdict follows from a rule in the code below, as in the chapters before. The bars are our choice, made after first runs. L1 is judged by the participation ratio beside its control: low means below half of it, with the whole interval over seeds. A claim is "partly" unless all its lines agree. That a linear regime *exists* is a weak claim: in exact arithmetic every smooth loss with a slope has one, and "decades" count from the smallest scale tried, $10^{-6}\lVert\theta\rVert$. What could have failed is *where* it ends, and the last line of L2, that curvature predicts it.

# %%
below, above = verdicts.falls_below, verdicts.exceeds
rules = {
    "L1": [
        (f"participation ratio / control, {v}, trained, {t}", below, 0.5)
        for t in tasks
        for v in ("raw", "unit norm")
    ],
    "L2": [
        *(
            (f"decades of linear regime, {line}", above, 1.0)
            for line in ("random 0", "gradient", "LoRA step", "steering")
        ),
        (
            "error of the predicted crossing, random directions, less that of another's",
            below,
            0,
        ),
    ],
}
judged = [
    verdicts.row(own_seeds.record(claim, q), rule, edge)
    for claim, asked_rules in rules.items()
    for q, rule, edge in asked_rules
]

# %%
statements = {
    "L1": "the rank is below half of that of a random control",
    "L2": "a linear regime exists and F1, F2 and curvature locate it",
}
figures.table(verdicts.by_claim(judged, statements), index="claim")

# %% tags=["hide-output"]
figures.table(judged, index="claim")

# %% [markdown]
# Beyond the paper, by the same rules: is the low rank there before training? Does it stop growing with $n$? Does the measured $\sigma^\ast$ name the right step, and does Theorem 1 hold at a tenth of it and at it?

# %% tags=["hide-input"]
agree = verdicts.agrees
beyond = [
    *(
        ("L1", f"participation ratio / control, unit norm, untrained, {t}", below, 0.5)
        for t in tasks
    ),
    *(
        ("L1", f"growth exponent, {what}, trained, {t}", below, 0.2)
        for what in ("participation ratio", "rank at 90 %")
        for t in tasks
    ),
    ("L2", "gain at sigma* / largest gain over the steps", above, 0.8),
    ("L2", f"best of {N} / Theorem 1, at 0.1 sigma*", agree, 0.15),
    ("L2", f"best of {N} / Theorem 1, at 1 sigma*", agree, 0.15),
]
rows = [verdicts.row(own_seeds.record(c, q), rule, edge) for c, q, rule, edge in beyond]
figures.table(rows, index="claim")

# %% [markdown]
# ## What this chapter shows, and what it does not
#
# - "Gradients have low rank" is not one statement. Raw, it is all lengths of gradients for open questions and mostly so for sorting; at unit norm the participation ratio is low for tasks with few answers and much less so for tasks with many; the rank at 90 % is a quarter to seven tenths of its control, and on GPT-2 higher after training than before; how much of it is there before training depends on the architecture; and where it grows with $n$ it is not a rank. A control must have the same lengths, and must not be sketched without saying what the sketch does to it.
# - There is a linear regime, and it can be located: by $F_1$ and $F_2$, or before any step by one gradient and one Hessian product. It is long along directions that do nothing and short along those that matter.
# - Chapter 1's law with curvature predicts the right step of random search over all weights of a language model to a factor of three, and its gain up to that step, in GPT-2 and Qwen2; in OLMo2 the gain exceeds it. It is the gain on the questions searched on.
# - All of this is on models of a million parameters in a made-up world, around trained and calibrated weights, on questions of a few kinds. The verdict bars were chosen after first runs. Qwen2.5-0.5B runs by the `paper` profile; no result of it is in this book yet, and none of a model with 7 billion parameters.
#
# ## Exercises
#
# :::{exercise} How many items are long?
# :label: ex-llm-lengths
#
# Let a share $q$ of $n$ orthogonal gradients have length $1$ and the others a length that can be neglected. What is the participation ratio? Which $q$ explains the raw control of *yes-no* for the trained model in the first table, and what has that to do with the model being right nearly everywhere?
# :::
#
# :::{solution} ex-llm-lengths
# :class: dropdown
#
# By {prf:ref}`prop-lengths` it is $(qn)^2/(qn)=qn$. A raw control of $c$ is what $c$ equally long gradients among $n$ would show, so $q=c/n$: with the $31$ of seed 0 and $n=128$, a quarter. The gradient of an item is a product with $p_i-e_{y_i}$, which is short where the model is sure and right. In a trained model the few items on which it is unsure carry nearly all of the energy, and the control tells how few.
# :::
#
# :::{exercise} Inner products without gradients
# :label: ex-llm-ghost
#
# A linear layer maps inputs $x_{it}$ (item $i$, position $t$) to outputs, whose gradients are $e_{it}$. So the gradient of its weight for item $i$ is $\sum_te_{it}x_{it}^\top$. Show that $G_{ij}=\sum_{s,t}(e_{is}\cdot e_{jt})(x_{is}\cdot x_{jt})$, check it, and find out when this is cheaper than forming the gradients.
# :::

# %% [markdown]
# ```{solution-start} ex-llm-ghost
# :class: dropdown
# ```
# The inner product of two matrices is $\mathrm{tr}(A^\top B)$, and $\mathrm{tr}\big((e_{is}x_{is}^\top)^\top e_{jt}x_{jt}^\top\big)=(e_{is}\cdot e_{jt})(x_{is}\cdot x_{jt})$. Sum over $s$ and $t$.

# %%
dice = seeding.generator(seed, "ghost")
x, e = (torch.randn(6, 5, w, generator=dice, dtype=torch.float64) for w in (7, 9))
formed = torch.einsum("ito,itk->iok", e, x).flatten(1)
ghost = (torch.einsum("iso,jto->ijst", e, e) * torch.einsum("isk,jtk->ijst", x, x)).sum(
    (2, 3)
)
print(f"largest difference: {(formed @ formed.T - ghost).abs().max().item():.1e}")

# %% [markdown]
# With $T$ positions, $k$ inputs and $o$ outputs, forming and multiplying takes about $nTko+n^2ko$ multiplications, the other way $n^2T^2(k+o)$. Without the first term: it is cheaper when $T^2(k+o)<ko$, that is for short texts and wide layers. For $k=o=128$ that means fewer than eight tokens, for $k=o=4096$ fewer than 45. It needs no memory for gradients at all.
#
# ```{solution-end}
# ```
#
# :::{exercise} How large must a sketch be?
# :label: ex-llm-sketch
#
# From {eq}`eq-sketch-rank`: for which $m$ does a sketch show at least nine tenths of a participation ratio $r$? What does a sketch with $m=n$ do to the random control?
# :::

# %% [markdown]
# ```{solution-start} ex-llm-sketch
# :class: dropdown
# ```
# $r_m/r=1/(1+(1+r)/m)$, so $m\ge9(1+r)$. With $m=n$ the control, $r=n$, shows about $n/2$: half of its rank is gone, while a low rank is seen rightly. A ratio of measured to control is then too large by a factor of two.

# %%
for r_true in (3.0, 60.0, float(examples)):
    m = int(np.ceil(9 * (1 + r_true)))
    seen = [
        sketches.participation_ratio(r_true, size) / r_true for size in (m, examples)
    ]
    print(
        f"r = {r_true:5.0f}: m = {m:5d} shows {seen[0]:.2f} of it, m = n shows {seen[1]:.2f}"
    )

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} What are antithetic pairs worth?
# :label: ex-llm-pairs
#
# On a straight loss, compare $E\max|z_i|$ over $N/2$ normals with $m_N$. What happens to the gain of pairs as $N$ grows, and what happens to it on a curved loss?
# :::

# %% [markdown]
# ```{solution-start} ex-llm-pairs
# :class: dropdown
# ```
# The largest $|z|$ of $N/2$ has the distribution function $(2\Phi-1)^{N/2}$.

# %%
for n in (2, 16, 256, 4096):
    pair = quad(lambda x, n=n: 1 - (2 * norm.cdf(x) - 1) ** (n / 2), 0, 12)[0]
    print(f"N = {n:4d}: pairs {pair:.3f}, independent {laws.expected_maximum(n):.3f}")

# %% [markdown]
# Large $N$ has nothing to gain: far out $(2\Phi-1)^{N/2}=(1-2q)^{N/2}$ and $\Phi^N=(1-q)^N$ with $q=1-\Phi$ are both near $e^{-Nq}$; a good draw has a bad opposite, and two independent ones are hardly ever both good. For $N=2$ it is much, $0.80$ against $0.56$. Curvature is even in $\epsilon$, so it costs both of a pair the same: pairs do not help against it, but half of their difference is $F_1$, free of curvature to second order, and half of their sum, less $L(\theta)$, is $F_2$.
#
# ```{solution-end}
# ```
#
# :::{exercise} The best step for a central difference
# :label: ex-llm-step
#
# $F_1(s)/s$ estimates the slope. Its error has a part from rounding, about $\varepsilon|L|/s$ with the machine precision $\varepsilon$, and one from the third derivative, about $cs^2$. Which $s$ is best, and how does the least error depend on $\varepsilon$? Compare with the curves of this chapter.
# :::

# %% [markdown]
# ```{solution-start} ex-llm-step
# :class: dropdown
# ```
# Setting the derivative of $\varepsilon|L|/s+cs^2$ to zero gives $s=(\varepsilon|L|/2c)^{1/3}$, and the least error goes with $\varepsilon^{2/3}$: double precision ($\varepsilon\approx10^{-16}$) has a best step about a thousand times shorter than single precision ($10^{-7}$), and an error about a million times smaller.

# %%
for kind, one in {
    "float64": straight["random 0"],
    "float32": coarse["float32"][0],
}.items():
    best = int(np.argmin(one.error))
    print(
        f"{kind}: least error {one.error[best]:.0e} at a step of {RELATIVE[best]:.0e} |theta|"
    )

# %% [markdown]
# The grid has two steps a decade, and rounding is not as simple as one $\varepsilon$ (sums of many terms average it), so this is an order of magnitude. The lesson stays: an approximate slope from two losses in single precision is good to a few digits at best, and in bfloat16 it is not one.
#
# ```{solution-end}
# ```
