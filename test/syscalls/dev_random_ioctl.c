// What an ordinary user may ask of the random devices; memory policies that ask for a capability.
#include "check.h"
#include <linux/mempolicy.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

int main(void) {
	int fd = open("/dev/urandom", O_RDWR), n = 0;
	MUST(setuid(1000));
	SHOW(ioctl(fd, RNDGETENTCNT, &n));
	SHOW(ioctl(fd, RNDADDTOENTCNT, &n));
	SHOW(ioctl(fd, RNDADDENTROPY, &n));
	SHOW(ioctl(fd, RNDZAPENTCNT, 0));
	SHOW(ioctl(fd, RNDCLEARPOOL, 0));
	SHOW(ioctl(fd, 0x5207, 0));
	SHOW(ioctl(fd, 0x52aa, 0));
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long node = 1;
	SHOW(syscall(SYS_mbind, page, PAGE, MPOL_BIND, &node, 8, MPOL_MF_MOVE_ALL));
	SHOW(syscall(SYS_mbind, page, PAGE, MPOL_BIND, &node, 8, MPOL_MF_MOVE));
	SHOW(syscall(SYS_mbind, page, PAGE, MPOL_BIND, &node, 8, 8));
	SHOW(syscall(SYS_mbind, page + 1, PAGE, MPOL_BIND, &node, 8, 0));
	return 0;
}
