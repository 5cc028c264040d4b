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
# # Supplement to chapter 4
#
# All views of the rank, what a sketch does to it, where in the model it lies; every direction of the linear regime, in three precisions; all steps of the search; every row that was judged. The chapter itself: {doc}`04_llm_rank`.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown
seed = 0  # of the live case: all its randomness follows from it
model = "micro-gpt2"  # a shipped model, a folder, or a hub id with its commit

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import display

from lglib import studies
from lglib.report import claims, figures, over_seeds, pages, provenance, rows
from lglib.report import tables
from lglib.parameters import sketches
from lglib.studies import rank

figures.style()
parameters = studies.parameters("rank", profile, model=model)
observed = studies.observed("rank", profile)
over = over_seeds(observed.frame)  # means over seeds, with intervals
models = list(over["model"].unique())
shown = pages.shown(model, models)
mine = rows(over, model=shown)
tasks = list(parameters.asked)
ratio, by_answers = "participation ratio / control", "participation ratio by answers"
print(pages.measured(observed, seed=seed, versions=provenance.versions()))
print(f"where one model is shown, it is {shown}")
print(", ".join(f"{name} = {value}" for name, value in parameters.model_dump().items()))

# %% [markdown]
# Values are means over seeds with Student's $t$ interval at 95 % (number of seeds in round brackets). With one seed, an interval is over that run's own draws, and a value without draws has none. Each table names its null, which is what chance alone would give. *Live* figures are computed on this page, for one model and one seed.

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
# :class: dropdown
#
# $G$ is diagonal with entries $\ell_i^2$, so these are its eigenvalues. With equal entries the ratio is $(n\ell^2)^2/(n\ell^4)=n$. With $\ell_1^2\gg\sum_{i>1}\ell_i^2$ numerator and denominator are both near $\ell_1^4$.
# :::
#
# A model that is right nearly everywhere has a few items with long gradients and many with short ones. So raw gradients of a *trained* model look low-rank for a reason that has nothing to do with directions. The honest control is therefore **random directions with the same lengths**. And at unit norm that control is close to $n$.
#
# The $n\times d$ matrix need not exist: one forward and one backward pass yield, for each layer, its inputs and the gradients of its outputs; from these the $n$ gradients of one matrix are formed, multiplied with each other, added to $G$, and dropped.

# %% [markdown]
# ## The rank in three views
#
# Three sets of $n$ items of each task. The trained model; its *untrained twin*, the same network with new random weights; and the trained model with *shuffled labels*, where each item has the answer of another. Behind the slash stands the control of equal lengths.


# %% tags=["hide-input"]
def beside_control(name):
    """A rank by task, view and state, each with its control."""
    table = rows(mine, measure=name, view=["raw", "centred", "unit norm"])
    text = [f"{tables.in_words(r)} / {r['null']:.3g}" for r in table.to_dict("records")]
    cells = dict(columns="state", values="text", aggfunc="first", sort=False)
    table = table.assign(text=text).pivot_table(index=["task", "view"], **cells)
    print(f"{shown}: {name} / that of random directions of equal lengths")
    display(tables.show(table.reset_index(), ["task", "view", *table.columns]))


tables.tell_left_out(mine, "gradients")
with tables.if_measured("participation ratio"):
    beside_control("participation ratio")

# %% tags=["hide-input"]
tables.tell_left_out(mine, "gradients")
with tables.if_measured("rank at 90 %"):
    beside_control("rank at 90 %")

# %% tags=["hide-input"]
tables.tell_left_out(mine, "gradients")
with tables.if_measured("answered surely"):
    sure = rows(mine, claim="context", measure="answered surely")
    print("share of items that the trained model answers with probability above 0.999")
    heads = {"task": "task", tables.VALUE: "share [95 %] (n)", "null": "null"}
    display(tables.show(sure, heads))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-rank", "caption": "Participation ratio of per-example gradients divided by that of random directions of the same lengths (grey: 1, no structure). Raw gradients above, unit norm below. Yes-no questions span a few directions in every state of the model, untrained too; open questions do not."}, "image": {"alt": "Two dot plots with the tasks as rungs and three states of the model as colours, logarithmic axis."}}
tables.tell_left_out(mine, "gradients")
figure, axes = figures.panels(2, height=2.6)
for panel, view in zip(axes, ("raw", "unit norm"), strict=True):
    series, ratio = {}, "participation ratio / control"
    for state in rank.STATES:
        with tables.if_measured(f"{ratio}, {view}, {state}"):
            found = rows(mine, measure=ratio, view=view, state=state).set_index("task")
            spans = found.reindex(tasks)[["value", "low", "high"]]
            series[state] = spans.clip(lower=1e-3).to_numpy()
    figures.ladder(panel, tasks, series)
    panel.axvline(1, color=figures.NULL, label="control", zorder=0)
    panel.set(xscale="log", title=view, xlim=(0.01, 2))
