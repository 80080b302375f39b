"""Real programs to learn policies for, each with a small job that can be done again and again with the same outcome."""

from typing import NamedTuple

from tests.proof.jobs import POSTGRES

_AUTHOR = (
    ("GIT_AUTHOR_NAME", "Ann"),
    ("GIT_AUTHOR_EMAIL", "ann@example.org"),
    ("GIT_COMMITTER_NAME", "Ann"),
    ("GIT_COMMITTER_EMAIL", "ann@example.org"),
)
_REPOSITORY = "git init -q in/r; cp in/text in/r; git -C in/r add text; git -C in/r commit -qm one"
# Waits end after a while: a program that is denied too much must not hang.
_TURNS = "for turn in $(seq 100); do"
_WAIT = f"{_TURNS} curl -s --noproxy '*' -o /dev/null http://127.0.0.1:$PORT0/ && break; sleep 0.05; done"


class Program(NamedTuple):
    """A program's work. ``command`` is run by sh(1), after ``first`` has prepared for it, without a policy.

    ``protected`` are the protected places in the home directory that it needs. One that ``hides`` its memory, as
    gpg-agent does by prctl(2) PR_SET_DUMPABLE, can be learned by root only: nobody else sees its calls.
    """

    name: str
    needs: tuple[str, ...]
    command: str
    first: str = ""
    files: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    unprivileged: bool = False
    protected: tuple[str, ...] = ()
    hides: bool = False


