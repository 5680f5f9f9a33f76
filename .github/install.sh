#!/usr/bin/env bash
# Finds, downloads or builds rolloutgate for the action, and says where it is in the output "path". It runs nothing that it
# has not checked: a download whose SHA-256 is unknown or another one ends the step.
#
# Reads BINARY, VERSION, INSTALL_MODE, INSTALL_ONLY, DOWNLOAD_URL and ACTION_PATH, which are inputs of the action, and the
# runner's RUNNER_OS, RUNNER_ARCH, RUNNER_TEMP, RUNNER_TOOL_CACHE, GITHUB_OUTPUT and GITHUB_PATH.
set -euo pipefail

fail() {
	echo "::error title=rolloutgate::$1"
	exit 2
}

# platform prints OS_ARCH as the archives are named.
platform() {
	local os arch
	case ${RUNNER_OS:-$(uname -s)} in
	Linux) os=linux ;;
	macOS | Darwin) os=darwin ;;
	Windows | MINGW* | MSYS*) os=windows ;;
	*) return 1 ;;
	esac
	case ${RUNNER_ARCH:-$(uname -m)} in
	X64 | x86_64 | amd64) arch=amd64 ;;
	ARM64 | aarch64 | arm64) arch=arm64 ;;
	*) return 1 ;;
	esac
	echo "${os}_$arch"
}

# sum prints the SHA-256 of a file. It reads standard input, because the names of files on Windows change the output.
sum() {
	local line
	if command -v sha256sum >/dev/null; then line=$(sha256sum <"$1"); else line=$(shasum -a 256 <"$1"); fi
	echo "${line%% *}"
}

# sum_of prints what a list of checksums says of a file, and nothing when it is not there or there twice.
sum_of() {
	awk -v name="$2" '($2 == name || $2 == "*" name) && $1 ~ /^[0-9a-f]+$/ && length($1) == 64 { found = $1; n++ } END { if (n == 1) print found }' "$1"
}

# fetch downloads a URL into a file. curl repeats what a server refuses for a while; a connection that breaks off begins
# anew, and what arrives in part is never kept.
fetch() {
	local attempt code protocols='=https'
	case $1 in
	http://127.0.0.1[:/]* | http://localhost[:/]*) protocols='=http,https' ;;
	esac
	for attempt in 1 2 3; do
		code=0
		curl --proto "$protocols" --fail --silent --show-error --location --retry 4 --retry-connrefused --retry-max-time 120 \
			--connect-timeout 20 --max-time 600 --output "$2.part" "$1" || code=$?
		case $code in
		0)
			mv -f "$2.part" "$2"
			return
			;;
		18 | 52 | 55 | 56 | 92) echo "attempt $attempt to fetch $1 broke off" >&2 ;;
		*) break ;;
		esac
	done
	rm -f "$2.part"
	return 1
}

# version is the one of the input, or else the one whose checksums came with this action.
version() {
	if [ -n "$VERSION" ]; then
		echo "${VERSION#v}"
	else
		awk '$2 ~ /^rolloutgate_.*_linux_amd64\.tar\.gz$/ { sub(/^rolloutgate_/, "", $2); sub(/_linux_amd64\.tar\.gz$/, "", $2); print $2; exit }' "$pinned"
	fi
}

download() {
	local version=$1 platform archive folder want program=rolloutgate list=$pinned
	[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "the input version is not one such as v1.2.3: it is never looked up which one is the latest"
	platform=$(platform) || fail "there is no download for ${RUNNER_OS:-$(uname -s)} on ${RUNNER_ARCH:-$(uname -m)}: give the input binary, or install-mode source with actions/setup-go before it"
	case $platform in windows_*) program=rolloutgate.exe ;; esac
	archive=rolloutgate_${version}_$platform.tar.gz
	folder=${RUNNER_TOOL_CACHE:-$RUNNER_TEMP}/rolloutgate/$version/$platform
	mkdir -p "$folder" "$target"

	want=$(sum_of "$pinned" "$archive")
	if [ -z "$want" ]; then # another release than this action's own
		list=$target/checksums.txt
		fetch "$DOWNLOAD_URL/v$version/checksums.txt" "$list" || fail "the checksums of rolloutgate $version could not be fetched, so it is not installed"
		want=$(sum_of "$list" "$archive")
		[ -n "$want" ] || fail "the checksums of rolloutgate $version do not have $archive, so it is not installed"
	fi
	if [ ! -f "$folder/$archive" ] || [ "$(sum "$folder/$archive")" != "$want" ]; then
		fetch "$DOWNLOAD_URL/v$version/$archive" "$target/$archive" || fail "$archive could not be fetched"
		[ "$(sum "$target/$archive")" = "$want" ] || fail "$archive is not the file that its checksum is of, so it is not installed"
		mv -f "$target/$archive" "$folder/$archive"
	fi
	(cd "$target" && tar -xzf - "$program") <"$folder/$archive"
	path=$target/$program
}

build() {
	[ -z "$VERSION" ] || fail "the input version does not go with install-mode source, which builds the version of the action itself"
	command -v go >/dev/null || fail "there is no Go to build with: run actions/setup-go first, or give the input version or binary"
	path=$target/rolloutgate
	case ${RUNNER_OS:-} in Windows) path=$path.exe ;; esac
	CGO_ENABLED=0 GOWORK=off go build -C "$ACTION_PATH" -trimpath -gcflags=all=-l -gcflags=std= -ldflags '-s -w' -o "$path" ./cmd/rolloutgate
}

find_binary() {
	path=$(command -v -- "${BINARY:-rolloutgate}") || fail "the input binary names no program"
}

pinned=$ACTION_PATH/.github/checksums.txt
target=$RUNNER_TEMP/rolloutgate-bin
DOWNLOAD_URL=${DOWNLOAD_URL:-https://github.com/rolloutgate/rolloutgate/releases/download}
DOWNLOAD_URL=${DOWNLOAD_URL%/}
case $INSTALL_ONLY in
true | True | TRUE | false | False | FALSE | '') ;;
*) fail "the input install-only is neither true nor false" ;;
esac

path=
case ${INSTALL_MODE:-auto} in
auto)
	chosen=$(version)
	if [ -n "$BINARY" ]; then find_binary; elif [ -n "$chosen" ]; then download "$chosen"; else build; fi
	;;
binary) find_binary ;;
download)
	chosen=$(version)
	[ -n "$chosen" ] || fail "this commit of the action belongs to no release: give the input version"
	download "$chosen"
	;;
source) build ;;
*) fail "the input install-mode is none of auto, binary, download and source" ;;
esac

case $INSTALL_ONLY in
true | True | TRUE)
	name=${path##*[/\\]}
	if [ "$name" != rolloutgate ] && [ "$name" != rolloutgate.exe ]; then # later steps call it by its name
		mkdir -p "$target"
		cp "$path" "$target/rolloutgate"
		path=$target/rolloutgate
	fi
	folder=$(cd "${path%[/\\]*}" && { pwd -W 2>/dev/null || pwd; }) # -W: as Windows names it
	case $folder in *$'\n'*) fail "the folder of rolloutgate has a line break in its name" ;; esac
	printf '%s\n' "$folder" >>"$GITHUB_PATH"
	;;
esac
case $path in *$'\n'*) fail "the path of rolloutgate has a line break in it" ;; esac
printf 'path=%s\n' "$path" >>"$GITHUB_OUTPUT"
