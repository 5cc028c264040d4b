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
# # Exercises to chapter 3
#
# For {doc}`03_lora_drift`. Each can be done alone; solutions are folded. `lglib.check` says whether a number is right, with a hint where it is not.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose parameters are used
seed = 0  # of all randomness
model = "micro-gpt2"  # a model of the profile
pair = "cipher"  # of the exercise on votes

# %% tags=["hide-input"]
import numpy as np
import torch

import lglib
from lglib import studies
from lglib.base import seeding
from lglib.models import load
from lglib.search import pass_at
from lglib.studies import lora

parameters = studies.parameters("lora", profile, model=model, live=dict(seed=seed))
K, T = parameters.k, parameters.horizon

# %% [markdown]
# :::{exercise} A capture below the energy share
# :label: ex-below
#
# *Goal: see when a capture lies below its energy share. 15 minutes, level 2 of 3.*
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
# *Goal: count directions that change nothing. 15 minutes, level 2 of 3.*
#
# How many of the $d=r(m+n)$ coordinates of one adapted matrix can be changed without changing $BA$, near a point where $A$ and $B$ have full rank? Check it on a small case by the rank of the derivative of $(A,B)\mapsto BA$.
#
# **Answer**: for $m=5$, $n=4$, $r=2$: how many directions of $\theta$ are gauge.
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
adapter = lora.attach(load(parameters.model), parameters.shapes[0], seed)
space = adapter.space
gauge_all = len(adapter.layers) * adapter.r**2
print(f"this chapter's adapter: {gauge_all} of {space.d:,} coordinates are gauge")

# %% [markdown]
# A small share of the coordinates. But a gauge can be *large*: it is not how many directions there are but how far one can go along them that moved the captures above.

# %% tags=["answer"]
answer = 2**2

# %% tags=["check"]
lglib.check("ex-gauge", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} The plug-in pass@k
# :label: ex-pass
#
# *Goal: know what pass@N estimates. 15 minutes, level 2 of 3.*
#
# With $c$ of $M$ candidates right it is tempting to write $1-(1-c/M)^N$ for pass@$N$. Show that on average this is too small, and that the estimator of the text is unbiased. How large is the difference for $M=20$, $N=10$ and a true probability of $0.1$?
#
# **Answer**: the true pass@10 of a candidate that is right with probability $0.1$.
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
unbiased = sum(w * pass_at(r, N) for w, r in zip(weights, rows_of, strict=True))
plug_in = sum(w * (1 - (1 - c / M) ** N) for c, w in enumerate(weights))
print(f"true {1 - (1 - p) ** N:.4f}, estimator {unbiased:.4f}, plug-in {plug_in:.4f}")

# %% tags=["answer"]
answer = 1 - (1 - p) ** N

