# What a release consists of. The workflow `release` signs it; by hand it is good for a look.
.PHONY: dist
dist: setup ## The tarball, its bill of materials and checksums: build/dist
	release/build