PROGRAMS: tuple[Program, ...] = (
    Program("git-clone", ("git",), "git clone -q file://$PWD/in/r out/r.$$", _REPOSITORY, env=_AUTHOR),
    Program("git-commit", ("git",), "cd in/r && date >>text && git commit -qam two", _REPOSITORY, env=_AUTHOR),
    Program(
        "pip",
        ("/usr/bin/python3", "/usr/bin/pip3"),
        "/usr/bin/pip3 install -q --no-index --find-links in --upgrade --target out/site work",
        "/usr/bin/python3 -I in/wheel.py in",
        files=(("in/wheel.py", "wheel.py"),),
    ),
    Program(
        "python",
        ("/usr/bin/python3",),
        '/usr/bin/python3 -c "import ssl, sqlite3; ssl.create_default_context(); '
        "sqlite3.connect('out/base').execute('create table if not exists t (a)')\"",
    ),
    Program("gcc", ("gcc",), "gcc -O1 -o out/main in/main.c && out/main"),
    Program("make", ("make", "gcc"), "make -s -C in -j2 -B"),
    Program(
        "cargo",
        ("/usr/bin/cargo", "gcc"),
        "touch in/src/main.rs && /usr/bin/cargo --quiet --offline build --manifest-path in/Cargo.toml",
        "mkdir in/src; mv in/main.rs in/src",
        files=(("in/Cargo.toml", "cargo.toml"), ("in/main.rs", "main.rs")),
    ),
    Program(
        "java",
        ("java", "javac"),
        "javac -J-XX:TieredStopAtLevel=1 -d out in/Work.java && java -XX:TieredStopAtLevel=1 -cp out Work",
        files=(("in/Work.java", "Work.java"),),
    ),
    Program(
        "npm",
        ("npm",),
        "cd out && npm --offline --no-audit --no-fund --no-update-notifier install ../in/package",
        'mkdir in/package; echo \'{"name": "work", "version": "1.0.0"}\' >in/package/package.json',
        env=(("UV_USE_IO_URING", "0"),),
    ),
    Program(
        "node",
        ("node",),
        "node -e \"const http = require('http');"
        " const server = http.createServer((request, answer) => answer.end('hi'));"
        " server.listen($PORT0, '127.0.0.1', () => http.get({port: $PORT0, host: '127.0.0.1'}, (answer) =>"
        " { answer.resume(); answer.on('end', () => server.close()); }));\"",
        env=(("UV_USE_IO_URING", "0"),),
    ),
    Program(
        "nginx",
        ("nginx", "curl"),
        f"nginx -c $PWD/in/nginx.conf & {_WAIT}; curl -sf --noproxy '*' http://127.0.0.1:$PORT0/in/text;"
        " status=$?; kill -QUIT $!; wait; exit $status",
        files=(("in/nginx.conf", "nginx.conf"),),
    ),
    Program(
        "redis",
        ("redis-check-rdb", "redis-cli"),
        "cd out; ./redis-server --port $PORT0 --bind 127.0.0.1 --dir . --logfile log & server=$!;"
        f" {_TURNS} redis-cli -p $PORT0 set a b 2>/dev/null && break; sleep 0.05; done;"
        " redis-cli -p $PORT0 shutdown save; kill $server; wait $server",
        # Debian's server package would start a service; the program for checking dumps is the same binary.
        "ln -s $(command -v redis-check-rdb) out/redis-server",
    ),
    Program(
        "postgres",
        ("setpriv", f"{POSTGRES}/initdb"),
        "rm -rf out/base && $POSTGRES/initdb -N -A trust -D out/base -U owner --no-locale",
        unprivileged=True,
    ),
    Program(
        "sqlite3",
        ("sqlite3",),
        "sqlite3 out/base 'create table if not exists t (a); insert into t values (1); select * from t'",
    ),
    Program("tar", ("tar", "gzip"), "tar czf out/all.tgz in && tar xzf out/all.tgz -C half"),
    Program("rsync", ("rsync",), "rsync -a --delete in/ half/"),
    Program("vim", ("vim.tiny",), "vim.tiny -es +1d +wq out/text && echo again >>out/text"),
    Program("ssh-keygen", ("ssh-keygen",), "rm -f out/key* && ssh-keygen -q -t ed25519 -N '' -f out/key"),
    Program(
        "gpg",
        ("gpg", "gpg-agent", "gpgconf"),
        "gpg --batch --yes -q -o out/text.sig --detach-sign in/text && gpg --batch -q --verify out/text.sig in/text;"
        " status=$?; gpgconf --kill all; exit $status",
        "mkdir -m 700 $HOME/.gnupg; gpg --batch -q --passphrase '' --quick-gen-key a@b ed25519 sign never;"
        " gpgconf --kill all",
        protected=(".gnupg",),
        hides=True,
    ),
    Program(
        "openssl",
        ("openssl",),
        "openssl genpkey -algorithm ed25519 -out out/key &&"
        " openssl req -new -x509 -key out/key -subj /CN=x -out out/cert",
    ),
    Program(
        "curl",
        ("curl", "/usr/bin/python3"),
        "rm -f out/ready; /usr/bin/python3 -I -S in/serve.py $PORT0 &"
        f" {_TURNS} [ -e out/ready ] && break; sleep 0.05; done;"
        " curl -sf --noproxy '*' -o out/page http://127.0.0.1:$PORT0/in/text http://127.0.0.1:$PORT0/in/table;"
        " status=$?; kill $!; wait; exit $status",
        files=(("in/serve.py", "serve.py"),),
    ),
    Program(
        "http.server",
        ("curl", "/usr/bin/python3"),
        f"/usr/bin/python3 -m http.server --bind 127.0.0.1 -d in $PORT0 & {_WAIT};"
        " curl -sf --noproxy '*' http://127.0.0.1:$PORT0/text; status=$?; kill $!; wait; exit $status",
    ),
    Program("find", ("find",), "find in -name '*.c' -exec grep -l main {} +"),
    Program("man", ("man",), "man -l in/work.1 | tail -n 3", files=(("in/work.1", "work.1"),)),
    Program(
        "tmux",
        ("tmux",),
        "tmux -S out/t -f /dev/null new -d 'cat in/text >out/copy; tmux -S out/t wait -S done; read line';"
        " tmux -S out/t wait done; tmux -S out/t kill-server",
    ),
)
