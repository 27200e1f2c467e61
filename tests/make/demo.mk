# The demo: the main job on a disposable VM.
.PHONY: demo demo-down
demo: setup ## From a bare VM to a proven workspace: site.yml, a container, attacks, a report
	@$(BIN)/python demo/run.py

demo-down: ## Ends the demo's VM
	@python3 molecule/shared/vm down demo