# %% tags=["check"]
lglib.check("ex-pass", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Why the vote does not help
# :label: ex-votes
#
# *Goal: see when votes help. 15 minutes, level 2 of 3. Predict: more or less than 0.6?*
#
# Independent voters who are right with probability $0.6$ are right together more often, when there are two answers. Compute it for fifteen (an odd number has no ties). Then measure how often the sixteen best candidates of a search agree with each other, against sixteen random ones, and explain what the table above shows.
#
# **Answer**: the share that a majority of 15 independent voters gets right, each right with probability $0.6$ between two answers.
# :::

# %% [markdown]
# ```{solution-start} ex-votes
# :class: dropdown
# ```
# For two possible answers the majority of independent voters is a binomial tail.

# %%
from itertools import combinations


def agreement(answers):
    """Share of pairs of candidates that give the same answer, mean over questions."""
    return np.mean([(a == b).all(-1).mean() for a, b in combinations(answers, 2)])


adapter = lora.attach(load(parameters.model), parameters.shapes[0], seed)
experiment = lora.experiment(parameters, adapter, pair, seed)
limits = dict(bar=parameters.bar, lost=parameters.lost, limit=parameters.limit)
points = experiment.learn_and_forget(**limits)
run, never = (experiment.recover(p, "AdamW", T) for p in (points.forgot, points.never))
other = experiment.recover(points.forgot, "AdamW", K, order=1)
sets = lora.gradient_sets(experiment, parameters.gradients)
places = {"initial": points.initial, "theta*": points.star, "theta_f": points.forgot}
found = {at: lora.gradients_at(experiment, p, sets) for at, p in places.items()}
bases = lora.bases_before(parameters, experiment, points, found)
runs = [{"AdamW": one} for one in (run, other, never)]
case = lora.Case(experiment, points, *runs, sets, found, bases)
asked, searched = lora.questions(parameters, case), lora.bases_of(parameters, case)
at = dict(basis="prefix", norm=parameters.norms[0])
found_search = lora.search(
    parameters, case, asked, at["basis"], searched[at["basis"]], at["norm"]
)

print(f"majority of 15 independent voters at 0.6: {1 - binom.cdf(7, 15, 0.6):.2f}")
answers, best = found_search.tried.predicted, found_search.best
print(f"{pair}: agreement of the best {agreement(answers[best]):.2f}")
print(f"of the first {len(best)} drawn {agreement(answers[: len(best)]):.2f}")

# %% [markdown]
# With two answers fifteen voters help. Here there are many answers, and the candidates hardly agree: the best more often than any others, and still in a small part of all pairs. Each is wrong in its own way, so a plurality is two or three votes, often a tie, and a tie goes to the best candidate. A vote helps where candidates know something in common; these know little.

# %% tags=["answer"]
answer = 1 - binom.cdf(7, 15, 0.6)

# %% tags=["check"]
lglib.check("ex-votes", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} What is a gradient step worth in candidates?
# :label: ex-worth
#
# *Goal: tell when a search is worth a gradient. 20 minutes, level 2 of 3.*
#
# Where the loss is linear over the step, compare the best of $N$ random steps of length $\rho$ in a $k$-dimensional subspace with one step of the same length along the projected gradient. How many candidates draw even, for $k=10$? For the whole space, $d=8192$?
#
# **Answer**: by the rough law, the share of a gradient step that the best of $N=256$ candidates finds in $k=10$ dimensions.
# :::

# %% [markdown]
# ```{solution-start} ex-worth
# :class: dropdown
# ```
# The gradient step gains $\rho\lVert Pg\rVert$. A random unit vector of the subspace has a component $\lVert Pg\rVert\,c$ along it with $c$ of variance $1/k$, so the best of $N$ gains about $\rho\lVert Pg\rVert\,m_N/\sqrt k$, but never more than the gradient step, which is the best of all. The rough law draws even at $m_N=\sqrt k$, for $k=10$ near $N=760$; the exact one gets close and never there. For the whole space $m_N=\sqrt{8192}\approx90$ would need about $e^{4000}$ candidates.

# %%
from lglib.theory import laws

dice, d = np.random.default_rng(seed), 8_192  # of a small adapter
for n in (16, 256, 4096):
    z = dice.standard_normal((200, n, K))
    exact = (z[..., 0] / np.linalg.norm(z, axis=-1)).max(1).mean()
    rough = laws.expected_maximum(n) / K**0.5
    print(
        f"k = {K}, N = {n:4d}: {exact:.2f} of the gradient step (rough law {rough:.2f})"
    )
print(f"whole space, d = {d:,}, N = 4096: {laws.expected_maximum(4096) / d**0.5:.3f}")

# %% [markdown]
# In ten dimensions 256 candidates find most of a gradient step, at many times its price. In the whole space they find a few percent of one.

# %% tags=["answer"]
answer = laws.expected_maximum(256) / 10**0.5

# %% tags=["check"]
lglib.check("ex-worth", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
#
# :::{exercise} The basis of a gradient
# :label: ex-dual
#
# *Goal: see that a plane of gradients depends on coordinates. 20 minutes, level 3 of 3.*
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
