# A virtual environment of its own, a wheel and a source archive built and installed, without any index.
python3 -m venv --system-site-packages env
mkdir -p project/src/greeting && cd project
printf 'def hello():\n    return "hello"\n' >src/greeting/__init__.py
cat >pyproject.toml <<'TOML'
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "greeting"
version = "1.0"
[project.scripts]
greet = "greeting:hello"
TOML
cd ..
pip=(env/bin/pip --quiet --disable-pip-version-check --no-cache-dir)
"${pip[@]}" wheel --no-index --no-build-isolation --no-deps --wheel-dir wheels ./project
"${pip[@]}" install --no-index --no-deps wheels/greeting-1.0-*.whl
env/bin/python -c 'import greeting'
"${pip[@]}" uninstall --yes greeting
tar --create --gzip --transform 's,^project,greeting-1.0,' --file greeting-1.0.tar.gz project
"${pip[@]}" install --no-index --no-build-isolation --no-deps greeting-1.0.tar.gz
test "$(env/bin/python -c 'import greeting; print(greeting.hello())')" = hello
pip --quiet --disable-pip-version-check install --no-index --no-deps wheels/greeting-1.0-*.whl
/opt/venv/bin/python -c 'import greeting'
