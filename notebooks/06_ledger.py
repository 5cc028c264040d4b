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
# # The ledger: every claim, with its null
#
# **Finding.** Of the paper's claims, the theory holds (T1 to T3), gradient bases drift (S4), a weight step steers like the vector that it makes, and random search finds it in activations (B2, B4). Claims that rest on a single figure hold for some definitions, lengths and models and not for others (*partly*), and most of these figures have a control that comes near them.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import HTML, display

from lglib import studies
from lglib.report import figures, frames, ledger_page, pages, tables

figures.style()
pd.set_option("display.max_rows", None)


def counted(read):
    """What a study has filed, or None."""
    try:
        return read()
    except studies.NotMeasurable as why:
        print(f"not measured: {str(why).splitlines()[0]}")


own = {
    "theory": counted(lambda: studies.observed("theory", profile)),
    "synthetic": counted(lambda: studies.observed("synthetic", profile)),
    "lora": counted(lambda: studies.observed("lora", profile)),
    "controls": counted(lambda: studies.observed("controls", profile)),
    "rank": counted(lambda: studies.observed("rank", profile)),
    "bridge": counted(lambda: studies.observed("bridge", profile)),
}
beside = {name: studies.beside(name, profile) for name in ("lora", "rank", "bridge")}
lines = ledger_page.judged(own)
if any(beside.values()):
    lines = pd.concat([lines, ledger_page.judged(beside)], ignore_index=True)
words = ledger_page.words(lines)
for measured in filter(None, [*own.values(), *beside.values()]):
    if measured.left_out:
        print("left out, and not counted:", ", ".join(measured.left_out))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ledger", "caption": "The verdict on each claim, by model. R: reproduced, P: partly, I: inconclusive, N: not reproduced; a grey dot: no verdict, because of too few seeds or models, a model that cannot do the task, or a check of code (T4)."}, "image": {"alt": "Grid of marks with letters: claims as rows, models as columns."}}
figure, (axes,) = figures.panels(1, height=7.5)
ledger_page.grid(axes, words)
figures.legend_below(axes, columns=3)

# %% [markdown]
# **How a verdict is made.** Each claim has rules in `config/claims.yml`: which rows of the observations speak, against which bar, and why this bar. A row is *reproduced* or *not reproduced* where its test says so after Holm's correction over the rows of its claim, else *inconclusive*; a claim of several rows may be *partly* so. A claim on a model that cannot do the task is not judged. Intervals are over seeds of one base model, so a verdict is of that model.
#
# ## The claims in short

# %% tags=["hide-input"]
display(pages.short([lines]))

# %% [markdown]
# ## What chance alone would say
#
# The rules were run on a simulated world in which nothing has any effect, with the seeds and the spread that were recorded. This is how often they would call a claim reproduced there:

# %% tags=["hide-input"]
with tables.if_measured("the table of a world without effects"):
    rates = tables.null_rates().reset_index()
    rates["share"] = (
        rates["reproduced"].astype(str) + " / " + rates["partly"].astype(str)
    )
    print("share of draws called reproduced / partly, of", rates["draws"].iloc[0])
    wide = rates.pivot_table(
        index="model", columns=rates.columns[0], values="share", aggfunc="first"
    )
    for model, row in wide.iterrows():
        told = ", ".join(f"{claim} {share}" for claim, share in row.dropna().items())
        print(f"{model}: {told}")

# %% [markdown]
# ## Values beside nulls and bars
#
# Each judged row of the claims for which the paper has a figure. Grey ticks: the null of each row. Dotted: the bar. Dashed: the paper's figure.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-ledger-forest", "caption": "Claims with a number in the paper: every judged row, from the smallest value to the largest, with 95 % intervals over seeds. Grey: its null; dotted: the bar; dashed: the paper."}, "image": {"alt": "Forest plots, a panel a claim: values with bars by model, grey ticks of nulls, a dashed line for the paper."}}
numbered = [
    c
    for c in frames.CLAIMS
    if (lines["claim"] == c).any()
    and lines.loc[lines["claim"] == c, "paper"].notna().any()
]
names = list(dict.fromkeys(lines["model"]))
figure, axes = figures.panels(len(numbered), height=2.4)
for panel, claim in zip(axes, numbered, strict=True):
    ledger_page.forest(panel, lines[lines["claim"] == claim], names)
    panel.set_title(claim)
figures.legend_below(axes[-1])

# %% [markdown]
# ## What the reviewers asked
#
# | objection | here |
# | --- | --- |
# | no null for the captured share $0.77$ | isotropic, energy share, random walk, never-learned twin: {doc}`03_lora_drift` |
# | no null for the cosine $0.58$ | permuted labels, random weight steps, the logit lens: {doc}`05_steering_bridge` |
# | no error bars, no tests | five seeds, intervals, corrected tests: this page |
# | capture and displacement not defined | {doc}`../notation` |
# | two pairs and one steering task are few | five pairs, two optimisers: {doc}`03_lora_drift`; several behaviours: {doc}`05_steering_bridge` |
# | low rank partly fails at 7B | by width, and on Gemma 3 270M: {doc}`04_llm_rank` |
# | the prefix needs the trajectory to have been run | what is still to come: {doc}`03_lora_drift` |
#
# ## Every row
#
# `make ledger` prints the same in a terminal.

# %% tags=["hide-input"]
display(HTML(ledger_page.rows_html(lines)))
