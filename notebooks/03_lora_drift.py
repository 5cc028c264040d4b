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
# **Finding.** In adapters of micro-gpt2 (0.9 million parameters) the first ten updates of a recovery hold from a third (AdamW) to four fifths (SGD) of its displacement, where the paper has $0.77$; the first updates of training that recovers nothing hold much of theirs too. Of what is *still to come* the first updates capture far less, and more than that control does only in some of the pairs. Gradient bases drift within some steps.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown
seed = 0  # of the live case: all its randomness follows from it
model = "micro-gpt2"  # a model of the profile, for the live case and for the figures
pair = "cipher"  # of the live case: cipher, edit, order, last or first

# %% tags=["hide-input"]
import torch
from IPython.display import display

import lglib
from lglib import studies
from lglib.models import load
from lglib.parameters import prefix_capture
from lglib.report import Observations, figures, over_seeds, pages, provenance, rows
from lglib.report import tables
from lglib.studies import controls, lora

figures.style()
parameters = studies.parameters(
    "lora", profile, model=model, live=dict(seed=seed, pair=pair)
)
K, T = parameters.k, parameters.horizon  # the cell of the grid that the text reads
observed = studies.observed("lora", profile)
over_models = over_seeds(observed.frame)  # means over seeds, with intervals
filed = studies.filed(model)  # the name under which its runs are filed
over = rows(over_models, model=filed)
real = studies.beside("lora", profile)  # the same of a pretrained model
control_seeds = control = over.head(0)
with tables.if_measured(f"controls of {filed}"):
    if "controls" not in studies.plan(profile):
        raise studies.NotMeasurable(f"profile {profile} leaves them out")
    checked = studies.observed("controls", profile)
    control_seeds = rows(checked.frame, model=filed)
    control = rows(over_seeds(checked.frame), model=filed)
gate = over["measure"] == "score at the gate"
there = set(over.loc[~gate, "pair"].dropna()) if "pair" in over else set()
pair_names = [name for name in parameters.task_pairs if name in there]
if not pair_names:
    raise studies.NotMeasurable(f"{filed}: no pair was learned, lost and recovered")
pair = pair if pair in there else pair_names[0]
print(pages.measured(observed, seed=seed, versions=provenance.versions()))


def intervals(column, names, **wanted):
    """(value, low, high) over seeds of one row for each name in a column."""
    found = rows(over, **wanted).set_index(column)
    return [tuple(found.loc[n, ["value", "low", "high"]].astype(float)) for n in names]


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-main", "caption": "Share of a recovery's displacement in the span of its first ten updates (S3), AdamW, micro-gpt2, five pairs: the prefix, the same for training that never learned the task, and what lengths of updates alone would give. Dashed: the paper's figure; dotted: if that is a share of length. 95 % over five seeds."}, "image": {"alt": "Dot plot with five pairs as rungs; prefix, never learned and energy share scatter together over most of the axis."}}
figure, (axes,) = figures.panels(1, height=3.6)
at = dict(claim="S3", optimiser="AdamW", k=K, T=T)
with tables.if_measured("captures of the prefix"):
    series = {
        b: intervals("pair", pair_names, measure="capture", basis=b, **at)
        for b in ("prefix", "never learned")
    }
    series["energy share"] = intervals("pair", pair_names, measure="energy share", **at)
    figures.ladder(axes, pair_names, series)
axes.axvline(0.77, ls="--", lw=1.2, color=figures.PAPER, label="paper", zorder=0)
axes.axvline(
    0.77**2, ls=":", lw=1.2, color=figures.PAPER, label="if a length", zorder=0
)
axes.set(xlabel=f"capture, k = {K}, T = {T}", xlim=(-0.05, 1.05))
figures.legend_below(axes)

# %% [markdown]
# **In short.** *S3*, the prefix captures a recovery: most of such a figure is no sign of recovery, for a run that recovers nothing has much of it. *S2*, the static plane misses it: yes. *S4*, the useful basis drifts: yes, and along any run. *S5, S6*, alignment predicts gain and static overlap does not: it depends on the length of the step, on the candidates and on the point. *S9*, search: descent wins at equal information on rules, and both fail on tables.
#
# ## Use this in your own work
#
# Read a captured share beside the twin that never learned. Here `net` is any causal language model of Hugging Face and `ids` are tokenised texts; train on the same texts from another starting point for the twin:

# %% tags=["hide-input"]
language_model = load(parameters.model, device=parameters.device)
adapter = lora.attach(language_model, parameters.shapes[0], seed)
experiment = lora.experiment(parameters, adapter, pair, seed)
net, tokenizer = language_model.model, language_model.tokenizer
texts = [f"{i.prompt}{i.answer}" for i in experiment.pair.a(8, "test", seed)]
ids = [tokenizer(text, return_tensors="pt").input_ids for text in texts]

