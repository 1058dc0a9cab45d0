#!/usr/bin/env bash
# Weir beside other proxies, in one run of the load tool of the shared folder (WEIR_SHARED, by default ../shared beside the
# checkout). Prints its table; with RECORD=1 also writes it, dated, into benches/record/.
#   benches/load/run.sh [PEERS [SCENARIOS]]
# Needs root (network namespaces) and the peers: apt-get install --no-install-recommends nginx-light squid-openssl iproute2 procps
# WEIR names the binary; without it a release build is made. SECS, RUNS and the other variables are the load tool's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
shared=${WEIR_SHARED:-$top/../shared}
peers=${1:-ours,squid,hudsucker,relay-splice}
scenarios=${2:-plain,plainnew,connect,tunnel,tbulk,bulk,idle,list}
[ -x "$shared/bench/run.sh" ] || { echo "the load tool is not at $shared/bench (set WEIR_SHARED)" >&2; exit 2; }
if [ -z "${WEIR:-}" ]; then
  (cd "$top" && cargo build --release --package weir-proxy)
  WEIR=${CARGO_TARGET_DIR:-$top/target}/release/weir
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The real collection rather than made-up names: each name once, none below another, as the load tool's own record has it.
case ",$scenarios," in
  *,list,*)
    if [ -z "${LIST:-}" ] && [ -r "$shared/lists/ut1/ut1.tar.zst" ]; then
      tool=${CARGO_TARGET_DIR:-/tmp/bench-target}
      (cd "$shared/bench/loadgen" && CARGO_TARGET_DIR=$tool cargo build --release --quiet)
      zstd -dc "$shared/lists/ut1/ut1.tar.zst" | tar -xO --wildcards 'blacklists/*/domains' \
        | "$tool/release/pbench" prune > "$scratch/ut1"
      export LIST=$scratch/ut1
    fi ;;
esac

# The line starts to count when the load tool takes "#LIST#" away, in its scenario of that name.
{ cat "$here/weir.toml"; echo "#LIST## LIST @LIST@"; } > "$scratch/weir.toml"
export OURS_CONF=$scratch/weir.toml
export OURS_CMD="$here/serve.sh $WEIR {conf}"
"$shared/bench/run.sh" "$peers" "$scenarios" > "$scratch/table"
cat "$scratch/table"
[ "${RECORD:-}" = 1 ] || exit 0

version() { dpkg-query -W -f='${Package} ${Version}' "$1" 2>/dev/null || true; }
{
  echo "# $(date -u +%F) Weir $(git -C "$top" describe --always --dirty), $("$WEIR" --version)"
  echo "# $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), $(. /etc/os-release && echo "$PRETTY_NAME")"
  echo "# $(version squid-openssl); $(version nginx-light)"
  cat "$scratch/table"
} > "$top/benches/record/$(date -u +%F)-load.tsv"