axes[1].set_xlabel("participation ratio / control")
figures.legend_below(axes[1])

# %% [markdown]
# **What we see** on micro-gpt2. *Raw.* For the trained model the control itself is small: a few items have long gradients, and lengths alone make a low rank ({prf:ref}`prop-lengths`). For open questions nothing else is there: the measured rank *is* that of the control. Who compares with $n$ and not with equal lengths sees a low rank there that is none. For yes-no questions and counting it lies well below the control. Centring changes little on the trained model.
#
# *Unit norm.* With lengths out of the way, the participation ratio of yes-no questions is two or three of 128 and that of counting about six; for sorting it is about twenty and for open questions nearly half of what random directions have. The rank at 90 % is much larger, around 50 and 28 for these two, of 115. They have one or a few strong directions that all items share, and a long weak tail. So at unit norm L1 holds by its bar for all four tasks, by very different margins; for raw gradients it fails for open questions and for sorting, in one and the same model.
#
# *Untrained.* The twin, which knows nothing, shows the same order of tasks. On this model training lowers the participation ratio for yes-no questions and counting, and *raises* it for open questions and sorting; the rank at 90 % it raises for all four. Other architectures differ ({ref}`across-seeds-llm`).
#
# *Shuffled labels.* At unit norm, wrong answers leave the rank of counting nearly as it was, and raise it for open questions and sorting. For yes-no questions they leave it as it was, and must: where the model gives both answers all of the probability, the other answer turns $p-e_y$ round, and no eigenvalue of $G$ sees the signs of the $g_i$. There this control says nothing. (In Qwen2 and OLMo2 wrong answers nearly double the rank of counting.)
#
# **What this does not show.** At unit norm an item that the model answers surely counts as much as one on which it errs, though its gradient moves nothing. The table above the figure says how many are answered surely. There is no view that is right for every purpose: the raw one tells what a step of training sees, the unit one what the directions are.
#
# ### A rank that grows with $n$ is not a rank
#
# If the gradients of a task lay in $k$ directions, more items would not find more. So take the first $2, 4, 8, \dots$ items of a set.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-growth", "caption": "Participation ratio at unit norm against the number n of gradients, trained above, untrained below; bands: 95 %. Grey: random directions, rank n. By this measure yes-no questions reach their rank within some sixteen items; the curve of open questions has not ended at the largest n."}, "image": {"alt": "Two panels of rising curves on logarithmic axes; one stays flat, others keep rising below the grey diagonal."}}
figure, axes = figures.panels(2, height=2.8)
grown = dict(measure="rank of the first items", rank="participation ratio")
for panel, state in zip(axes, ("trained", "untrained"), strict=True):
    for i, task in enumerate(tasks):
        with tables.if_measured(f"rank of the first items, {task}, {state}"):
            found = rows(mine, **grown, state=state, task=task)
            n, colour = found["items"], figures.PALETTE[i]
            panel.plot(n, found["value"], "o-", ms=4, color=colour, label=task)
            panel.fill_between(n, found["low"], found["high"], color=colour, alpha=0.2)
    counts = [2, parameters.examples]
    panel.plot(counts, counts, color=figures.NULL, label="random", zorder=0)
    panel.set(xscale="log", yscale="log", title=state, ylabel="participation ratio")
axes[1].set_xlabel("gradients n")
figures.legend_below(axes[1], columns=3)

# %% tags=["hide-input"]
tables.tell_left_out(mine, "gradients")
with tables.if_measured("growth exponent"):
    slopes = rows(mine, measure="growth exponent")
    slopes = slopes.assign(of=slopes["rank"] + ", " + slopes["state"])
    told = "growth exponents at unit norm from n / 4 to n (null: 1; a rank: 0)"
    print(f"{shown}: {told}")
    display(tables.wide(slopes, "task", "of"))

# %% [markdown]
# The participation ratio of yes-no questions is flat from about sixteen items on, that of counting nearly so: *this* rank does not grow. That of open questions rises with an exponent of about $0.6$, where random directions have $1$, and a number quoted for them is a statement about $n$. Sorting lies between.
#
# The *rank at 90 %* grows for every task. So a low participation ratio does not mean that the gradients lie in a few directions. It cannot exceed the square of the stable rank: one direction that all items share keeps it flat, whatever the rest does. What is there is one strong shared direction and a tail without end.
#
# ### Where in the model?
#
# $G$ is a sum over matrices, so each layer and each kind of matrix has a rank of its own.

