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
# # Theory: what random search and subspaces can promise
#
# **Finding.** On networks with one hidden layer that read digits (985 to 999,985 parameters) the best of 16 small random steps gains what the paper's theorem says, whatever the size. Curvature ends this at a step that depends on the network, and on images that did not choose the step little of the gain is left.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown, and whose parameters are used
seed = 0  # of the live case: its noise, the split of the images, the first weights
model = "digits-mlp"  # the network of this chapter
width = 13  # hidden units of the network that is searched live

# %% tags=["hide-input"]
import numpy as np
import torch
from IPython.display import display

import lglib
from lglib import studies
from lglib.parameters import ParameterSpace
from lglib.report import Observations, figures, over_seeds, pages, provenance, rows
from lglib.report import tables
from lglib.studies import quadratic, theory
from lglib.tasks import digits
from lglib.theory import laws, nulls, stats

figures.style()
parameters = studies.parameters(
    "theory", profile, model=model, live=dict(seed=seed, width=width)
)
observed = studies.observed("theory", profile)
over = over_seeds(observed.frame)  # means over seeds, with intervals
print(pages.measured(observed, seed=seed, versions=provenance.versions()))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-digits", "caption": "T1 on digit networks of four sizes: gain of the best of 16 random steps as a share of the linear law, against the noise scale in units of each network's best one. Dashed: Theorem 1. Black: what curvature leaves of it, nothing fitted. 95 % over five seeds."}, "image": {"alt": "The measured share falls from one through about a half at the best noise scale to zero and below; four sizes lie near one curve up to the best scale."}}
figure, (axes,) = figures.panels(1, height=3.4)
tables.tell_left_out(over, "network")
with tables.if_measured("gain / linear law"):
    found = rows(over, measure="gain / linear law", law="curved")
    shifts = np.geomspace(0.9, 1.1, found["d"].nunique())
    for shift, (d, part) in zip(shifts, found.groupby("d"), strict=True):
        bars = part[["value", "low", "high"]].to_numpy().T
        figures.points(axes, part["multiple"] * shift, *bars, label=f"d = {d:,}")
grid = np.geomspace(0.02, 3.5, 100)
figures.law(axes, grid, 1 - grid / 2, "curvature law")
axes.axhline(1, color="black", linewidth=1, linestyle="--", label="Theorem 1")
figures.null_line(axes, 0, "no gain")
axes.set(xscale="log", xlabel=r"noise scale $\sigma\,/\,\sigma^*$", ylim=(-2.2, 1.25))
axes.set_ylabel("gain / linear law")
axes.set_xticks([0.03, 0.1, 0.3, 1, 3], ["0.03", "0.1", "0.3", "1", "3"])
axes.minorticks_off()
figures.legend_below(axes)

# %% [markdown]
# **In short.** *T1*, the best of $N$ random steps gains $\sigma\lVert a\rVert m_N$ whatever the dimension: yes for small steps, less what curvature takes. *T2*, at a fixed length density ranks subspaces: yes, and mass ranks them too, less well. *T3*, recovery stays in a Krylov space: where curvature is constant, and not under Adam. *T4*, a weight step moves activations by its pushforward: to first order, by definition.
#
# The paper {cite}`piontkovskaia2026recoverable` explains with T1 why adding random noise to all weights of a pretrained model, and keeping the best of a few dozen tries, is reported to work {cite}`gan2026neural`. Its Theorem 1 is our {prf:ref}`thm-best-of-n`, its Proposition 1 our {prf:ref}`prop-density`, its Lemma 1 our {prf:ref}`lem-krylov`. Words and proofs are ours. You need linear algebra and the idea of a gradient; symbols are on the {doc}`../notation` page.
#
# ## Use this in your own work
#
# Hold the best of $N$ against the law, and measure it on data that did not choose it. Here `net` is any causal language model of Hugging Face (on this page micro-gpt2, 0.9 million parameters) and `ids` are its tokenised texts. Half of them choose:

# %% tags=["hide-input"]
small = lglib.load("micro-gpt2")
net, tokenizer = small.model, small.tokenizer
print(f"micro-gpt2: {lglib.ParameterSpace(net).d / 1e6:.1f} million parameters")
texts = [f"{i.prompt}{i.answer}" for i in lglib.micro_items(32, "open")]
ids = [tokenizer(text, return_tensors="pt").input_ids for text in texts]

