# git with a history of 1,000 commits: log, blame, bisect, merge, rebase, gc, fsck, clone, fetch.
# timeout: 180
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_NOSYSTEM=1 HOME=$PWD
git init -q -b main r && cd r || exit 98
git config gc.auto 0
for i in $(seq 1000); do
  echo "line $i" >>"file$((i % 10))"
  git add -A
  GIT_AUTHOR_DATE="@$((1600000000 + i)) +0000" GIT_COMMITTER_DATE="@$((1600000000 + i)) +0000" git commit -q -m "commit $i"
done
git rev-list --count HEAD; git rev-parse HEAD
git log --oneline -3; git log --stat -2 | tail -5
git blame file3 | cut -d' ' -f1 | sort -u | wc -l
git bisect start -q HEAD HEAD~900 >/dev/null && git bisect run sh -c '! grep -q "line 500$" file0' | grep -c 'first bad commit'; git bisect reset -q 2>/dev/null
export GIT_COMMITTER_DATE="@1700000000 +0000" GIT_AUTHOR_DATE="@1700000000 +0000"
git checkout -q -b side HEAD~20 && echo side >side && git add side && git commit -q -m side
git rebase -q main && git log --oneline | wc -l
git checkout -q main && git merge -q --no-ff -m merged side && git rev-parse HEAD
git gc -q && git count-objects -v | grep -E '^(count|in-pack|packs)'
git fsck --full 2>&1 | tail -1
cd .. && git clone -q --no-local r c && git -C c log --oneline | wc -l
echo more >>r/file1 && git -C r commit -q -a -m more && git -C c fetch -q && git -C c status -sb | head -1
git -C c grep -c 'line 99' | sort | head -3
git -C r archive HEAD | tar t | wc -l
