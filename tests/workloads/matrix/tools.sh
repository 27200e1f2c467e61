# A bridge from TCP to a unix socket, as the proxy is reached; ripgrep; sqlite.
socat UNIX-LISTEN:end.sock,fork EXEC:'cat' & end=$!
socat TCP-LISTEN:9555,bind=127.0.0.1,reuseaddr,fork UNIX-CONNECT:end.sock & bridge=$!
for _ in $(seq 100); do [ -S end.sock ] && socat -u OPEN:/dev/null TCP:127.0.0.1:9555 2>/dev/null && break; sleep 0.05; done
test "$(echo across | socat -t 5 - TCP:127.0.0.1:9555)" = across
kill "$bridge" "$end"
mkdir -p tree/{a,b} && seq 2000 >tree/a/numbers && echo 'needle in hay' >tree/b/hay
rg --files-with-matches needle tree | grep -qx tree/b/hay && rg --count '^19' tree/a/numbers | grep -qx 111
sqlite3 data.db 'pragma journal_mode=wal; create table t (x); insert into t values (1), (2); select sum(x) from t;' | grep -qx 3
sqlite3 data.db .dump | sqlite3 copy.db && sqlite3 copy.db 'select count(*) from t' | grep -qx 2