# %% tags=["advice"]
w, nll = lglib.ParameterSpace(net), torch.nn.functional.cross_entropy
loss = lambda m, xs: sum(nll(m(x).logits[0, :-1], x[0, 1:]) for x in xs) / len(xs)
law = 1e-3 * w.gradient(loss, ids[::2]).norm() * lglib.laws.expected_maximum(16)
gain = lglib.gains(w, loss, [ids[::2], ids[1::2]], sigmas=[1e-3], candidates=16, seed=0)
print(f"law {law:.4f}; best of 16, elsewhere:", max(gain[:, 0].round(4).tolist()))

# %% [markdown]
# A gain far below the law means that the step is too long. If little of it is left elsewhere, let more texts choose; more candidates do not help.
#
# (best-of-n)=
# ## T1: the best of N random steps
#
# **What the paper claims.** The best of $N$ random steps gains $\sigma\lVert a\rVert m_N$, and the dimension does not matter.
#
# **What we do.** Let $\theta\in\mathbb R^d$ be all weights of a model, and $f(\theta)$ a score to be raised, for example minus the loss. Suppose that $f$ is *linear* near $\theta$: $f(\theta+\varepsilon)=f(\theta)+a\cdot\varepsilon$, with the gradient $a$. Draw $N$ steps $\varepsilon_i$ independently from $\mathcal N(0,\sigma^2I_d)$ and keep the best.
#
# :::{prf:theorem} Best of N
# :label: thm-best-of-n
#
# Let $a\neq0$. The gains $a\cdot\varepsilon_i$ are independent and follow $\mathcal N(0,\sigma^2\lVert a\rVert^2)$. So the best gain $G_N=\max_i a\cdot\varepsilon_i$ has the distribution function $P(G_N\le\sigma\lVert a\rVert x)=\Phi(x)^N$, where $\Phi$ is that of a standard normal number, and the mean
#
# $$ \mathbb E\,G_N=\sigma\,\lVert a\rVert\,m_N , $$ (eq-best-of-n)
#
# where $m_N$ is the mean of the largest of $N$ independent standard normal numbers. It obeys $m_N\le\sqrt{2\ln N}$, and $m_N/\sqrt{2\ln N}\to1$ as $N\to\infty$. The dimension $d$ does not enter, except through $\lVert a\rVert$.
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# A linear function of a Gaussian vector is Gaussian. Its mean is $0$ and its variance is
# $a^\top(\sigma^2I_d)\,a=\sigma^2\lVert a\rVert^2$. Independent steps give independent gains, so
# $G_N/(\sigma\lVert a\rVert)$ is the largest of $N$ independent standard normals $Z_i$. It lies below $x$
# exactly when all of them do, which has probability $\Phi(x)^N$.
#
# *Upper bound.* By Jensen's inequality, for any $t>0$,
#
# $$
# \begin{aligned}
# e^{t\,m_N}&\le\mathbb E\,e^{t\max_iZ_i}\\
# &\le\sum_i\mathbb E\,e^{tZ_i}=N e^{t^2/2},
# \end{aligned}
# $$
#
# that is $m_N\le\ln N/t+t/2$. For $N\ge2$ choose $t=\sqrt{2\ln N}$; for $N=1$ both sides are $0$.
#
# *Limit.* Fix $0<\alpha<1$, let $u=(1-\alpha)\sqrt{2\ln N}$ and $Q=1-\Phi$. The Gaussian tail obeys
# $Q(u)\ge\frac{u}{1+u^2}\varphi(u)$, with the normal density $\varphi$, so $N\,Q(u)$ grows without bound. Let $E$ be the event
# that $\max_iZ_i\le u$. Its probability $p$ is
#
# $$ p=(1-Q(u))^N\le e^{-NQ(u)}\to0. $$
#
# Since $\max_iZ_i\ge Z_1\ge-\lvert Z_1\rvert$, the Cauchy–Schwarz inequality gives
#
# $$
# \begin{aligned}
# m_N&\ge u\,(1-p)-\mathbb E\big[\lvert Z_1\rvert\,\mathbf 1_E\big]\\
# &\ge u\,(1-p)-\sqrt p.
# \end{aligned}
# $$
#
# Divide by $\sqrt{2\ln N}$: the lower limit is at least $1-\alpha$, for every $\alpha$.
# :::
#
# This is textbook order statistics {cite}`david2003order`; what is new is where it is applied. Live, with projections of noise in a thousand dimensions:

