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
# # Exercises to chapter 5
#
# For {doc}`05_steering_bridge`. Each can be done alone; solutions are folded. `lglib.check` says whether a number is right, with a hint where it is not.

# %% tags=["parameters", "hide-input"]
profile = (
    "quick"  # whose observations are shown, and whose parameters the live case has
)
seed = 0  # of the live case
model = "micro-gpt2"  # of the live case: a shipped model, a folder, or a hub id with its commit

# %% tags=["hide-input"]
import numpy as np
import torch

import lglib
from lglib import ParameterSpace, load, noise, studies
from lglib.activations import SteeringVector, effects, steer, steering
from lglib.base import seeding
from lglib.report import over_seeds, rows, tables
from lglib.studies import bridge

parameters = studies.parameters("bridge", profile, model=model)
setup = bridge.prepare(parameters, seed)
first, top = setup.templates[0], setup.layers[-1]

# %% [markdown]
# :::{exercise} A null that cannot be beaten
# :label: ex-line
#
# *Goal: see what a null of permuted labels tests. 20 minutes, level 3 of 3.*
#
# Let the differences of all pairs be $d_i=\lambda_iw$, on one line. Show that the absolute cosine of their mean with any direction is the same for (nearly) all permutations of labels. What does the bound of permuted labels test, then, and what does the projection test?
# :::
#
# :::{solution} ex-line
# :class: dropdown
#
# A permutation gives $\frac1n\sum_i\pm\lambda_iw$, a multiple of $w$. Its cosine with $u$ is $\pm\cos(w,u)$, unless the sum is exactly zero. So every permutation has the observed absolute cosine, and the bound equals it: a cosine forgets length, and length is all that the labels decide here. The bound asks whether the labels pick a *direction* out of those in which the texts differ anyway. The projection $\frac1n\sum_i\pm\lambda_i\,w\cdot u/\lVert u\rVert$ keeps the length:
# under permutation it is of size $n^{-1/2}$ of a single one, and the observed mean stands out whenever the $\lambda_i$ agree in sign. Both are needed: the first may be too strict, the second too lenient, since with enough pairs any part along $u$, however small, stands out.
# :::
#
# :::{exercise} A steering vector is a bias
# :label: ex-bias
#
# *Goal: see that a steering vector is a weight edit. 15 minutes, level 2 of 3.*
#
# In GPT-2, block $l$ adds to the stream what its last linear layer gives, $Wx+b$. Show that steering by $v$ behind block $l$ is the weight edit $b\to b+v$, exactly, at every position and for every input, and check it. Why is there no such edit in the shipped OLMo2?
# :::

# %% [markdown]
# ```{solution-start} ex-bias
# :class: dropdown
# ```
# $h_l=(\text{stream before})+Wx+b$, so $b\to b+v$ makes it $h_l+v$, whatever $x$ is; nothing else reads $b$. OLMo2 has no biases, and it puts a norm behind its last linear layer, so that no constant vector can be added there.

# %%
gpt = load("micro-gpt2")
asked = bridge.fitted(gpt, setup.steered["evaluate"])  # as far as its context goes
v = torch.randn(gpt.width, generator=seeding.generator("any vector", seed))
bias = ParameterSpace(gpt.model, lambda name, _: name.endswith("h.2.mlp.c_proj.bias"))
with steer(gpt, SteeringVector(3, v, 1, "any"), 2.0):
    by_steering = effects.ask(gpt, asked).log_p
with bias.at(bias.flatten() + 2.0 * v):
    by_editing = effects.ask(gpt, asked).log_p
print(
    f"largest difference of a log-probability: {(by_steering - by_editing).abs().max():.1e}"
)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} How many to keep?
# :label: ex-keep
#
# *Goal: choose what a search should keep. 20 minutes, level 3 of 3. Predict the share before you compute it.*
#
# Of $P$ mirrored pairs keep the $K$ best, each in its better direction, with equal weights. Which share $K/P$ has the largest signal $S$, and what is lost against score-weighting? (For scores of two sides this is an old rule of test theory {cite}`kelley1939selection`.)
#
# **Answer**: the share $K/P$ of pairs with the largest signal.
# :::

# %% [markdown]
# ```{solution-start} ex-keep
# :class: dropdown
# ```
# If the share $p$ with $|s|>t$ is kept, $p=2(1-\Phi(t))$, and the mean of $|s|$ among them is $\mu=\varphi(t)/(1-\Phi(t))$. With equal weights $S=(K\mu)^2/K=Pp\mu^2$. Score-weighting has $S=P$.

# %%
from scipy.stats import norm

p_kept = np.linspace(0.01, 1, 1000)
cut = norm.isf(p_kept / 2)
signal = p_kept * (norm.pdf(cut) / norm.sf(cut)) ** 2
at_best = p_kept[signal.argmax()]
print(
    f"best share {at_best:.2f}, that is {at_best / 2:.2f} at either end; signal {signal.max():.2f} P"
)
print(f"an eighth, as in the text: {np.interp(0.125, p_kept, signal):.2f} P")

# %% [markdown]
# Keep 27 % at either end, as the old rule says, and four fifths of the signal are left. The eighth of the text keeps half.

# %% tags=["answer"]
answer = at_best

