IFS= read -r port
IFS= read -r server
IFS= read -r name
IFS= read -r token
if [ -z "$server" ]; then
    server=${1%% *}
    [ -n "$server" ] || fail enrol 'it is not known from which address this server came'
    case "$server" in
        *:*) server="[$server]:$port" ;;
        *) server="$server:$port" ;;
    esac
fi
# The answer to an enrolment may have been lost.
if [ -e "$state/identity/agent.json" ]; then exit 0; fi
set -- enrol --server "$server" --token-file -
[ -z "$name" ] || set -- "$@" --name "$name"
words=$(printf '%s\n' "$token" | "$program" "$@" 2>&1 9>&-) || fail enrol "$words"
