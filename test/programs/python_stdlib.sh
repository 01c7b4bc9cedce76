# python3: subprocess, threading, multiprocessing, mmap, json, sqlite3, asyncio, sockets.
cat >t.py <<'END'
import asyncio, concurrent.futures, ctypes, fcntl, hashlib, json, mmap, multiprocessing, os, queue, select, shutil, signal, socket, sqlite3, subprocess, sys, tempfile, threading, time
def square(x): return x * x
def worker(q, n):
    q.put((n, os.getpid() != 1)); sys.exit(n)
def main():
    print(subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout.strip())
    print(subprocess.run("exit 7", shell=True).returncode, subprocess.call(["sh", "-c", "kill -9 $$"]))
    p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE); print(len(p.communicate(b"x" * 1000000)[0]))
    try: subprocess.run(["sleep", "10"], timeout=0.2)
    except subprocess.TimeoutExpired as e: print("timeout", type(e).__name__)
    try: subprocess.run(["/no/such"])
    except FileNotFoundError as e: print(e)
    total = 0; lock = threading.Lock()
    def add():
        nonlocal total
        for _ in range(10000):
            with lock: total += 1
    ts = [threading.Thread(target=add) for _ in range(8)]; [t.start() for t in ts]; [t.join() for t in ts]; print(total)
    ev = threading.Event(); threading.Timer(0.1, ev.set).start(); print(ev.wait(5), ev.wait(0.01))
    q = queue.Queue(); threading.Thread(target=lambda: [q.put(i) for i in range(100)]).start(); print(sum(q.get() for _ in range(100)))
    with concurrent.futures.ThreadPoolExecutor(4) as ex: print(sum(ex.map(square, range(1000))))
    with multiprocessing.Pool(4) as pool: print(sum(pool.map(square, range(1000))))
    for method in ("fork", "spawn", "forkserver"):
        ctx = multiprocessing.get_context(method); mq = ctx.Queue(); ps = [ctx.Process(target=worker, args=(mq, n)) for n in range(3)]
        [p.start() for p in ps]; print(method, sorted(mq.get() for _ in ps)); [p.join() for p in ps]; print([p.exitcode for p in ps])
    v = multiprocessing.Value("i", 0); l = multiprocessing.Lock()
    def inc():
        for _ in range(500):
            with l: v.value += 1
    ps = [multiprocessing.Process(target=inc) for _ in range(4)]; [p.start() for p in ps]; [p.join() for p in ps]; print(v.value)
    from multiprocessing import shared_memory
    shm = shared_memory.SharedMemory(create=True, size=4096); shm.buf[:5] = b"hello"; other = shared_memory.SharedMemory(name=shm.name); print(bytes(other.buf[:5])); other.close(); shm.close(); shm.unlink()
    with open("m.bin", "wb+") as f:
        f.write(b"\0" * 100000); f.flush(); m = mmap.mmap(f.fileno(), 0); m[50000:50005] = b"hello"; m.flush(); f.seek(50000); print(f.read(5), m.find(b"hello")); m.resize(200000); print(len(m), os.fstat(f.fileno()).st_size); m.close()
    m = mmap.mmap(-1, 1 << 20); pid = os.fork()
    if pid == 0: m[0:3] = b"kid"; os._exit(0)
    os.waitpid(pid, 0); print(m[0:3])
    data = {"a": [1, 2.5, None, True], "b": {"c": "é"}}; print(json.loads(json.dumps(data)) == data, hashlib.sha256(json.dumps([list(range(10000))]).encode()).hexdigest()[:16])
    db = sqlite3.connect("t.db"); db.execute("create table t(a integer primary key, b text)"); db.executemany("insert into t(b) values(?)", [(f"row{i}",) for i in range(5000)]); db.commit()
    print(db.execute("select count(*), max(a), min(b) from t").fetchone(), db.execute("pragma integrity_check").fetchone()); db.execute("pragma journal_mode=wal"); db.execute("delete from t where a % 2"); db.commit(); print(sqlite3.connect("t.db").execute("select count(*) from t").fetchone()); db.close()
    async def echo_server():
        async def handle(r, w):
            w.write((await r.readline()).upper()); await w.drain(); w.close()
        s = await asyncio.start_unix_server(handle, "sock"); r, w = await asyncio.open_unix_connection("sock"); w.write(b"hello\n"); print(await r.readline()); w.close(); s.close()
        proc = await asyncio.create_subprocess_exec("sh", "-c", "read x; echo got $x", stdin=-1, stdout=-1); print((await proc.communicate(b"in\n"))[0]); await asyncio.gather(*[asyncio.sleep(0.05) for _ in range(100)])
    asyncio.run(echo_server())
    a, b = socket.socketpair(); a.send(b"x"); print(select.select([b], [], [], 1)[0] == [b], b.recv(1)); a.close(); b.close()
    hits = []; signal.signal(signal.SIGALRM, lambda *_: hits.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02); t = time.monotonic()
    while len(hits) < 5 and time.monotonic() - t < 5: time.sleep(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0); print(len(hits) >= 5)
    d = tempfile.mkdtemp(dir="."); open(d + "/f", "w").write("z"); print(os.listdir(d), shutil.copytree(d, d + "2") == d + "2"); shutil.rmtree(d); print(os.path.exists(d))
    with open("lk", "w") as f: fcntl.lockf(f, fcntl.LOCK_EX); fcntl.flock(f, fcntl.LOCK_SH); print("locked")
    print(ctypes.CDLL(None).strlen(b"ctypes"), sum(i * i for i in range(300000)), os.getcwd() == os.environ["PWD"], len(os.urandom(16)))
    r, w = os.pipe(); os.write(w, b"pp"); print(os.read(r, 10)); print(os.cpu_count() == len(os.sched_getaffinity(0)))
    os.kill(os.getpid(), signal.SIGTERM)
if __name__ == "__main__": main()
END
/usr/bin/python3 t.py; echo "status $?"
/usr/bin/python3 -c 'import sys; sys.exit(3)'; echo "status $?"
/usr/bin/python3 -c 'import ctypes; ctypes.string_at(0)' 2>/dev/null; echo "status $?"
/usr/bin/python3 -m compileall -q t.py; ls __pycache__
