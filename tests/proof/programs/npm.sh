mkdir out/package home/app
printf '{"name": "work", "version": "1.0.0"}' >out/package/package.json
npm="npm --offline --no-audit --no-fund --no-progress"
$npm install --install-links --prefix home/app ./out/package
$npm install --install-links --prefix half/sub ./out/package
