# What a workload needs and the profiles would refuse: make record WORKLOAD=git, or a program of your own.
.PHONY: record
record: setup ## Traces WORKLOAD (a name of the matrix, or a .sh or .py program; ARCHIVE=image.tar for an image of your own)
	@PYTHONPATH=tests $(BIN)/python tests/workloads/record.py $(WORKLOAD) $(if $(ARCHIVE),--archive $(ARCHIVE))
