# Static and dynamic hello, glibc and busybox; what cannot be started.
printf '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }\n' >hello.c
gcc -o dynamic hello.c && ./dynamic; echo "status $?"
gcc -static -o static hello.c && ./static; echo "status $?"
gcc -static-pie -o static-pie hello.c && ./static-pie; echo "status $?"
gcc -no-pie -o no-pie hello.c && ./no-pie; echo "status $?"
busybox echo hello; busybox sh -c 'exit 4'; echo "status $?"
./missing; echo "status $?"; touch plain; ./plain; echo "status $?"; chmod +x plain; ./plain; echo "status $?"
head -c 100 dynamic >short; chmod +x short; ./short; echo "status $?"
printf '#!/no/such/interpreter\n' >script; chmod +x script; ./script; echo "status $?"
