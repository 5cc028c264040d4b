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
# # The models: small ones that read, and one call that loads all others
#
# **Finding.** Three language models of 0.9 million parameters, each trained for this book in about a quarter of an hour, answer nearly all yes-no, claim and open questions about new passages, more than a shortcut could (questions for the subject less well in two of them); they are nearly as sure as they were made to be, nine in ten; and a new order of words defeats them.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown, and the live case's parameters
seed = 0  # of the live case
model = "micro-gpt2"  # the network of the live case, one of the profile's

# %% tags=["hide-input"]
import tempfile

import numpy as np
import torch
from IPython.display import display

import lglib
from lglib import studies
from lglib.models import load
from lglib.report import figures, over_seeds, pages, provenance, rows, tables
from lglib.studies import models
from lglib.tasks import data
from lglib.tasks.microworld import passages
from lglib.theory import stats

figures.style()
parameters = studies.parameters("models", profile, live=dict(seed=seed, model=model))
observed = studies.observed("models", profile)
measured = over_seeds(observed.frame)
names = list(measured["network"].dropna().unique())
print(pages.measured(observed, seed=seed, versions=provenance.versions()))
print(f"networks: {', '.join(names)}; {parameters.items} items of each kind")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-scores", "caption": "Accuracy on test items by kind, 95 % over items, models of 0.9 million parameters. The upper four kinds ask about a passage; sort, reverse and repeat follow a rule; the rest are small tables seen whole in training. Grey dots: untrained twins; cross: the shortcut."}, "image": {"alt": "Ladder plot of thirteen kinds of items. Coloured dots of the three trained models lie near one, grey dots of the untrained twins near one half for yes-no and claim and near zero elsewhere."}}
figure, (axes,) = figures.panels(1, height=5.4)
axes.set(xlim=(-0.03, 1.03), xlabel="share of right answers")
with tables.if_measured("accuracy"):
    found = rows(measured, measure="accuracy")
    kinds, ends = list(found["kind"].unique()), ["value", "low", "high"]
    by_name = found.groupby("network", sort=False)
    figures.ladder(axes, kinds, {name: part[ends].values for name, part in by_name})
    grey = found.groupby("kind", sort=False)["null"].mean().values
    twins = {"untrained": np.stack([grey] * 3, 1)}
    figures.ladder(axes, kinds, twins, color=figures.NULL)
    crude = rows(measured, measure="accuracy of the shortcut")["value"].item()
    axes.plot(crude, len(kinds) - 1, "x", color=figures.NULL, label="shortcut")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)

# %% [markdown]
# **In short.** The paper {cite}`piontkovskaia2026recoverable` uses DistilGPT-2, GPT-2, Qwen2.5 and OLMo. They need a network connection and a GPU; a reader may have neither. So this project brings three small models of its own, of three real families, and loads them by the same code as the large ones. Where the book says "a language model" of a measured value, it is one of these three, unless another is named. This chapter judges no claim; it checks the instruments.
#
# ## Use this in your own work
#
# Before you study gradients, edits or random search on a task, see how *sure* the model is there. The derivative of $\ln P(\text{right})$ by the logit of the right answer is $1-P(\text{right})$: where every answer is sure to three digits, gradients vanish and no small step changes an answer. Here `net` is any causal language model of Hugging Face, `ids` are tokenised prompts:

# %% tags=["hide-input"]
network = models.load(model, parameters, seed)
net, tokenizer = network.model, network.tokenizer
texts = [item.prompt for item in lglib.micro_items(16, "yes-no")]
ids = [tokenizer(text, return_tensors="pt").input_ids for text in texts]

# %% tags=["advice"]
with torch.no_grad():
    p = torch.stack([net(x).logits[0, -1].softmax(-1).max() for x in ids])
print("mean probability of the first choice", lglib.mean_interval(p.tolist()))
print("share that is surer than 0.999:", (p > 0.999).float().mean().item())

# %% [markdown]
# (micro-world)=
# ## A world of a few hundred words
#
# A *fact* says one thing of one subject; a *passage* is one to four facts. Nothing is true outside its passage, and facts are drawn at random, so a question can be answered only by reading. There are four kinds of questions:

