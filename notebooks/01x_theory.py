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
# # Exercises to chapter 1
#
# For {doc}`01_theory`. Each can be done alone; solutions are folded. `lglib.check` says whether a number is right, with a hint where it is not.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown, and whose parameters are used
seed = 0  # of all randomness
model = "digits-mlp"  # the network of chapter 1

# %% tags=["hide-input"]
import numpy as np
import torch

import lglib
from lglib import studies
from lglib.geometry import Subspace
from lglib.report import over_seeds, rows, tables
from lglib.theory import laws, stats

parameters = studies.parameters("theory", profile, model=model, live=dict(seed=seed))

# %% [markdown]
# :::{exercise} Two draws
# :label: ex-two
#
# *Goal: compute one $m_N$ by hand. 10 minutes, level 1 of 3.*
#
# Show that $m_2=1/\sqrt\pi$. (Hint: $\max(x,y)=\tfrac12(x+y)+\tfrac12\lvert x-y\rvert$.)
#
# **Answer**: $m_2$, as a number.
# :::

# %% [markdown]
# ```{solution-start} ex-two
# :class: dropdown
# ```
# The mean of $x+y$ is $0$. The difference $x-y$ is normal with variance $2$, and $\mathbb E\lvert Z\rvert=\sqrt{2/\pi}$ for a standard normal $Z$, so
# $m_2=\tfrac12\sqrt2\sqrt{2/\pi}=1/\sqrt\pi\approx0.564$. `laws.expected_maximum(2)` agrees.

# %% tags=["answer"]
answer = 1 / np.pi**0.5

# %% tags=["check"]
lglib.check("ex-two", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} A step that is too long
# :label: ex-sign
#
# *Goal: see where the dimension comes back. 10 minutes, level 1 of 3.*
#
# On a quadratic loss, at which $\sigma$ does the net gain {eq}`eq-linear-winner` vanish? How does that scale depend on $d$ if every direction has
# curvature $\lambda>0$ and $\lVert a\rVert$ is fixed? And the length of that step?
#
# **Answer**: the power of $d$ with which the *length* of that step goes, for large $d$.
# :::

# %% [markdown]
# ```{solution-start} ex-sign
# :class: dropdown
# ```
# At $\sigma=2\sigma^*=2\lVert a\rVert m_N/\tau_N$. With $\tau_N=\lambda(d+q_N-1)$ it falls as $1/d$ for large $d$, and the length of that step, about
# $\sigma\sqrt d$, as $1/\sqrt d$.

# %% tags=["answer"]
answer = -1 / 2

