# npm installs a local tarball, with a dependency that is a tarball too, and runs scripts of it.
# timeout: 120
export HOME=$PWD npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false npm_config_offline=true
command -v npm >/dev/null || exit 98
mkdir inner outer app
cat >inner/package.json <<'JSON'
{ "name": "inner", "version": "1.0.0", "main": "index.js" }
JSON
echo 'module.exports = (n) => n * 2;' >inner/index.js
(cd inner && npm pack --silent --pack-destination ..)
cat >outer/package.json <<JSON
{ "name": "outer", "version": "2.0.0", "bin": { "outer": "bin.js" }, "dependencies": { "inner": "file:$PWD/inner-1.0.0.tgz" } }
JSON
printf '#!/usr/bin/env node\nconsole.log("outer says", require("inner")(21));\n' >outer/bin.js
(cd outer && npm pack --silent --pack-destination ..)
cd app
echo '{ "name": "app", "version": "0.0.0", "scripts": { "start": "outer" } }' >package.json
npm install --silent ../outer-2.0.0.tgz; echo "install $?"
npm start --silent; echo "start $?"
npm ls --all 2>&1 | sed "s|$HOME||"
node -e 'const fs = require("fs"); fs.promises.readdir("node_modules").then((names) => console.log(names.sort().join(" ")))'
node -e 'const { Worker } = require("worker_threads"); new Worker("require(\"worker_threads\").parentPort.postMessage(6 * 7)", { eval: true }).on("message", (m) => console.log(m))'
