# make demo, make test, make lint: each makes .venv when pyproject.toml or constraints.txt is newer
# than the last installation, and otherwise installs nothing.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# torch comes first, by its exact version, so that nothing later pulls in another build of it.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint

demo: $(INSTALLED)
	$(BIN)/vpr-edge demo --overwrite

test: $(INSTALLED)
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy vpr_edge

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	"vpr-edge needs Python 3.11 or later; give one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) torch==2.13.0
	$(PIP_INSTALL) -e '.[train,town,map,mcu,dev]'
	touch $@
