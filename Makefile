# Keepwatch. `make` alone lists what there is to do.
# Rust comes from rustup (rust-toolchain.toml names the version); everything else is installed into .tools/ on first
# use, from pinned packages, by the Python named here.

PYTHON ?= python3
# What the last deployment used, or x86_64.
SAVED_ARCH := $(shell sed -n 's/.*Architecture=\\"\([a-z0-9_]*\)\\".*/\1/p' samconfig.toml 2> /dev/null)
ARCH ?= $(or $(SAVED_ARCH),x86_64)
REGION ?= us-east-1
# A folder of your own Sigma rules.
SIGMA ?=
# A folder that `make release` wrote: its functions are deployed, and nothing is compiled.
FROM ?=
# Where `make release` writes to, and for which architectures.
RELEASE ?= target/release-files
ARCHES ?= x86_64
SEEDS ?= 100000
SECONDS ?= 60
CARGO := cargo
# `cargo fmt` follows `mod` lines and does not see the rules, which a macro names.
RUSTFMT := rustfmt --edition 2024
RUST_FILES = $(shell git ls-files --cached --others --exclude-standard '*.rs')
# Of the functions for Lambda. At a fixed address they need no relocations, which are half a megabyte of detect that each
# cold start would read and work through. Stack, heap and libraries are still placed at random.
# (Only with a target named, as `cargo lambda` does: else they would be the flags of procedural macros too.)
FIXED := RUSTFLAGS="-C relocation-model=static"
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
TOOLS := .tools
PY := $(TOOLS)/venv/bin/python
PYTEST := $(PY) -m pytest
INSTALL := $(PYTHON) tools/install.py

MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  \1|\2/p; s/^#@ \(.*\)/\n\1/p' $(MAKEFILE_LIST) \
	  | awk -F '|' 'NF > 1 { printf "%-19s %s\n", $$1, $$2; next } { print }'

#@ Try it

.PHONY: demo
demo: tools binaries ## play a break-in into a local AWS and show the mails it causes; no account needed
	@$(PY) tests/demo.py

.PHONY: local-cloud
local-cloud: tools binaries ## the same local AWS, kept up to look around in: Enter plays the break-in, Ctrl-C ends it
	@cd tests && exec ../$(PY) -m local_cloud

#@ Test it

.PHONY: test
test: test-rust test-template test-e2e ## all tests

.PHONY: test-rust
test-rust: binaries ## unit and property tests of the Rust code, and of the binaries
	$(CARGO) test --locked --workspace

.PHONY: test-template
test-template: tools binaries ## what template.yaml must hold: dead-letter paths, alarms, least privilege, patterns
	$(PYTEST) tests/template --ignore tests/template/test_lint.py

.PHONY: test-e2e
test-e2e: tools binaries ## the compiled functions and the real template, in a local AWS
	$(PYTEST) tests/e2e

.PHONY: lint
lint: lint-rust pure-crates crate-order import-circles lint-dependencies lint-python lint-template ## formatting and lints of everything

# The fuzz targets are a workspace of their own; they are checked without the fuzzer's runtime.
.PHONY: lint-rust
lint-rust: cargo
	@$(RUSTFMT) --check $(RUST_FILES)
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	CUSTOM_LIBFUZZER_PATH=./none.a $(CARGO) check --locked --manifest-path fuzz/Cargo.toml --target-dir target

# Rules, policies, findings and alerts must stay testable without a cloud, and their crates small.
.PHONY: pure-crates
pure-crates: cargo
	@$(CARGO) xtask pure-crates

.PHONY: crate-order
crate-order: cargo
	@$(CARGO) xtask crate-order

.PHONY: import-circles
import-circles: cargo
	@$(CARGO) xtask import-circles

# Licences, bans and sources of dependencies: deny.toml.
.PHONY: lint-dependencies
lint-dependencies: cargo
	@command -v $(TOOLS)/deny/bin/cargo-deny > /dev/null || $(CARGO) install --locked --debug --root $(TOOLS)/deny cargo-deny@0.20.2
	PATH="$(CURDIR)/$(TOOLS)/deny/bin:$$PATH" $(CARGO) deny --locked --all-features check bans licenses sources

.PHONY: lint-python
lint-python: tools
	$(TOOLS)/venv/bin/ruff check --config tools/ruff.toml tools tests
	$(TOOLS)/venv/bin/ruff format --check --config tools/ruff.toml tools tests

.PHONY: lint-template
lint-template: tools
	@$(INSTALL) checkov
	$(PYTEST) tests/template/test_lint.py

