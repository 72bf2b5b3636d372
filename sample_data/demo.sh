#!/usr/bin/env bash
# The whole loop on the zoo, in a new folder: `make demo`. docs/tutorial.md explains each step.
set -euo pipefail
zoo=$(cd "$(dirname "$0")" && pwd)
place=${1:?the folder to work in}
rm -rf "$place"
mkdir -p "$place/zoo"
cd "$place"
# A copy, as cleanup moves files.
cp -r "$zoo"/{library,pool,staged,synthetic,truth.csv} zoo/

bold='' plain=''
if [ -t 1 ]; then
    bold=$'\033[1m' plain=$'\033[0m'
fi

step() {
    printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@"
}

step curate scan zoo/library --labels folder
step curate scan zoo/staged --labels folder --origin staged
step curate scan zoo/synthetic --labels folder --origin synthetic
step curate scan zoo/pool
step curate status
step curate duplicates --csv duplicates.csv --sheet duplicates.jpg
step curate split --benchmark 0.05 --seed 7 --csv splits.csv
step curate train --throw-away --min-count 35 --arch resnet10t --size 64 --epochs 20 --seed 7 -o throw-away.pt
step curate bulk-id --model throw-away.pt zoo/pool --csv predictions.csv
step curate queue low-count --csv low-count.csv --sheet low-count.jpg
step curate queue look-alike --csv look-alike.csv --sheet look-alike.jpg
step curate queue low-score --limit 100 --csv low-score.csv --sheet low-score.jpg
# A person would fill in the column `label`; here it is the zoo's truth that answers.
step python "$zoo/answer.py" low-count.csv low-score.csv
step curate label import low-count.csv
step curate label import low-score.csv
step curate split --benchmark 0.05 --seed 7 --csv splits-2.csv
step curate cleanup approve --by me
step curate cleanup plan --yes -o plan.json --sheet cleanup.jpg
step curate cleanup apply plan.json
step curate cleanup log
step curate check

printf '\nThe queues, what would be cleaned up and the contact sheets of all are in %s.\n' "$place"
