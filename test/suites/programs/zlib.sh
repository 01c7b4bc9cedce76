# Builds zlib from its Debian source and runs `make test`.
# source: zlib
# timeout: 90
cp -r "$1" src && cd src || exit 98
./configure >configure.log 2>&1; echo "configure $?"
make -j2 -s >make.log 2>&1; echo "make $?"
make -s test 2>&1 | grep -v 'tmp'; echo "test ${PIPESTATUS[0]}"
./minigzip <zlib.h | ./minigzip -d | cmp - zlib.h && echo same