# %% tags=["check"]
lglib.check("ex-sign", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Antithetic pairs
# :label: ex-antithetic
#
# *Goal: compare two ways to spend $N$ evaluations. 20 minutes, level 2 of 3. Predict before you compute: better or worse?*
#
# Let $N$ be even. Evaluate $N/2$ random steps *and their opposites*, and keep the best of the $N$. In the linear model, is this better or worse than $N$ independent steps? Find the mean gain and check it for $N=16$.
#
# **Answer**: the mean gain of 8 pairs, in units of $\sigma\lVert a\rVert$, to three digits or more.
# :::

# %% [markdown]
# ```{solution-start} ex-antithetic
# :class: dropdown
# ```
# The best of a pair gains $\lvert a\cdot\varepsilon\rvert$, so the mean is $\sigma\lVert a\rVert$ times the mean largest of $N/2$ values $\lvert Z_i\rvert$. Since
# $P(\lvert Z\rvert\le x)=2\Phi(x)-1$, that mean is $\int_0^\infty1-(2\Phi(x)-1)^{N/2}dx$. It is *larger* than $m_N$: since $(1-\Phi)^2\ge0$ we have $2\Phi-1\le\Phi^2$, so the best of the pairs lies below
# any $x>0$ with smaller probability than the best of $N$ independent steps does, and it is never negative.

# %%
from scipy.integrate import quad
from scipy.stats import norm as normal

pairs = quad(lambda x: 1 - (2 * normal.cdf(x) - 1) ** 8, 0, 12)[0]
z = np.random.default_rng(seed).standard_normal((parameters.draws, 8))
simulated = stats.mean_interval(np.abs(z).max(1))
print(f"8 antithetic pairs: {pairs:.4f}, simulated {simulated:.4f}")
print(f"16 independent steps: {laws.expected_maximum(16):.4f}")

# %% tags=["answer"]
answer = pairs

# %% tags=["check"]
lglib.check("ex-antithetic", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} A walk with momentum
# :label: ex-walk
#
# *Goal: know what a prefix captures where nothing is learned. 25 minutes, level 3 of 3. Predict before you run: does momentum raise the share or lower it?*
#
# Part 3 of {prf:ref}`prop-null` assumed orthogonal steps. Optimisers with momentum take steps that resemble their neighbours. Take a random walk of $T$ steps with
# $\delta_t=\beta\delta_{t-1}+\xi_t$ and white noise $\xi_t$. Which share do its first $k$ steps capture in high dimension? Check $T=30$, $k=10$, $\beta=0$ and $0.9$.
#
# **Answer**: the share by your formula for $T=30$, $k=10$, $\beta=0.9$.
# :::

# %% [markdown]
# ```{solution-start} ex-walk
# :class: dropdown
# ```
# The noise $\xi_s$ lives on in all later steps, so $\Delta=\sum_sw_s\xi_s$ with $w_s=1+\beta+\dots+\beta^{T-s}$. The first $k$ steps span $\xi_1,\dots,\xi_k$, and the
# $\xi_s$ are nearly orthogonal: the capture is close to $\sum_{s\le k}w_s^2\big/\sum_{s\le T}w_s^2$.

# %%
T, d, k = 30, 2000, 10
age = (torch.arange(T)[:, None] - torch.arange(T)).double()  # (T, T)


def capture(weights, trial):
    """Capture by the first k steps, whose noises have these weights (T, T) in each step."""
    noise = torch.Generator().manual_seed(trial)
    steps = weights @ torch.randn(T, d, dtype=torch.float64, generator=noise)
    return Subspace.from_vectors(steps[:k]).capture(steps.sum(0))


for beta in (0.0, 0.9):
    weights = torch.tril(beta ** age.clamp(min=0))
    w = weights.sum(0)  # w_s
    found = stats.mean_interval([capture(weights, trial) for trial in range(200)])
    law = (w[:k].square().sum() / w.square().sum()).item()
    print(f"beta = {beta}: capture {found:.3f}, by formula {law:.3f}")

# %% [markdown]
# Momentum raises the share, because the *last* noises have had less time to add up. Nothing was learned in either case. (The formula neglects that ten dimensions of
# $2{,}000$ also catch the share $k/d$ of the rest, a few thousandths.)

# %% tags=["answer"]
squares = [((1 - 0.9 ** (30 - s)) / (1 - 0.9)) ** 2 for s in range(30)]
answer = sum(squares[:10]) / sum(squares)

# %% tags=["check"]
lglib.check("ex-walk", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} When is a gradient worth its price?
# :label: ex-price
#
# *Goal: tell when a search can beat a gradient. 25 minutes, level 2 of 3. Predict before you compute: is there a loss on which it does?*
#
# A backward pass costs about two forward passes, so a gradient step costs about three evaluations of the loss. Random search with $N$ candidates costs $N$. Compare the two by what
# they gain per evaluation, with {eq}`eq-effective-dimension`. Which $N$ is best for the effective dimensions that {ref}`digits` measures? Is there
# a $d_{\mathrm{eff}}$ for which the search wins, on a convex loss? And at a saddle, such as $H=\mathrm{diag}(1,-0.7)$ with the gradient along the first axis?
#
# **Answer**: the largest gain of the search per evaluation at that saddle, in units of $\lVert a\rVert^2/(2\kappa)$, what the gradient step gains. And an open question: when would you search though the gradient wins?
# :::

# %% [markdown]
# ```{solution-start} ex-price
# :class: dropdown
# ```
# In units of $\lVert a\rVert^2/(2\kappa)$ the gradient gains $\tfrac13$ per evaluation and the search $\frac{m_N^2}{N(d_{\mathrm{eff}}+q_N-1)}$. The smallest possible $d_{\mathrm{eff}}$ on a convex loss is $1$, because
# $\kappa$ is at most the trace. At the saddle the trace is $0.3$ and $\kappa=1$, so $d_{\mathrm{eff}}=0.3$.

# %%
N = np.arange(2, 65)
m, second = laws.expected_maximum(N), laws.maximum_second_moment(N)
dimensions = [0.3, 1.0]  # the saddle; the least of a convex loss; the digit networks
with tables.if_measured("effective dimension of the digit networks"):
    filed = over_seeds(studies.observed("theory", profile).frame)
    dimensions += list(rows(filed, measure="effective dimension", stop="min")["value"])
for d_eff in dimensions:
    rate = m**2 / (N * (d_eff + second - 1))  # by the gain of a gradient step
    best = f"best N = {N[rate.argmax()]}, gain {rate.max():.4f}"
    print(f"d_eff = {d_eff:>4.1f}: {best} per evaluation; gradient {1 / 3:.4f}")

# %% [markdown]
# On a convex loss the gradient wins even at $d_{\mathrm{eff}}=1$. At the saddle the search wins: its steps also go down the axis along which the loss falls away, which the gradient does not see. (The law is that of the linear winner, so the best net gain is larger still, and grows without limit with $\sigma$. A method that uses the curvature
# would beat both.) Beyond that, random search pays where there is no gradient, where many forward passes run at once, or where the score is not differentiable.

# %% tags=["answer"]
answer = laws.expected_maximum(2) ** 2 / (2 * (0.3 + 1 - 1))

# %% tags=["check"]
lglib.check("ex-price", answer)

# %% [markdown]
# ```{solution-end}
# ```
