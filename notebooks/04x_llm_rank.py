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
# # Exercises to chapter 4
#
# For {doc}`04_llm_rank`. Each can be done alone; solutions are folded. `lglib.check` says whether a number is right, with a hint where it is not.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown
seed = 0  # of the live case: all its randomness follows from it
model = "micro-gpt2"  # a shipped model, a folder, or a hub id with its commit

# %% tags=["hide-input"]
import numpy as np
import torch

import lglib
from lglib import studies
from lglib.base import seeding
from lglib.parameters import sketches
from lglib.studies import rank
from lglib.theory import laws

parameters = studies.parameters("rank", profile, model=model)

# %% [markdown]
# :::{exercise} How many items are long?
# :label: ex-llm-lengths
#
# *Goal: see what lengths alone do to a rank. 10 minutes, level 1 of 3. Predict before you compute.*
#
# Let a share $q$ of $n$ orthogonal gradients have length $1$ and the others a length that can be neglected. What is the participation ratio? Which $q$ explains the raw control of *yes-no* for the trained model in the tables of {doc}`04s_llm_rank`, and what has that to do with the model being right nearly everywhere?
#
# **Answer**: the share $q$ for a raw control of $c=32$ among $n=128$ gradients.
# :::

# %% [markdown]
# ```{solution-start} ex-llm-lengths
# :class: dropdown
# ```
# By {prf:ref}`prop-lengths` it is $(qn)^2/(qn)=qn$. A raw control of $c$ is what $c$ equally long gradients among $n$ would show, so $q=c/n$: with $32$ of $128$, a quarter. The gradient of an item is a product with $p_i-e_{y_i}$, which is short where the model is sure and right. In a trained model the few items on which it is unsure carry nearly all of the energy, and the control tells how few.

# %% tags=["answer"]
answer = 32 / 128