# %% tags=["hide-input"]
at_a_place = "participation ratio at a place"
with tables.if_measured(f"{at_a_place}, {tasks[0]}"):
    place = rows(mine, measure=at_a_place, task=tasks[0])
    print(f"{shown}, trained, {tasks[0]}: participation ratio at unit norm")
    print(f"null: {parameters.examples}, random directions")
    display(tables.wide(place, "matrix", "block"))

# %% tags=["hide-input"]
for task in tasks[1:2]:
    with tables.if_measured(f"{at_a_place}, {task}"):
        place = rows(mine, measure=at_a_place, task=task)
        print(f"the same for {task}")
        display(tables.wide(place, "matrix", "block"))

# %% [markdown]
# For yes-no questions the participation ratio falls from the first block to the last, from between ten and twenty-four to between one and three: near the answer everything is about yes or no, far from it, we suppose, about what was read. For open questions it falls a little in the attention and rises in the MLP. These are means over three sets, of the trained model alone. The rank of the whole gradient is a mixture of these, weighted by how much of the energy lies where.

# %% [markdown]
# (llm-why)=
# ## What makes it low?
#
# The chapter restricts open questions to their $m$ most common answers. Here are the untrained twins beside the trained models.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-answers-twins", "caption": "Participation ratio at unit norm of open questions against the number of different answers in the set. Same model, same n, all open questions; small sets ask about sizes only, larger ones about colours and likes too. Grey: rank = number of answers; the random control lies at n."}, "image": {"alt": "Two rising rows of dots, trained and untrained, beside a grey diagonal, on logarithmic axes."}}
figure, (axes,) = figures.panels(1, height=3.2)
tables.tell_left_out(mine, "answers")
for i, state in enumerate(("trained", "untrained")):
    with tables.if_measured(f"{by_answers}, {state}"):
        found = rows(mine, measure=by_answers, state=state)
        x = found["answers"] * (1 + 0.04 * i)
        bars = found[["value", "low", "high"]].to_numpy().T
        figures.points(axes, x, *bars, label=state, color=figures.PALETTE[i])
counts = list(parameters.answer_counts)
axes.plot(counts, counts, color=figures.NULL, label="number of answers", zorder=0)
axes.set(
    xscale="log", yscale="log", xlabel="different answers", ylabel="participation ratio"
)
axes.set_xticks(counts, [str(m) for m in counts])
axes.minorticks_off()
figures.legend_below(axes)

# %% tags=["hide-input"]
tables.tell_left_out(over, "answers")
with tables.if_measured(by_answers):
    found = rows(over, measure=by_answers)
    found = found.assign(run=found["model"] + ", " + found["state"])
    told = "participation ratio by number of different answers"
    print(f"{told} (null: {parameters.examples})")
    display(tables.wide(found, "run", "answers"))

# %% [markdown]
# **What we see** on micro-gpt2. The rank rises with the number of answers, by a factor of about $1.8$ for each doubling, in the trained model and in the untrained one. Same model, same $n$. So much of what one would call the rank of a *task* is the number of its *answers*, and a benchmark of yes-no questions, such as BoolQ, should look low-rank in a trained model. (Not in any: in the untrained OLMo2 yes-no questions have a participation ratio of 37, {ref}`across-seeds-llm`.)
#
# **What this does not show.** That it is only that, nor that nothing else changes: the most common answers are sizes (small, tiny, ...), so that sets of up to six answers ask one kind of question and the larger ones mix in colours and likes. Open questions with two answers still span more directions than yes-no questions in the trained model: there the $J_i$, the ways in which different passages lead to the answer, are less alike.