# %%
for kind in passages.KINDS:
    item = data.micro(3, kind, key=seed)[1]
    print(f"{kind:7s}{item.prompt}{item.answer}")

# %% [markdown]
# Right answers to the first two kinds are yes or no with equal chance. A false question takes its false value, where it can, from another fact of the passage half of the time. So it is not enough to find the value in the passage: the model must *bind* it to the subject. A reader who does not bind, and says yes whenever the value stands in the passage, comes this far:

# %%
asked = models.drawn_items("yes-no", parameters.items, seed)
present = np.mean([models.is_present(item) for item in asked])
print(f"the value stands in the passage of {present:.2f} of {len(asked)} yes-no items")
print(f"the shortcut is right on {models.shortcut(asked):.3f} of them")

# %% [markdown]
# That, and not one half, is what reading has to beat. Beside reading there are nine skills and plain stories. No passage of the test part was seen in training, whatever is asked ({prf:ref}`prop-micro-parts`). But nearly every *single* fact was told in other company, and sentences have the same few forms everywhere: the test asks for new combinations, not for a new language. Skills, tokenizer, split, and how the models were trained: {doc}`02bs_models`.
#
# (micro-scores)=
# ## What they can do
#
# A model's answer to a yes-no question is the more probable of " yes" and " no". An open question is right when greedy decoding writes the whole answer. The *untrained twin* has the same architecture and tokenizer, and random weights.

# %%
twin = models.load(model, parameters, seed, trained=False)
print(f"{model}: yes-no {models.accuracy(network, asked):.3f}")
print(f"untrained: yes-no {models.accuracy(twin, asked):.3f}")

# %% [markdown]
# The false questions whose value stands in the passage are those on which the shortcut fails. There a model is right only if it does more:

# %% tags=["hide-input"]
with tables.if_measured("accuracy where the shortcut fails"):
    hard = rows(measured, measure="accuracy where the shortcut fails")
    heads = {"network": "model", tables.VALUE: "right [95 %] (n)", "null": "shortcut"}
    display(tables.show(hard, heads))

# %% [markdown]
# **What we see.** The three models answer yes-no questions, claims, open questions and skills nearly all right, also where the shortcut fails. Questions for the subject (*who*) are the exception in the two models with rotary positions, probably because the last stages of training hold few of them. Untrained twins are at chance where there are two answers (one that always says the commoner answer of this sample comes a little above one half), and otherwise seldom right. Intervals are over items, for one training run of each model: they say how well *this* network reads.
#
# (micro-calibration)=
# ## How sure they are
#
# Trained on right answers only, a small model becomes surer and surer, which leaves little to study. So the last stage of training answers a tenth of the yes-no questions and claims wrongly, at random. Then the best answer of a model that knows the truth is not $1$ but $0.9$ ({prf:ref}`prop-flips`), while the more probable answer stays right.

# %%
p, true = models.p_yes(network, asked), models.are_true(asked)
print(f"{model}: P(yes) {stats.mean_interval(p[true]):.3f} where yes is right")
print(f"{model}: P(yes) {stats.mean_interval(p[~true]):.3f} where no is right")

# %% tags=["hide-input"]
with tables.if_measured("P(yes)"):
    found = rows(measured, measure="P(yes)")
    told = {"network": "model", "question": "question", tables.VALUE: "P(yes)"}
    display(tables.show(found, {**told, "predicted": "at best"}))

# %% [markdown]
# **What we see.** The means lie close to $0.9$ and $0.1$ in all three models. Histograms and calibration curves are in {doc}`02bs_models`.
#
# (micro-limits)=
# ## Where they fail
#
# A stand-in is useful only if one knows where it stops standing in. The yes-no items are changed step by step: more facts than in training; places told in an order of words that training did not have; and a person called Beatrix, which is no word of the world and is spelled in bytes.

