set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
folder=/usr/local/lib/hostler
program=$folder/hostler-agent
pushed=$folder/pushed
unit=/etc/systemd/system/hostler-agent.service
service=/etc/hostler/agent-service
state=/var/lib/hostler-agent
# The jobs whose installations were removed, a mark each: gone when the computer restarts, as is all that they began.
removed=/run/hostler-agent-push.removed
fail() {
    printf 'hostler:fail %s %s\n' "$1" "$(printf %s "$2" | tr -s '\n\r\t' '   ' | cut -c 1-600)"
    exit 3
}
# What sudo did not read comes first.
begun=
while IFS= read -r line; do
    if [ "$line" = hostler:begin ]; then begun=yes; break; fi
done
[ -n "$begun" ] || fail broken 'the connection broke before anything was begun'
echo hostler:begun
[ "$(id -u)" = 0 ] || fail sudo 'what sudo runs does not run as root'
for tool in flock sha256sum stat head cut tr sed grep mktemp; do
    command -v "$tool" >/dev/null || fail tools "the program $tool is missing"
done
# What was begun before, and cut off, ends first.
exec 9>/run/hostler-agent-push.lock
flock -w 60 9 || fail busy 'something that an earlier try began there does not end'
if [ -e "$service" ]; then
    case "$(stat -L -c '%u %A' "$service")" in
        '0 -rwx'?[!w]??[!w]?) way=own ;;
        *) fail service "$service is not root's alone, or cannot be run: see hosts-and-agents" ;;
    esac
elif [ -d /run/systemd/system ]; then
    way=systemd
else
    fail service "systemd does not run there, and there is no $service that starts and stops the agent"
fi
serve() {
    said=$(mktemp)
    done=yes
    case "$way $1" in
        'systemd start') systemctl enable --now hostler-agent.service </dev/null >"$said" 2>&1 9>&- || done= ;;
        'systemd stop') systemctl disable --now hostler-agent.service </dev/null >"$said" 2>&1 9>&- || done= ;;
        *) "$service" "$1" </dev/null >"$said" 2>&1 9>&- || done= ;;
    esac
    words=$(tail -c 600 "$said")
    rm -f "$said"
    [ -n "$done" ]
}
# Which job installed an agent there, and which agent is enrolled: nothing where there is none.
installed() {
    if [ -e "$pushed" ]; then head -n 1 "$pushed"; fi
}
enrolled() {
    if [ ! -e "$state/identity/agent.json" ]; then return; fi
    id=$(sed -n 's/.*"agent" *: *"\([0-9a-f-]*\)".*/\1/p' "$state/identity/agent.json" | head -n 1)
    echo "${id:-unknown}"
}
remove() {
    # What does not run need not stop: whether it has, the next line finds out.
    serve stop || true
    if [ -x "$program" ]; then
        words=$("$program" leave 2>&1 9>&-) || fail remove "$words"
    fi
    if [ -e "$folder/agent.toml" ]; then
        mkdir -p "$state"
        mv -f "$folder/agent.toml" "$state/agent.toml"
    fi
    if [ "$way" = systemd ]; then
        rm -f "$unit"
        systemctl daemon-reload 9>&-
    fi
    rm -f "$program" "$program.part" "$pushed"
    rmdir "$folder" 2>/dev/null || true
}