# %% [markdown]
# (llm-sketch)=
# ## The sketch has a rank of its own
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
# $$ \begin{aligned}\text{dense: }&\tfrac1m\big(\lVert x\rVert^2\lVert y\rVert^2+(x\cdot y)^2\big),\\ \text{CountSketch: }&\tfrac1m\big(\lVert x\rVert^2\lVert y\rVert^2+(x\cdot y)^2\\ &\quad-2\textstyle\sum_kx_k^2y_k^2\big).\end{aligned} $$ (eq-sketch)
#
# A dense sketch of vectors with participation ratio $r$ shows one near $r_m$, where
#
# $$ \frac1{r_m}=\Big(1+\frac1m\Big)\frac1r+\frac1m. $$ (eq-sketch-rank)
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# *Dense.* Each of the $m$ rows $s$ of $S$ gives a product $(s\cdot x)(s\cdot y)$ with $s\sim N(0,I/m)$. For jointly normal $u=s\cdot x$, $v=s\cdot y$, Isserlis' theorem gives $E[uv]=x\cdot y/m$ and $\mathrm{Var}(uv)=E[u^2]E[v^2]+E[uv]^2=(\lVert x\rVert^2\lVert y\rVert^2+(x\cdot y)^2)/m^2$. Add $m$ independent rows.
#
# *CountSketch.* $Sx\cdot Sy=\sum_{k,l}\epsilon_k\epsilon_l\,1[h(k)=h(l)]\,x_ky_l$ with signs $\epsilon$ and buckets $h$. The terms $k=l$ add up to $x\cdot y$. The others have mean zero; a product of two of them has a mean that is not zero only for the same pair $\{k,l\}$, where it is $\frac1m$ times $x_k^2y_l^2+x_kx_ly_ky_l$. Summing over $k\ne l$ gives the bracket: $\sum_{k\ne l}x_k^2y_l^2=\lVert x\rVert^2\lVert y\rVert^2-\sum_kx_k^2y_k^2$, and the same for the second.
#
# *Rank.* Write $G'$ for the sketched Gram matrix. $E\,\mathrm{tr}\,G'=\mathrm{tr}\,G$, and by the first part $E\lVert G'\rVert_F^2=\sum_{ij}\big(G_{ij}^2+\mathrm{Var}\big)=(1+\frac1m)\lVert G\rVert_F^2+\frac1m(\mathrm{tr}\,G)^2$. Divide by $(\mathrm{tr}\,G)^2$; $r$ is $(\mathrm{tr}\,G)^2/\lVert G\rVert_F^2$. ("Near", because it is a ratio of means, not the mean of a ratio.)
# :::
#
# So a sketch is unbiased for inner products and *biased for ranks*: it can never show more than $m$. And a random control that is sketched too has this bias most of all, since its $r=n$ is the largest.

# %% tags=["hide-input"]
heads = {"sketch": "sketch", "m": "m", tables.VALUE: "participation ratio [95 %] (n)"}
heads |= {"predicted": "law", "null": "sketched control", "error": "error / its law"}
with tables.if_measured("sketches"):
    seen = rows(mine, measure="sketched participation ratio")
    error = rows(mine, measure="error of sketched inner products / law")
    seen = seen.assign(error=[tables.in_words(row) for row in error.to_dict("records")])
    print(f"{shown}, unit norm; error: root mean square over pairs, 1 if the law holds")
    display(tables.show(seen, heads))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-sketch", "caption": "What a sketch of dimension m shows of a rank. Dots: measured; black: the law; dashed: the exact participation ratio; grey: what random directions of full rank n show through the same sketch. A small sketch makes everything look low-rank, the control first of all."}, "image": {"alt": "Rising curve of participation ratio against sketch dimension, below the exact value; the grey curve of the control rises with it."}}
figure, (axes,) = figures.panels(1, height=3.2)
fine = np.geomspace(parameters.sketch_sizes[0], parameters.sketch_sizes[-1], 50)
full = [sketches.participation_ratio(float(parameters.examples), m) for m in fine]
with tables.if_measured("sketches"):
    exact = rows(mine, measure="participation ratio before sketching")["value"].item()
    seen = rows(mine, measure="sketched participation ratio")
    for i, (name, found) in enumerate(seen.groupby("sketch", sort=False)):
        bars = found[["value", "low", "high"]].to_numpy().T
        look = dict(label=name, color=figures.PALETTE[i])
        figures.points(axes, found["m"] * (1 + 0.06 * i), *bars, **look)
    law = [sketches.participation_ratio(exact, m) for m in fine]
    figures.law(axes, fine, law, "law")
    axes.axhline(exact, ls="--", lw=1, color="black", label="exact")
axes.plot(fine, full, color=figures.NULL, label="control")
axes.set(
    xscale="log",
    yscale="log",
    xlabel="sketch dimension m",
    ylabel="participation ratio",
)
figures.legend_below(axes)

# %% [markdown]
# **What we see** on micro-gpt2. Both laws hold: the errors of inner products are as large as {eq}`eq-sketch` says (last column near $1$), and the rank follows {eq}`eq-sketch-rank` for both kinds of sketch, though it was derived for the dense one. At $m=8$ a rank of sixty and a control of full rank show the same seven: the sketch's own dimension. Even at $m=n$ the control has lost half of its rank, so the ratio of measured to control comes out too large.
#
# The exact Gram matrix costs $n^2d$ products, a dense sketch $nmd$. So a dense sketch with $m>n$ costs more than what it approximates (a CountSketch, with $nd$ additions, does not); it pays when gradients come one at a time and cannot be kept.
#
# **What this does not show.** How the paper's control was made; its dimension $m$ is the number to ask for.
#
# (llm-fails)=
# ## Where L1 fails, and what would make it a finding
#
# **Across sizes.** The shipped models have one size. What size alone does can be seen on untrained networks of GPT-2's shapes, whose gradients know nothing.