.PHONY: fmt
fmt: cargo tools ## format the code
	@$(RUSTFMT) $(RUST_FILES)
	$(TOOLS)/venv/bin/ruff format --config tools/ruff.toml tools tests

.PHONY: picture
picture: ## draw the README's mail anew, from the text that the tests hold it to
	@$(PYTHON) tools/picture.py

.PHONY: corpus
corpus: cargo ## read every event of a folder of recorded events: make corpus CORPUS=dir
	@test -n "$(CORPUS)" || { echo "say where the events are: make corpus CORPUS=dir"; exit 2; }
	$(CARGO) xtask corpus $(CORPUS)

.PHONY: sim
sim: cargo ## crashes, duplicates, outages: 100,000 simulated lives of the pipeline (SEEDS=n)
	$(CARGO) run --locked --release -p keepwatch-tests --bin sim -- --seeds $(SEEDS)

# The fuzzer's runtime needs a nightly compiler. Each target runs for SECONDS and leaves what it has learnt in .tools/.
.PHONY: fuzz
fuzz: cargo ## any text as event, as policy and explained, SECONDS=60 each; needs rustup's nightly toolchain
	@command -v $(TOOLS)/fuzz/bin/cargo-fuzz > /dev/null || $(CARGO) install --locked --root $(TOOLS)/fuzz cargo-fuzz@0.13.1
	@$(CARGO) xtask seeds $(TOOLS)/fuzz/corpus
	@for target in event policy explain; do \
	    echo "== $$target"; \
	    PATH="$(CURDIR)/$(TOOLS)/fuzz/bin:$$PATH" $(CARGO) +nightly fuzz run $$target $(TOOLS)/fuzz/corpus/$$target -- \
	        -dict=fuzz/aws.dict -max_len=65536 -max_total_time=$(SECONDS) -print_final_stats=1 || exit 1; \
	done

.PHONY: bench-cold
bench-cold: cargo ## the cold start of detect beside an empty Lambda, as ratios in one run
	$(FIXED) $(CARGO) build --locked --profile deploy --target $(HOST) \
	    -p keepwatch-detect -p keepwatch-tests --bin detect --bin noop --bin bench-cold
	target/$(HOST)/deploy/bench-cold

.PHONY: bench-pipeline
bench-pipeline: cargo ## event to alert through the compiled functions at 10, 100 and 1,000 events a second (RATES=10,100 LASTING=30)
	$(CARGO) build --locked --release -p keepwatch-detect -p keepwatch-notify -p keepwatch-tests --bin detect --bin notify --bin bench-pipeline
	target/release/bench-pipeline $(if $(RATES),--rates $(RATES)) $(if $(LASTING),--seconds $(LASTING))

.PHONY: bench-rules
bench-rules: cargo ## what an event costs, beside other engines, as ratios in one run (EVENTS=dir of recorded *.jsonl)
	$(CARGO) build --locked --release -p keepwatch-tests --bin bench-rules
	target/release/bench-rules $(EVENTS)

.PHONY: bench-noise
bench-noise: cargo ## the mails of four ordinary weeks of five people and their machines, with each mail's subject
	$(CARGO) build --locked -p keepwatch-tests --bin bench-noise
	target/debug/bench-noise

.PHONY: bench-replay
bench-replay: cargo ## what a replay costs in time and memory, on generated logs of 1, 2 and 4 GB, in one run (SIZES="1 20")
	$(CARGO) build --locked --release -p keepwatch-cli --bin keepwatch --example inflate
	$(PYTHON) tests/bench_replay.py target/release/keepwatch target/release/examples/inflate $(SIZES)

# The peers are Python packages of their own, which nothing else installs.
.PHONY: bench-policy
bench-policy: cargo ## what a policy costs and what is found in it, beside Cloudsplaining and Prowler, in one run (POLICIES=*.jsonl)
	@$(INSTALL) bench
	$(CARGO) build --locked --release -p keepwatch-policy --example bench_policy
	$(TOOLS)/bench/bin/python tests/bench_policy.py target/release/examples/bench_policy $(POLICIES)

.PHONY: bench-scan-function
bench-scan-function: cargo ## memory, CPU and time of the function that scans, at Lambda's share of a core (USERS=1000,5000)
	$(CARGO) build --locked --release -p keepwatch-scan -p keepwatch-tests --bin scan --bin bench-scan-function
	target/release/bench-scan-function $(if $(USERS),--users $(USERS))

