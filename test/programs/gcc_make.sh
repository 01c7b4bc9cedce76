# gcc compiles and runs programs; make -j4 builds many.
cat >hello.c <<'END'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static void *run(void *p) { return (void *)((long)p * 2); }
int main(int argc, char **argv) {
  pthread_t t; void *r; pthread_create(&t, 0, run, (void *)21L); pthread_join(t, &r);
  printf("hello %d %.6f %ld %s\n", argc, sin(1.0), (long)r, argv[1]); return 17;
}
END
gcc -O2 -Wall -o hello hello.c -lm -pthread && ./hello arg; echo "status $?"
gcc -O2 -static -o hello-static hello.c -lm -pthread && ./hello-static arg; echo "status $?"
gcc -g -fsanitize=undefined -o hello-ub hello.c -lm -pthread && ./hello-ub arg; echo "status $?"
echo 'int main(void) { return undeclared; }' >bad.c; gcc bad.c 2>&1 | grep -c error; g++ -x c++ -o cpp - <<'END' && ./cpp
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() { std::map<std::string, int> m; for (int i = 0; i < 1000; i++) m["k" + std::to_string(i % 10)] += i; for (auto &e : m) std::cout << e.first << "=" << e.second << " ";
  std::vector<std::thread> v; int n[4]; for (int i = 0; i < 4; i++) v.emplace_back([&n, i] { n[i] = i * i; }); for (auto &t : v) t.join();
  try { throw std::runtime_error("caught"); } catch (const std::exception &e) { std::cout << e.what() << " " << n[3] << std::endl; } }
END
mkdir proj; cd proj
for i in $(seq 40); do echo "int f$i(int x) { int s = 0; for (int i = 0; i < x; i++) s += i ^ $i; return s; }" >f$i.c; done
{ for i in $(seq 40); do echo "int f$i(int);"; done; echo '#include <stdio.h>'; echo 'int main(void) { long s = 0;'; for i in $(seq 40); do echo "s += f$i(1000);"; done; echo 'printf("%ld\n", s); return 0; }'; } >main.c
cat >Makefile <<'END'
OBJS := $(patsubst %.c,%.o,$(wildcard *.c))
prog: libf.a main.o
	@$(CC) -o $@ main.o -L. -lf
libf.a: $(filter-out main.o,$(OBJS))
	@ar rc $@ $^ && ranlib $@
%.o: %.c
	@$(CC) -O1 -c -o $@ $<
clean:
	@rm -f *.o *.a prog
END
make -j4 && ./prog; make -j4 | sed "s/'//g"; touch f3.c; make -j4 -n | wc -l; make clean; ls | wc -l
printf 'all: a b c d\na b c d:\n\t@sleep 0.2; echo done > $@.out\nfail:\n\t@exit 3\n' >M2; make -s -j4 -f M2 && cat *.out; make -f M2 fail 2>/dev/null; echo "status $?"