# %%
tests = models.changed(parameters.items, seed)
for test in ("places, as trained", "places, turned"):
    print(tests[test][0].prompt)
    print(f"{model}: {models.accuracy(network, tests[test]):.3f} right")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-limits", "caption": "Accuracy on yes-no questions as in training, and changed, 95 % over items. Crosses: the shortcut. Eight facts are two passages joined; 'turned' sentences say 'At the park is Anna'; 'renamed' people are called Beatrix."}, "image": {"alt": "Ladder plot of nine rows. Dots for one to four facts, and for places and people as trained, lie near one; those for turned sentences and renamed people lie lower."}}
figure, (axes,) = figures.panels(1, height=4.2)
with tables.if_measured("accuracy on changed questions"):
    found = rows(measured, measure="accuracy on changed questions")
    what = list(found["test"].unique())
    by_name = found.groupby("network", sort=False)
    figures.ladder(axes, what, {name: part[ends].values for name, part in by_name})
    crude = found.groupby("test", sort=False)["null"].mean()
    places = range(len(what))[::-1]
    axes.plot(crude, places, "x", color=figures.NULL, label="shortcut")
axes.axvline(0.5, color=figures.NULL, lw=1.2, zorder=0, label="chance")
axes.set(xlim=(0.35, 1.02), xlabel="share of right answers")
_ = axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=2)

# %% [markdown]
# **What we see.** Twice as many facts cost at most a few per cent. A new order of words leaves little: all three models fall far below the shortcut. They learned these sentence forms and did not generalise to another. An unknown name puts them below the shortcut too.
#
# **What they can stand in for.** Transformers of three real families, trained by gradient descent to read and to compare, whose answers are neither random nor saturated. They can show what *can* happen to gradients, adapters and steering vectors in such a network, with every control, in minutes. **What they cannot.** They know a few sentence forms and nothing of the real world; nothing here says how a number changes with size. A finding on them is a hypothesis about a large model, and the call below is there to test it.
#
# (own-model)=
# ## Bring your own model
#
# One call loads every model, and what it returns has the same parts: blocks, width, names of the layers for LoRA, device, number type, and the hash of the weights.
#
# ```python
# model = lglib.load("openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e", allow_download=True)
# model = lglib.load("my-models/qwen-finetuned", dtype="bfloat16")
# model = lglib.load("micro-qwen2", trained=False, seed=3)
# ```
#
# The first is a hub model at one commit, so that everybody gets the same file; nothing is downloaded unless you say so. The second is a folder in the format of transformers, the third an untrained twin. Families that work out of the box: GPT-2, Qwen2, Qwen3, Llama, OLMo 2, GPT-NeoX (Pythia), Gemma 2 and Gemma 3; for another, `families.register` takes three names ({doc}`../families`). Weights must be safetensors, and no code from a repository is run. The cell below makes a Llama of random weights, saves it as anyone would, and loads it:

# %%
from transformers import LlamaConfig, LlamaForCausalLM

size = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2)
more = dict(num_attention_heads=2, max_position_embeddings=64)
with tempfile.TemporaryDirectory() as folder:
    config = LlamaConfig(vocab_size=len(tokenizer), **size, **more)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    mine = load(folder, device=parameters.device)
print(mine.family, len(mine.blocks), "blocks, LoRA on", ", ".join(mine.attention))

# %% [markdown]
# To run the chapters with it, set the model in a profile: `README.md` says how. For your own questions and statements see {ref}`own-data`.
#
# ## Live and filed

# %%
live = {
    ("accuracy", "yes-no"): models.accuracy(network, asked).estimate,
    ("P(yes)", "true"): p[true].mean(),
}
filed = observed.frame.query("seed == @seed and network == @model")
for row in filed.itertuples():
    key = (row.measure, row.kind if isinstance(row.kind, str) else row.question)
    if key in live:
        print(f"{', '.join(key)}: live {live[key]:.4f}, filed {row.value:.4f}")

# %% [markdown]
# {doc}`02bs_models` has skills, tokenizer, split with its proof, training and its curves, scores by kind, calibration curves, errors, and your own data; {doc}`02bx_models` the exercises.