# Prowler needs a quarter of an hour at this size, and as long to be installed.
.PHONY: bench-scan
bench-scan: cargo ## what a scan costs and what it gets wrong, beside Prowler, in one run (SMALL=--small for a quick look)
	@$(INSTALL) moto prowler
	$(CARGO) build --locked --release -p keepwatch-cli
	$(TOOLS)/moto/bin/python tests/posture/bench.py target/release/keepwatch $(TOOLS)/prowler/bin/prowler $(SMALL)

#@ Ship it

# Own rules are checked before they are packed: an invalid one stops the build, not the watch.
.PHONY: build
build: cargo ## the functions for Lambda, into target/lambda/ (ARCH=x86_64 or arm64; SIGMA=folder packs own rules)
	@case "$(ARCH)" in x86_64|arm64) ;; *) echo "ARCH is x86_64 or arm64, not $(ARCH)"; exit 2 ;; esac
	@$(INSTALL) build
	$(if $(SIGMA),$(CARGO) run -q --locked -p keepwatch-cli -- rules check $(SIGMA))
	PATH="$(CURDIR)/$(TOOLS)/build/bin:$$PATH" $(FIXED) $(CARGO) lambda build --locked --profile deploy \
	    -p keepwatch-detect -p keepwatch-notify -p keepwatch-scan -p keepwatch-securityhub \
	    $(if $(filter arm64,$(ARCH)),--arm64,--x86-64) $(if $(SIGMA),--features keepwatch-detect/sigma)
	@rm -rf target/lambda/detect/sigma
	@$(if $(SIGMA),cp -RL $(SIGMA) target/lambda/detect/sigma,true)

# A release is what its commit says: it is refused while something is not committed.
define release-functions
	@$(MAKE) build ARCH=$(1)
	@$(PY) tools/release.py pack "$(RELEASE)" $(1)

endef

.PHONY: release
release: cargo tools ## archives of command line and functions, checksums, SBOM and notes (RELEASE=folder, ARCHES="x86_64 arm64")
	@test -z "$(SIGMA)" || { echo "rules of your own are no part of a release: leave SIGMA out"; exit 2; }
	@$(PY) tools/release.py begin "$(RELEASE)"
	$(foreach arch,$(ARCHES),$(call release-functions,$(arch)))
	$(CARGO) build --locked --release -p keepwatch-cli --bin keepwatch
	@$(PY) tools/release.py cli "$(RELEASE)" target/release/keepwatch
	@$(PY) tools/release.py finish "$(RELEASE)"

# The template stands beside samconfig.toml, because SAM looks for that file where the template is.
.PHONY: released
released: tools
	@test -z "$(SIGMA)" || { echo "a release has no rules of your own: make deploy SIGMA=folder without FROM builds them in"; exit 2; }
	@$(PY) tools/release.py use "$(FROM)" $(ARCH) .from-release.yaml

# Always after a build, or from a release whose sums are right. The first time asks for everything and keeps the
# answers in samconfig.toml; later times use those. Parameters are not given again then: they would replace them all.
.PHONY: deploy
deploy: right-region before-deploy $(if $(FROM),released,build) ## build and deploy to your AWS account; asks the first time (REGION=us-east-1, SIGMA=folder, FROM=release)
	@if [ ! -f samconfig.toml ]; then \
	    $(TOOLS)/venv/bin/sam deploy --guided --template-file $(if $(FROM),.from-release.yaml,template.yaml) --stack-name keepwatch \
	        --region $(REGION) --capabilities CAPABILITY_IAM --parameter-overrides Architecture=$(ARCH) $(if $(SIGMA),SigmaRules=changes); \
	elif [ "$(ARCH)" = "$(SAVED_ARCH)" ]; then \
	    $(TOOLS)/venv/bin/sam deploy --template-file $(if $(FROM),.from-release.yaml,template.yaml) --no-fail-on-empty-changeset; \
	else \
	    echo "samconfig.toml says Architecture=$(SAVED_ARCH) and the functions are built for $(ARCH): change one"; exit 2; \
	fi

# A build takes twenty minutes; what makes a deployment fail is known before.
.PHONY: before-deploy
before-deploy: right-region tools ## look at credentials, region, stack and permissions; changes nothing (LOOK=no leaves it out)
	@$(if $(filter no,$(LOOK)),true,$(PY) tools/before_deploy.py $(if $(filter-out file,$(origin REGION)),--region $(REGION)))

