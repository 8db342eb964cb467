# Orlop's entry point: `make help` lists the targets. CI runs the same ones.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Everything that a build downloads or makes, besides cargo's own target/, is here; git ignores it.
BUILD := build
IMAGES := $(BUILD)/images
TOOLS := target/debug
INITRD_TARGET := target/static
INITRD := $(INITRD_TARGET)/x86_64-unknown-linux-gnu/release
# Of the programs in the image: release, or dev, which is built again much faster and is some 20 MB larger.
PROFILE ?= release
AGENT := $(if $(filter dev,$(PROFILE)),$(BUILD)/programs,target/release)
MACHINE ?= qemu
NAME ?= node
FUZZ_SECONDS ?= 60
# Machines, mounts and the packages' unpacking need root.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$$PATH")
PURE_AND_UNIT := --workspace --exclude orlop-machines

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: ## install what building and testing needs (Debian 12 or 13; asks for root by sudo)
	@$(SUDO) buildroot/install-build-deps.sh

.PHONY: programs
programs: setup ## build what goes into the image (PROFILE=release or dev) and the tools (dev)
ifeq ($(PROFILE),dev)
	cargo build --locked -p orlopd -p orlop
	mkdir -p $(AGENT)
	for program in orlopd orlop; do \
		[ $(AGENT)/$$program -nt target/debug/$$program ] || strip -o $(AGENT)/$$program target/debug/$$program; \
	done
else
	cargo build --release --locked -p orlopd -p orlop
endif
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked \
		--target x86_64-unknown-linux-gnu --target-dir $(INITRD_TARGET) -p orlop-initrd -p orlop-terminal
	cargo build --locked -p orlop -p orlop-image-tool -p orlop-machines

.PHONY: images
images: programs ## build OS images 1 to 4 and the sample containers
	@$(MAKE) --no-print-directory $(IMAGES)/built-$(PROFILE)

# Version 3 differs from 2 by its name alone: in the demo it is its container that is sick. Version 4's
# kernel is told to start a program that is not in its initrd, so it panics.
IMAGE_INPUTS := $(AGENT)/orlopd $(AGENT)/orlop $(TOOLS)/orlop-image $(TOOLS)/orlop-test-app $(INITRD)/orlop-initrd $(INITRD)/orlop-terminal \
	$(shell find buildroot -type f -not -path 'buildroot/initrd/*')
$(IMAGES)/built-$(PROFILE): $(IMAGE_INPUTS)
	@$(SUDO) rm -rf $(IMAGES).new && mkdir -p $(IMAGES).new
	@for version in 1 2 3; do \
		echo "building OS image $$version"; \
		$(SUDO) $(TOOLS)/orlop-image build --bin $(AGENT) --bin $(INITRD) --version $$version --output $(IMAGES).new/os >/dev/null; \
	done
	@echo "building OS image 4"
	@$(SUDO) $(TOOLS)/orlop-image build --bin $(AGENT) --bin $(INITRD) --version 4 \
		--kernel-arg rdinit=/missing --output $(IMAGES).new/os >/dev/null
	@$(SUDO) $(TOOLS)/orlop-machine samples $(IMAGES).new/app
	@$(SUDO) rm -rf $(IMAGES) && mv $(IMAGES).new $(IMAGES) && touch $@

.PHONY: workloads
workloads: setup ## build the container images of docs/examples/shop.toml from Debian packages
	@$(SUDO) buildroot/workloads/build.sh $(BUILD)/cache

.PHONY: demo
demo: images ## a good update and two bad ones, on a real machine in QEMU
	@$(SUDO) $(TOOLS)/orlop-demo

.PHONY: run
run: images ## boot one node (MACHINE=qemu or namespace, NAME=node) and leave it running
	@$(SUDO) buildroot/run-node.sh $(MACHINE) $(NAME) $(IMAGES) $(TOOLS)

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: check
check: setup ## format, lints, docs, unit, property and golden tests, crash matrix (tiers T0-T3)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
	$(SUDO) rm -f target/tmp/crash-matrix*
	$(SUDO) cargo nextest run --locked $(PURE_AND_UNIT)
	@cat target/tmp/crash-matrix* | awk '{ n[/pairs/] += $$1 } END { print "crash matrix: " n[0] " cuts and " n[1] " pairs of cuts, 0 lost" }'
	cargo nextest run --locked -p orlop-machines --test tidy
	cargo test --doc --locked --quiet $(PURE_AND_UNIT)

.PHONY: test
test: check images workloads ## everything: check, and the machines in namespaces and in QEMU (tiers T0-T5)
	$(SUDO) cargo nextest run --locked -p orlop-machines

.PHONY: test-long
test-long: images workloads ## what takes too long for every day: the shop of docs/examples emulated, with limits; twenty power cuts
	$(SUDO) cargo nextest run --locked -p orlop-machines --ignore-default-filter \
		-E 'binary(qemu_workloads) or test(loses_its_power_twenty_times)'

.PHONY: deny
deny: ## licences, advisories and duplicates of the dependencies (installs cargo-deny where missing)
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --all-features check
	cargo deny --manifest-path fuzz/Cargo.toml check --config deny.toml

.PHONY: bench
bench: images ## measure image, agent and containers next to podman and ctr; write docs/benchmarks.md
	@peers=$$($(SUDO) buildroot/peers.sh $(BUILD)/cache) && \
		$(SUDO) $(TOOLS)/orlop-bench --peers "$$peers" --write docs/benchmarks.md

.PHONY: fuzz
fuzz: setup ## feed every parser of outside bytes with FUZZ_SECONDS=60 of inputs that look for trouble (tier T6)
	cargo clippy --quiet --manifest-path fuzz/Cargo.toml --target-dir target/fuzz -- -D warnings
	@FUZZ_SECONDS=$(FUZZ_SECONDS) buildroot/fuzz.sh

.PHONY: power-cuts
power-cuts: images ## record an update in QEMU, and check the disk after thousands of power cuts
	@$(SUDO) $(TOOLS)/orlop-power-cuts --boot 21 --write docs/reliability.md

.PHONY: clean
clean: ## remove what was built; downloads are kept in build/cache
	cargo clean
	[ ! -d $(BUILD) ] || $(SUDO) find $(BUILD) -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +
