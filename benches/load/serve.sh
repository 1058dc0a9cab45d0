#!/usr/bin/env bash
# Started by the load tool in Weir's place: lays out what one run needs beside the filled-in configuration, then becomes Weir.
#   serve.sh WEIR CONF   (a line "# LIST FILE" in CONF names a file of names, one a line)
set -eu
weir=$1 conf=$2
list=$(sed -n 's/^# LIST //p' "$conf")
here=$(cd "$(dirname "$0")" && pwd)
run=$(dirname "$conf")
rm -rf "$run/weir-state" "$run/weir-lists"
mkdir -p "$run/weir-state" "$run/weir-lists/listed"
cp -r "$here/../../categories/lists/." "$run/weir-lists/"
cp "$here/policy.toml" "$run/weir-policy.toml"
if [ -n "$list" ]; then
  ln -s "$list" "$run/weir-lists/listed/domains"
else
  echo "listed.example" > "$run/weir-lists/listed/domains"
fi
exec "$weir" --config "$conf" run