# %% tags=["check"]
lglib.check("ex-keep", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} How many candidates?
# :label: ex-many
#
# *Goal: tell how many candidates an aim costs. 15 minutes, level 2 of 3.*
#
# By {eq}`eq-aim-law`, how many candidates does a score-weighted search need, so that its image has a cosine of $0.58$ with the gradient's own shift? And so that its direction has that cosine with the gradient in weight space? What has Theorem 1 to do with it?
#
# **Answer**: $N$ for a cosine of $0.58$ in a space with $D=100$ directions that matter.
# :::

# %% [markdown]
# ```{solution-start} ex-many
# :class: dropdown
# ```
# $S=P=N/2$, and $c^2=S/(S+D)$ gives $N=2Dc^2/(1-c^2)$. In weight space $D=d-1$.

# %%
c = 0.58
counts = {"weights": setup.space.d - 1}
with tables.if_measured("directions that matter"):
    filed = over_seeds(studies.observed("bridge", profile).frame)
    matter = rows(filed, measure="directions that matter", depth=1.0)["value"].iloc[0]
    counts = {"activations, last block": matter, **counts}
for where, count in counts.items():
    print(f"{where}: D = {count:,.0f}, N = {2 * count * c**2 / (1 - c**2):,.0f}")

# %% [markdown]
# Theorem 1 says that the *gain* of the best of $N$ does not depend on the dimension. It does not say that the best candidate looks like the gradient: in weight space it hardly does, since its cosine is about $m_N/\sqrt d$. Both are true at once. What a map to few dimensions makes visible is that part which the gain was made of.

# %% tags=["answer"]
answer = 2 * 100 * 0.58**2 / (1 - 0.58**2)

# %% tags=["check"]
lglib.check("ex-many", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} What halves say of the whole
# :label: ex-halves
#
# *Goal: read a reliability of halves. 15 minutes, level 2 of 3.*
#
# Two halves of the data give vectors $x=\tau+\xi$ and $y=\tau+\xi'$ with independent noise of equal size, in a space of many dimensions. Their cosine is $c$. Show that the mean of both has a cosine of about $\sqrt{2c/(1+c)}$ with $\tau$. Check it.
#
# **Answer**: the cosine of the mean with $\tau$ where the halves have a cosine of $c=0.5$.
# :::

# %% [markdown]
# ```{solution-start} ex-halves
# :class: dropdown
# ```
# In many dimensions noise is nearly orthogonal to everything, so $c=\lVert\tau\rVert^2/(\lVert\tau\rVert^2+\lVert\xi\rVert^2)$. The mean $\tau+(\xi+\xi')/2$ has half of the noise energy, and its cosine with $\tau$ has the square $\lVert\tau\rVert^2/(\lVert\tau\rVert^2+\lVert\xi\rVert^2/2)=2c/(1+c)$.

# %%
rng = np.random.default_rng(seed)
for size_of_noise in (0.3, 1.0, 2.0):
    tau = rng.standard_normal(2000) / 2000**0.5
    x, y = tau + size_of_noise * rng.standard_normal((2, 2000)) / 2000**0.5
    c = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    truth = (x + y) @ tau / np.linalg.norm(x + y) / np.linalg.norm(tau)
    print(
        f"halves {c:.2f}: whole {truth:.2f}, law {np.sqrt(2 * max(c, 0) / (1 + max(c, 0))):.2f}"
    )

# %% tags=["answer"]
answer = np.sqrt(2 * 0.5 / (1 + 0.5))

# %% tags=["check"]
lglib.check("ex-halves", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Why mirrored pairs?
# :label: ex-mirror
#
# *Goal: see what curvature does to a one-sided search. 20 minutes, level 3 of 3. Predict first: which average repeats itself at the longer step?*
#
# Average the activation shifts $h(\theta+\sigma\varepsilon_i)-h(\theta)$ of *random* candidates, without mirrored partners. Show that this average does not go to zero with their number, and measure for two $\sigma$ how alike the averages of two sets of random candidates are.
# :::

# %% [markdown]
# ```{solution-start} ex-mirror
# :class: dropdown
# ```
# To second order the shift is $\sigma J_h\varepsilon+\frac{\sigma^2}2\varepsilon^\top H\varepsilon$, coordinate by coordinate of $h$. The mean of the first part is zero, that of the second $\frac{\sigma^2}2\operatorname{tr}H$, the same for every set of candidates. Mirrored pairs cancel it.

# %%
h, theta = setup.pushforward(setup.held_out(first), [top]), setup.space.flatten()
start = h.values(theta).mean(0)


def averages(begin, sigma, count=8):
    """Mean shift at the last block of random candidates, one side only; and of mirrored pairs."""
    total = 0.0
    for i in range(begin, begin + count):
        eps = noise(setup.space, seed, 10_000 + i)
        ahead, behind = (h.values(theta + s * eps).mean(0) for s in (sigma, -sigma))
        total = total + torch.cat([ahead - start, (ahead - behind) / 2]) / count
    return total


for sigma in (parameters.sigma, 10 * parameters.sigma):
    one_sided, mirrored = steering.cosines(
        averages(0, sigma), averages(100, sigma)
    ).tolist()
    print(
        f"sigma = {sigma:g}: cosine of two averages, one side {one_sided:.2f}, mirrored {mirrored:.2f}"
    )

# %% [markdown]
# For a short step the averages are noise, one-sided or not. For a longer one the one-sided averages of different candidates become more alike, while the mirrored ones do not: they share $\operatorname{tr}H$. A "random-$K$" control without mirrored partners is then no null: it has a direction of its own.
#
# ```{solution-end}
# ```