# %%
gains = theory.projections(1000, parameters.draws, seed)  # a . eps at sigma ||a|| = 1
ratio = theory.gain_over_law(gains, n=16)
print(f"{len(gains):,} draws, measured / law at N = 16: {ratio}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-best-of-n", "caption": "Mean best of N draws in 10, a thousand and a million dimensions. Black: the exact law. Dashed: the usual square root of 2 ln N. Grey: a single draw gains nothing. 95 % over five seeds."}, "image": {"alt": "Best-of-N gain against N. Points for three dimensions lie on the exact curve; the approximation lies above it."}}
figure, (axes,) = figures.panels(1)
grid = np.unique(np.geomspace(1, 100, 60).astype(int))
bound = dict(color="black", linewidth=1, label=r"$\sqrt{2\,\ln N}$")
figures.law(axes, grid, laws.expected_maximum(grid), r"exact $m_N$")
axes.plot(grid, laws.maximum_bound(grid), "--", **bound)
with tables.if_measured("gain of the best of N draws"):
    found = rows(over, measure="synthetic gain / law")
    for shift, (d, part) in zip((0.94, 1.0, 1.06), found.groupby("d"), strict=False):
        n, m = part["N"].astype(float), laws.expected_maximum(part["N"].astype(int))
        bars = [part[name] * m for name in ("value", "low", "high")]
        figures.points(axes, n * shift, *bars, label=rf"$d=10^{{{len(str(d)) - 1}}}$")
figures.null_line(axes, 0, "one draw")
names = dict(xlabel="number of candidates N", ylabel=r"best gain / $\sigma\|a\|$")
axes.set(xscale="log", **names)
figures.legend_below(axes)

# %% [markdown]
# **What we see.** Three dimensions, one curve. The usual $\sqrt{2\ln N}$ is a third too high at $N=16$; plan a search with the exact $m_N$. If the *length* of the step is the budget, dimension comes back as $1/\sqrt d$ ({prf:ref}`prop-sphere`). What a search does whose layers share their noise by mistake: {ref}`tied`.
#
# (curvature)=
# ### Where dimension comes back: curvature
#
# This goes beyond the paper. A loss bends. Let $H$ be the Hessian of the loss $-f$, $\operatorname{tr}H$ its trace, and $\kappa=a^\top Ha/\lVert a\rVert^2$ the curvature along the gradient, and keep the next term: $f(\theta+\varepsilon)=f(\theta)+a\cdot\varepsilon-\tfrac12\varepsilon^\top H\varepsilon$.
#
# :::{prf:proposition} Best of N on a curved loss
# :label: prop-curvature
#
# Let $a\neq0$ and $\varepsilon_1,\dots,\varepsilon_N\sim\mathcal N(0,\sigma^2I_d)$, independent, and let $q_N$ be the mean of the squared maximum of $N$ independent standard normals. The candidate with the best *linear* gain has the mean net gain
#
# $$ \sigma\lVert a\rVert m_N-\tfrac12\,\sigma^2\,\tau_N $$ (eq-linear-winner)
#
# with the cost $\tau_N=\operatorname{tr}H+\kappa\,(q_N-1)$, and the candidate with the best net gain gains at least that on average. If $\tau_N>0$, {eq}`eq-linear-winner` is largest at
#
# $$ \sigma^*=\frac{\lVert a\rVert m_N}{\tau_N} , $$ (eq-curved)
#
# where it is $(\lVert a\rVert m_N)^2/(2\tau_N)$.
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# Split $\varepsilon=s\,a/\lVert a\rVert+\varepsilon_\perp$ with $\varepsilon_\perp$ orthogonal to $a$. For Gaussian
# noise $s/\sigma$ is standard normal and independent of $\varepsilon_\perp$, which has covariance
# $\sigma^2(I-aa^\top/\lVert a\rVert^2)$. Choosing the largest linear gain $s\lVert a\rVert$ changes the law of $s$ only:
# now $\mathbb E\,s=\sigma m_N$ and $\mathbb E\,s^2=\sigma^2q_N$. The mixed term $2s\,a^\top H\varepsilon_\perp/\lVert a\rVert$ has
# mean $0$, and $\mathbb E\,\varepsilon_\perp^\top H\varepsilon_\perp=\sigma^2(\operatorname{tr}H-\kappa)$. Together
# $\mathbb E\,\varepsilon^\top H\varepsilon=\sigma^2(\operatorname{tr}H-\kappa+\kappa\,q_N)$. In every draw the best net gain is at least the net gain of
# any one candidate, and so are the means. The rest is the top of a parabola.
# :::
#
# Half of the linear law is left at $\sigma^*$, nothing at $2\sigma^*$. One gradient step of the best length gains $\lVert a\rVert^2/(2\kappa)$ if $\kappa>0$; the best of $N$ random steps is worth the share
#
# $$ \frac{m_N^2}{d_{\mathrm{eff}}+q_N-1},\qquad d_{\mathrm{eff}}=\frac{\operatorname{tr}H}{\kappa}, $$ (eq-effective-dimension)
#
# of it. We call $d_{\mathrm{eff}}$ the **effective dimension of the search**. If all directions bend alike, it is $d$, and random search is as hopeless as it looks. If a few directions carry most of the curvature *and the gradient lies among them*, it is far below $d$.
#
# (digits)=
# ### Networks that read digits
#
# **What we do.** Networks with one hidden layer learn the handwritten digits that come with scikit-learn {cite}`pedregosa2011scikit,alpaydin1998optical`, in four widths, each stopped at three training losses. At the last stop random search lowers the loss on images that were not trained on. $\operatorname{tr}H$ is estimated by Hutchinson's method {cite}`hutchinson1990stochastic`; {eq}`eq-curved` then gives $\sigma^*$ with nothing fitted. Live, the smallest of the four:

