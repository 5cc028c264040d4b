#!/bin/sh
# workflow/remote.sh HOST [what make measure takes ...]: measure on another machine, bring the observations back.
#   workflow/remote.sh me@203.0.113.7 PROFILE=real STUDIES=rank
# Sends this folder's sources, sets up there, runs make measure there, copies its observations here and merges them
# (make merge refuses what is here already). What was measured comes back also where some runs failed. After a lost
# connection or a kill, the same command again goes on where it was. It takes ssh and rsync on both sides, and make
# and Python with its venv over there. FOLDER is where it works there; SSH another way to reach it, such as "ssh -p 2222".
set -u
: "${FOLDER:=lglib-book}" "${SSH:=ssh}"
cd "$(dirname "$0")/.." || exit 2
test $# -ge 1 || { sed -n '2,3s/^# *//p' "$0" >&2; exit 2; }
host=$1
shift
case $host$FOLDER in -* | *[!A-Za-z0-9@._:/~-]*) echo "remote: HOST and FOLDER are plain names, got $host $FOLDER" >&2; exit 2 ;; esac

words=
for word; do  # quoted, so that the other shell reads each as one word
	words="$words '$(printf %s "$word" | sed "s/'/'\\\\''/g")'"
done
from=runs/from/$(printf %s "$host" | tr -c 'A-Za-z0-9.\n' '_')
mkdir -p runs/observations "$from"
copy() { rsync --archive --compress --rsh "$SSH" "$@"; }

echo "[remote] sending the sources to $host:$FOLDER" >&2
copy --delete --exclude /.git --exclude '/.venv*' --exclude /runs --exclude /_build --exclude /.snakemake \
	--exclude __pycache__ --exclude '*.egg-info' ./ "$host:$FOLDER/" || exit 2
copy --ignore-existing --exclude '*.partial.json' --rsync-path "mkdir -p '$FOLDER/runs' && rsync" \
	runs/observations "$host:$FOLDER/runs/" || exit 2  # what is here is not measured again

echo "[remote] make measure$words" >&2
$SSH "$host" "cd '$FOLDER' && make measure$words"
status=$?
test $status -eq 0 || echo "[remote] make measure ended with $status; what it has measured is brought here" >&2

copy --exclude '*.partial.json' "$host:$FOLDER/runs/observations/" "$from/" || exit 2
make --no-print-directory merge FROM="$from" || test $status -ne 0 || status=1
exit $status
