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
# # Recoverable but Not Stationary
#
# *An unofficial, executable companion to the paper by Irina Piontkovskaia and Sergey Nikolenko* {cite}`piontkovskaia2026recoverable`. Its full text was not at hand: the claims are from its abstract, captions and reviews, and definitions that are our reading are marked so. The findings are about small models: three language models of 0.9 million parameters that this project trained, a small synthetic transformer, networks that read digits, and one pretrained model, Gemma 3 270M.
#
# Which linear directions in trained networks are real? Three sentences:
#
# **The subspace of a recovery's first updates contains much of its displacement, and so does that of a run with nothing to recover:** a captured share is no sign of a recovery before its controls are shown. **What is local is real:** gradient bases drift within a few steps, the loss is linear over a measurable length, and an activation shift is the pushforward of the weight step. **What looks like a shared direction is often the output:** gradient steps, contrasts and the logit lens meet at the last block, where permuted labels come near them too.

# %% tags=["parameters", "remove-cell"]
profile = "quick"  # whose observations are shown

# %% tags=["remove-input"]
from lglib import studies
from lglib.report import figures, frames, ledger_page, pages, provenance, tables

figures.style()
found, twins = None, {}
with tables.if_measured("the claims with a figure in the paper"):
    found = ledger_page.judged(
        {
            "synthetic": studies.observed("synthetic", profile),
            "lora": studies.observed("lora", profile),
            "bridge": studies.observed("bridge", profile),
        }
    )
with tables.if_measured("runs that never learned"):
    over = frames.over_seeds(studies.observed("lora", profile).frame)
    never = frames.rows(over, measure="capture", basis="never learned", k="max")
    twins = {"S3": frames.rows(never, T="max")}

# %% tags=["remove-input"] mystnb={"figure": {"name": "fig-start", "caption": "Claims with a number in the paper (black): S2, share of a recovery in the static task plane; S3, in the span of its first updates; S5 and S6, correlations of a candidate's gain with its alignment to the gradient and with its overlap with that plane; B1, cosine of the shift by a gradient step and a contrastive steering vector (CAA). Dots: each row that was judged, by model. Grey: its null. Hollow: what the first updates of a run capture that never learned the task."}, "image": {"alt": "Five rungs with dots by model, grey ticks of nulls and black diamonds of the paper's figures on one axis from minus one to one."}}
labels = {
    "S2": "S2: static\nplane",
    "S3": "S3: first\nupdates",
    "S5": "S5: gain by\nalignment",
    "S6": "S6: gain by\noverlap",
    "B1": "B1: step\nand CAA",
}
figure, (axes,) = figures.panels(1, height=4.6)
with tables.if_measured("the claims with a figure in the paper"):
    tables.needs(found)
    models = list(dict.fromkeys(found["model"]))
    ledger_page.strip(axes, found, models, labels, twins)
axes.set(xlabel="share, correlation or cosine", xlim=(-1.05, 1.05))
figures.legend_below(axes)

# %% [markdown]
# All claims with verdicts, nulls and intervals: {doc}`06_ledger`.
#
# ## Three ways to read
#
# - **In half an hour:** the top of each chapter (finding, figure, *in short*), then {doc}`06_ledger`.
# - **Re-execute it:** two commands on any laptop, `make book` and `make test`; the same notebooks run GPT-2, Qwen2.5-0.5B or a model of your own by a parameter, and `make plan` says before what it takes. See the README of the repository.
# - **Teach it:** chapters 1 to 5 and 7 have exercises with checks that answer at once (`make course` writes notebooks for students) and supplements with proofs; {doc}`../teaching` has plans, {doc}`../quiz` questions, {doc}`../explore` things to move.

# %% tags=["remove-input"]
titles = {
    "01_theory": "Chapter 1: theory",
    "02_synthetic_transformer": "Chapter 2: a synthetic transformer",
    "02b_models": "Chapter 2b: the small language models",
    "03_lora_drift": "Chapter 3: LoRA drift",
    "04_llm_rank": "Chapter 4: gradient rank, linear regime",
    "05_steering_bridge": "Chapter 5: the bridge to steering",
    "06_ledger": "Chapter 6: the ledger",
    "07_beyond": "Chapter 7: beyond the paper",
}
folder = provenance.project_root() / "notebooks"
print("reading times of the main pages")
for name, title in titles.items():
    if (folder / f"{name}.ipynb").is_file():
        print(f"  {title}: {pages.minutes(folder / f'{name}.ipynb')} min")
