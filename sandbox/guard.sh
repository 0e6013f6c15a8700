# Arguments: signal, folder to remove (may be empty), pids. See guard.ts.
signal=$1
folder=$2
shift 2

# Ends with a line when the owner lets go, and with end-of-file when the owner is gone.
if read -r _; then exit 0; fi

is_running() {
  kill -0 "$1" || return 1
  # A process nobody has reaped yet is over, but still has its pid.
  case $(ps -o stat= -p "$1") in Z*) return 1 ;; esac
}

for pid; do kill -s "$signal" "$pid"; done
tries=0
for pid; do
  while is_running "$pid"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then
      kill -s KILL "$pid"
      break
    fi
    sleep 0.1
  done
done
if [ -n "$folder" ]; then rm -rf -- "$folder"; fi
