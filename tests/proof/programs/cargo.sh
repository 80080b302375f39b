export CARGO_HOME=$PWD/home
mkdir out/crate out/crate/src
cp in/Cargo.toml out/crate
cp in/main.rs out/crate/src
cargo="cargo --quiet --offline build --jobs 1 --manifest-path out/crate/Cargo.toml --target-dir"
$cargo out/target
out/target/debug/work
$cargo closed/target
CARGO_HOME=$PWD/closed $cargo half/target