.PHONY: undeploy
undeploy: tools ## remove the stack and its forwarders; says what it keeps (EVERYTHING=yes removes that too, YES=yes does not ask)
	@$(PY) tools/undeploy.py $(if $(filter yes,$(EVERYTHING)),--everything) $(if $(filter yes,$(YES)),--yes)

.PHONY: first-hour
first-hour: tools ## the first hour on a real account: deploy, look, test, a harmless grant, remove (DRY=yes only says; STEPS="doctor ...")
	@$(PY) tools/first_hour.py $(if $(filter yes,$(DRY)),--dry-run) $(STEPS)

# What samconfig.toml says would win over REGION, in silence.
.PHONY: right-region
right-region:
	@saved=$$(sed -n 's/^region = "\(.*\)"/\1/p' samconfig.toml 2> /dev/null); \
	if [ "$(origin REGION)" != "file" ] && [ -n "$$saved" ] && [ "$$saved" != "$(REGION)" ]; then \
	    echo "samconfig.toml says $$saved and you say REGION=$(REGION). Keepwatch's home is $$saved; for other regions: make deploy-regions"; \
	    echo "To move it, remove samconfig.toml; the old stack stays until you delete it."; exit 2; \
	fi

# A rule of EventBridge hears its own region only. These stacks send what other regions hear to the home stack.
.PHONY: deploy-regions
deploy-regions: tools ## let other regions be heard, or bring them up to date (REGIONS=all or eu-west-1,eu-central-1)
	@test -n "$(REGIONS)" || { echo "say which: make deploy-regions REGIONS=all, or REGIONS=eu-west-1,eu-central-1"; exit 2; }
	@$(PY) tools/regions.py deploy $(REGIONS)

.PHONY: undeploy-regions
undeploy-regions: tools ## hear those regions no more (REGIONS=all or a list)
	@test -n "$(REGIONS)" || { echo "say which: make undeploy-regions REGIONS=all, or REGIONS=eu-west-1,eu-central-1"; exit 2; }
	@$(PY) tools/regions.py undeploy $(REGIONS)

#@ Keep what is generated up to date

.PHONY: patterns
patterns: cargo ## write the event rules of template.yaml from what the rules listen to
	@$(CARGO) xtask patterns

.PHONY: docs
docs: cargo ## write docs/rules/ and docs/checks/ from the rules and checks
	@$(CARGO) xtask docs

.PHONY: policy-fields
policy-fields: cargo tools ## list which parameters of AWS's calls carry a policy on a resource, from AWS's models
	@$(CARGO) xtask policy-fields $(wildcard $(TOOLS)/venv/lib/python3*/site-packages/botocore) $(shell date +%F)

# Needs npm, and so is no part of `make lint`: with CHECK=--check it compares and changes nothing.
.PHONY: resource-types
resource-types: cargo ## write the table of the resources that actions work on from AWS's reference; needs npm
	@$(CARGO) xtask resource-types $(CHECK)

# Needs npm. What it finds new is no error: AWS adds calls every week.
.PHONY: coverage
coverage: cargo ## list what AWS has anew that decides over access, keys, logs or identity, and no rule or reason knows; needs npm
	@$(CARGO) xtask coverage

.PHONY: operations
operations: tools ## list what AWS's models have anew that could change the stack, for a person to decide
	@$(PY) tools/operations.py

.PHONY: managed
managed: cargo ## write the table of AWS's managed policies from their documents; again until it says unchanged
	@PYTHON=$(PYTHON) $(CARGO) xtask managed

.PHONY: paths
paths: cargo ## list the escalation paths that others publish and the catalogue has not, for a person to decide
	@PYTHON=$(PYTHON) $(CARGO) xtask paths

.PHONY: posture-operations
posture-operations: tools ## write what botocore's models say of the calls that a scan makes, for a test to compare
	@$(PY) tools/posture_operations.py

.PHONY: clean-tools
clean-tools: ## remove .tools/: installed tools, logs of local runs
	rm -rf $(TOOLS)

.PHONY: cargo
cargo:
	@command -v $(CARGO) > /dev/null || { echo "Rust is not installed. Get it from https://rustup.rs"; exit 1; }

.PHONY: binaries
binaries: cargo
	@$(CARGO) build --locked --workspace --bins --features keepwatch-detect/sigma

.PHONY: tools
tools:
	@command -v $(PYTHON) > /dev/null || { echo "there is no $(PYTHON). Python 3.10 or newer is needed: make PYTHON=python3.12"; exit 1; }
	@$(INSTALL) venv emulator