# %% tags=["advice"]
space = lglib.ParameterSpace(net, lambda name, p: p.requires_grad)
loss = lambda m, x: torch.nn.functional.cross_entropy(m(x).logits[0, :-1], x[0, 1:])
run = lglib.descend(space, loss, lglib.optimizer("AdamW", 1e-3), ids * 4)
print(lglib.prefix_capture(run, k=4))

# %% [markdown]
# ## Forget, and recover
#
# **What the paper claims.** An adapter {cite}`hu2022lora` learns tasks $A$ and $B$ ($\theta^\ast$), forgets $A$ ($\theta_f$), and learns it again in $T$ steps ($\theta_T$). The first updates of the way back are said to hold $0.77$ of the displacement $\Delta=\theta_T-\theta_f$ (S3); ten of them, says a secondary source.
#
# **What we do.** Five pairs of tasks, two optimisers. $\theta$ are the parameters of the adapter. $\theta_0$, *never learned*, has the whole history of $\theta_f$ except that $A$ was never in it: training from there recovers nothing.

# %%
points = experiment.learn_and_forget(
    bar=parameters.bar, lost=parameters.lost, limit=parameters.limit
)
for name in ("star", "forgot", "never"):
    print(name, experiment.scores(getattr(points, name)))

# %%
run = experiment.recover(points.forgot, "AdamW", T)
never = experiment.recover(points.never, "AdamW", T)
print("exact match of A at the end:", experiment.scores(run.points[-1])["A"])
print(prefix_capture(run, K, never_learned=never))

# %% [markdown]
# (lora-still)=
# ## S3: what is still to come?
#
# A prefix holds its own updates, and they are a part of the displacement. Free of that is its capture of $\theta_T-\theta_k$, what is *still to come* after $k$ steps. Beside it: the *twin* that never learned; $k$ *shuffled updates* of the same run; Gaussian walks.

# %%
for name, one in {"recovery": run, "never learned": never}.items():
    captured = controls.captured(one, K, 200, seed)
    told = {by: round(found.to_come, 3) for by, found in captured.items()}
    print(f"{pair}, AdamW, {name}, still to come: {told}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-lora-still", "caption": "Capture of what is still to come by the prefix of a recovery, less that by the prefix of its never-learned twin, by pair and optimiser; micro-gpt2. One dot a seed. Grey line: no difference."}, "image": {"alt": "Dot plot with a rung for each pair and optimiser and one dot for each seed, on both sides of a vertical line at zero."}}
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

# %% tags=["hide-input"]
with tables.if_measured("captures of what is still to come"):
    shown = rows(control, measure="controlled capture", of="to come", k=K)
    shown = rows(shown, run="recovery")
    shown = shown.assign(cell=shown["pair"] + ", " + shown["optimiser"])
    null, n = shown["null"].mean(), shown["n"].max()
    print(f"capture of what is still to come, k = {K}, T = {T}: recoveries")
    print(f"over pairs and optimisers; intervals over {n} seeds within [];")
    print(f"null, a random subspace: {null:.4f}")
    for by, part in shown.groupby("by", sort=False):
        ends = f"[{part['low'].min():.2f}, {part['high'].max():.2f}]"
        print(f"  {by}: {part['value'].min():.2f} to {part['value'].max():.2f} {ends}")

# %% [markdown]
# **What we see** on micro-gpt2. Of what is still to come the prefix captures far less than of the whole displacement. Its never-learned twin captures less in four of the ten rungs, where all five dots lie above zero; in the others they lie on both sides. With AdamW $k$ updates drawn at random from the run capture most of the rest, far more than the first $k$ do, so the *first* updates are not special. Everything lies far above isotropic walks. So the span of a few updates is real structure of a run, and most of it is no sign of a *recovery*.
#
# *S2*: the static planes of task gradients at $\theta^\ast$ capture a few percent. But a plane of gradients depends on coordinates: a change of gauge, which the model does not see, takes away what it captures, while the prefix survives it ({ref}`lora-function`).
#
# ## S4: does the useful basis drift?
#
# **What the paper claims.** The useful basis drifts substantially within 100 steps. **What we do.** Overlap of the leading gradient directions at step 0 with those at step $t$, in units of what two estimates at one step share; along the recovery and along the twin; raw, and with the mean gradient taken off.

# %% tags=["hide-input"]
with tables.if_measured("drift"):
    print(f"half-life in steps (null: no drift, {T})")
    display(tables.wide(rows(over, measure="half-life"), "pair", "optimiser"))

