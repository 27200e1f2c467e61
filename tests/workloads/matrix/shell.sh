# What scripts do all day: files, links, archives, text, processes, a terminal.
mkdir -p a/b && printf 'three\ntwo\none\n' >a/words && sort a/words | uniq -c >a/counted
test "$(wc -l <a/counted)" -eq 3
cp -a a copy && mv copy/words copy/renamed && ln a/words a/hard && ln -s words a/soft && test "$(readlink a/soft)" = words
touch -d 2001-01-01 a/b/old && test -n "$(find a -name old -not -newer a/words)"
chmod 700 a/b && stat --format %a a/b | grep -qx 700
tar --create --gzip --file a.tar.gz a && tar --create --xz --file a.tar.xz a && mkdir out && tar -xf a.tar.xz -C out
diff -r a out/a
sed -n 's/^t/T/p' a/words | awk '{ print length($0) }' | paste -sd+ | grep -qx 5+3
dd if=/dev/zero of=zeroes bs=64k count=16 status=none && truncate --size 1M sparse && cmp zeroes sparse && rm zeroes sparse
mkfifo pipe && (echo through >pipe &) && read -r line <pipe && test "$line" = through
seq 100 | xargs -P 4 -n 10 echo | wc -l | grep -qx 10
timeout 5 sleep 0.1 && ! timeout 0.1 sleep 5
(trap 'echo caught; exit 0' TERM; kill -TERM $BASHPID; sleep 1) | grep -qx caught
nice -n 5 true && nohup true >/dev/null 2>&1 && setsid true && flock a/words true
script --quiet --return --command 'tty && stty size' /dev/null </dev/null | grep -q /dev/pts/
ps -e -o pid,comm | grep -q bash
openssl rand -hex 8 | grep -qE '^[0-9a-f]{16}$' && sha256sum a/words | cut -c1-8 >sum
perl -e 'use POSIX; print POSIX::getpid() == $$ ? "same\n" : "other\n"' | grep -qx same
df . >/dev/null && du -s a >/dev/null && id -un | grep -qx appuser && uname -r >/dev/null && nproc >/dev/null