# %%
along = search = None
with tables.if_measured("training of the network"):
    data = theory.images(seed)  # to train, to select, and held out
    space = ParameterSpace(digits.network(width, seed))
    along = theory.along_training(space, data, seed)  # stop -> a, tr H, kappa
for stop, at in (along or {}).items():
    told = f"sigma* {at.sigma_star:.4f}, tr H / kappa {at.effective_dimension:.1f}"
    print(f"training loss {stop}: ||a|| {at.norm:.2f}, {told}")

# %%
shares = {}  # gain of the best of 16 / linear law, by multiple of sigma*
with tables.if_measured("random search"):
    tables.needs(along)
    search = theory.search(space, along[0.1], data, parameters.candidates, seed)
    for x in search.multiples:
        shares[x] = theory.share_of_law(search, x, seed)
        print(f"{x:g} sigma*: {shares[x]}, by curvature {1 - x / 2:.2f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-effective", "caption": "Effective dimension of random search, tr H / kappa, against the number of parameters of the digit networks, at three training losses. Grey: the dimension itself, as if the loss bent alike in all directions. 95 % over five seeds."}, "image": {"alt": "Effective dimension stays far below the grey diagonal while the number of parameters grows a thousandfold."}}
figure, (axes,) = figures.panels(1)
with tables.if_measured("effective dimension"):
    found = rows(over, measure="effective dimension")
    shifts = (0.85, 1, 1.18)
    for shift, (stop, part) in zip(shifts, found.groupby("stop"), strict=False):
        bars = part[["value", "low", "high"]].to_numpy().T
        figures.points(axes, part["d"] * shift, *bars, label=f"training loss {stop:g}")
    sizes = np.sort(found["d"].unique()).astype(float)
    axes.plot(sizes, sizes, color=figures.NULL, label=r"bends alike: $d$")
axes.set(xscale="log", yscale="log", ylim=(2, 3e6), xlabel="number of parameters d")
axes.set_ylabel(r"effective dimension $d_\mathrm{eff}$")
figures.legend_below(axes)

# %% tags=["hide-input"]
with tables.if_measured("gain / gradient step"):
    found = rows(over, measure="gain / gradient step")
    told = {"d": "d", tables.VALUE: "best of 16 / gradient step [95 %] (n)"}
    told |= {"predicted": "by law", "null": "if all bent alike"}
    display(tables.show(found, told))

# %% [markdown]
# **What we see.** *Small steps* (figure at the top): at every size the gain is that of the theorem up to a few percent, and these are curvature: at a tenth of $\sigma^*$ all four intervals lie below $1$ and hold the $0.95$ of the curvature law. *Near $\sigma^*$* about half is left; well past $2\sigma^*$ the best of 16 is worse than no step. *Dimension*: the law keeps its form, but $\sigma^*$ differs from network to network. The number of parameters grows a thousandfold, and $d_{\mathrm{eff}}$ does not follow it. So random search around these weights is possible not because dimension cannot matter, but because the loss bends in few directions and the gradient points along them, as seen before {cite}`gurari2018gradient,ghorbani2019investigation`. And it is modest: sixteen evaluations of the loss buy a tenth to a quarter of one gradient step.
#
# (selection)=
# ### On images that did not choose
#
# Let $a_s$ and $a_h$ be the gradients of the score on the selection and on held-out images. At a small step the share $c=a_s\cdot a_h/\lVert a_s\rVert^2$ of the gain is left ({prf:ref}`prop-held-out`). Curvature, if it is alike on both sets, is paid in full on both. So at $\sigma=x\,\sigma^*$ the gain in units of the linear law is $1-x/2$ on the selection images and $c-x/2$ on the others, a loss at $\sigma^*$ as soon as $c<\tfrac12$.

# %%
kept = {}  # the same on held-out images
with tables.if_measured("held-out gain of the live search"):
    tables.needs(search)
    for x in (0.1, 1.0):
        kept[x] = theory.held_out_share(search, x, seed)
        print(f"{x:g} sigma*: {kept[x]}, by law {search.kept - x / 2:.2f}")

# %% tags=["hide-input"]
with tables.if_measured("held-out gain"):
    found = rows(over, measure="held-out gain")
    print("held-out gain in units of the linear law; chosen by chance: 0")
    found = found.assign(at=[f"{x:g} sigma*" for x in found["multiple"]])
    display(tables.wide(found, "d", "at"))

# %% [markdown]
# **What we see.** At a tenth of $\sigma^*$ the gain is near the linear law. At $\sigma^*$ it gives the rough size and no more: about a third of the single runs exclude it, nearly all of them below it ({doc}`01s_theory`). At the scale that looks best on the selection images, no mean is above zero on new ones: searching there makes the network worse. By the law the scale to use on new images is $c\,\sigma^*$, here a quarter to a half of $\sigma^*$.
#
# **What this does not show.** These are networks of one hidden layer on an easy task. Language models of 0.9 million parameters: {doc}`04_llm_rank`; others' figures for models of up to seven billion: {doc}`07_beyond`.
#
# The live case was made by the steps that made the observations, so its numbers must be those that were filed:

# %%
live, at = Observations(), dict(width=width, d=space.d, null_means="in the filed row")
for x, share in shares.items():
    for law in ("linear", "curved"):
        live.add("T1", "gain / linear law", share, null=0, multiple=x, law=law, **at)
for x, share in kept.items():
    live.add("T1", "held-out gain", share, null=0, multiple=x, **at)
with tables.if_measured("the live case"):
    tables.needs(live if len(live) else None)
    print(live.beside(observed.frame, model=model, seed=seed))

# %% [markdown]
# (density)=
# ## T2: density, not mass
#
# **What the paper claims.** At a fixed step length, subspaces rank by their density of signal, not by their mass.
#
# **What we do.** Draw candidates inside a $k$-dimensional subspace $S$ with projector $P$. Call $\lVert Pa\rVert^2$ its *mass* and $\lVert Pa\rVert^2/k$ its *density*. With fixed noise per coordinate the best gains $\sigma\sqrt{\mathrm{mass}}\,m_N$; at fixed length $\rho$ it gains about $\rho\sqrt{\mathrm{density}}\,m_N$ where $k$ is not small ({prf:ref}`prop-density` has the exact form). The signal is uneven, $a_i^2\propto1/i$, and $S_k$ is spanned by the first $k$ axes. Live, in the first three:

# %%
a = theory.uneven_signal()[:3]  # the gradient in the basis of S_3
budgets = {"sigma": 1.0, "rho": np.sqrt(30)}  # fixed noise, fixed length
best = theory.best_gains(a, 400, np.random.default_rng(seed))
for (name, size), gain in zip(budgets.items(), best, strict=True):
    by_law = laws.subspace_gain(a @ a, 3, 16, **{name: size})
    print(
        f"{name} = {size:.2f}: gain {stats.mean_interval(gain):.3f}, law {by_law:.3f}"
    )

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-density", "caption": "The same nested subspaces under two budgets: with fixed noise per coordinate a larger one is better, with a fixed step length a denser one is, from a few dimensions on (in one, no cosine exceeds 1). Lines: exact laws. Grey: one random draw. 95 % over five seeds."}, "image": {"alt": "Gain against subspace dimension k. One curve rises with k, the other falls, and they cross at k = 30."}}
figure, (axes,) = figures.panels(1)
mass, ks = np.cumsum(theory.uneven_signal() ** 2), np.arange(1, 1001)
figures.law(axes, ks, laws.subspace_gain(mass, ks, 16, sigma=1.0), "law")
figures.law(axes, ks, laws.subspace_gain(mass, ks, 16, rho=np.sqrt(30)), "_")
with tables.if_measured("gain in nested subspaces"):
    found = rows(over, measure="gain in nested subspaces")
    for budget, part in found.groupby("budget", sort=False):
        bars = part[["value", "low", "high"]].to_numpy().T
        figures.points(axes, part["k"], *bars, label=budget)
