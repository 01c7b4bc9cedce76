# Builds lua from its Debian source with make, then runs the source's test programs.
# source: lua5.1
# timeout: 90
cp -r "$1" src && cd src || exit 98
printf "#define DEB_HOST_MULTIARCH \"x86_64-linux-gnu\"\n" >src/lua5.1-deb-multiarch.h
cat >test.mk <<'MAKE'
CFLAGS = -O1 -DLUA_USE_POSIX -DLUA_USE_DLOPEN
OBJECTS = $(patsubst %.c,%.o,$(filter-out src/luac.c src/print.c,$(wildcard src/*.c)))
lua: $(OBJECTS)
	$(CC) -o $@ $(OBJECTS) -lm -ldl
MAKE
make -j2 -s -f test.mk 2>&1 || exit 1
./lua -v
for test in bisect cf echo env factorial fibfor life luac printf readonly sieve sort trace-calls; do
  echo "== $test"
  timeout 60 ./lua "test/$test.lua" 12 <test/hello.lua 2>&1 | grep -av 'sec$\|^Hello there\|table: 0x\|function: 0x\|[0-9]\.[0-9]* *$' | head -200
done
./lua test/table.lua 2>&1 | head -2 | wc -l
./lua test/xd.lua <test/fib.lua
