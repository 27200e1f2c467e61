# A repository's life: commits, branches, merge, rebase, worktree, clone, push, garbage collection.
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
git init --quiet --initial-branch main repository && cd repository
seq 1000 >numbers && mkdir folder && echo text >folder/file && git add . && git commit --quiet --message first
git switch --quiet --create side && sed -i s/500/five/ numbers && git commit --quiet --all --message side
git switch --quiet main && echo more >>folder/file && git commit --quiet --all --message main
git merge --quiet --no-edit side && git log --oneline | wc -l | grep -qx 4
git switch --quiet --create late HEAD~1 && echo z >z && git add z && git commit --quiet --message late && git rebase --quiet main
git worktree add --quiet ../tree main && git stash --quiet || true
git init --quiet --bare ../bare.git && git push --quiet ../bare.git main late && git gc --quiet && git fsck --no-progress
git clone --quiet "file://$PWD/../bare.git" ../clone --branch late && test -e ../clone/z
git archive main | tar --list | grep -qx numbers
