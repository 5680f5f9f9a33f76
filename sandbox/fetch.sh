#!/bin/sh
# Fetches the sandbox with its components instead of building them: sandbox/fetch.sh URL-OR-PATH SHA256 FOLDER
# Nothing of an archive with another checksum is unpacked.
set -eu
from=$1 want=$2 to=$3

case $want in
"" | *[!0-9a-f]*) echo "SANDBOX_SHA256 has to be the checksum of $from, 64 hexadecimal digits: see the file .sha256 beside it" >&2; exit 2 ;;
esac
mkdir -p "$to"
if [ -f "$to/.sandbox-archive" ] && [ "$(cat "$to/.sandbox-archive")" = "$want" ] && [ -x "$to/sandbox" ]; then
	exit 0 # it is here already
fi
archive=$(mktemp)
trap 'rm -f "$archive"' EXIT
case $from in
*://*) curl --fail --silent --show-error --location --retry 3 --output "$archive" "$from" ;;
*) cp "$from" "$archive" ;;
esac
got=$(sha256sum "$archive" 2>/dev/null || shasum -a 256 "$archive")
got=${got%% *}
if [ "$got" != "$want" ]; then
	echo "$from has the checksum $got, not $want: nothing of it is used" >&2
	exit 1
fi
rm -f "$to/.sandbox-archive"
tar -xzf "$archive" -C "$to"
echo "$want" >"$to/.sandbox-archive"
echo "the sandbox of $from is in $to"
