# The chores of Wirelab, each one word. What they do is in scripts/, one file a chore.
.PHONY: help build install uninstall report peers bench slow cluster test interop wirecheck autobahn fuzz abuse demo lint clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build all programs, optimised, into target/release (scripts/programs.sh says where that is)
	cargo build --release --workspace --locked

install: ## Install loadgen, feed-server and report into PREFIX/bin (/usr/local unless told: make install PREFIX=~/.local)
	scripts/install.sh

uninstall: ## Remove what `make install` with the same PREFIX installed
	scripts/install.sh --remove

report: build ## Compare the four transports on this machine and write a report (about four minutes)
	scripts/report.sh

peers: build ## Compare servers in other languages with feed-server and write a report (some fifteen minutes)
	scripts/bench_peers.sh

bench: build ## Measure what a unit of work costs server and generator, beside the floor and others (at most twenty minutes)
	scripts/bench.sh

test: ## Set up what the tests need and run them all
	scripts/test.sh

interop: ## Run what takes heavy components or long minutes (half an hour; scripts/interop.sh --list says what)
	scripts/interop.sh

wirecheck: build ## Hold the bytes that loadgen counts against a packet capture
	scripts/wirecheck.sh

autobahn: build ## Have the Autobahn test suite try both ends of WebSocket (needs Python 2.7)
	scripts/autobahn.sh

fuzz: ## Fuzz what reads bytes of strangers, a minute each
	scripts/fuzz.sh

abuse: build ## Set strangers who mean no good on feed-server for two minutes
	scripts/abuse.sh

slow: build ## Hold the latency of those who read, while a tenth does not, against a run where everybody does
	scripts/slow_readers.sh

cluster: build ## Compare the transports behind nginx, with and without a broker, and kill what can be killed
	scripts/cluster_report.sh

demo: ## Serve a steady feed and a page that shows it over every transport
	scripts/demo.sh

lint: ## Formatting, lints, documentation and the arrows between folders, warnings being errors
	scripts/lint.sh

# What is given to make reaches the scripts through the environment.
export PREFIX DESTDIR

clean: ## Remove what was built; results stay
	cargo clean
