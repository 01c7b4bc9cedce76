# dpkg builds two packages; apt-get installs them from a local repository, upgrades, and removes them again.
# timeout: 90
make_package() {
  mkdir -p "p/DEBIAN" "p/usr/share/suite-$1"
  printf 'Package: suite-%s\nVersion: %s\nArchitecture: all\nMaintainer: A <a@b>\nDescription: test\n%s' "$1" "$2" "$3" >p/DEBIAN/control
  printf '#!/bin/sh\necho "postinst $1 of suite-%s"\n' "$1" >p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst
  echo "$1 $2" >"p/usr/share/suite-$1/file"
  dpkg-deb --root-owner-group -b p "repo/suite-$1_$2_all.deb" >/dev/null && rm -r p
}
mkdir repo
make_package base 1.0 ''
make_package top 1.0 'Depends: suite-base (>= 1.0)
'
index() { (cd repo && apt-ftparchive packages . >Packages && apt-ftparchive release . >Release); }
index
chmod -R a+rX "$PWD"
echo "deb [trusted=yes] file:$PWD/repo ./" >list
mkdir -p lists/partial cache/archives/partial
apt="apt-get -q -y -oDir::Etc::sourcelist=$PWD/list -oDir::Etc::sourceparts=/dev/null -oDir::State::lists=$PWD/lists -oDir::Cache=$PWD/cache -oAPT::Sandbox::User=root"
$apt update 2>&1 | grep -c '^Get'
$apt install suite-top 2>&1 | grep -a '^Setting up\|postinst'
dpkg-query -W 'suite-*'
cat /usr/share/suite-*/file
make_package base 1.1 ''; index
$apt update >/dev/null 2>&1
$apt --only-upgrade install suite-base 2>&1 | grep -a '^Setting up\|postinst'
dpkg -L suite-base | tail -1; dpkg -V suite-base; dpkg --audit
$apt purge suite-base 2>&1 | grep -a '^Removing' | sort
dpkg-query -W 'suite-*' 2>&1 | wc -l
ls -d /usr/share/suite-* 2>&1 | wc -l
