# Orlop's entry point: `make help` lists the targets. CI runs the same ones.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Everything that a build downloads or makes, besides cargo's own target/, is here; git ignores it.
BUILD := build
BIN := target/release
INITRD_TARGET := target/static
VERSIONS := 1 2
MACHINE ?= qemu
NAME ?= node
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$$PATH")
PURE_AND_UNIT := --workspace --exclude orlop-machines

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: ## install what building and testing needs (Debian 12 or 13; asks for root by sudo)
	@$(SUDO) buildroot/install-build-deps.sh

.PHONY: build
build: setup ## build the programs that go into the image, and the tools
	cargo build --release --locked -p orlopd -p orlop -p orlop-image-tool -p orlop-machines
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked \
		--target x86_64-unknown-linux-gnu --target-dir $(INITRD_TARGET) -p orlop-initrd

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: check
check: setup ## format, lints, docs, unit, property and golden tests, crash matrix (tiers T0-T3)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
	cargo nextest run --locked $(PURE_AND_UNIT)
	cargo test --doc --locked --quiet $(PURE_AND_UNIT)

.PHONY: deny
deny: ## licences, advisories and duplicates of the dependencies (installs cargo-deny where missing)
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --all-features check

.PHONY: clean
clean: ## remove what was built; downloads are kept in build/cache
	cargo clean
	find $(BUILD) -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} + 2>/dev/null || true