figures.null_line(axes, 0, "one draw")
axes.set(xscale="log", xlabel="dimension k of the subspace", ylabel="best-of-16 gain")
figures.legend_below(axes)

# %% tags=["hide-input"]
with tables.if_measured("rank correlation with gain"):
    found = rows(over, measure="rank correlation with gain")
    told = {"of": "ranked by", "null": "null"}
    told[tables.VALUE] = "rank correlation [95 %] (n)"
    print("random subspaces of many sizes, gain at fixed length")
    display(tables.show(found, told))

# %% [markdown]
# **What we see.** The budgets *disagree about which subspace is best*: "good for search" means nothing until the budget is named. Over random subspaces, at fixed length, density ranks the gains almost perfectly. Mass ranks them too, much less well, but far better than chance: "not mass", read strictly, is not so.
#
# **What this does not show.** Which subspaces of a trained network are dense: that is for the later chapters.
#
# (krylov)=
# ## T3: recovery stays in a Krylov space
#
# **What the paper claims.** A model has forgotten task A; now it is trained on A again. On a loss of constant curvature this recovery stays in the Krylov space $\mathcal K_t=\operatorname{span}\{g_0,\dots,H^{t-1}g_0\}$ of the Hessian and the first gradient.
#
# **What we do.** {prf:ref}`lem-krylov` proves it, also with momentum. We run torch's optimisers on a random quadratic and measure how far each point lies from $\mathcal K_t$, relative to its distance from the start.

# %%
for name, optimiser in theory.OPTIMISERS.items():
    outside = theory.krylov_distances(optimiser, seed)  # (10,), one a step
    print(f"{name}: first step {outside[0]:.1e}, largest of ten {outside.max():.1e}")

# %% [markdown]
# **What we see.** Gradient descent and the heavy ball stay there to rounding. Adam leaves with its first step, which is nearly $-\eta\operatorname{sign}(g_0)$. So the lemma says nothing of fine-tuning with Adam.
#
# (quadratic-null)=
# ### How high is a capture where nothing drifts?
#
# The paper's headline is that the first updates of a LoRA recovery, the *prefix*, capture $0.77$ of its displacement (S3). What does a prefix capture on a fixed quadratic, where nothing drifts and nothing is learned? We vary the spectrum of $H$ and the gradient noise; a law with no run predicts the capture ({eq}`eq-expected-gram`).

# %%
q = studies.parameters("quadratic", profile)
bowl = quadratic.made("falling as 1/i", "even", q.d, seed)
unit = quadratic.unit_noise(bowl, 100, seed, "falling as 1/i", "even")
for noise in (0.0, 0.3, 3.0):
    run = quadratic.descend(bowl, noise * unit, rate=q.rate, momentum=0.0)
    got = quadratic.measured(run, bowl, [(10, 100)], exact=noise == 0)[10, 100]
    law = quadratic.by_law(bowl, [(10, 100)], noise=noise, rate=q.rate, momentum=0.0)
    told = f"capture {got.whole:.3f}, by law {law[10, 100].whole:.3f}"
    print(f"noise {noise:g}: {told}; energy share {got.energy:.3f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-quadratics", "caption": "Capture of 100 SGD updates by the first 10 on fixed quadratics, against the gradient noise in lengths of the first gradient. Dashed: the paper, LoRA. Lines: by law. Grey dots: energy shares; grey band: random subspaces. 95 % over five seeds."}, "image": {"alt": "Two panels of capture against noise. Captures of six spectra fall from between six tenths and one at noise 0.3 to below six tenths at noise 3; energy shares lie near one tenth to a quarter."}}
