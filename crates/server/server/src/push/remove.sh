IFS= read -r mark
printf '%s\n' "$mark" >>"$removed"
if [ ! -e "$pushed" ]; then exit 0; fi
if [ "$(head -n 1 "$pushed")" != "$mark" ]; then
    echo 'hostler:stays an agent that another job installed'
    exit 0
fi
remove
