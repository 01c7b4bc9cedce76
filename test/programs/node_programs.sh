# node: JIT, worker threads, child processes, streams, file system, http over a unix socket, wasm.
cat >t.mjs <<'END'
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads"; import { execFileSync, spawn, fork } from "node:child_process"; import fs from "node:fs"; import crypto from "node:crypto"; import zlib from "node:zlib"; import http from "node:http"; import { pipeline } from "node:stream/promises"; import { setTimeout as sleep } from "node:timers/promises"; import os from "node:os";
const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
if (!isMainThread) { const view = new Int32Array(workerData.shared); for (let i = 0; i < 10000; i++) Atomics.add(view, 0, 1); parentPort.postMessage(fib(workerData.n)); }
else if (process.argv[2] === "child") { process.on("message", (m) => { process.send(m * 2, () => process.disconnect()); }); }
else {
  console.log(fib(25)); const shared = new SharedArrayBuffer(4);
  console.log(await Promise.all([20, 21, 22, 23].map((n) => new Promise((ok, no) => new Worker(new URL(import.meta.url), { workerData: { n, shared } }).on("message", ok).on("error", no))))); console.log(new Int32Array(shared)[0]);
  console.log(execFileSync("echo", ["from child"]).toString().trim()); const c = spawn("cat"); c.stdin.end("x".repeat(200000)); let n = 0; for await (const d of c.stdout) n += d.length; console.log(n);
  const f = fork(new URL(import.meta.url), ["child"]); const left = new Promise((r) => f.on("exit", r)); f.send(21); console.log(await new Promise((r) => f.on("message", r))); await left;
  fs.writeFileSync("a.txt", "a".repeat(1e6)); await pipeline(fs.createReadStream("a.txt"), zlib.createGzip(), fs.createWriteStream("a.gz")); console.log(zlib.gunzipSync(fs.readFileSync("a.gz")).length); await fs.promises.mkdir("d/e/f", { recursive: true }); console.log(await fs.promises.readdir("d")); fs.rmSync("d", { recursive: true });
  console.log(crypto.createHash("sha256").update("x").digest("hex").slice(0, 16)); const s = http.createServer((q, r) => r.end(q.url)); await new Promise((r) => s.listen("http.sock", r)); console.log(await new Promise((ok) => http.get({ socketPath: "http.sock", path: "/hello" }, (r) => r.on("data", (d) => ok(String(d)))))); s.close();
  const m = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]))); console.log(m.exports.add(40, 2));
  let sum = 0; for (let r = 0; r < 200; r++) { const a = Array.from({ length: 10000 }, (_, i) => ({ i })); sum += a.reduce((x, y) => x + y.i, 0); } console.log(sum); const t = performance.now(); await sleep(100); const dt = performance.now() - t; console.log(dt > 90 && dt < 1000); process.on("SIGUSR2", () => console.log("usr2")); process.kill(process.pid, "SIGUSR2"); await sleep(50); console.log(os.cpus().length > 0, process.memoryUsage().rss > 1e7); process.exitCode = 5;
}
END
node t.mjs; echo "status $?"; node -e 'throw new Error("x")' 2>/dev/null; echo "status $?"; echo 'console.log(process.argv.length, 0.1 + 0.2)' | node - a b; node -p 'Object.keys(process.versions).includes("v8")'
node --max-old-space-size=64 -e 'let a = []; for (let i = 0; i < 200; i++) { a = new Array(100000).fill(i); } console.log(a[5])'