# %% tags=["hide-input"]
told = f"untrained networks, with the tokens of {shown}: participation ratio"
tables.tell_left_out(mine, "width")
with tables.if_measured("participation ratio by width"):
    wide = rows(mine, measure="participation ratio by width")
    print(f"{told} at unit norm\nnull: {parameters.examples}")
    display(tables.wide(wide, "width", "task"))

# %% [markdown]
# **What we see** on micro-gpt2. Nothing was learned here, and the rank of open questions rises with the width all the same, though less and less (at the last doubling the intervals overlap), while that of yes-no questions stays at a few. A larger network tells more questions apart before it knows any. So "partly fails at 7B" may mean just that: a task with many answers looks less low-rank in a larger model. We cannot tell from here; the `paper` profile can be run on one.
#
# **What would make low rank a finding about learning?** We would ask for five things at once. (1) It is there at unit norm, so it is not lengths. (2) It lies below the untrained twin on the same items. (3) It does not grow with $n$. (4) It stays when the task has many answers. (5) It goes when the labels are wrong. On this model, by the participation ratio, yes-no questions pass (1) to (3) and cannot be asked (4) or (5): they have two answers, and at unit norm a wrong one only turns the sign. Counting passes (1) to (3) and fails (5); with six answers it says little on (4). Open questions fail (2) and (3). Sorting fails (2). No task passes all five. In Qwen2 and OLMo2 counting passes (5) too, and it is (4) that is open.
# By the rank at 90 % every task fails (2) on this model.
#
# **What this does not show.** Trained models of several sizes. Those in this book all have about 0.9 million parameters.

# %% [markdown]
# ## The linear regime, direction by direction
#
# $F_1$ and $F_2$ are defined in {eq}`eq-f1f2`.
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
# :class: dropdown
#
# Expand $L(\theta\pm su)$: odd powers cancel in the sum, even ones in the difference. Equate $s|g\cdot u|$ with $\tfrac12s^2|u\cdot Hu|$. A random unit direction has $E[uu^\top]=I/d$, hence $E[(g\cdot u)^2]=\lVert g\rVert^2/d$ and $E[u\cdot Hu]=\mathrm{tr}(H)/d$.
# :::
#
# **What we do.** Scales over six decades. The length of a step is taken with *each tensor in its own size*: the root mean square over weights of the step, relative to the root mean square of the tensor that the weight is in. Where all tensors have weights of one size that is the step as a share of $\lVert\theta\rVert$; in a model with a few long tensors, such as the gains of norms, $\lVert\theta\rVert$ says nothing of the matrices. The loss is the mean over some yes-no questions, as the calibrated model answers them. Directions: random ones; the **gradient**; a **LoRA step**, the change of the merged weights in the first gradient step of fresh adapters; and a **steering** direction, the gradient of the projection of $h_\ell$ on the difference
# of its means over true and false claims, at the last block: the step that moves activations fastest along a steering vector. The reference is computed in double precision throughout; float32 and bfloat16 stand beside it.

# %% tags=["hide-input"]
SHOWN = ("random 0", "gradient", "LoRA step", "steering")
one = rank.load(parameters, seed)  # the model, and its untrained twin
lines = None
with tables.if_measured("linear regime"):
    lines = rank.regimes(one, SHOWN)  # in double precision

# %% tags=["hide-input"]
bent, table = None, []
with tables.if_measured("curvature"):
    bent = rank.curvature(one)  # slope, trace and curvature along the gradient
    print(f"|g| = {bent.slope:.3f}, tr H = {bent.trace:.0f}, along g {bent.along:.1f}")
with tables.if_measured("where the linear regime ends"):
    tables.needs(lines, bent)
    for name in SHOWN:
        regime, length = lines.regimes[name], lines.unit[name]
        by_trace = 2 * abs(regime.slope) * one.space.d / abs(bent.trace.estimate)
        row = {"direction": name, "slope": regime.slope, "u.Hu": lines.curvature[name]}
        row |= {"crossing": regime.crossing / length}
        row |= {"from u.Hu": lines.predicted(name) / length}
        row |= {"from tr H": by_trace / length if name == "random 0" else None}
        row |= {"F1 within 10 % up to": lines.good_up_to(name) / length}
        table.append(row)
    display(tables.show(pd.DataFrame(table), list(table[0])))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-regime", "caption": "One seed, live. F1 (blue) and F2 (orange) against the scale of the step, each tensor in its own size, along four directions, in double precision. Black: first order and curvature, from one gradient and one Hessian product. Dotted: where they cross. The linear regime ends at very different scales: for the gradient and for the steering direction much sooner than for a random one."}, "image": {"alt": "Four panels of two straight lines of slopes one and two on logarithmic axes, crossing at different places and bending off to the right."}}
