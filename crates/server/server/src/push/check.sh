echo "hostler:system $(uname -s) $(uname -m)"
if [ -e "$state/identity/agent.json" ]; then
    id=$(sed -n 's/.*"agent" *: *"\([0-9a-f-]*\)".*/\1/p' "$state/identity/agent.json" | head -n 1)
    echo "hostler:agent ${id:-unknown}"
fi
if [ -e "$pushed" ]; then
    echo "hostler:pushed $(head -n 1 "$pushed")"
elif [ -e /usr/bin/hostler-agent ] && [ "$way" = systemd ]; then
    echo "hostler:package"
fi
