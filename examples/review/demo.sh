#!/bin/sh
# A review from end to end, in a repository that this script makes: sh examples/review/demo.sh [FOLDER]
#
# main holds two runs within the budget of their team. A branch plans a third one that is over it: the check ends 1
# and names the run, the margin, the policy and the mend. A waiver makes it end 0, and its expiry ends it 1 again.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
green=$(cd "$here/../.." && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work" && cd "$work"

say() { printf '\n== %s\n' "$*"; }
expect() { # CODE COMMAND...: run a command and insist on its exit code
    wanted=$1 && shift
    printf '$ %s\n' "$*"
    got=0 && "$@" || got=$?
    [ "$got" = "$wanted" ] || { echo "demo: it ended $got, not $wanted" >&2; exit 70; }
    printf '(ended %s)\n' "$got"
}
commit() { git add -A && git -c user.name=demo -c user.email=demo@example.org commit -q -m "$1"; }

say "main: two runs within the budget of their team, and the history of them in the store"
git init -q && git symbolic-ref HEAD refs/heads/main
cp -R "$here/main/." . && mv gitignore .gitignore && commit "Runs, and what they may emit"
snakemake --snakefile "$green/Snakefile" --directory . --quiet all
expect 0 green check --as-of 2026-11-10

say "a branch plans a third run"
git checkout -q -b plan
cp -R "$here/branch/." . && commit "Plan translate-09"
expect 1 green check --against main --as-of 2026-11-10 --write markdown=comment.md
cat comment.md

say "a waiver, in a file that CODEOWNERS can guard"
cp -R "$here/waiver/." . && commit "Waive the budget of search until the middle of December"
expect 0 green check --against main --as-of 2026-11-10 --write markdown=comment.md
grep -i waived comment.md

say "the same a day after it expired"
expect 1 green check --against main --as-of 2026-12-17

say "done: $work"