# %% [markdown]
# **What we see** on micro-gpt2. Half of the basis is gone within some steps, far before the hundredth. Of the paper's claims this one stands firmest here. But it drifts along the never-learned run as well, and centred like raw ({ref}`lora-drift`): it is how gradients move, not how recoveries do.
#
# ## S5 and S6: what predicts a candidate's gain?
#
# **What the paper claims.** Alignment with the gradient recovery direction predicts the gain of a random candidate ($r=+0.52$), overlap with the static plane does not ($r=-0.40$). **What we do.** Candidates from six subspaces, on four pairs, at lengths from a hundredth of $\lVert\Delta\rVert$ to all of it; the null permutes gains.

# %% tags=["hide-input"]
with tables.if_measured("correlations on several pairs"):
    shown = rows(control, measure="correlation with the gain, mean over pairs")
    shown = rows(shown, pool=shown["pool"].iloc[0])
    print("correlation with the gain, mean over pairs, by length of the step")
    print(f"null, {shown['null_means'].iloc[0]}: {shown['null'].iloc[0]:.0f}")
    for point, part in shown.groupby("point", sort=False):
        print(point)
        display(tables.wide(part, "norm", "of"))

# %% [markdown]
# **What we see** on micro-gpt2. At $\theta_f$ alignment predicts the gain, best at short steps. Halfway through the recovery it predicts at a hundredth of the displacement and not at its full length. Overlap hardly predicts in the pool of all six subspaces at $\theta_f$; without the subspaces of the recovery it predicts *negatively* ({ref}`lora-scatter`), and so it does halfway in the pool of the tables. So "does not predict" depends on who is in the pool and on how far one steps.
#
# ## S9: search against descent, with the same information
#
# Both sides get the same questions to learn from and to choose on, and the same number of forward passes (a backward pass counts as two). Nothing has seen the questions that are reported.

# %% tags=["hide-input"]
with tables.if_measured("search and descent with the same information"):
    name = "held-out loss at equal forward passes, mean over pairs"
    shown = rows(control, measure=name)
    print(f"{name}, nats, by budget (no step: {shown['null'].mean():.2f})")
    display(tables.wide(rows(shown, budget=[64, 512]), "method", "budget"))

# %% [markdown]
# **What we see** on micro-gpt2. Descent ends below every search at every budget, in the mean over pairs; mirrored pairs (evolution strategies) come nearest at most budgets. On the rules it wins by far. On the two tables, whose held-out questions share nothing with the others, nothing helps much ({ref}`lora-equal`).
#
# The practical side, ours: ten gradient directions that are kept for five or ten steps still bring most of a recovery; kept for ever they do not for every task ({ref}`lora-refresh`).
#
# ## Live and filed
#
# Learning, forgetting and recovering take hundreds of updates, and these amplify the last digits of rounding. So single rows of a live run may differ from the filed one on another processor, the most by what is printed here.

# %%
live = Observations()
sets = lora.gradient_sets(experiment, parameters.gradients)
places = {"initial": points.initial, "theta*": points.star, "theta_f": points.forgot}
found = {at: lora.gradients_at(experiment, p, sets) for at, p in places.items()}
bases = lora.bases_before(parameters, experiment, points, found)
other = experiment.recover(points.forgot, "AdamW", K, order=1)
grid = lora.capture_grid(run, other, never, bases, parameters.ks, parameters.horizons)
lora.add_captures(live, parameters, pair, "AdamW", grid, adapter.space.d)
print(live.beside(observed.frame, model=filed, seed=seed))

# %% [markdown]
# (real-lora)=
# ## A pretrained model: Gemma 3 270M
#
# The same on one model that others trained on real text, Gemma 3 270M, on two pairs and shorter runs, under bars and rules that were frozen before it was looked at.

# %% tags=["hide-input"]
with tables.if_measured("Gemma 3 270M"):
    tables.needs(real)
    print(pages.seeds(real))
    there = over_seeds(real.frame)
    own = rows(there, measure="capture", k="max")
    own = rows(own, T="max", basis=["prefix", "never learned"])
    own = own.assign(cell=own["pair"] + ", " + own["optimiser"])
    display(tables.wide(own, "cell", "basis"))

# %% [markdown]
# (claims-lora)=
# ## The claims, measured
#
# Rules and bars are in `config/claims.yml`; intervals are over seeds of one base model. {doc}`03s_lora_drift` has every row.

# %% tags=["hide-input"]
display(pages.verdicts("lora", over_models, also={"controls": control}))

# %% [markdown]
# **What this does not show.** That the prefix holds no information: it is the best basis here. What the paper calls S9 are votes and pass@N over nulls, which are judged in the table below and shown in the supplement. Larger adapters and models; the null of the paper's own runs, which one would have to ask for. For tables the same few questions fill every minibatch. No result of the paper's own models is in this book.
#
# {doc}`03s_lora_drift` has adapters in coordinates, gauges, function space, other shapes, votes and pass@N, refreshing, cost and all rows; {doc}`03x_lora_drift` the exercises.