figure, axes = figures.panels(len(SHOWN), height=2.5)
axes[-1].set_xlabel("length of the step, each tensor in its own size")
for panel, name in zip(axes, SHOWN, strict=True):
    panel.set(xscale="log", yscale="log", title=name, ylabel="nats", ylim=(1e-13, 1e2))
with tables.if_measured("F1 and F2"):
    tables.needs(lines)
    for panel, name in zip(axes, SHOWN, strict=True):
        regime, s = lines.regimes[name], lines.regimes[name].scales
        for i, (label, part) in enumerate((("|F1|", regime.f1), ("|F2|", regime.f2))):
            look = dict(label=label, color=figures.PALETTE[i])
            figures.points(panel, rank.SCALES, np.abs(part), **look)
        figures.law(panel, rank.SCALES, np.abs(s * regime.slope), "first order")
        bend = np.abs(s**2 * lines.curvature[name] / 2)
        figures.law(panel, rank.SCALES, bend, "curvature", ls="--")
        panel.axvline(lines.in_tensor_units(name), color="black", lw=1, ls=":")
    figures.legend_below(axes[-1])

# %% [markdown]
# Over seeds, with more directions (several random ones, and one inside of each block):

# %% tags=["hide-input"]
with tables.if_measured("decades of linear regime"):
    decades = rows(over, measure="decades of linear regime")
    plain = rows(over, measure="decades of linear regime in |theta|")
    print("decades of linear regime (null: 0, no linear regime in the range)")
    display(tables.wide(decades, "direction", "model"))
    print("the same with steps measured in |theta|, random directions and the gradient")
    plain = plain[plain["direction"].isin(SHOWN)]
    display(tables.wide(plain, "direction", "model"))

# %% tags=["hide-input"]
heads = {"model": "model", "measure": "measured", tables.VALUE: "decades [95 %] (n)"}
heads |= {"null": "null", "null_means": "which is"}
names = ["log10 crossing / |theta|", "log10 crossing in tensor units"]
names += ["error of the predicted crossing"]
names += ["error of the predicted crossing less that of another's"]
names += ["error of the crossing predicted by the trace"]
for part in ("linear regime", "crossings", "trace"):
    tables.tell_left_out(over, part)
with tables.if_measured("the end of the linear regime"):
    ends = tables.of_measures(over, names)
    print("the end of the linear regime along random directions, in decades")
    display(tables.show(ends, heads))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-rounding", "caption": "One seed, live. The ratio of F2 to F1 along a random direction (top) and along the gradient (bottom), in three precisions. Grey: the ratio 1, the end of the linear regime. In float32 steps below about a ten-thousandth of the weights' size drown in rounding along a random direction; in bfloat16 there is hardly a scale at which a random direction can be measured."}, "image": {"alt": "Two panels of ratio against scale; the double-precision curve is straight, float32 leaves it at small scales, bfloat16 is scattered."}}
figure, axes = figures.panels(2, height=2.8)
names = ("random 0", "gradient")
curves = {}
with tables.if_measured("F1 and F2 in three precisions"):
    tables.needs(lines)
    curves = {"float64": lines.regimes}
    for kind in ("float32", "bfloat16"):
        curves[kind] = rank.in_rounded(one, lines, kind, names)
for panel, name in zip(axes, names, strict=True):
    for i, (kind, found) in enumerate(curves.items()):
        share = found[name].ratio
        share = np.where(np.isfinite(share) & (share > 0), share, np.nan)
        look = dict(ms=4, lw=1, color=figures.PALETTE[i], label=kind)
        panel.plot(rank.SCALES, share, "o-", **look)
    figures.null_line(panel, 1, "crossing")
    panel.set(xscale="log", yscale="log", title=name, ylabel="|F2 / F1|")
axes[1].set_xlabel("length of the step, each tensor in its own size")
figures.legend_below(axes[1])

# %% [markdown]
# **What we see** on micro-gpt2. *There is a linear regime*, and one gradient and one Hessian product predict where it ends. Along random directions it ends where weights move by a few hundredths of their size; the prediction from $u\cdot Hu$ misses by a small part of what another direction's would miss. The trace, with the slope along the direction, does less well: $u\cdot Hu$ scatters around its mean with the relative spread $\sqrt2\lVert H\rVert_F/\mathrm{tr}H$, which many dimensions make small only if many of them bend. Here few do.
#
# *The directions that matter are the ones that bend.* Along the gradient and along the steering direction the regime ends tens of times sooner: $u\cdot Hu$ is about $260{,}000$ times as large along the gradient, and $11{,}000$ times along the steering direction, as along a random one in the live case, the slope far less so. (Both are in the table.) The LoRA step lies between. For gradient and LoRA step the crossing differs from what the quadratic says by factors of up to three or so: higher orders take over first.
#
# *Single blocks* differ widely. Part of it is chance, since each is one direction and its crossing is as random as $|z|$ in {prf:ref}`prop-crossing`; part of it is curvature, which differs between blocks more than slopes do.
#
# *Precision.* In float32 the even part drowns below about a ten-thousandth of the weights' size along a random direction; along the gradient, where losses change much more, it can be seen at all scales. In bfloat16 a random direction has no scale at which $F_1$ and $F_2$ mean anything: rounding of the weights is larger than the step, until the step is so long that the regime has ended.
#
# **What this does not show.** The paper's scales: its figure 6 is on another model and, for all we know, another norm. The regime of one loss on a few questions; with more of them slope and curvature change.

