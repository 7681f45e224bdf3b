echo "hostler:system $(uname -s) $(uname -m)"
agent=$(enrolled)
if [ -n "$agent" ]; then echo "hostler:agent $agent"; fi
if [ -e "$pushed" ]; then
    echo "hostler:pushed $(installed)"
elif [ -e /usr/bin/hostler-agent ] && [ "$way" = systemd ]; then
    echo "hostler:package"
fi
