# git: init, add, commit, log, branches, merge, gc, clone of a local repository.
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE="1700000000 +0000" GIT_COMMITTER_DATE="1700000000 +0000"
git config --global user.name Tester; git config --global user.email t@example.org; git config --global init.defaultBranch main; git config --global advice.detachedHead false
git init -q repo && cd repo
for i in $(seq 300); do mkdir -p d$((i % 10)); echo "content $i" >d$((i % 10))/f$i; done
git add . && git commit -q -m first && git log --format='%H %s' && git status --short | wc -l
git checkout -q -b topic; echo more >>d1/f1; git commit -qam second; git checkout -q main; echo other >>d2/f2; git commit -qam third
git merge -q -m merged topic && git log --format='%h %s' --graph | cat; git diff HEAD~1 --stat | cat
git ls-files | wc -l; git grep -c 'content 1' | wc -l; git blame -s d1/f1 | cut -c1-8,9-40; git show HEAD:d2/f2
git tag -a v1 -m v1; git gc -q; git fsck 2>&1 | tail -1; git count-objects -v | grep in-pack
cd ..; git clone -q repo clone && cd clone && git log --oneline | wc -l && ls | wc -l; git rev-parse HEAD
git clone -q --no-local ../repo ../clone2 && git -C ../clone2 rev-parse HEAD; git clone -q --bare ../repo ../bare.git
echo pushed >new; git add new; git commit -q -m new; git push -q ../bare.git HEAD:refs/heads/pushed && git -C ../bare.git log --oneline pushed | head -1
git stash list | wc -l; echo dirty >>new; git stash -q; cat new; git stash pop -q; cat new; git rebase -q HEAD~1 2>&1 | head -1; git archive HEAD | tar t | wc -l; git bisect start -q 2>/dev/null; git worktree add -q ../wt HEAD~1 && ls ../wt | wc -l