figure, panels = figures.panels(2, height=3.1)
with tables.if_measured("captures on fixed quadratics"):
    quadratics = over_seeds(studies.observed("quadratic", profile).frame)
    at = dict(k=10, T=100, momentum=0.0)
    noisy = sorted(set(quadratics["noise"].dropna()) - {0.0})
    for axes, setting in zip(panels, quadratic.SETTINGS, strict=True):
        axes.set_xscale("log")
        here = rows(quadratics, setting=setting, noise=noisy, **at)
        shares_of = rows(here, measure="energy share on a quadratic")
        axes.plot(shares_of["noise"], shares_of["value"], ".", ms=4, color=figures.NULL)
        found = rows(here, measure="capture on a quadratic")
        for i, (spectrum, part) in enumerate(found.groupby("spectrum", sort=False)):
            x, color = part["noise"] * (1 + 0.04 * (i - 2.5)), figures.PALETTE[i]
            bars = part[["value", "low", "high"]].to_numpy().T
            figures.points(axes, x, *bars, color=color, label=spectrum)
            axes.plot(x, part["predicted"], lw=1, color=color)
        axes.set_xticks(noisy, [f"{x:g}" for x in noisy])
for axes, setting in zip(panels, quadratic.SETTINGS, strict=True):
    chance = nulls.beta_null(10, q.d)
    axes.axhspan(chance.low, chance.high, color=figures.NULL, alpha=0.4, lw=0)
    figures.paper_line(axes, 0.77, "paper, LoRA")
    axes.set(ylim=(-0.02, 1.05), ylabel="capture", title=setting)
    axes.minorticks_off()
panels[1].set_xlabel("noise of a step / first gradient")
figures.legend_below(panels[1])

# %% [markdown]
# **What we see.** *Noise decides.* Where it is small against the first gradient, most quadratics give $0.77$ or more, without any task or drift; where it is three times as long, none does. The *energy share*, what orthogonal updates would capture, is exceeded on nearly every quadratic: it is too low a null. So whether $0.77$ is ordinary depends on noise and spectrum, which are not known for the paper's runs. What would tell of a changing loss is a capture *below* that of a quadratic of the same noise; chapter 2 makes the comparison ({ref}`recovery`). Momentum, $k$, $T$ and all cases: {ref}`quadratics`. What chance alone gives: {ref}`nulls`.
#
# (pushforward)=
# ## T4: from a weight step to an activation shift
#
# **What the paper claims.** A small weight step $\delta$ moves activations $h(\theta)$ by its pushforward $J\delta$, with the Jacobian $J=\partial h/\partial\theta$. This is what a derivative is, so a verdict can only check the code. For a gradient step, $J\delta$ is the empirical neural tangent kernel {cite}`jacot2018ntk` $JJ^\top$ applied to the gradient of the loss by $h$ ({prf:ref}`prop-pushforward`).

# %%
h = theory.Outputs.untrained(seed)  # ten outputs for five images
directions = theory.directions(h, seed)  # the gradient, and eight random ones
orders = [theory.order(theory.remainders(h, u)) for u in directions]
print(f"order of the error: {stats.mean_interval(orders):.4f}")
print(f"kernel form against jvp: relative difference {theory.kernel_gap(h):.1e}")

# %% [markdown]
# **What we see.** The error falls as the square of the step. **What this does not show:** that the shift of a gradient step resembles a steering vector. That is claim B1, in {doc}`05_steering_bridge`.
#
# (claims-theory)=
# ## The claims, measured
#
# Rules and bars, with their reasons, are in `config/claims.yml`; {doc}`01s_theory` lists every row. Here each seed draws new noise, a new split of the images and new first weights, so intervals over seeds hold for this kind of network and this task. T2, T3 and the synthetic part of T1 are theorems on their own assumptions, and simple ones (order statistics, textbook Krylov spaces {cite}`nocedal2006numerical`): "reproduced" says that statement and code agree.

# %% tags=["hide-input"]
display(pages.verdicts("theory", over))

# %% [markdown]
# Beyond the paper, by the same rules:

# %% tags=["hide-input"]
display(pages.verdicts("theory", over, beyond=True))

# %% [markdown]
# **What this does not show.** Nothing here speaks of transformers, LoRA or language. The laws and nulls are tools for the chapters that do.
#
# {doc}`01s_theory` has the other proofs, tied noise, the null laws, all quadratics and all rows; {doc}`01x_theory` the exercises.