# %% tags=["check"]
lglib.check("ex-llm-lengths", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Inner products without gradients
# :label: ex-llm-ghost
#
# *Goal: derive inner products of gradients without gradients. 25 minutes, level 3 of 3.*
#
# A linear layer maps inputs $x_{it}$ (item $i$, position $t$) to outputs, whose gradients are $e_{it}$. So the gradient of its weight for item $i$ is $\sum_te_{it}x_{it}^\top$. Show that $G_{ij}=\sum_{s,t}(e_{is}\cdot e_{jt})(x_{is}\cdot x_{jt})$, check it, and find out when this is cheaper than forming the gradients.
#
# **Answer**: for $k=o=16$: the number of tokens $T$ at which both ways cost the same, without the first term. And an open question: what does it mean for long texts?
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
inputs, outputs = (
    torch.einsum("isk,jtk->ijst", x, x),
    torch.einsum("iso,jto->ijst", e, e),
)
ghost = (outputs * inputs).sum((2, 3))
print(f"largest difference: {(formed @ formed.T - ghost).abs().max().item():.1e}")

# %% [markdown]
# With $T$ positions, $k$ inputs and $o$ outputs, forming and multiplying takes about $nTko+n^2ko$ multiplications, the other way $n^2T^2(k+o)$. Without the first term: it is cheaper when $T^2(k+o)<ko$, that is for short texts and wide layers. For $k=o=128$ that means fewer than eight tokens, for $k=o=4096$ fewer than 45. It needs no memory for gradients at all.

# %% tags=["answer"]
answer = (16 * 16 / (16 + 16)) ** 0.5

# %% tags=["check"]
lglib.check("ex-llm-ghost", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} How large must a sketch be?
# :label: ex-llm-sketch
#
# *Goal: know what a sketch can show. 15 minutes, level 2 of 3.*
#
# From {eq}`eq-sketch-rank`: for which $m$ does a sketch show at least nine tenths of a participation ratio $r$? What does a sketch with $m=n$ do to the random control?
#
# **Answer**: $m$ for $r=3$.
# :::

# %% [markdown]
# ```{solution-start} ex-llm-sketch
# :class: dropdown
# ```
# $r_m/r=1/(1+(1+r)/m)$, so $m\ge9(1+r)$. With $m=n$ the control, $r=n$, shows about $n/2$: half of its rank is gone, while a low rank is seen rightly. A ratio of measured to control is then too large by a factor of two.

# %%
n = parameters.examples
for r in (3.0, 60.0, float(n)):
    m = int(np.ceil(9 * (1 + r)))
    seen = [sketches.participation_ratio(r, size) / r for size in (m, n)]
    print(f"r = {r:.0f}: m = {m} shows {seen[0]:.2f} of it, m = n shows {seen[1]:.2f}")

# %% tags=["answer"]
answer = 9 * (1 + 3)

# %% tags=["check"]
lglib.check("ex-llm-sketch", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} What are antithetic pairs worth?
# :label: ex-llm-pairs
#
# *Goal: tell when antithetic pairs pay. 20 minutes, level 2 of 3. Predict before you run: is it more or less than one?*
#
# On a linear loss, compare $E\max|z_i|$ over $N/2$ normals with $m_N$. What happens to the gain of pairs as $N$ grows, and what happens to it on a curved loss?
#
# **Answer**: the ratio of the two at $N=2$.
# :::

# %% [markdown]
# ```{solution-start} ex-llm-pairs
# :class: dropdown
# ```
# The largest $|z|$ of $N/2$ has the distribution function $(2\Phi-1)^{N/2}$.

# %%
for n in (2, 16, 256, 4096):
    pairs, _ = rank.largest_absolute(n // 2)
    print(f"N = {n}: pairs {pairs:.3f}, independent {laws.expected_maximum(n):.3f}")

# %% [markdown]
# Large $N$ has nothing to gain: far out $(2\Phi-1)^{N/2}=(1-2q)^{N/2}$ and $\Phi^N=(1-q)^N$ with $q=1-\Phi$ are both near $e^{-Nq}$; a good draw has a bad opposite, and two independent ones are hardly ever both good. For $N=2$ it is much, $0.80$ against $0.56$. Curvature is even in $\epsilon$, so it costs both of a pair the same: pairs do not help against it, but half of their difference is $F_1$, free of curvature to second order, and half of their sum, less $L(\theta)$, is $F_2$.

# %% tags=["answer"]
answer = rank.largest_absolute(1)[0] / laws.expected_maximum(2)

# %% tags=["check"]
lglib.check("ex-llm-pairs", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} The best step for a central difference
# :label: ex-llm-step
#
# *Goal: choose a step for a numerical slope. 15 minutes, level 2 of 3.*
#
# $F_1(s)/s$ estimates the slope. Its error has a part from rounding, about $\varepsilon|L|/s$ with the machine precision $\varepsilon$, and one from the third derivative, about $cs^2$. Which $s$ is best, and how does the least error depend on $\varepsilon$? Compare with the curves of this chapter.
#
# **Answer**: the exponent of $\varepsilon$ in the least error.
# :::

# %% [markdown]
# ```{solution-start} ex-llm-step
# :class: dropdown
# ```
# Setting the derivative of $\varepsilon|L|/s+cs^2$ to zero gives $s=(\varepsilon|L|/2c)^{1/3}$, and the least error goes with $\varepsilon^{2/3}$: double precision ($\varepsilon\approx10^{-16}$) has a best step about a thousand times shorter than single precision ($10^{-7}$), and an error about a million times smaller.

# %%
one = rank.load(parameters, seed)
lines = rank.regimes(one, ("random 0",))  # in double precision
curves = {
    "float64": lines.regimes,
    "float32": rank.in_rounded(one, lines, "float32", ("random 0",)),
}
for kind, found in curves.items():
    error = found["random 0"].error
    best = int(np.argmin(error))
    print(
        f"{kind}: least error {error[best]:.0e} at {rank.SCALES[best]:.0e} of the weights' size"
    )

# %% [markdown]
# The grid has two steps a decade, and rounding is not as simple as one $\varepsilon$ (sums of many terms average it), so this is an order of magnitude. The lesson stays: an approximate slope from two losses in single precision is good to a few digits at best, and in bfloat16 it is not one.

# %% tags=["answer"]
answer = 2 / 3

# %% tags=["check"]
lglib.check("ex-llm-step", answer)

# %% [markdown]
# ```{solution-end}
# ```