# %% [markdown]
# ## The search, step by step
#
# With $a=-g$, the law of {doc}`01_theory` for the best of $N$ Gaussian candidates on a quadratic loss, taken for the candidate that is best to first order (a lower bound for the best by loss), and the scale where it is largest:
#
# $$ \begin{aligned}&\sigma\lVert a\rVert m_N-\tfrac12\sigma^2\big(\mathrm{tr}H+\kappa(q_N-1)\big),\\ &\sigma^\ast=\frac{\lVert a\rVert m_N}{\mathrm{tr}H+\kappa(q_N-1)}.\end{aligned} $$ (eq-sigma-star)
#
# $m_N$ is the mean of the largest of $N$ standard normals, $q_N$ its second moment, $\kappa=a\cdot Ha/\lVert a\rVert^2$. The trace is estimated by Hutchinson's method {cite}`hutchinson1990stochastic`, the mean of $z\cdot Hz$ over random signs $z$. Over seeds, in units of the best gain that the law promises for the seed:

# %% tags=["hide-input"]
gains = None
with tables.if_measured("gain"):
    gains = rows(observed.frame, model=shown, measure="gain")
    own = rows(gains, questions="selected", multiple=1.0).set_index("seed")
    scale = gains["seed"].map(own["predicted"])
    for column in ("value", "low", "high", "predicted"):
        gains[column] = gains[column] / scale
    gains = over_seeds(gains)
    heads = {"multiple": "sigma / sigma*", "questions": "questions"}
    heads |= {tables.VALUE: "gain [95 %] (n)", "predicted": "law"}
    told = "gain / best gain of the law; null: 0; law: with curvature, or first order"
    print(f"{shown}: {told}")
    display(tables.show(gains, heads))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-search-all", "caption": "Gain of the best of N random steps over all weights of a model of 0.9 million parameters, against the step in units of the step that slope, curvature and trace predict to be best. Dashed: Theorem 1, which knows no curvature. Black: the curvature law. Grey: no gain. Of the steps tried, the predicted one gains most; three times that step loses on average, and ten times it, far below this panel, destroys the model (table)."}, "image": {"alt": "Measured gains rise with the law up to the predicted step and fall below zero beyond it; the dashed line goes on rising."}}
figure, (axes,) = figures.panels(1, height=3.4)
with tables.if_measured("gain"):
    tables.needs(gains)
    for i, (name, found) in enumerate(gains.groupby("questions", sort=False)):
        bars = found[["value", "low", "high"]].to_numpy().T
        look = dict(label=name, color=figures.PALETTE[i])
        figures.points(axes, found["multiple"] * (1 + 0.06 * i), *bars, **look)
fine = np.geomspace(0.1, 10, 100)  # the multiples that are tried
figures.law(axes, fine, 2 * fine - fine**2, "curvature law")
figures.law(axes, fine, 2 * fine, "Theorem 1", ls="--")
figures.null_line(axes, 0, "no gain")
axes.set(xscale="log", ylim=(-6, 4), xlabel=r"$\sigma/\sigma^\ast$")
axes.set_ylabel("gain / best gain of the law")
figures.legend_below(axes)

# %% [markdown]
# Two more of chapter 1's laws, on the shipped model at $0.3\,\sigma^\ast$. *Antithetic pairs*: try $\epsilon$ and $-\epsilon$. Where the loss is linear the best of $N/2$ such pairs gains $\sigma\lVert a\rVert\,E\max|z_i|$ over $N/2$ normals, a little more than $N$ independent draws. *Tied noise*: a generator that is re-seeded for every tensor gives all tensors the same stream, so parts of $a$ at one place of the stream add up before they count.
#
# Both, and what else the search says, over seeds and on all models:

# %% tags=["hide-input"]
names = ["effective dimension", "gain at sigma* / largest gain over the steps"]
names += ["gain / Theorem 1", "held out / selected", "spread of gains / law"]
names += ["gain of the best antithetic pair / law"]
heads = {"measure": "measured", "at": "at, or noise", "model": "model"}
heads |= {tables.VALUE: "value [95 %] (n)", "null": "null", "null_means": "which is"}
for part in ("steps", "sigma*", "noise"):
    tables.tell_left_out(over, part)
