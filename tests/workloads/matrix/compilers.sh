# C and C++ with make, link-time optimisation, a shared library and a debugger's symbols.
cat >main.c <<'C'
#include <stdio.h>
int twice(int);
int main(void) { printf("%d\n", twice(21)); return 0; }
C
echo 'int twice(int n) { return 2 * n; }' >twice.c
printf '#include <thread>\n#include <iostream>\nint main() { std::thread t([] { std::cout << 42 << std::endl; }); t.join(); }\n' >threads.cc
cat >Makefile <<'MAKE'
all: program threads
program: main.o libtwice.so
	gcc -o $@ main.o -L. -ltwice -Wl,-rpath,'$$ORIGIN'
libtwice.so: twice.c
	gcc -shared -fPIC -g -o $@ $<
threads: threads.cc
	g++ -O2 -flto -pthread -o $@ $<
MAKE
make --silent --jobs 2
test "$(./program)" = 42 && test "$(./threads)" = 42
strip program && ldd program | grep -q libtwice.so && ar rcs libtwice.a main.o && nm libtwice.so | grep -q twice
