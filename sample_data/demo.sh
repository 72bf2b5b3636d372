#!/usr/bin/env bash
# The whole loop on the zoo, in a new folder: `make demo`. docs/tutorial.md explains each step.
set -euo pipefail
zoo=$(cd "$(dirname "$0")" && pwd)
place=${1:?the folder to work in}
rm -rf "$place"
mkdir -p "$place"
cd "$place"
ln -s "$zoo" zoo

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
step curate check

printf '\nThe queues and their contact sheets are in %s. Fill in the column label of low-count.csv,\n' "$place"
printf 'then, there: curate label import low-count.csv && curate split\n'