with tables.if_measured("the search"):
    found = tables.of_measures(over, names)
    found = found.reindex(columns=[*{**dict.fromkeys(over), "noise": 0, "multiple": 0}])
    at = found["multiple"].astype(str) + " sigma*"
    found = found.assign(at=found["noise"].fillna(at).replace("nan sigma*", ""))
    display(tables.show(found, heads))

# %% [markdown]
# **What we see** on micro-gpt2. *The predicted step is the right one,* to within the factor of three that separates the steps tried. Of five steps over two decades, the one that slope, curvature and trace name before any search gains most. At a tenth of it Theorem 1 holds to some percent; at the step itself the gain is about half of what Theorem 1 says, as the curvature law does (at the best step the curvature takes half of the first order, whatever the model); at ten times it the model is destroyed.
# So the theorem's "dimension does not enter" is right for short steps, and where it ends is decided by $\mathrm{tr}H/\kappa$: the number of directions that bend as much as the gradient's own. That number is a few to about ten on average over seeds in the three models (table above), of nearly a million directions, and it scatters widely between seeds. (Where negative curvatures take from the trace it can fall below one, and counts nothing any more.)
#
# *Selection bias.* The gains are those on the questions that chose the candidate. On other questions of the same kind a part of it is left at short steps, about what the overlap of the two gradients promises or less, and nothing reliable at $\sigma^\ast$: the curvature there is paid in full. Over seeds and models this part scatters widely (table above). Random search on two dozen questions mostly fits these questions.
#
# *Antithetic pairs* and *tied noise* follow their laws within the scatter of 64 candidates. Tied noise happens to do no harm here, because the parts of the gradient that share noise are nearly orthogonal; chapter 1 shows where it does.
#
# **What this does not show.** That such a search is useful: the gains are thousandths of a nat on a model that answers nearly everything already. It shows that its size can be predicted.

# %% [markdown]
# (across-seeds-llm)=
# ## Across models

# %% tags=["hide-input"]
tables.tell_left_out(over, "gradients")
with tables.if_measured("raw / control, and growth"):
    share = rows(over, measure=ratio, view="raw", state="trained")
    slope = rows(over, measure="growth exponent", state="trained")
    slope = slope.assign(what="growth, " + slope["rank"])
    table = pd.concat([share.assign(what="raw / control"), slope])
    table = table.assign(run=table["model"] + ", " + table["task"])
    told = "raw / control: participation ratio, null 1; growth exponents: null 1"
    print(f"trained; {told}")
    display(tables.wide(table, "run", "what"))

# %% [markdown]
# **What we see** on the three shipped models. *Rank.* After training the three models agree: participation ratios of two to three for yes-no questions, six to eleven for counting, about twenty to twenty-five for sorting, some forty to sixty for open questions, and growth with $n$ in the same order. *Before* training they do not. Yes-no questions span about 5 directions in the untrained GPT-2, 15 in Qwen2 and 37 in OLMo2, whose norms stand behind its layers. So how much of a low rank is learned depends on what the architecture brings along:
# in OLMo2 training lowers it more than tenfold, in GPT-2 twofold. An untrained twin must be shown for each model.
#
# *Regime.* It has the same shape in all three: four to five decades along random directions, about three along the gradient and the steering direction. The prediction from $u\cdot Hu$ beats that of another direction in all three. In Qwen2 one of the five seeds is missed by seven tenths of a decade on average: there the trace is small, its interval over probes holds zero, $u\cdot Hu$ is nearly zero or negative, and higher orders decide. *The unit* hardly matters in these models: measured as a share of $\lVert\theta\rVert$ all ends lie about a tenth of a decade lower, and keep their order (second table of the section).
#
# *Search.* In GPT-2 and Qwen2 $\sigma^\ast$ is the best of the five steps, or within some percent of it. In OLMo2 three times that step gains more in some seeds, well above the law: there the quadratic law ends before the gain does.

# %% [markdown]
# ## Every row that was judged
#
# Most bars are our choice, made after first runs. L1 is judged by the participation ratio beside its control: low means below half of it, with the whole interval. With fewer than three seeds, or where the model cannot do the task that is measured, there is no verdict, and the line says why.

# %% tags=["hide-input"]
for name in models:
    print(name)
    display(tables.verdicts(claims.judge("rank", over, name)))

# %% [markdown]
# Beyond the paper, by the same rules: is the low rank there before training? Does it stop growing with $n$? Does the measured $\sigma^\ast$ name the right step, and does Theorem 1 hold at a tenth of it and at it?

# %% tags=["hide-input"]
for name in models:
    print(name)
    display(tables.verdicts(claims.judge("rank", over, name, beyond=True)))
